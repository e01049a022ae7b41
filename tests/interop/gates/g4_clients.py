"""The part of G4 about clients: Java members of three versions, older console tools, and Connect with a killed worker."""

import json
import subprocess
import time
import urllib.error
import urllib.request

from interop import install
from interop.brokers import free_port, java
from interop.coordinator import committed_soon
from interop.report import expect, expect_equal
from interop.scenarios import Scenarios

OLDER = {
    "3.9.2": ("kafka.tools.ConsoleProducer", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
    "2.8.2": ("kafka.tools.ConsoleProducer", "kafka.tools.ConsoleConsumer"),
}


def scenarios(broker, report):
    cases = Scenarios("g4", broker, report)
    cases.add("Connect: two workers copy a file, one is killed", connect, broker)
    cases.of_library("java", assignors=("sticky", "cooperative-sticky"))
    cases.of_library("java", "consumer", assignors=("range",))
    for older in ("java-3.9.2", "java-2.8.2"):
        cases.of_library(older, sleeps=False, killed=False)
    cases.add("Java clients of three versions in one group", cases.mixed, ("java", "java-3.9.2", "java-2.8.2"))
    cases.add("Java moves from classic to consumer without a pause", cases.both_protocols, "java", "java", needs="consumer")
    for version in OLDER:
        cases.add(f"console tools {version}: write, read in a group, read on", older_console, broker, version)
    return cases


def older_console(broker, version):
    jars = install.java_clients(version)
    producer, consumer = OLDER[version]
    topic = f"console-{version}"

    def call(main_class, *arguments, stdin=b""):
        done = subprocess.run(java(jars, main_class, "--bootstrap-server", broker.bootstrap, "--topic", topic, *arguments), input=stdin,
                              capture_output=True, timeout=120, check=False)
        expect(done.returncode == 0, f"ended with {done.returncode}: {done.stderr.decode()[-600:]}")
        return sorted(done.stdout.decode().split())

    for part in ("first", "second"):
        lines = sorted(f"{part}-{i}" for i in range(50))
        call(producer, stdin="".join(f"{line}\n" for line in lines).encode())
        got = call(consumer, "--group", topic, "--from-beginning", "--max-messages", "50", "--timeout-ms", "30000")
        expect_equal(got, lines, f"the {part} fifty")


class Worker:
    """A distributed Connect worker."""

    def __init__(self, jars, broker, name):
        self.port = free_port()
        self.folder = broker.folder / name
        self.folder.mkdir()
        settings = {
            "bootstrap.servers": broker.bootstrap, "group.id": "connect", "listeners": f"http://127.0.0.1:{self.port}",
            "rest.advertised.host.name": "127.0.0.1", "config.storage.topic": "connect-configs", "offset.storage.topic": "connect-offsets",
            "status.storage.topic": "connect-status", "config.storage.replication.factor": 1, "offset.storage.replication.factor": 1,
            "status.storage.replication.factor": 1, "offset.storage.partitions": 4, "status.storage.partitions": 2,
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.flush.interval.ms": 500, "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000, "rebalance.timeout.ms": 10000,
            "scheduled.rebalance.max.delay.ms": 2000, "plugin.discovery": "hybrid_warn",
        }
        path = self.folder / "worker.properties"
        path.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        self.log = open(self.folder / "worker.log", "wb")
        self.process = subprocess.Popen(java(jars, "org.apache.kafka.connect.cli.ConnectDistributed", str(path)), stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def ask_soon(self, method, path, body=None, seconds=180):
        end = time.monotonic() + seconds
        while True:
            try:
                return self.ask(method, path, body)
            except (urllib.error.URLError, OSError) as error:  # it starts, or the group is rebalancing
                expect(time.monotonic() < end and self.process.poll() is None, f"{method} {path}: {error}; {self.tail()}")
                time.sleep(0.5)

    def tail(self):
        return (self.folder / "worker.log").read_text(errors="replace")[-800:]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def connect(broker):
    """A file goes through a topic into another file while lines are added; the worker of the sink dies half-way. Nothing is
    lost; a line comes twice only if it was not committed when the worker died."""
    jars = install.connect_jars()
    source, sink = broker.folder / "source.txt", broker.folder / "sink.txt"
    source.write_text("")
    workers = [Worker(jars, broker, name) for name in ("worker-1", "worker-2")]
    try:
        first = workers[0]
        first.ask_soon("PUT", "/connectors/lines-in/config", {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1", "file": str(source),
            "topic": "connected", "batch.size": "50"})
        first.ask_soon("PUT", "/connectors/lines-out/config", {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1", "file": str(sink),
            "topics": "connected", "consumer.override.auto.offset.reset": "earliest"})

        def task_of(name, worker, but=None):
            status = worker.ask_soon("GET", f"/connectors/{name}/status")
            running = [t["worker_id"] for t in status["tasks"] if t["state"] == "RUNNING"]
            expect("FAILED" not in [t["state"] for t in status["tasks"]], f"{status}")
            return running[0] if running and running[0] != but else None

        def until(what, condition, seconds=180):
            end = time.monotonic() + seconds
            while not (answer := condition()):
                expect(time.monotonic() < end, f"not within {seconds} s: {what}; {workers[1].tail()}")
                time.sleep(0.3)
            return answer

        def add(numbers):
            with open(source, "a") as out:
                for i in numbers:
                    out.write(f"line {i}\n")

        def came():
            return [line for line in sink.read_text().split("\n")[:-1] if line.startswith("line ")] if sink.exists() else []

        def pushed():
            """The source keeps what it read last until more comes."""
            with open(source, "a") as out:
                out.write("more\n")
            return came()

        owner = until("the sink runs", lambda: task_of("lines-out", first))
        until("both workers are in the group", lambda: workers[1].ask_soon("GET", "/connectors/lines-out/status"))
        add(range(300))
        until("some lines arrive", lambda: len(set(pushed())) >= 200)
        add(range(300, 600))
        victim = next(w for w in workers if owner.endswith(f":{w.port}"))
        (left,) = [w for w in workers if w is not victim]
        before = came()
        # asked before the kill: all that is committed then stays so
        committed = committed_soon(broker, "connect-lines-out", "connected", [0, 1, 2, 3])
        victim.end()
        add(range(600, 900))
        until("the other worker has the sink", lambda: task_of("lines-out", left, owner))
        wanted = [f"line {i}" for i in range(900)]
        until("every line arrives", lambda: set(pushed()) >= set(wanted))
        lines = came()
        expect_equal(sorted(set(lines)), sorted(wanted), "lines of the sink")
        topic = {}
        for p in range(4):
            text = install.run_quietly([install.kcat(), "-b", broker.bootstrap, "-C", "-t", "connected", "-p", str(p), "-o", "beginning", "-e",
                                        "-q", "-f", "%o %s\n"], "kcat -C")
            for row in text.splitlines():
                offset, _, line = row.partition(" ")
                if line.startswith("line "):
                    topic.setdefault(line, []).append((p, int(offset)))
        expect(set(topic) == set(wanted), "lines of the topic")
        sent_again = sum(len(places) - 1 for places in topic.values())
        too_often = [line for line in set(lines) if lines.count(line) > len(topic[line])
                     and all(o < committed.get(p, (0, ""))[0] for p, o in topic[line])]
        expect(not too_often, f"{len(too_often)} lines came again although they were committed: {too_often[:3]}")
        return f"{len(before)} lines before the kill, {len(lines) - 900 - sent_again} of the sink twice, {sent_again} of the source"
    finally:
        for worker in workers:
            worker.end()
