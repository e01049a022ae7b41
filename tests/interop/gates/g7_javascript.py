"""G7: kafkajs (the oldest JavaScript stack) and @platformatic/kafka (the newest)."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from interop import coordinator, install
from interop.scenarios import OVERRIDES, Scenarios

FOLDER = Path(__file__).resolve().parent / "javascript"


def run(context, report):
    install.javascript_program("cases.mjs", FOLDER)
    broker, of_groups = context.start(), context.start(overrides=OVERRIDES)

    def program(name, bootstrap, *more):
        path = install.javascript_program(name, FOLDER)
        done = subprocess.run(["node", str(path), bootstrap, *more], capture_output=True, text=True, timeout=300, check=False)
        report.add_json_lines(done.stdout)
        if done.returncode != 0:
            report.add(f"{name} ended", False, done.stderr[-1500:])

    cases = Scenarios("g7", of_groups, report)
    cases.of_library("kafkajs", static=False)
    cases.of_library("@platformatic/kafka", static=False)
    cases.of_library("@platformatic/kafka", "consumer", static=False, sleeps=False)
    with ThreadPoolExecutor(3) as pool:
        work = [pool.submit(program, "matrix.mjs", broker.bootstrap),
                pool.submit(program, "groups.mjs", of_groups.bootstrap, ",".join(coordinator.served(of_groups))),
                pool.submit(cases.run)]
        for done in work:
            done.result()
