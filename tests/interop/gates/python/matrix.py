"""Records between three clients: `matrix.py BOOTSTRAP`; one JSON line per case on stdout."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PyTopicPartition

from cases import ADMIN, BOOTSTRAP, case, check, create
from clients import CLIENTS, CODECS, AioKafka, Confluent, KafkaPython
from records import BASE_TIMESTAMP, Record, difference, sample

# --- every codec of every client, read by every client -----------------------------------------------------------

def written(producer, codec):
    topic = f"matrix-{producer.name}-{codec}"
    create(topic)
    producer.produce(BOOTSTRAP, topic, sample(null_headers=producer.null_headers), codec)


def read(producer, codec, consumer):
    got = consumer.consume(BOOTSTRAP, f"matrix-{producer.name}-{codec}")
    wrong = difference(sample(null_headers=producer.null_headers), got)
    check(wrong is None, wrong)


# --- reading ------------------------------------------------------------------------------------------------------

def offsets_for_times(ask):
    """Exact per record: the first record at or after the time; none after the last."""
    for shift, wanted in [(0, 0), (57, 57), (199, 199), (200, None)]:
        got = ask("matrix-confluent-kafka-none", BASE_TIMESTAMP + shift)
        check(got == wanted, f"time +{shift}: wanted offset {wanted}, got {got}")


def confluent_for_time(topic, time):
    c = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused"})
    (answer,) = c.offsets_for_times([TopicPartition(topic, 0, time)], timeout=30)
    c.close()
    # librdkafka answers the end offset where nothing is found
    return None if answer.offset in (-1, 200) else answer.offset


def kafka_python_for_time(topic, time):
    c = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    answer = c.offsets_for_times({PyTopicPartition(topic, 0): time})[PyTopicPartition(topic, 0)]
    c.close()
    return answer and answer.offset


def aiokafka_for_time(topic, time):
    async def go():
        c = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP)
        await c.start()
        try:
            tp = AioTopicPartition(topic, 0)
            answer = (await c.offsets_for_times({tp: time}))[tp]
            return answer and answer.offset
        finally:
            await c.stop()
    return asyncio.run(go())


def max_timestamp():
    tp = TopicPartition("matrix-confluent-kafka-none", 0)
    (future,) = ADMIN.list_offsets({tp: OffsetSpec.max_timestamp()}).values()
    answer = future.result(30)
    check((answer.offset, answer.timestamp) == (199, BASE_TIMESTAMP + 199), f"got {answer.offset}, {answer.timestamp}")


def from_the_middle(consumer):
    wrong = difference(sample()[123:], consumer.consume(BOOTSTRAP, "matrix-aiokafka-gzip", start=123))
    check(wrong is None, wrong)


def committed_isolation(consumer):
    wrong = difference(sample(), consumer.consume(BOOTSTRAP, "matrix-aiokafka-lz4", isolation="read_committed"))
    check(wrong is None, wrong)


def pause_and_resume():
    create("pause", 2)
    Confluent.produce(BOOTSTRAP, "pause", [Record(None, b"%d" % i) for i in range(10)])
    c = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=None, auto_offset_reset="earliest")
    tp = PyTopicPartition("pause", 0)
    c.assign([tp])
    c.pause(tp)
    check(not c.poll(700), "a paused partition gave records")
    c.resume(tp)
    got = []
    while len(got) < 10:
        batch = c.poll(10000)
        check(batch, "nothing came after resume")
        got += [m.value for ms in batch.values() for m in ms]
    c.close()
    check(got == [b"%d" % i for i in range(10)], f"got {got}")


def out_of_range_resets():
    c = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=None, auto_offset_reset="earliest", consumer_timeout_ms=30000)
    tp = PyTopicPartition("pause", 0)
    c.assign([tp])
    c.seek(tp, 5000)
    check(next(c).offset == 0, "the reset policy did not lead to the first record")
    c.close()


def long_poll_wakes():
    """A waiting fetch returns when records arrive, well before its own limit."""
    create("longpoll")
    c = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "fetch.wait.max.ms": 20000,
                  "fetch.min.bytes": 1, "socket.timeout.ms": 60000})
    c.assign([TopicPartition("longpoll", 0, 0)])
    check(c.poll(0.5) is None, "a record in an empty topic")
    Confluent.produce(BOOTSTRAP, "longpoll", [Record(None, b"now")])
    m = c.poll(10)
    check(m is not None and not m.error() and m.value() == b"now", f"got {m and m.value()}")
    c.close()


def seek_everywhere():
    """kafka-python moves to the beginning, to the end and to an offset; position() says where it is."""
    c = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=None, consumer_timeout_ms=30000)
    tp = PyTopicPartition("matrix-kafka-python-zstd", 0)
    c.assign([tp])
    c.seek_to_end(tp)
    check(c.position(tp) == 200, f"end at {c.position(tp)}")
    c.seek(tp, 42)
    check(next(c).offset == 42, "offset 42 is not what came after seek(42)")
    c.seek_to_beginning(tp)
    check(next(c).offset == 0, "offset 0 is not what came after seek_to_beginning")
    c.close()


def seek_aiokafka():
    async def go():
        c = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=None)
        await c.start()
        try:
            tp = AioTopicPartition("matrix-aiokafka-snappy", 0)
            c.assign([tp])
            await c.seek_to_end(tp)
            check(await c.position(tp) == 200, "end")
            c.seek(tp, 150)
            first = await asyncio.wait_for(c.getone(), 30)
            check(first.offset == 150, f"offset {first.offset} after seek(150)")
            c.pause(tp)
            check(not await c.getmany(timeout_ms=500), "a paused partition gave records")
            c.resume(tp)
            check((await asyncio.wait_for(c.getone(), 30)).offset == 151, "not 151 after resume")
        finally:
            await c.stop()
    asyncio.run(go())


def many_partitions():
    """One consumer reads twenty partitions: nothing is lost, and each partition is in order."""
    create("wide", 20)
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5})
    for i in range(4000):
        producer.produce("wide", value=b"%d" % i, partition=i % 20)
    check(producer.flush(60) == 0, "undelivered records")
    c = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=None, auto_offset_reset="earliest", consumer_timeout_ms=30000)
    c.assign([PyTopicPartition("wide", p) for p in range(20)])
    got = {p: [] for p in range(20)}
    for m in c:
        got[m.partition].append(int(m.value))
        if sum(map(len, got.values())) == 4000:
            break
    c.close()
    for p, values in got.items():
        check(values == list(range(p, 4000, 20)), f"partition {p} starts with {values[:5]}, has {len(values)}")


def small_fetches():
    """Limits far below a batch still make progress: one batch at a time."""
    c = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=None, auto_offset_reset="earliest", consumer_timeout_ms=30000,
                      fetch_max_bytes=1, max_partition_fetch_bytes=1)
    c.assign([PyTopicPartition("matrix-confluent-kafka-lz4", 0)])
    got = 0
    for _ in c:
        got += 1
        if got == 200:
            break
    c.close()
    check(got == 200, f"{got} of 200 records")


# --- writing ------------------------------------------------------------------------------------------------------

def interleaved_idempotent_producers():
    """Three idempotent producers of three libraries on one partition: every record once, each producer's in order."""
    create("shared")
    for part in range(3):
        for client, options in [(Confluent, {"enable.idempotence": True}), (KafkaPython, {"enable_idempotence": True}),
                                (AioKafka, {"enable_idempotence": True})]:
            client.produce(BOOTSTRAP, "shared", [Record(client.name.encode(), b"%d" % (part * 50 + i)) for i in range(50)],
                           **options)
    got = Confluent.consume(BOOTSTRAP, "shared")
    for client in CLIENTS:
        values = [int(r.value) for r in got if r.key == client.name.encode()]
        check(values == list(range(150)), f"{client.name}: {values[:10]}..., {len(values)} records")


def timestamp_bounds():
    """A record from the far future is refused by a topic that bounds it."""
    create("bounded", config={"message.timestamp.after.max.ms": "3600000"})
    tomorrow = int(time.time() * 1000) + 86_400_000
    try:
        Confluent.produce(BOOTSTRAP, "bounded", [Record(None, b"late", [], tomorrow)])
    except RuntimeError as error:
        check("INVALID_TIMESTAMP" in str(error), f"another error: {error}")
    else:
        raise AssertionError("a record of tomorrow was taken")


def auto_create():
    Confluent.produce(BOOTSTRAP, "made-by-producing", [Record(None, b"1")])
    check("made-by-producing" in ADMIN.list_topics(timeout=30).topics, "the topic is not listed")


def idempotent(client, **options):
    topic = f"idempotent-{client.name}"
    create(topic)
    records = [Record(b"k", b"%d" % i, [], BASE_TIMESTAMP + i) for i in range(1000)]
    client.produce(BOOTSTRAP, topic, records, **options)
    wrong = difference(records, Confluent.consume(BOOTSTRAP, topic))
    check(wrong is None, wrong)


def acknowledgements(acks):
    topic = f"acks-{acks}"
    create(topic)
    records = [Record(None, b"%d" % i) for i in range(100)]
    Confluent.produce(BOOTSTRAP, topic, records, acks=str(acks))
    # only acks=all promises that a reader sees them at once
    deadline = time.monotonic() + 30
    got = Confluent.consume(BOOTSTRAP, topic)
    while len(got) < 100 and acks != -1 and time.monotonic() < deadline:
        got = Confluent.consume(BOOTSTRAP, topic)
    check(len(got) == 100, f"{len(got)} records")


def too_large():
    create("small-records", config={"max.message.bytes": "1000"})
    try:
        Confluent.produce(BOOTSTRAP, "small-records", [Record(None, bytes(5000))])
    except RuntimeError as error:
        check("MSG_SIZE_TOO_LARGE" in str(error) or "Message size too large" in str(error), f"another error: {error}")
    else:
        raise AssertionError("5000 bytes went into a topic that takes 1000")


def log_append_time():
    create("append-time", config={"message.timestamp.type": "LogAppendTime"})
    Confluent.produce(BOOTSTRAP, "append-time", [Record(None, b"x", [], 1000)])
    (got,) = KafkaPython.consume(BOOTSTRAP, "append-time")
    check(got.timestamp > BASE_TIMESTAMP, f"timestamp {got.timestamp} is the producer's")


def big_records():
    create("big", config={"max.message.bytes": "4000000"})
    records = [Record(None, bytes([i]) * 2_000_000) for i in range(4)]
    Confluent.produce(BOOTSTRAP, "big", records, **{"message.max.bytes": 4_000_000})
    got = KafkaPython.consume(BOOTSTRAP, "big")
    check([r.value for r in got] == [r.value for r in records], "values differ")


def main():
    for producer in CLIENTS:
        for codec in CODECS:
            case(f"{producer.name} writes {codec}", written, producer, codec)
            for consumer in CLIENTS:
                case(f"{producer.name} {codec} read by {consumer.name}", read, producer, codec, consumer)
    for name, ask in [("confluent-kafka", confluent_for_time), ("kafka-python", kafka_python_for_time),
                      ("aiokafka", aiokafka_for_time)]:
        case(f"offsets for times, {name}", offsets_for_times, ask)
    case("offset of the greatest timestamp", max_timestamp)
    for consumer in CLIENTS:
        case(f"{consumer.name} starts in the middle of a batch", from_the_middle, consumer)
        case(f"{consumer.name} reads committed", committed_isolation, consumer)
    case("pause and resume", pause_and_resume)
    case("kafka-python seeks", seek_everywhere)
    case("aiokafka seeks, pauses and resumes", seek_aiokafka)
    case("twenty partitions by one consumer", many_partitions)
    case("fetch limits below a batch", small_fetches)
    case("an offset out of range leads to the reset policy", out_of_range_resets)
    case("a waiting fetch wakes when records arrive", long_poll_wakes)
    case("producing creates a topic", auto_create)
    case("confluent-kafka idempotent", idempotent, Confluent)
    case("kafka-python idempotent", lambda: idempotent(KafkaPython, enable_idempotence=True))
    case("aiokafka idempotent", lambda: idempotent(AioKafka, enable_idempotence=True))
    case("idempotent producers of three libraries share a partition", interleaved_idempotent_producers)
    case("a timestamp beyond the bound is refused", timestamp_bounds)
    for acks in (0, 1, -1):
        case(f"acks={acks}", acknowledgements, acks)
    case("a record above max.message.bytes is refused", too_large)
    case("LogAppendTime", log_append_time)
    case("records of 2 MB", big_records)


main()
