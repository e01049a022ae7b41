"""confluent-kafka's half of the thread gate: `produce|consume BOOTSTRAP TOPIC`, records as JSON on stdin or stdout."""

import json
import sys

from confluent_kafka import Consumer, Producer, TopicPartition

mode, bootstrap, topic = sys.argv[1:]


def produce():
    lines = json.load(sys.stdin)
    failed = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
    for line in lines:
        producer.produce(topic, line.encode(), partition=0, on_delivery=lambda e, m: failed.append(str(e)) if e else None)
    left = producer.flush(60)
    if left or failed:
        sys.exit(f"{left} records undelivered, errors: {failed[:3]}")
    print(json.dumps(len(lines)))


def consume():
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
                         "check.crcs": True})
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
    consumer.assign([TopicPartition(topic, 0, low)])
    values = []
    while len(values) < high - low:
        message = consumer.poll(30)
        if message is None or message.error():
            sys.exit(f"after {len(values)} of {high - low}: {message and message.error()}")
        values.append(message.value().decode())
    consumer.close()
    print(json.dumps(values))


{"produce": produce, "consume": consume}[mode]()
