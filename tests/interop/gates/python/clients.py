"""One face for three client libraries: produce(records), consume(), on partition 0 of a topic."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PyTopicPartition

from records import Record

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


class Confluent:
    name = "confluent-kafka"
    null_headers = True

    @staticmethod
    def produce(bootstrap, topic, records, codec="none", **options):
        errors = []
        settings = {"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 20, "acks": "all", **options}
        producer = Producer(settings)
        for r in records:
            producer.produce(topic, key=r.key, value=r.value, headers=r.headers, timestamp=r.timestamp, partition=0,
                             on_delivery=lambda e, m: errors.append(str(e)) if e else None)
        left = producer.flush(60)
        if left or errors:
            raise RuntimeError(f"{left} undelivered, errors {errors[:3]}")

    @staticmethod
    def consume(bootstrap, topic, isolation="read_uncommitted", start=None):
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
                             "check.crcs": True, "isolation.level": isolation})
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
        begin = low if start is None else start
        consumer.assign([TopicPartition(topic, 0, begin)])
        records = []
        while len(records) < high - begin:
            m = consumer.poll(30)
            if m is None or m.error():
                raise RuntimeError(f"after {len(records)} of {high - begin}: {m and m.error()}")
            records.append(Record(m.key(), m.value(), m.headers() or [], m.timestamp()[1]))
        consumer.close()
        return records


class KafkaPython:
    name = "kafka-python"
    null_headers = False  # its producer refuses a header without a value

    @staticmethod
    def produce(bootstrap, topic, records, codec="none", **options):
        producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec,
                                 linger_ms=20, acks="all", **options)
        futures = [producer.send(topic, value=r.value, key=r.key, headers=r.headers, partition=0, timestamp_ms=r.timestamp)
                   for r in records]
        producer.flush(60)
        for f in futures:
            f.get(30)
        producer.close()

    @staticmethod
    def consume(bootstrap, topic, isolation="read_uncommitted", start=None):
        consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False,
                                 isolation_level=isolation, check_crcs=True, consumer_timeout_ms=30000)
        tp = PyTopicPartition(topic, 0)
        consumer.assign([tp])
        begin = consumer.beginning_offsets([tp])[tp] if start is None else start
        end = consumer.end_offsets([tp])[tp]
        consumer.seek(tp, begin)
        records = []
        if begin < end:
            for m in consumer:
                records.append(Record(m.key, m.value, list(m.headers), m.timestamp))
                if len(records) == end - begin:
                    break
        consumer.close()
        return records


class AioKafka:
    name = "aiokafka"
    null_headers = True

    @staticmethod
    def produce(bootstrap, topic, records, codec="none", **options):
        async def go():
            producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec,
                                        linger_ms=20, acks="all", **options)
            await producer.start()
            try:
                waits = [await producer.send(topic, value=r.value, key=r.key, headers=r.headers, partition=0,
                                             timestamp_ms=r.timestamp) for r in records]
                await asyncio.gather(*waits)
            finally:
                await producer.stop()
        asyncio.run(go())

    @staticmethod
    def consume(bootstrap, topic, isolation="read_uncommitted", start=None):
        async def go():
            consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False,
                                        isolation_level=isolation, check_crcs=True)
            await consumer.start()
            try:
                tp = AioTopicPartition(topic, 0)
                consumer.assign([tp])
                begin = (await consumer.beginning_offsets([tp]))[tp] if start is None else start
                end = (await consumer.end_offsets([tp]))[tp]
                consumer.seek(tp, begin)
                records = []
                while len(records) < end - begin:
                    m = await asyncio.wait_for(consumer.getone(), 30)
                    records.append(Record(m.key, m.value, list(m.headers), m.timestamp))
                return records
            finally:
                await consumer.stop()
        return asyncio.run(go())


CLIENTS = [Confluent, KafkaPython, AioKafka]
