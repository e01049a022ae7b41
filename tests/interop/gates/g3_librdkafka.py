"""G3: librdkafka's own test suite in C, in full mode: the numbers that need no transactions, those of groups with both protocols.

Each number is a process of its own, so that a crash of one costs one. Tests of the suite that run without a broker are left
out. A test that the suite skips is a failure here: the lists hold nothing that it skips.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor, as_completed

from interop import coordinator, install

NUMBERS = """0001 0002 0003 0005 0007 0008 0011 0012 0013 0017 0021 0031 0034 0035 0036 0038 0039 0041 0044 0048 0054 0057 0063
    0065 0068 0075 0086 0088 0114 0123""".split()

# Consumers in groups, with both protocols.
GROUPS = """0014 0015 0018 0019 0020 0022 0029 0030 0033 0040 0042 0050 0051 0056 0059 0060 0064 0067 0069 0070 0073 0082 0083
    0085 0090 0093 0099 0112 0122 0125 0127 0130 0140""".split()

# With one protocol: what the other does not have (0153: a member id of the client's own), and what takes about a minute.
ONLY_CLASSIC = "0026 0045 0076 0084 0089 0091 0094 0118 0132".split()
ONLY_CONSUMER = ["0153"]

# The same with `enable.idempotence=true` for every producer.
IDEMPOTENT = "0005 0008 0012 0017 0038 0044 0048 0086".split()

# Left out, and what each waits for. Against Apache Kafka too fail 0113, 0118 with the consumer protocol, and, on a busy machine,
# 0102, which counts rebalances.
NEEDS = {
    "transactions": "0055 0061 0098 0103 0129 0137".split(),
    "the scripts of a Kafka installation": ["0077"],
    "three brokers": "0107 0111".split(),
}

# Sub-tests of 0045 that delete topics, which the suite leaves out by itself.
SKIPPED = ("0045_subscribe_update_topic_remove", "0045_subscribe_update_non_exist_and_partchange")

# The suite mostly waits: for timeouts that it provokes, for metadata to spread.
AT_ONCE = 8
LIMIT_SECONDS = 240

SUMMARY = re.compile(r"^\|\s+(\d{4}_\w+)\s+\|\s+([A-Z ]+?)\s+\|\s+([\d.]+)s[ \t]+\|[ \t]*(.*)$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[\d;]*m")
LOCAL = "Filtered due to negative test flags"


class Suite:
    """The test runner, pointed at one broker."""

    def __init__(self, folder, broker):
        self.tests = folder / "tests"
        self.folder = broker.folder
        self.bootstrap = broker.bootstrap
        self.environment = {k: v for k, v in os.environ.items() if k != "CI"}  # CI trebles the limits of the suite
        self.environment.update(TEST_KAFKA_VERSION="4.3.0", LD_LIBRARY_PATH="../src:../src-cpp")

    def run(self, number, *options, protocol="classic"):
        """The tests of one number as (name, passed, detail)."""
        mark = "".join(options) + ("" if protocol == "classic" else f"-{protocol}")
        log = self.folder / f"librdkafka-{number}{mark}.log"
        settings = log.with_suffix(".conf")
        # librdkafka seeds its numbers with the current milliseconds: without a name of its own a process may get the topics and
        # groups of another that runs the same test with the other protocol
        settings.write_text(f"metadata.broker.list={self.bootstrap}\ntest.topic.random=true\n"
                            f"test.topic.prefix=rdkafkatest{number}{mark}\n")
        with open(log, "wb") as output:
            try:
                code = subprocess.run(["./test-runner", "-p1", "-L", *options], cwd=self.tests,
                                      env={**self.environment, "RDKAFKA_TEST_CONF": str(settings), "TESTS": number,
                                           "TEST_CONSUMER_GROUP_PROTOCOL": protocol}, stdin=subprocess.DEVNULL, stdout=output,
                                      stderr=output, timeout=LIMIT_SECONDS, check=False).returncode
            except subprocess.TimeoutExpired:
                code = f"no end within {LIMIT_SECONDS} s"
        suffix = (" idempotent" if "-P" in options else "") + ("" if protocol == "classic" else f" {protocol}")
        summary = SUMMARY.findall(COLOUR.sub("", log.read_text(errors="replace")))
        results = [(name + suffix, state == "PASSED", "" if state == "PASSED" else f"{state} {detail.strip()} ({log})"[:600])
                   for name, state, _, detail in summary if name.startswith(number) and LOCAL not in detail and name not in SKIPPED]
        return results or [(number + suffix, False, f"no summary, the runner ended with {code} ({log})")]


def run(context, report):
    # 0089 and 0118 want two members that join at the same time to begin with one generation, as they do with the default delay
    broker = coordinator.ready(context.start(overrides={"group.initial.rebalance.delay.ms": "500"}))
    served = coordinator.served(broker)
    suite = Suite(install.librdkafka(), broker)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # the long ones first
        work = []
        for protocol, numbers in (("classic", ONLY_CLASSIC + GROUPS[::-1]), ("consumer", GROUPS[::-1] + ONLY_CONSUMER)):
            if protocol in served:
                work += [pool.submit(suite.run, number, protocol=protocol) for number in numbers]
            else:
                for number in numbers:
                    report.not_served(number, f"{protocol} groups")
        work += [pool.submit(suite.run, number) for number in NUMBERS]
        work += [pool.submit(suite.run, number, "-P") for number in IDEMPOTENT]
        for done in as_completed(work):
            for result in done.result():
                report.add(*result)
