"""G4: Apache Kafka's own tools 4.3.1, differential: each case runs against Apache Kafka and against the target.

What both print is normalised (addresses, ids, times) and compared; the truth is what Apache Kafka prints.
"""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from gates import g4_clients, g4_groups
from interop import coordinator, install
from interop.brokers import java
from interop.report import expect, expect_equal
from interop.scenarios import OVERRIDES

TOOLS = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "configs": "kafka.admin.ConfigCommand",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "producer-perf": "org.apache.kafka.tools.ProducerPerformance",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "transactions": "org.apache.kafka.tools.TransactionsCommand",
    "client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "client-compatibility": "org.apache.kafka.tools.ClientCompatibilityTest",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
}

LINES = "".join(f"key{i}\tvalue {i} \u00e4 {'z' * (i % 50)}\n" for i in range(500)).encode()


class Side:
    """One broker with Kafka's tools pointed at it."""

    def __init__(self, jars, broker):
        self.jars = jars
        self.broker = broker

    def tool(self, name, *arguments, stdin=b"", connect=True, code=0):
        where = ["--bootstrap-server", self.broker.bootstrap] if connect else []
        done = subprocess.run(java(self.jars, TOOLS[name], *where, *arguments), input=stdin, capture_output=True,
                              timeout=120, check=False)
        output = done.stdout.decode() + done.stderr.decode()
        if code is not None:
            expect(done.returncode == code, f"{name} ended with {done.returncode}: {output[-600:]}")
        return self.normal(output)

    def normal(self, text):
        text = re.sub(r"\b([\w.]+)-[0-9a-f]{8}-[0-9a-f-]{27}\b", r"\1-UUID", text)  # member ids
        text = text.replace(self.broker.bootstrap, "BOOTSTRAP").replace(str(self.broker.folder), "FOLDER")
        text = re.sub(r"TopicId: \S+", "TopicId: ID", text)
        text = re.sub(r"\[?\d{4}-\d\d-\d\d[ T][\d:,.]+\]?Z?", "TIME", text)
        text = re.sub(r"CreateTime:\d+", "CreateTime:T", text)
        # line order of hash maps differs from run to run on Kafka itself
        return "\n".join(sorted(line.rstrip() for line in text.splitlines() if line.strip()))


def create(side):
    return side.tool("topics", "--create", "--topic", "plain", "--partitions", "3", "--replication-factor", "1",
                     "--config", "retention.ms=7200000", "--config", "max.message.bytes=200000")


def describe(side):
    """Kafka's tool lists the configs in the order of a hash map. Kafka with ELR writes min.insync.replicas into the
    cluster's dynamic configs when it is formatted; here the default is min(2, replicas) and nothing is written."""
    def in_order(line):
        configs = sorted(c for c in line.group(1).split(",") if c != "min.insync.replicas=1")
        return "Configs: " + ",".join(configs)
    return re.sub(r"Configs: (\S*)", in_order, side.tool("topics", "--describe", "--topic", "plain"))


def listing(side):
    return side.tool("topics", "--list")


def create_again(side):
    return first_line(side.tool("topics", "--create", "--topic", "plain", code=1))


def create_with_a_bad_config(side):
    return first_line(side.tool("topics", "--create", "--topic", "bad", "--config", "retention.ms=soon", code=1))


def create_with_a_bad_name(side):
    return first_line(side.tool("topics", "--create", "--topic", "a b", code=1))


def create_with_too_many_replicas(side):
    """Kafka goes on about cordoned directories, which do not exist here."""
    text = first_line(side.tool("topics", "--create", "--topic", "bad", "--replication-factor", "5", code=1))
    return text.replace(" or some brokers have all their log directories cordoned", "")


def colliding_name(side):
    side.tool("topics", "--create", "--topic", "a.b", "--partitions", "1", "--replication-factor", "1")
    return first_line(side.tool("topics", "--create", "--topic", "a_b", code=1))


def add_partitions(side):
    side.tool("topics", "--alter", "--topic", "plain", "--partitions", "4")
    return describe(side)


def fewer_partitions(side):
    return first_line(side.tool("topics", "--alter", "--topic", "plain", "--partitions", "2", code=1))


def describe_unknown(side):
    return first_line(side.tool("topics", "--describe", "--topic", "nobody", code=1))


def delete(side):
    side.tool("topics", "--delete", "--topic", "a.b")
    return listing(side)


def topic_configs(side):
    return side.tool("configs", "--describe", "--entity-type", "topics", "--entity-name", "plain")


def all_topic_configs(side):
    """Names, values and sensitivity of all keys; the synonyms name the side's own broker defaults. Keys of our own, all
    below `mainstem.`, stand beside Kafka's."""
    text = side.tool("configs", "--describe", "--all", "--entity-type", "topics", "--entity-name", "plain")
    text = "\n".join(line for line in text.splitlines() if not line.strip().startswith("mainstem."))
    return re.sub(r" synonyms=\{.*?\}", "", text)


def alter_topic_config(side):
    side.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", "plain", "--add-config", "segment.bytes=1048576")
    side.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", "plain", "--delete-config", "retention.ms")
    return topic_configs(side)


def alter_to_nonsense(side):
    return first_line(side.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", "plain",
                                "--add-config", "segment.bytes=many", code=1))


def get_offsets(side):
    return side.tool("get-offsets", "--topic", "verifiable")


def get_offsets_earliest(side):
    return side.tool("get-offsets", "--topic", "verifiable", "--time", "earliest")


def get_offsets_max_timestamp(side):
    text = side.tool("get-offsets", "--topic", "one", "--time", "max-timestamp")
    return re.sub(r":\d+$", ":N", text)  # which record was last by the clock differs from run to run


def verifiable_producer(side):
    side.tool("topics", "--create", "--topic", "verifiable", "--partitions", "1", "--replication-factor", "1")
    text = side.tool("verifiable-producer", "--topic", "verifiable", "--max-messages", "1000", "--acks", "-1")
    acknowledged = text.count("producer_send_success")
    expect_equal(acknowledged, 1000, "acknowledged")
    return str(acknowledged)


def delete_records(side):
    plan = side.broker.folder / "offsets.json"
    plan.write_text('{"version":1,"partitions":[{"topic":"verifiable","partition":0,"offset":250}]}')
    return side.tool("delete-records", "--offset-json-file", str(plan)) + get_offsets_earliest(side)


def delete_records_beyond_the_end(side):
    plan = side.broker.folder / "offsets.json"
    plan.write_text('{"version":1,"partitions":[{"topic":"verifiable","partition":0,"offset":999999}]}')
    return side.tool("delete-records", "--offset-json-file", str(plan), code=None)


def describe_producers(side):
    text = side.tool("transactions", "describe-producers", "--topic", "verifiable", "--partition", "0")
    return re.sub(r"^\d+(\s+\d+\s+\d+\s+)\d{13}", r"ID\1T", text, flags=re.MULTILINE)


def client_metrics(side):
    return side.tool("client-metrics", "--list")


def cluster_endpoints(side):
    port = str(side.broker.port)
    return side.tool("cluster", "list-endpoints", "--bootstrap-server", side.broker.bootstrap, "--include-fenced-brokers",
                     connect=False).replace(port, "PORT")


def broker_default(side):
    """A setting of all brokers, set, seen and taken back."""
    entity = ["--entity-type", "brokers", "--entity-default"]
    side.tool("configs", "--alter", *entity, "--add-config", "log.segment.delete.delay.ms=50000")
    seen = side.tool("configs", "--describe", *entity)
    side.tool("configs", "--alter", *entity, "--delete-config", "log.segment.delete.delay.ms")
    # what Kafka with ELR writes there when it is formatted
    return "\n".join(line for line in seen.splitlines() if "min.insync.replicas" not in line)


def client_compatibility(side):
    """Kafka's own test of what its client finds in a broker; access rules are not served here."""
    side.tool("topics", "--create", "--topic", "compatibility", "--partitions", "1", "--replication-factor", "1")
    acls = "true" if side.broker.name == "kafka" else "false"
    features = ["offsets-for-times", "cluster-id", "create-topics", "describe-configs", "idempotent-producer"]
    flags = [part for feature in features for part in (f"--{feature}-supported", "true")]
    text = side.tool("client-compatibility", *flags, "--describe-acls-supported", acls, "--num-cluster-nodes", "1",
                     "--topic", "compatibility", "--expect-record-too-large-exception", "false")
    expect("SUCCESS" in text or "rror" not in text, text[-600:])
    return "compatible"


def producer_performance(side):
    text = side.tool("producer-perf", "--topic", "perf", "--num-records", "20000", "--record-size", "100", "--throughput",
                     "-1", connect=True)
    expect("20000 records sent" in text, text[-300:])
    return "20000 records sent"


def cluster_id(side):
    return re.sub(r"Cluster ID: \S+", "Cluster ID: ID", side.tool("cluster", "cluster-id", connect=False,
                                                                  *["--bootstrap-server", side.broker.bootstrap]))


def log_dirs(side):
    """The sizes follow the length of timestamps, the volume is what it is."""
    text = side.tool("log-dirs", "--describe", "--topic-list", "verifiable,plain")
    (line,) = [line for line in text.splitlines() if line.startswith("{")]
    described = json.loads(line)
    for broker in described["brokers"]:
        for directory in broker["logDirs"]:
            expect(0 < directory.pop("usableBytes", 1) <= directory.pop("totalBytes", 1), "the volume has a size")
            directory["partitions"].sort(key=lambda partition: partition["partition"])
            for partition in directory["partitions"]:
                partition["size"] = "some" if partition["size"] else "none"
    return json.dumps(described, indent=1, sort_keys=True)


def dump_log(side):
    """Kafka's dump tool reads the segment as it lies on disk; the batch lines are compared but for what is random."""
    (folder,) = side.broker.folder.glob("data/one-0")
    text = side.tool("dump-log", "--print-data-log", "--deep-iteration", "--files",
                     str(folder / "00000000000000000000.log"), connect=False)
    text = re.sub(r"(CreateTime|producerId|crc|LogAppendTime|size): ?-?\d+", r"\1: N", text)
    return re.sub(r"Dumping \S+", "Dumping FILE", text)


def fill_one(side):
    side.tool("topics", "--create", "--topic", "one", "--partitions", "1", "--replication-factor", "1")
    # one batch, whatever the clock says: else its borders follow the length of timestamps
    side.tool("console-producer", "--topic", "one", "--reader-property", "parse.key=true", "--command-property",
              "batch.size=1000000", "--command-property", "linger.ms=60000", stdin=LINES)
    return side.tool("console-consumer", "--topic", "one", "--partition", "0", "--offset", "earliest", "--max-messages",
                     "500", "--timeout-ms", "20000", "--formatter-property", "print.key=true")


def codec_round_trip(codec):
    def case(side):
        topic = f"console-{codec}"
        side.tool("topics", "--create", "--topic", topic, "--partitions", "1", "--replication-factor", "1")
        side.tool("console-producer", "--topic", topic, "--compression-codec", codec, "--reader-property",
                  "parse.key=true", stdin=LINES)
        return side.tool("console-consumer", "--topic", topic, "--partition", "0", "--offset", "earliest",
                         "--max-messages", "500", "--timeout-ms", "20000", "--formatter-property", "print.key=true")
    return case


def first_line(text):
    """The line with the error; stack traces and hints differ by Java version."""
    lines = [line for line in text.splitlines() if "rror" in line or "xception" in line]
    expect(lines, f"no error in: {text[-500:]}")
    return re.sub(r"^.*?(org\.apache\.kafka|Error while|java\.util)", r"\1", lines[0])


CASES = [
    ("topics --create with configs", create),
    ("topics --describe", describe),
    ("topics --list", listing),
    ("topics --create: exists already", create_again),
    ("topics --create: bad config", create_with_a_bad_config),
    ("topics --create: bad name", create_with_a_bad_name),
    ("topics --create: too many replicas", create_with_too_many_replicas),
    ("topics --create: name collides", colliding_name),
    ("topics --alter --partitions", add_partitions),
    ("topics --alter: fewer partitions", fewer_partitions),
    ("topics --describe: unknown topic", describe_unknown),
    ("topics --delete", delete),
    ("configs --describe", topic_configs),
    ("configs --describe --all", all_topic_configs),
    ("configs --alter", alter_topic_config),
    ("configs --alter: nonsense", alter_to_nonsense),
    ("console producer and consumer", fill_one),
    ("dump-log on the segment", dump_log),
    ("console gzip", codec_round_trip("gzip")),
    ("console snappy", codec_round_trip("snappy")),
    ("console lz4", codec_round_trip("lz4")),
    ("console zstd", codec_round_trip("zstd")),
    ("verifiable producer", verifiable_producer),
    ("get-offsets", get_offsets),
    ("get-offsets earliest", get_offsets_earliest),
    ("get-offsets max-timestamp", get_offsets_max_timestamp),
    ("delete-records", delete_records),
    ("delete-records beyond the end", delete_records_beyond_the_end),
    ("log-dirs", log_dirs),
    ("transactions describe-producers", describe_producers),
    ("client-metrics --list", client_metrics),
    ("cluster list-endpoints", cluster_endpoints),
    ("configs of all brokers", broker_default),
    ("client compatibility test", client_compatibility),
    ("cluster cluster-id", cluster_id),
    ("producer performance tool", producer_performance),
]


def run(context, report):
    jars = install.kafka_jars()
    overrides = {"log.segment.bytes": "1073741824", **OVERRIDES}
    kafka = Side(jars, coordinator.ready(context.start(overrides=overrides, target="kafka")))
    other = Side(jars, coordinator.ready(context.start(overrides=overrides)))

    def compare(case):
        with ThreadPoolExecutor(2) as pool:
            wanted, got = pool.map(case, [kafka, other])
        if wanted != got:
            missing = [x for x in wanted.splitlines() if x not in got.splitlines()][:4]
            extra = [x for x in got.splitlines() if x not in wanted.splitlines()][:4]
            raise AssertionError(f"Kafka alone: {missing}; {other.broker.name} alone: {extra}")

    def in_order(cases):
        for name, case in cases:
            report.run(name, compare, case)

    def of_groups():
        if "consumer" in coordinator.served(other.broker):
            in_order(g4_groups.CASES)
        else:
            for name, _ in g4_groups.CASES:
                report.not_served(name, "groups")

    scenarios = g4_clients.scenarios(context.start(overrides=overrides), report)
    with ThreadPoolExecutor(3) as pool:
        work = [pool.submit(in_order, CASES), pool.submit(of_groups), pool.submit(scenarios.run, 2)]
        for done in work:
            done.result()
