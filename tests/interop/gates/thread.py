"""The thin thread: kcat and confluent-kafka write, another client reads back byte for byte, across a SIGKILL."""

import json
import subprocess

from interop import install
from interop.report import expect, expect_equal

# Line-safe bytes: kcat takes one record a line.
LINES = [f"line {i} \u00e4\u20ac {'x' * (i % 300)}" for i in range(2000)]


def run(context, report):
    kcat = install.kcat()
    python = install.python_clients()
    broker = context.start()

    def kcat_produce(topic, lines, *options):
        done = subprocess.run(
            [kcat, "-b", broker.bootstrap, "-P", "-t", topic, "-p", "0", *options], input="\n".join(lines).encode(),
            capture_output=True, timeout=60, check=False)
        expect(done.returncode == 0, f"kcat ended with {done.returncode}: {done.stderr.decode()[-400:]}")

    def kcat_consume(topic):
        done = subprocess.run(
            [kcat, "-b", broker.bootstrap, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-J"],
            capture_output=True, timeout=60, check=False)
        expect(done.returncode == 0, f"kcat ended with {done.returncode}: {done.stderr.decode()[-400:]}")
        return [json.loads(line)["payload"] for line in done.stdout.decode().splitlines()]

    def confluent(mode, topic, lines=None):
        done = subprocess.run(
            [str(python), __file__.replace("thread.py", "thread_confluent.py"), mode, broker.bootstrap, topic],
            input=json.dumps(lines or []), capture_output=True, text=True, timeout=90, check=False)
        expect(done.returncode == 0, f"confluent-kafka failed: {done.stderr[-800:]}")
        return json.loads(done.stdout)

    def kcat_to_confluent():
        kcat_produce("thread-kcat", LINES)
        expect_equal(confluent("consume", "thread-kcat"), LINES, "records")

    def confluent_to_kcat():
        confluent("produce", "thread-confluent", LINES)
        expect_equal(kcat_consume("thread-confluent"), LINES, "records")

    def across_a_kill():
        kcat_produce("thread-kill", LINES[:1000], "-X", "acks=all")
        broker.kill()
        broker.restart()
        expect_equal(kcat_consume("thread-kill"), LINES[:1000], "records after the kill")
        expect_equal(confluent("consume", "thread-confluent"), LINES, "older records after the kill")
        confluent("produce", "thread-kill", LINES[1000:])
        expect_equal(confluent("consume", "thread-kill"), LINES, "records of both runs")

    def across_a_clean_stop():
        expect_equal(broker.stop(), 143 if context.target == "kafka" else 0, "exit code")
        broker.restart()
        expect_equal(kcat_consume("thread-kill"), LINES, "records after the stop")

    report.run("kcat writes, confluent-kafka reads", kcat_to_confluent)
    report.run("confluent-kafka writes (idempotent, acks=all), kcat reads", confluent_to_kcat)
    report.run("acknowledged records survive SIGKILL", across_a_kill)
    report.run("records survive a clean stop", across_a_clean_stop)
