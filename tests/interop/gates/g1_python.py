"""G1: confluent-kafka, kafka-python and aiokafka: codecs, headers, nulls, timestamps, seek, idempotence, admin, groups."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from interop import coordinator, doctored, install
from interop.scenarios import OVERRIDES, Scenarios

PROGRAMS = Path(__file__).resolve().parent / "python"


def run(context, report):
    python = install.python_clients()
    broker = context.start()
    of_groups = context.start(overrides={**OVERRIDES, "group.max.size": "6"})

    served = ",".join(coordinator.served(of_groups))

    def program(name, bootstrap, *more):
        done = subprocess.run([str(python), str(PROGRAMS / name), bootstrap, *more], capture_output=True, text=True,
                              timeout=600, check=False)
        report.add_json_lines(done.stdout)
        if done.returncode != 0:
            report.add(f"{name} ended", False, done.stderr[-1500:])

    def records():
        for name in ("matrix.py", "administration.py"):
            program(name, broker.bootstrap)

    with ThreadPoolExecutor(3) as pool:
        work = [pool.submit(records), pool.submit(program, "groups.py", of_groups.bootstrap, served),
                pool.submit(scenarios(of_groups, report).run)]
        for done in work:
            done.result()


def scenarios(broker, report):
    cases = Scenarios("g1", broker, report)
    cases.add("doctored histories of groups are noticed", doctored.check, needs=None)
    cases.of_library("confluent-kafka", assignors=("range", "roundrobin", "cooperative-sticky"))
    cases.of_library("kafka-python", assignors=("sticky", "cooperative-sticky"))
    cases.of_library("aiokafka", assignors=("sticky",))
    cases.of_library("confluent-kafka", "consumer", assignors=("range", "uniform"))
    three = ("confluent-kafka", "kafka-python", "aiokafka")
    for assignor in ("range", "roundrobin"):
        cases.add(f"three libraries in one group, {assignor}", cases.mixed, three, assignor)
    cases.add("confluent-kafka moves from classic to consumer without a pause", cases.both_protocols, "confluent-kafka", "confluent-kafka",
              needs="consumer")
    return cases
