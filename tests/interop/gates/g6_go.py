"""G6: franz-go, sarama and kafka-go, pinned in ../go/go.mod: records, and groups of both protocols."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

from interop import coordinator, install
from interop.scenarios import OVERRIDES, Scenarios


def run(context, report):
    program = install.go_clients()
    broker = context.start(overrides=OVERRIDES)

    def records():
        done = subprocess.run([str(program), "records", broker.bootstrap, ",".join(coordinator.served(broker))], capture_output=True,
                              text=True, timeout=300, check=False)
        report.add_json_lines(done.stdout)
        if done.returncode != 0:
            report.add("records ended", False, done.stderr[-1500:])

    cases = Scenarios("g6", broker, report)
    cases.of_library("franz-go", assignors=("range", "roundrobin", "sticky", "cooperative-sticky"))
    cases.of_library("sarama", assignors=("roundrobin", "sticky"))
    cases.of_library("kafka-go", static=False, assignors=("roundrobin",))
    cases.of_library("franz-go", "consumer", static=False, assignors=("range",))
    cases.add("three libraries in one group", cases.mixed, ("franz-go", "sarama", "kafka-go"))
    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(records), pool.submit(cases.run)]
        for done in work:
            done.result()
