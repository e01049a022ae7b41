"""Group members as processes (members/README.md): started, stopped, killed, and what they say as one history."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from interop import coordinator, history, install
from interop.report import expect

FOLDER = Path(__file__).resolve().parent.parent / "members"
PYTHON = ("confluent-kafka", "kafka-python", "aiokafka")
GO = ("franz-go", "sarama", "kafka-go")
JAVASCRIPT = ("kafkajs", "@platformatic/kafka")
JAVA = ("java", "java-3.9.2", "java-2.8.2")


def command(library, options):
    """The command line of a member program; builds or installs what it needs."""
    argument = json.dumps({"library": library, **options})
    if library in PYTHON:
        return [str(install.python_clients()), str(FOLDER / "member.py"), argument]
    if library in GO:
        return [str(install.go_clients()), "member", argument]
    if library in JAVASCRIPT:
        return ["node", str(install.javascript_program("member.mjs", FOLDER)), argument]
    jars, classes = install.java_member(library)
    return ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            f"-Dlog4j2.configurationFile={install.HERE}/peers/kafka/log4j2.properties", "-cp", f"{classes}:{jars}/*", "Member", argument]


class Member:
    """One process. Its events go into the history of its group."""

    def __init__(self, group, name, library, options):
        self.group, self.name, self.library = group, name, library
        self.said = []
        self.start(options)

    def start(self, options):
        self.process = subprocess.Popen(command(self.library, options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.readers = [threading.Thread(target=self.read, args=(stream,), daemon=True)
                        for stream in (self.process.stdout, self.process.stderr)]
        for reader in self.readers:
            reader.start()

    def read(self, stream):
        for line in stream:
            event = history.parse(self.name, line.rstrip("\n"))
            if event is None or event.kind == "!":
                self.said = [*self.said[-100:], line.strip()]
            if event is not None:
                self.group.add(event)

    def complaints(self):
        """The last that it said beside its history; what can say so also says where its threads are."""
        if self.library in PYTHON and self.alive:
            before = len(self.said)
            os.kill(self.process.pid, signal.SIGUSR1)
            time.sleep(1)  # nobody says when a stack is whole; it is read by people
            return [*self.said[max(0, before - 12):before], *self.said[before:][:60]]
        return self.said[-12:]

    def leave(self):
        """Asks it to leave the group; `ended` waits for it."""
        try:
            self.process.stdin.write("stop\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended already

    def ended(self, seconds=60):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            code = f"no end within {seconds} s"
        for reader in self.readers:
            reader.join(10)
        expect(code == 0, f"{self.name} ended with {code}: {self.said[-6:]}")

    def stop(self):
        self.leave()
        self.ended()

    def kill(self):
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join(10)
        self.group.add(history.Event(now(), self.name, "x"))

    @property
    def alive(self):
        return self.process.poll() is None

    @property
    def owned(self):
        return self.group.owned(self.name)


class Kcat(Member):
    """kcat -G: it says what it got on stderr, the records on stdout, and never what it committed."""

    REBALANCED = re.compile(r"% Group .* rebalanced .*: (assigned|revoked): (.*)")

    def start(self, options):
        # kcat speaks of a rebalance before it takes its part, and commits by the clock
        settings = {"session.timeout.ms": options["session"], "heartbeat.interval.ms": options["session"] // 4,
                    "auto.offset.reset": "earliest", "auto.commit.interval.ms": options.get("commit", 200),
                    "fetch.wait.max.ms": 100, "reconnect.backoff.max.ms": 1000,
                    **({"partition.assignment.strategy": options["assignor"]} if "assignor" in options else {}),
                    **({"group.instance.id": options["instance"]} if "instance" in options else {})}
        more = [part for key, value in settings.items() for part in ("-X", f"{key}={value}")]
        self.process = subprocess.Popen(
            [install.kcat(), "-b", options["bootstrap"], "-G", options["group"], options["topic"], "-u", "-f", "R %p %o %s\\n", *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.readers = [threading.Thread(target=self.read, args=(stream,), daemon=True)
                        for stream in (self.process.stdout, self.process.stderr)]
        for reader in self.readers:
            reader.start()

    def read(self, stream):
        for line in stream:
            rebalanced = self.REBALANCED.match(line)
            if line.startswith("R "):
                self.group.add(history.parse(self.name, f"{now()} {line.rstrip()}"))
            elif rebalanced:
                partitions = tuple(int(p) for p in re.findall(r"\[(\d+)\]", rebalanced.group(2)))
                self.group.add(history.Event(now(), self.name, "+" if rebalanced.group(1) == "assigned" else "-", partitions))
            else:
                self.said = [*self.said[-20:], line.strip()]
        if stream is self.process.stdout:
            self.group.add(history.Event(now(), self.name, "."))

    def leave(self):
        self.process.terminate()


def now():
    return time.time_ns() // 1000


class Group:
    """A group on one topic, its members and their history. Used as a context manager: nothing outlives it."""

    def __init__(self, broker, name, topic, partitions=4, protocol="classic", session=3000, **options):
        self.broker, self.name, self.topic, self.partitions = broker, name, topic, partitions
        self.options = {"bootstrap": broker.bootstrap, "group": name, "topic": topic, "protocol": protocol, "session": session,
                        **options}
        self.members, self.events = [], []
        self.owners = history.Ownership()
        self.changed = threading.Condition()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.members:
            if member.alive:
                member.process.kill()
                member.process.wait()

    def add(self, event):
        with self.changed:
            self.events.append(event)
            self.owners.follow(event)
            self.changed.notify_all()

    def owned(self, member):
        with self.changed:
            return set(self.owners.of.get(member, ()))

    def start(self, library, **options):
        name = f"{library}#{len(self.members) + 1}"
        kind = Kcat if library == "kcat" else Member
        member = kind(self, name, library, {**self.options, **options})
        self.members.append(member)
        return member

    def wait(self, what, condition, seconds=90):
        """Until `condition` holds over what has been said; fails with the state and what the members complained of."""
        end = time.monotonic() + seconds
        with self.changed:
            while not condition():
                dead = [m for m in self.members if m.process.poll() not in (None, 0, -9)]
                left = end - time.monotonic()
                if left <= 0 or dead:
                    break
                self.changed.wait(min(left, 1))
            else:
                return
            owned = dict(self.owners.of)
        complaints = "".join(f"\n  {m.name}: " + "\n    ".join(m.complaints()) for m in (dead or self.members))
        raise AssertionError(f"{what}: not within {seconds} s, owned {owned}; {coordinator.described(self.broker, self.name)}{complaints}")

    def wait_shared(self, members, seconds=90):
        """Until these members, each with a share, own every partition once."""
        wanted = sorted(range(self.partitions))

        def shared():
            shares = [self.owners.of.get(m.name, set()) for m in members]
            return all(shares) and sorted(p for share in shares for p in share) == wanted
        self.wait(f"{' and '.join(m.name for m in members)} share the partitions", shared, seconds)

    def feed(self, texts, partition=None):
        """Writes records round the partitions (or into one) with kcat, and notes them as acknowledged."""
        if not self.events:
            self.create()
        for p in range(self.partitions) if partition is None else [partition]:
            mine = texts if partition is not None else texts[p::self.partitions]
            install.run_quietly([install.kcat(), "-b", self.broker.bootstrap, "-P", "-t", self.topic, "-p", str(p), "-X", "acks=all",
                                 "-X", "topic.metadata.refresh.interval.ms=500"],
                                "kcat -P", input="".join(f"{t}\n" for t in mine))
            start = sum(1 for e in self.events if e.kind == "P" and e.partitions == (p,))
            for i, t in enumerate(mine):
                self.add(history.Event(now(), "kcat", "P", (p,), start + i, t))

    def create(self):
        """Makes the topic by asking for it, and waits until its partitions have leaders: on a busy Kafka that takes a while."""
        end = time.monotonic() + 60
        while True:
            listing = json.loads(install.run_quietly([install.kcat(), "-b", self.broker.bootstrap, "-L", "-J", "-t", self.topic], "kcat -L"))
            if [p["leader"] >= 0 for p in listing["topics"][0]["partitions"]] == [True] * self.partitions:
                return
            expect(time.monotonic() < end, f"{self.topic} is not there: {listing}")
            time.sleep(0.1)

    def wait_read(self, seconds=90):
        """Until the members got every record that was fed."""
        wanted = {(e.partitions[0], e.offset) for e in self.events if e.kind == "P"}

        def read():
            return wanted <= {(e.partitions[0], e.offset) for e in self.events if e.kind == "R"}
        self.wait(f"{len(wanted)} records are read", read, seconds)

    def committed(self):
        """partition -> (offset, metadata); noted in the history."""
        asked = now()
        found = coordinator.committed_soon(self.broker, self.name, self.topic, list(range(self.partitions)))
        self.add(history.Event(asked, "observer", "O", offsets={p: o for p, (o, _) in found.items()}, until=now()))
        return found

    def wait_committed(self, wanted, seconds=20):
        """Until the committed offsets are these."""
        end = time.monotonic() + seconds
        while {p: o for p, (o, _) in self.committed().items()} != wanted:
            if time.monotonic() > end:
                raise AssertionError(f"committed {self.committed()}, wanted {wanted}")
            time.sleep(0.1)

    def judge(self, shared=True):
        self.committed()
        wrong = history.judge(self.events, shared)
        expect(not wrong, f"{len(wrong)} faults: {wrong[:4]}")
