"""Lines `KEY TAB VALUE LF` between stdin or stdout and a topic.

    lines.py CLIENT BOOTSTRAP produce TOPIC CODEC
    lines.py CLIENT BOOTSTRAP consume TOPIC PARTITION COUNT
    lines.py admin BOOTSTRAP create PARTITIONS TOPIC... | delete TOPIC... | counts PARTITIONS TOPIC...

`counts` prints a line per topic: the records of its partitions by their offsets.
"""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PyTopicPartition

# A broker that is killed and comes back may take this long on a busy machine.
PATIENCE_SECONDS = 300


def records():
    for line in sys.stdin.buffer:
        key, _, value = line.rstrip(b"\n").partition(b"\t")
        yield key, value


def confluent_produce(bootstrap, topic, codec):
    failed = []
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "enable.idempotence": True,
                         "linger.ms": 20, "message.timeout.ms": PATIENCE_SECONDS * 1000})

    def delivered(error, _message):
        if error:
            failed.append(str(error))

    for key, value in records():
        while True:
            try:
                producer.produce(topic, key=key, value=value, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.5)
        producer.poll(0)
    left = producer.flush(PATIENCE_SECONDS)
    if left or failed:
        sys.exit(f"{left} records undelivered, {len(failed)} failed: {failed[:3]}")


def kafka_python_produce(bootstrap, topic, codec):
    failed = []
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec,
                             enable_idempotence=True, acks="all", linger_ms=20, batch_size=131072,
                             max_block_ms=PATIENCE_SECONDS * 1000, delivery_timeout_ms=PATIENCE_SECONDS * 1000)
    for key, value in records():
        producer.send(topic, key=key, value=value).add_errback(lambda error: failed.append(str(error)))
    producer.flush(PATIENCE_SECONDS)
    producer.close()
    if failed:
        sys.exit(f"{len(failed)} failed: {failed[:3]}")


def confluent_consume(bootstrap, topic, partition, count):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
                         "check.crcs": True, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, int(partition), 0)])
    left = int(count)
    while left > 0:
        messages = consumer.consume(min(left, 10000), 30)
        if not messages:
            sys.exit(f"{left} of {count} left, and nothing came for 30 s")
        for message in messages:
            if message.error():
                sys.exit(f"{left} of {count} left: {message.error()}")
            sys.stdout.buffer.write(b"%s\t%s\n" % (message.key(), message.value()))
            left -= 1
    consumer.close()


def kafka_python_consume(bootstrap, topic, partition, count):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, check_crcs=True,
                             auto_offset_reset="earliest", consumer_timeout_ms=60000)
    consumer.assign([PyTopicPartition(topic, int(partition))])
    left = int(count)
    if left > 0:
        for message in consumer:
            sys.stdout.buffer.write(b"%s\t%s\n" % (message.key, message.value))
            left -= 1
            if left == 0:
                break
    consumer.close()


def admin(bootstrap, action, *arguments):
    client = AdminClient({"bootstrap.servers": bootstrap})
    if action == "create":
        partitions, *topics = arguments
        for future in client.create_topics([NewTopic(t, int(partitions), 1) for t in topics]).values():
            future.result(60)
    elif action == "delete":
        for future in client.delete_topics(list(arguments)).values():
            future.result(60)
    else:
        partitions, *topics = arguments
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused"})
        for topic in topics:
            marks = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=60) for p in range(int(partitions))]
            print(*(high - low for low, high in marks))
        consumer.close()


def main():
    client, bootstrap, action, *arguments = sys.argv[1:]
    if client == "admin":
        admin(bootstrap, action, *arguments)
    else:
        {("confluent-kafka", "produce"): confluent_produce, ("confluent-kafka", "consume"): confluent_consume,
         ("kafka-python", "produce"): kafka_python_produce, ("kafka-python", "consume"): kafka_python_consume,
         }[client, action](bootstrap, *arguments)


main()
