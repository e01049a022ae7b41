"""The scenario matrix: `matrix.py BOOTSTRAP`; one JSON line per case on stdout."""

import asyncio
import json
import sys
import time
import traceback

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic as AioNewTopic
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec)
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PyTopicPartition
from kafka.admin import KafkaAdminClient, NewTopic as PyNewTopic

from clients import CLIENTS, CODECS, AioKafka, Confluent, KafkaPython
from records import BASE_TIMESTAMP, Record, difference, sample

BOOTSTRAP = sys.argv[1]
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})


def case(name, function, *arguments):
    try:
        detail = function(*arguments) or ""
        ok = True
    except Exception as error:  # noqa: BLE001 - the boundary of a case
        where = traceback.extract_tb(error.__traceback__)[-1]
        ok, detail = False, f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})"[:1200]
    print(json.dumps({"case": name, "ok": ok, "detail": detail}), flush=True)


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def create(topic, partitions=1, config=None):
    for future in ADMIN.create_topics([NewTopic(topic, partitions, 1, config=config or {})]).values():
        future.result(30)


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
    early = c.poll(0.5)
    check(early is None or early.error(), "a record in an empty topic")
    Confluent.produce(BOOTSTRAP, "longpoll", [Record(None, b"now")])
    end = time.monotonic() + 10
    m = c.poll(10)
    while m is not None and m.error() and time.monotonic() < end:  # a coordinator is not needed here
        m = c.poll(10)
    check(m is not None and not m.error() and m.value() == b"now", f"got {m and m.value()}")
    c.close()


# --- writing ------------------------------------------------------------------------------------------------------

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


# --- administration -----------------------------------------------------------------------------------------------

def create_twice():
    create("twice")
    try:
        create("twice")
    except KafkaException as error:
        check(error.args[0].name() == "TOPIC_ALREADY_EXISTS", f"another error: {error}")
    else:
        raise AssertionError("the second creation succeeded")


def bad_names():
    for name in ["", "..", "a b", "x" * 250]:
        (future,) = ADMIN.create_topics([NewTopic(name or ".", 1, 1)]).values()
        try:
            future.result(30)
        except KafkaException as error:
            check(error.args[0].name() in ("TOPIC_EXCEPTION", "INVALID_TOPIC_EXCEPTION"), f"{name!r}: {error}")
        else:
            raise AssertionError(f"{name!r} was created")


def delete_topic():
    create("short-lived")
    for future in ADMIN.delete_topics(["short-lived"]).values():
        future.result(30)
    check("short-lived" not in ADMIN.list_topics(timeout=30).topics, "the topic is still listed")


def add_partitions():
    create("growing", 2)
    for future in ADMIN.create_partitions([NewPartitions("growing", 5)]).values():
        future.result(30)
    check(len(ADMIN.list_topics("growing", timeout=30).topics["growing"].partitions) == 5, "not five partitions")
    try:
        for future in ADMIN.create_partitions([NewPartitions("growing", 3)]).values():
            future.result(30)
    except KafkaException as error:
        check(error.args[0].name() == "INVALID_PARTITIONS", f"another error: {error}")
    else:
        raise AssertionError("five partitions became three")


def describe_configs():
    resource = ConfigResource(ConfigResource.Type.TOPIC, "small-records")
    entries = next(iter(ADMIN.describe_configs([resource]).values())).result(30)
    check(entries["max.message.bytes"].value == "1000", f"max.message.bytes {entries['max.message.bytes'].value}")
    check(not entries["max.message.bytes"].is_default, "a set value counts as default")
    check(entries["cleanup.policy"].value == "delete" and entries["cleanup.policy"].is_default, "cleanup.policy")
    check(len(entries) >= 25, f"{len(entries)} keys")


def alter_configs():
    create("altered")
    resource = ConfigResource(ConfigResource.Type.TOPIC, "altered", incremental_configs=[
        ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET)])
    next(iter(ADMIN.incremental_alter_configs([resource]).values())).result(30)
    asked = ConfigResource(ConfigResource.Type.TOPIC, "altered")
    entries = next(iter(ADMIN.describe_configs([asked]).values())).result(30)
    check(entries["retention.ms"].value == "3600000", f"retention.ms {entries['retention.ms'].value}")
    wrong = ConfigResource(ConfigResource.Type.TOPIC, "altered", incremental_configs=[
        ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)])
    try:
        next(iter(ADMIN.incremental_alter_configs([wrong]).values())).result(30)
    except KafkaException as error:
        check(error.args[0].name() == "INVALID_CONFIG", f"another error: {error}")
    else:
        raise AssertionError("retention.ms=soon was taken")


def delete_records():
    create("trimmed")
    Confluent.produce(BOOTSTRAP, "trimmed", [Record(None, b"%d" % i) for i in range(10)])
    (future,) = ADMIN.delete_records([TopicPartition("trimmed", 0, 4)]).values()
    check(future.result(30).low_watermark == 4, "low watermark")
    check([r.value for r in AioKafka.consume(BOOTSTRAP, "trimmed")] == [b"%d" % i for i in range(4, 10)], "what is left")


def describe_cluster():
    answer = ADMIN.describe_cluster().result(30)
    check(len(answer.nodes) == 1 and answer.controller is not None, f"{answer.nodes} {answer.controller}")
    return f"cluster {answer.cluster_id}" if not answer.cluster_id else ""


def describe_topic():
    answer = next(iter(ADMIN.describe_topics(_names(["growing"])).values())).result(30)
    check(len(answer.partitions) == 5 and answer.partitions[0].leader is not None, "partitions")


def _names(names):
    from confluent_kafka import TopicCollection
    return TopicCollection(names)


def unknown_topic():
    metadata = ADMIN.list_topics("never-made-by-admin", timeout=30)
    error = metadata.topics["never-made-by-admin"].error
    check(error is None or error.name() in ("UNKNOWN_TOPIC_OR_PART", "LEADER_NOT_AVAILABLE"), f"{error}")


def kafka_python_admin():
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics([PyNewTopic("by-kafka-python", 3, 1)])
    check("by-kafka-python" in admin.list_topics(), "not listed")
    admin.delete_topics(["by-kafka-python"])
    check("by-kafka-python" not in admin.list_topics(), "still listed")
    admin.close()


def aiokafka_admin():
    async def go():
        admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        await admin.start()
        try:
            await admin.create_topics([AioNewTopic("by-aiokafka", 2, 1)])
            check("by-aiokafka" in await admin.list_topics(), "not listed")
            await admin.delete_topics(["by-aiokafka"])
            check("by-aiokafka" not in await admin.list_topics(), "still listed")
        finally:
            await admin.close()
    asyncio.run(go())


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
    case("an offset out of range leads to the reset policy", out_of_range_resets)
    case("a waiting fetch wakes when records arrive", long_poll_wakes)
    case("producing creates a topic", auto_create)
    case("confluent-kafka idempotent", idempotent, Confluent)
    case("kafka-python idempotent", lambda: idempotent(KafkaPython, enable_idempotence=True))
    case("aiokafka idempotent", lambda: idempotent(AioKafka, enable_idempotence=True))
    for acks in (0, 1, -1):
        case(f"acks={acks}", acknowledgements, acks)
    case("a record above max.message.bytes is refused", too_large)
    case("LogAppendTime", log_append_time)
    case("records of 2 MB", big_records)
    case("a topic cannot be created twice", create_twice)
    case("bad topic names are refused", bad_names)
    case("delete a topic", delete_topic)
    case("add partitions", add_partitions)
    case("describe topic configs", describe_configs)
    case("alter topic configs", alter_configs)
    case("delete records", delete_records)
    case("describe the cluster", describe_cluster)
    case("describe a topic", describe_topic)
    case("an unknown topic", unknown_topic)
    case("kafka-python administers topics", kafka_python_admin)
    case("aiokafka administers topics", aiokafka_admin)


main()
