"""A producer that keeps numbering: `numbers.py BOOTSTRAP TOPIC PARTITIONS A_SECOND`; acks=all, idempotent. Says each record that
was acknowledged as `MICROSECONDS P PARTITION OFFSET VALUE`, until stdin says stop or ends."""

import sys
import threading
import time

from confluent_kafka import Producer

bootstrap, topic = sys.argv[1:3]
partitions, rate = map(int, sys.argv[3:5])
stopped = threading.Event()


def wait_for_the_end():
    for line in sys.stdin:
        if line.strip() == "stop":
            break
    stopped.set()


def say(kind, *rest):
    print(int(time.time() * 1_000_000), kind, *rest, flush=True)


def delivered(error, message):
    if error:
        say("!", f"not delivered: {error}")
    else:
        say("P", message.partition(), message.offset(), message.value().decode())


threading.Thread(target=wait_for_the_end, daemon=True).start()
producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "reconnect.backoff.max.ms": 500,
                     "delivery.timeout.ms": 300000})
number = 0
while not stopped.is_set():
    producer.produce(topic, str(number).encode(), partition=number % partitions, on_delivery=delivered)
    number += 1
    producer.poll(1 / rate)
left = producer.flush(120)
if left:
    say("!", f"{left} records are without an answer")
say(".")
