"""Administration by three clients: `administration.py BOOTSTRAP`; one JSON line per case on stdout."""

import asyncio
import time

from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions as AioNewPartitions, NewTopic as AioNewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource as AioConfigResource
from aiokafka.admin.config_resource import ConfigResourceType as AioConfigResourceType
from confluent_kafka import TopicCollection, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec
from kafka import TopicPartition as PyTopicPartition
from kafka.admin import ConfigResource as PyConfigResource
from kafka.admin import ConfigResourceType as PyConfigResourceType
from kafka.admin import KafkaAdminClient, NewTopic as PyNewTopic

from cases import ADMIN, BOOTSTRAP, case, check, create, only, refused_with
from clients import AioKafka, Confluent
from records import Record

TOPIC = ConfigResource.Type.TOPIC


def numbers(topic, count=10):
    create(topic)
    Confluent.produce(BOOTSTRAP, topic, [Record(None, b"%d" % i) for i in range(count)])


def config_of(topic):
    return only(ADMIN.describe_configs([ConfigResource(TOPIC, topic)]))


def alter(topic, key, value, operation=AlterConfigOpType.SET, **options):
    return only(ADMIN.incremental_alter_configs([ConfigResource(TOPIC, topic, incremental_configs=[
        ConfigEntry(key, value, incremental_operation=operation)])], **options))


# --- topics by confluent-kafka --------------------------------------------------------------------------------------

def create_twice():
    create("twice")
    refused_with("TOPIC_ALREADY_EXISTS", create, "twice")


def bad_names():
    for name in [".", "..", "a b", "x" * 250]:
        refused_with("TOPIC_EXCEPTION", create, name)


def bad_numbers():
    refused_with("INVALID_PARTITIONS", create, "no-partitions", 0)
    refused_with("INVALID_REPLICATION_FACTOR", lambda: only(ADMIN.create_topics([NewTopic("replicas", 1, 3)])))
    refused_with("INVALID_CONFIG", create, "bad-config", 1, {"retention.ms": "soon"})
    refused_with("INVALID_CONFIG", create, "bad-config", 1, {"retention.mss": "1"})


def validate_only():
    only(ADMIN.create_topics([NewTopic("only-validated", 1, 1)], validate_only=True))
    check("only-validated" not in ADMIN.list_topics(timeout=30).topics, "the topic was created")


def assigned_replicas():
    node = next(iter(ADMIN.list_topics(timeout=30).brokers))
    only(ADMIN.create_topics([NewTopic("assigned", 2, replica_assignment=[[node], [node]])]))
    check(len(ADMIN.list_topics("assigned", timeout=30).topics["assigned"].partitions) == 2, "not two partitions")


def broker_defaults():
    only(ADMIN.create_topics([NewTopic("defaults", -1, -1)]))
    check(len(ADMIN.list_topics("defaults", timeout=30).topics["defaults"].partitions) == 4, "not num.partitions")


def delete_topic():
    create("short-lived")
    only(ADMIN.delete_topics(["short-lived"]))
    check("short-lived" not in ADMIN.list_topics(timeout=30).topics, "the topic is still listed")
    refused_with("UNKNOWN_TOPIC_OR_PART", lambda: only(ADMIN.delete_topics(["short-lived"])))


def made_anew_is_empty():
    numbers("again")
    only(ADMIN.delete_topics(["again"]))
    numbers("again", 3)
    check([r.value for r in AioKafka.consume(BOOTSTRAP, "again")] == [b"0", b"1", b"2"], "records of the first life")


def add_partitions():
    create("growing", 2)
    only(ADMIN.create_partitions([NewPartitions("growing", 5)]))
    check(len(ADMIN.list_topics("growing", timeout=30).topics["growing"].partitions) == 5, "not five partitions")
    for total in (3, 5):
        refused_with("INVALID_PARTITIONS", lambda total=total: only(ADMIN.create_partitions([NewPartitions("growing", total)])))
    refused_with("UNKNOWN_TOPIC_OR_PART", lambda: only(ADMIN.create_partitions([NewPartitions("nobody", 2)])))


def describe_topic():
    answer = only(ADMIN.describe_topics(TopicCollection(["growing"])))
    check(len(answer.partitions) == 5 and all(p.leader is not None for p in answer.partitions), "partitions")
    check(answer.topic_id is not None, "no topic id")
    refused_with("UNKNOWN_TOPIC_OR_PART", lambda: only(ADMIN.describe_topics(TopicCollection(["nobody"]))))


def unknown_topic():
    error = ADMIN.list_topics("never-made-by-admin", timeout=30).topics["never-made-by-admin"].error
    check(error is None or error.name() in ("UNKNOWN_TOPIC_OR_PART", "LEADER_NOT_AVAILABLE"), f"{error}")


# --- configs, records, cluster by confluent-kafka -------------------------------------------------------------------

def describe_configs():
    create("configured", config={"max.message.bytes": "1000"})
    entries = config_of("configured")
    check(entries["max.message.bytes"].value == "1000", f"max.message.bytes {entries['max.message.bytes'].value}")
    check(not entries["max.message.bytes"].is_default, "a set value counts as default")
    check(entries["cleanup.policy"].value == "delete" and entries["cleanup.policy"].is_default, "cleanup.policy")
    check(len(entries) >= 25, f"{len(entries)} keys")
    refused_with("UNKNOWN_TOPIC_OR_PART", config_of, "nobody")


def describe_broker_configs():
    node = next(iter(ADMIN.list_topics(timeout=30).brokers))
    entries = only(ADMIN.describe_configs([ConfigResource(ConfigResource.Type.BROKER, str(node))]))
    check(entries["num.partitions"].value == "4", f"num.partitions {entries['num.partitions'].value}")
    check(entries["node.id"].is_read_only, "node.id can be written")
    check(len(entries) >= 200, f"{len(entries)} keys")


def alter_configs():
    create("altered")
    alter("altered", "segment.bytes", "2097152")
    check(config_of("altered")["segment.bytes"].value == "2097152", "not set")
    alter("altered", "segment.bytes", None, AlterConfigOpType.DELETE)
    end = time.monotonic() + 5  # on a busy machine Kafka still shows it for a moment
    while not config_of("altered")["segment.bytes"].is_default:
        check(time.monotonic() < end, "still set")
    refused_with("INVALID_CONFIG", alter, "altered", "retention.ms", "soon")
    refused_with("INVALID_CONFIG", alter, "altered", "no.such.key", "1")
    refused_with("UNKNOWN_TOPIC_OR_PART", alter, "nobody", "retention.ms", "1")


def alter_a_list():
    create("list")
    throttled = "leader.replication.throttled.replicas"
    alter("list", throttled, "0:0", AlterConfigOpType.APPEND)
    alter("list", throttled, "1:0", AlterConfigOpType.APPEND)
    check(config_of("list")[throttled].value == "0:0,1:0", f"{config_of('list')[throttled].value}")
    alter("list", throttled, "0:0", AlterConfigOpType.SUBTRACT)
    check(config_of("list")[throttled].value == "1:0", f"{config_of('list')[throttled].value}")
    refused_with("INVALID_CONFIG", alter, "list", "retention.ms", "1", AlterConfigOpType.APPEND)


def validated_alteration():
    create("validated")
    alter("validated", "segment.bytes", "2097152", validate_only=True)
    check(config_of("validated")["segment.bytes"].is_default, "a validation altered the topic")


def delete_records():
    numbers("trimmed")
    answer = only(ADMIN.delete_records([TopicPartition("trimmed", 0, 4)]))
    check(answer.low_watermark == 4, f"low watermark {answer.low_watermark}")
    check([r.value for r in AioKafka.consume(BOOTSTRAP, "trimmed")] == [b"%d" % i for i in range(4, 10)], "what is left")
    refused_with("OFFSET_OUT_OF_RANGE", lambda: only(ADMIN.delete_records([TopicPartition("trimmed", 0, 999)])))


def list_offsets():
    for spec, wanted in [(OffsetSpec.earliest(), 4), (OffsetSpec.latest(), 10), (OffsetSpec.for_timestamp(0), 4)]:
        got = only(ADMIN.list_offsets({TopicPartition("trimmed", 0): spec}))
        check(got.offset == wanted, f"{spec}: {got.offset} instead of {wanted}")


def describe_cluster():
    answer = ADMIN.describe_cluster().result(30)
    check(len(answer.nodes) == 1 and answer.controller is not None, f"{answer.nodes} {answer.controller}")
    check(answer.cluster_id, "no cluster id")


# --- kafka-python and aiokafka ------------------------------------------------------------------------------------

def with_kafka_python(action):
    def run():
        admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        try:
            action(admin)
        finally:
            admin.close()
    return run


def kafka_python_topics(admin):
    admin.create_topics([PyNewTopic("by-kafka-python", 3, 1)])
    check("by-kafka-python" in admin.list_topics(), "not listed")
    admin.create_partitions({"by-kafka-python": 6})
    (topic,) = admin.describe_topics(["by-kafka-python"])
    check(len(topic["partitions"]) == 6, f"{len(topic['partitions'])} partitions")
    admin.delete_topics(["by-kafka-python"])
    check("by-kafka-python" not in admin.list_topics(), "still listed")


def kafka_python_configs(admin):
    create("configs-kafka-python")
    name = "configs-kafka-python"
    admin.alter_configs([PyConfigResource(PyConfigResourceType.TOPIC, name, {"segment.bytes": "2097152"})])
    got = admin.describe_configs([PyConfigResource(PyConfigResourceType.TOPIC, name)])
    check(list(got["topic"][name]) == ["segment.bytes"], f"modified: {list(got['topic'][name])}")
    admin.reset_configs([PyConfigResource(PyConfigResourceType.TOPIC, name, ["segment.bytes"])])
    got = admin.describe_configs([PyConfigResource(PyConfigResourceType.TOPIC, name)])
    check(not got.get("topic", {}).get(name), f"still modified: {got}")


def kafka_python_records(admin):
    numbers("records-kafka-python")
    tp = PyTopicPartition("records-kafka-python", 0)
    admin.delete_records({tp: 7})
    first = admin.list_partition_offsets({tp: -2})[tp].offset
    check(first == 7, f"the first offset is {first}")


def kafka_python_cluster(admin):
    cluster = admin.describe_cluster()
    check(len(cluster["brokers"]) == 1 and cluster["cluster_id"], f"{cluster}")
    features = admin.describe_features()
    check("metadata.version" in features, f"features {list(features)}")


def kafka_python_log_dirs(admin):
    numbers("dirs-kafka-python", 5)
    (answer,) = admin.describe_log_dirs()
    topics = {topic["name"] for directory in answer["log_dirs"] for topic in directory["topics"]}
    check("dirs-kafka-python" in topics, f"topics {sorted(topics)[:5]}...")


def kafka_python_producers(admin):
    create("producers-kafka-python")
    Confluent.produce(BOOTSTRAP, "producers-kafka-python", [Record(None, b"1")], **{"enable.idempotence": True})
    (state,) = admin.describe_producers([PyTopicPartition("producers-kafka-python", 0)]).values()
    check(len(state.active_producers) == 1, f"{state}")


def kafka_python_describe_partitions(admin):
    create("pages", 7)
    first = admin.describe_topic_partitions(["pages"], response_partition_limit=4)
    check(len(first["topics"][0]["partitions"]) == 4 and first["next_cursor"], f"{first['next_cursor']}")
    rest = admin.describe_topic_partitions(["pages"], response_partition_limit=4, cursor=first["next_cursor"])
    check(len(rest["topics"][0]["partitions"]) == 3 and not rest["next_cursor"], f"{rest['next_cursor']}")


def with_aiokafka(action):
    async def go():
        admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        await admin.start()
        try:
            await action(admin)
        finally:
            await admin.close()
    return lambda: asyncio.run(go())


async def eventually(ask, true_of):
    """Asks until it is so: the client does not wait for the metadata of what it changed."""
    for _ in range(100):
        answer = await ask()
        if true_of(answer):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"still {answer}")


async def aiokafka_topics(admin):
    await admin.create_topics([AioNewTopic("by-aiokafka", 2, 1)])
    await eventually(admin.list_topics, lambda topics: "by-aiokafka" in topics)
    await admin.create_partitions({"by-aiokafka": AioNewPartitions(total_count=3)})
    await eventually(lambda: admin.describe_topics(["by-aiokafka"]), lambda topics: len(topics[0]["partitions"]) == 3)
    await admin.delete_topics(["by-aiokafka"])
    await eventually(admin.list_topics, lambda topics: "by-aiokafka" not in topics)


async def aiokafka_configs(admin):
    create("configs-aiokafka", config={"segment.bytes": "2097152"})
    topic = AioConfigResourceType.TOPIC
    # the client alters by replacing: what it does not name falls back to the default
    await admin.alter_configs([AioConfigResource(topic, "configs-aiokafka", {"retention.ms": "7200000"})])
    entries = config_of("configs-aiokafka")
    check(entries["retention.ms"].value == "7200000", "not set")
    check(entries["segment.bytes"].is_default, "what was not named is still set")
    (answer,) = await admin.describe_configs([AioConfigResource(topic, "configs-aiokafka", {"retention.ms": None})])
    ((_, _, _, _, described),) = answer.resources
    check(described[0][:2] == ("retention.ms", "7200000"), f"{described}")


async def aiokafka_records(admin):
    numbers("records-aiokafka")
    tp = AioTopicPartition("records-aiokafka", 0)
    answer = await admin.delete_records({tp: RecordsToDelete(before_offset=3)})
    check(answer[tp] == 3, f"low watermark {answer[tp]}")


async def aiokafka_cluster(admin):
    cluster = await admin.describe_cluster()
    check(len(cluster["brokers"]) == 1, f"{cluster}")


def main():
    case("a topic cannot be created twice", create_twice)
    case("bad topic names are refused", bad_names)
    case("bad numbers and configs are refused", bad_numbers)
    case("a creation can be validated only", validate_only)
    case("replicas assigned by the client", assigned_replicas)
    case("partitions and replicas by the broker's defaults", broker_defaults)
    case("delete a topic", delete_topic)
    case("a topic made anew is empty", made_anew_is_empty)
    case("add partitions", add_partitions)
    case("describe a topic", describe_topic)
    case("an unknown topic", unknown_topic)
    case("describe topic configs", describe_configs)
    case("describe broker configs", describe_broker_configs)
    case("alter topic configs", alter_configs)
    case("append to and subtract from a list", alter_a_list)
    case("an alteration can be validated only", validated_alteration)
    case("delete records", delete_records)
    case("list offsets", list_offsets)
    case("describe the cluster", describe_cluster)
    for action in (kafka_python_topics, kafka_python_configs, kafka_python_records, kafka_python_cluster,
                   kafka_python_log_dirs, kafka_python_producers, kafka_python_describe_partitions):
        case(action.__name__.replace("kafka_python_", "kafka-python: ").replace("_", " "), with_kafka_python(action))
    for action in (aiokafka_topics, aiokafka_configs, aiokafka_records, aiokafka_cluster):
        case(action.__name__.replace("aiokafka_", "aiokafka: ").replace("_", " "), with_aiokafka(action))


main()
