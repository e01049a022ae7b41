"""G4: Apache Kafka's own tools 4.3.1, differential: each case runs against Apache Kafka and against the target.

What both print is normalised (addresses, ids, times) and compared; the truth is what Apache Kafka prints.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from interop import install
from interop.brokers import java
from interop.report import expect, expect_equal

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
    return side.tool("topics", "--describe", "--topic", "plain")


def listing(side):
    return side.tool("topics", "--list")


def create_again(side):
    return first_line(side.tool("topics", "--create", "--topic", "plain", code=1))


def create_with_a_bad_config(side):
    return first_line(side.tool("topics", "--create", "--topic", "bad", "--config", "retention.ms=soon", code=1))


def create_with_a_bad_name(side):
    return first_line(side.tool("topics", "--create", "--topic", "a b", code=1))


def create_with_too_many_replicas(side):
    return first_line(side.tool("topics", "--create", "--topic", "bad", "--replication-factor", "5", code=1))


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
    """Names, values and sensitivity of all keys; the synonyms name the side's own broker defaults."""
    text = side.tool("configs", "--describe", "--all", "--entity-type", "topics", "--entity-name", "plain")
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


def producer_performance(side):
    text = side.tool("producer-perf", "--topic", "perf", "--num-records", "20000", "--record-size", "100", "--throughput",
                     "-1", connect=True)
    expect("20000 records sent" in text, text[-300:])
    return "20000 records sent"


def cluster_id(side):
    return re.sub(r"Cluster ID: \S+", "Cluster ID: ID", side.tool("cluster", "cluster-id", connect=False,
                                                                  *["--bootstrap-server", side.broker.bootstrap]))


def log_dirs(side):
    text = side.tool("log-dirs", "--describe", "--topic-list", "verifiable")
    expect('"partition":"verifiable-0"' in text, text[-600:])
    return "verifiable-0 is described"


def dump_log(side):
    """Kafka's dump tool reads the segment as it lies on disk; the batch lines are compared but for what is random."""
    (folder,) = side.broker.folder.glob("data/one-0")
    text = side.tool("dump-log", "--print-data-log", "--deep-iteration", "--files",
                     str(folder / "00000000000000000000.log"), connect=False)
    text = re.sub(r"(CreateTime|producerId|crc|LogAppendTime): ?-?\d+", r"\1: N", text)
    return re.sub(r"Dumping \S+", "Dumping FILE", text)


def fill_one(side):
    side.tool("topics", "--create", "--topic", "one", "--partitions", "1", "--replication-factor", "1")
    side.tool("console-producer", "--topic", "one", "--reader-property", "parse.key=true", stdin=LINES)
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
    ("cluster cluster-id", cluster_id),
    ("producer performance tool", producer_performance),
]


def run(context, report):
    jars = install.kafka_jars()
    overrides = {"log.segment.bytes": "1073741824"}
    kafka = Side(jars, context.start(overrides=overrides, target="kafka"))
    other = Side(jars, context.start(overrides=overrides))

    def compare(case):
        with ThreadPoolExecutor(2) as pool:
            wanted, got = pool.map(case, [kafka, other])
        if wanted != got:
            missing = [x for x in wanted.splitlines() if x not in got.splitlines()][:4]
            extra = [x for x in got.splitlines() if x not in wanted.splitlines()][:4]
            raise AssertionError(f"Kafka alone: {missing}; {other.broker.name} alone: {extra}")

    for name, case in CASES:
        report.run(name, compare, case)
