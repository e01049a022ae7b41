"""client: the suite of our own Rust client, `client/tests/kafka`, against the broker; each of its tests is a case."""

import os
import re
import subprocess

from interop import coordinator, install
from interop.brokers import REPOSITORY
from interop.scenarios import OVERRIDES

OUTCOME = re.compile(r"^test (\S+) \.\.\. (ok|FAILED|ignored)", re.MULTILINE)


def run(context, report):
    install.need("cargo", "a Rust toolchain")
    broker = coordinator.ready(context.start(overrides=OVERRIDES))
    # without the variable every test passes by doing nothing, so the gate demands their number
    skipped = []
    if "consumer" not in coordinator.served(broker):
        report.not_served("groups", "groups")
        skipped = ["--skip", "groups::"]
    environment = {**os.environ, "MAINSTEM_TEST_KAFKA": broker.bootstrap}
    done = subprocess.run(["cargo", "test", "--quiet", "--package", "mainstem-client", "--test", "kafka", "--", "--test-threads", "4",
                           "--format", "pretty", *skipped], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=900, check=False)
    outcomes = OUTCOME.findall(done.stdout)
    for test, outcome in outcomes:
        said = re.search(rf"^---- {re.escape(test)} stdout ----\n(.*?)(?:^----|^failures:)", done.stdout, re.MULTILINE | re.DOTALL)
        report.add(test, outcome == "ok", "" if outcome == "ok" else f"{outcome} {said.group(1)[:600] if said else ''}")
    if not outcomes:
        report.add("ran", False, (done.stdout + done.stderr)[-1500:])
