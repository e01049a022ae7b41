"""Brokers as processes: a Mainstem or an Apache Kafka on a free loopback port, in a folder of its own."""

import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
import base64
from pathlib import Path

from interop import install

HERE = Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent.parent

# What the foreign suites agree on; given as --override, so the names are Kafka's.
PROFILES = {
    "interop": {
        "auto.create.topics.enable": "true",
        "num.partitions": "4",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "100",
        "group.consumer.min.heartbeat.interval.ms": "1000",
        "group.consumer.heartbeat.interval.ms": "1000",
        "delete.topic.enable": "true",
        # records with old timestamps must outlive the run
        "log.retention.ms": "-1",
    },
    "strict": {"auto.create.topics.enable": "false", "default.replication.factor": "1", "offsets.topic.replication.factor": "1"},
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    """True if an ApiVersions v0 request is answered within two seconds."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))
            return len(connection.recv(4)) == 4
    except OSError:
        return False


class Broker:
    """One broker process. `bootstrap` is what clients are given."""

    name = "?"

    def __init__(self, profile="interop", overrides=None, folder=None):
        self.folder = Path(folder or tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.port = free_port()
        self.second_port = free_port()
        self.settings = {**PROFILES[profile], **(overrides or {})}
        self.log = self.folder / "broker.log"
        self.process = None
        self.prepare()
        self.launch()

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def prepare(self):
        """What is done once before the first start."""

    def command(self):
        raise NotImplementedError

    def launch(self, deadline=60):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + deadline
        while not answers(self.port):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
            if time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"{self.name} did not answer within {deadline} s: {self.tail()}")
            time.sleep(0.02)

    def tail(self):
        return self.log.read_text(errors="replace")[-1500:]

    def stop(self):
        """Clean stop; returns the exit code."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def kill(self):
        """SIGKILL: what the process had not written is gone, the page cache stays."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def restart(self):
        self.launch()


class Mainstem(Broker):
    name = "mainstem"
    binary = None

    def command(self):
        settings = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": str(self.folder / "data"),
            "mainstem.admin.listen": f"127.0.0.1:{self.second_port}",
            **self.settings,
        }
        command = [str(self.binary), "serve"]
        for key, value in settings.items():
            command += ["--override", f"{key}={value}"]
        return command


class Kafka(Broker):
    """Apache Kafka as one combined KRaft node, shipped defaults but for ports, folders and the profile."""

    name = "kafka"
    killed = False

    def prepare(self):
        self.jars = install.kafka_jars()
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.second_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.second_port}",
            "log.dirs": str(self.folder / "data"),
            **self.settings,
        }
        self.properties = self.folder / "server.properties"
        self.properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        cluster_id = base64.urlsafe_b64encode(b"M" + os.urandom(15)).decode().rstrip("=")
        install.run_quietly(
            java(self.jars, "kafka.tools.StorageTool", "format", "--config", str(self.properties), "--standalone",
                 "--cluster-id", cluster_id), "formatting Kafka's storage")

    def command(self):
        return java(self.jars, "kafka.Kafka", str(self.properties), heap="-Xmx1G")

    def kill(self):
        super().kill()
        self.killed = True

    def restart(self):
        if self.killed:  # the old registration of a killed node must expire first
            time.sleep(9)
            self.killed = False
        self.launch()


def java(jars, main_class, *arguments, heap="-Xmx256m"):
    """The command line of one of Kafka's main classes."""
    logging = HERE / "peers/kafka/log4j2.properties"
    return ["java", heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            f"-Dlog4j2.configurationFile={logging}", "-cp", f"{jars}/*", main_class, *arguments]


KINDS = {"mainstem": Mainstem, "kafka": Kafka}
