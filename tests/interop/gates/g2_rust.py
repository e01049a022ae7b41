"""G2: the integration tests that the crates rdkafka and rskafka ship, as published, against the broker.

rdkafka links to the librdkafka of gate G3. Its suite takes node 0, three partitions and automatic creation for granted;
that of rskafka wants no automatic creation.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from interop import coordinator, install

# Test -> why it is not run.
ADDRESS = "wants the broker at port 9092 of localhost"
RDKAFKA_SKIPPED = {
    "test_future_producer_send": ADDRESS,
    "test_future_producer_send_fail": ADDRESS,
    "test_metadata": ADDRESS,
    "test_produce_consume_message_queue_nonempty_callback": "counts wake-ups by the clock; on a busy machine it fails on Kafka too",
}
# What needs groups, and rskafka's tests that read with rdkafka.
GROUPS = re.compile("""_consume_rdkafka_|^test_groups|^test_produce_consume_(base|with_timestamp|seek|iter)|^test_consume_partition_order
    |^test_consumer_|^test_pause_resume_consumer_iter|^test_subscription|^test_group_membership""", re.VERBOSE)
RDKAFKA_SUITES = ["test_admin", "test_high_consumers", "test_high_producers", "test_low_consumers", "test_low_producers",
                  "test_metadata"]

RSKAFKA_SKIPPED = {"test_sasl": "needs SASL"}
RSKAFKA_SUITES = ["client", "consumer", "producer", "produce_consume"]
# The Java client fetches itself at run time, and gate G4 runs it.
RSKAFKA_OTHER_CLIENTS = re.compile("_java_")

OUTCOME = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", re.MULTILINE)
LIMIT_SECONDS = 240


def run(context, report):
    rdkafka, rskafka = install.rust_suites()
    overrides = {"node.id": "0", "num.partitions": "3"}
    broker = coordinator.ready(context.start(overrides=overrides))
    served = coordinator.served(broker)
    environment = {
        **os.environ,
        "RUST_LOG": "off",
        "RUST_BACKTRACE": "0",
        "LD_LIBRARY_PATH": str(install.librdkafka() / "usr/lib"),
        "KAFKA_HOST": broker.bootstrap,
        "TEST_INTEGRATION": "1",
        "TEST_BROKER_IMPL": "kafka",
        "KAFKA_CONNECT": coordinator.ready(context.start("strict", overrides)).bootstrap,
    }

    def tests_of(program):
        listing = install.run_quietly([str(program), "--list", "--format", "terse"], f"listing {program}", env=environment)
        return [line.removesuffix(": test") for line in listing.splitlines() if line.endswith(": test")]

    def suite(crate, name, program, skipped):
        wanted = [test for test in tests_of(program) if test not in skipped and not RSKAFKA_OTHER_CLIENTS.search(test)]
        if "classic" not in served:
            for test in filter(GROUPS.search, wanted):
                report.not_served(f"{crate} {name} {test}", "groups")
            wanted = [test for test in wanted if not GROUPS.search(test)]
        try:
            done = subprocess.run([str(program), "--test-threads", "4", "--exact", *wanted], env=environment, text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_SECONDS, check=False)
            output = done.stdout + done.stderr
        except subprocess.TimeoutExpired as late:
            output = (late.stdout or b"").decode(errors="replace")
        outcomes = dict(OUTCOME.findall(output))
        for test in wanted:
            outcome = outcomes.get(test, f"no end within {LIMIT_SECONDS} s")
            report.add(f"{crate} {name} {test}", outcome == "ok", "" if outcome == "ok" else f"{outcome} {panic(output, test)}")

    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(suite, "rdkafka", name, rdkafka[name], RDKAFKA_SKIPPED) for name in RDKAFKA_SUITES]
        work += [pool.submit(suite, "rskafka", name, rskafka[name], RSKAFKA_SKIPPED) for name in RSKAFKA_SUITES]
        for done in work:
            done.result()


def panic(output, test):
    """What the test said when it failed."""
    found = re.search(rf"thread '{re.escape(test)}'.*? panicked at (.*?)(?:\nnote:|\n\n)", output, re.DOTALL)
    return found.group(1)[:400] if found else ""
