"""The soak of groups: clients of every family in one group while members come, leave and are killed, and the broker is killed."""

import argparse
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from interop import brokers, coordinator, doctored, history, install, runner, scenarios
from interop.members import FOLDER, Group, Member, command, now

PARTITIONS = 12
FAMILIES = {
    "classic": ["confluent-kafka", "kafka-python", "aiokafka", "kcat", "kafkajs", "franz-go", "java"],
    "consumer": ["confluent-kafka", "franz-go", "java", "@platformatic/kafka"],
}
# kcat prints what its library may have committed already: a SIGKILL between the two loses the line, not the record.
NEVER_KILLED = ("kcat",)
LEAST = 3
DRAIN_SECONDS = 180


class Producer(Member):
    """numbers.py; what it says is part of the history."""

    def start(self, options):
        self.process = subprocess.Popen(
            [str(install.python_clients()), str(FOLDER / "numbers.py"), options["bootstrap"], options["topic"], str(PARTITIONS),
             str(options["rate"])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.readers = [threading.Thread(target=self.read, args=(stream,), daemon=True)
                        for stream in (self.process.stdout, self.process.stderr)]
        for reader in self.readers:
            reader.start()


class Soak:
    def __init__(self, broker, arguments):
        self.broker, self.arguments = broker, arguments
        self.random = random.Random(arguments.seed)
        self.group = Group(broker, "soak", "soak", PARTITIONS, arguments.protocol, session=6000,
                           **({"assignor": "range"} if arguments.protocol == "classic" else {}))
        self.over = threading.Event()
        self.read_before = -1
        self.broker_kills = self.kills = self.leaves = 0
        self.began = time.monotonic()

    def observe(self):
        """Asks again and again what is committed; a broker that is down answers nothing."""
        while not self.over.wait(0.3):
            asked = now()
            try:
                found = coordinator.committed(self.broker, "soak", "soak", list(range(PARTITIONS)))
            except OSError:
                continue
            self.group.add(history.Event(asked, "observer", "O", offsets={p: o for p, (o, _) in found.items()}, until=now()))

    def kill_the_broker(self):
        while not self.over.wait(self.arguments.kill_every):
            self.broker.kill()
            self.broker_kills += 1
            self.broker.restart()

    def living(self):
        return [m for m in self.group.members if m.alive]

    def change_a_member(self):
        """One member leaves or is killed; one of a family that is missing, or of any, comes."""
        members = self.living()
        if len(members) > LEAST:
            victim = self.random.choice(members)
            if victim.library not in NEVER_KILLED and self.random.random() < 0.5:
                victim.kill()
                self.kills += 1
            else:
                victim.leave()  # whether it ends in time is judged by what the others get
                self.leaves += 1
                members.remove(victim)
        present = {m.library for m in self.living()}
        missing = [f for f in FAMILIES[self.arguments.protocol] if f not in present]
        self.group.start(self.random.choice(missing or FAMILIES[self.arguments.protocol]))

    def say(self):
        events = list(self.group.events)
        written = sum(1 for e in events if e.kind == "P")
        read = len({(e.partitions[0], e.offset) for e in events if e.kind == "R"})
        committed = next((e.offsets for e in reversed(events) if e.kind == "O"), {})
        print(f"{time.monotonic() - self.began:5.0f} s: {written} written, {read} read, {sum(committed.values())} committed, "
              f"{history.repeated(events)} read again; {self.broker_kills} times the broker killed, {self.kills} members killed, "
              f"{self.leaves} left, {len(self.living())} live", flush=True)
        if read == self.read_before < written:
            self.explain()
        self.read_before = read

    def explain(self):
        """Nobody has read for a while: what the coordinator says of it."""
        done = subprocess.run([str(brokers.Mainstem.binary), "explain", "group", "soak", "--observe", "0s", "--timeout", "5s", "-q",
                               "-b", self.broker.bootstrap], capture_output=True, text=True, check=False)
        print("".join(f"        {line}\n" for line in (done.stdout or done.stderr).splitlines()[:12]), end="", flush=True)

    def run(self):
        arguments = self.arguments
        producer = Producer(self.group, "producer", "producer",
                            {"bootstrap": self.broker.bootstrap, "topic": "soak", "rate": arguments.rate})
        # all the time: the reading of a whole history costs more the longer it is
        helpers = [threading.Thread(target=self.observe, daemon=True)]
        helpers[0].start()
        for family in FAMILIES[arguments.protocol]:
            self.group.start(family)
        killer = threading.Thread(target=self.kill_the_broker, daemon=True)
        killer.start()
        end, spoken = time.monotonic() + arguments.minutes * 60, time.monotonic()
        while time.monotonic() < end:
            time.sleep(self.random.uniform(4, 8))
            self.change_a_member()
            if time.monotonic() - spoken > 10:
                self.say()
                spoken = time.monotonic()
        self.over.set()
        killer.join(120)
        producer.stop()
        self.drain()
        for member in self.living():
            member.leave()
        for member in self.group.members:
            try:
                member.process.wait(30)
            except subprocess.TimeoutExpired:
                member.kill()
        self.group.committed()
        self.say()

    def drain(self):
        """Waits until everything is read, or long enough."""
        end = time.monotonic() + DRAIN_SECONDS
        wanted = {(e.partitions[0], e.offset) for e in self.group.events if e.kind == "P"}
        while time.monotonic() < end:
            read = {(e.partitions[0], e.offset) for e in list(self.group.events) if e.kind == "R"}
            if wanted <= read:
                return
            time.sleep(1)

    def verdict(self):
        events = self.group.events
        faults = history.judge(events, shared=False)
        readers = {m.library: 0 for m in self.group.members}
        for event in events:
            if event.kind == "R":
                readers[event.member.partition("#")[0]] += 1
        undelivered = [e.value for e in events if e.member == "producer" and e.kind == "!" and "deliver" in e.value]
        idle = [library for library, count in readers.items() if count == 0]
        faults += [f"not one record was read by {library}" for library in idle] + undelivered
        print(f"records by family: {readers}")
        for fault in faults[:20]:
            print(f"FAULT {fault}")
        print(f"{'FAILED' if faults else 'ok'}: {len(faults)} faults: nothing lost, committed offsets never back, "
              "read again only what came after the last commit")
        return not faults


def write_history(soak):
    path = soak.broker.folder / "history.txt"
    with open(path, "w") as out:
        for e in sorted(soak.group.events):
            out.write(f"{e.at} {e.member} {e.kind} {e.partitions} {e.offset} {e.value} {e.offsets} {e.until}\n")
    print(f"history: {path}")


def main():
    parser = argparse.ArgumentParser(description="Keeps one group of many clients busy while members and the broker are killed.")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--protocol", choices=sorted(FAMILIES), default="classic")
    parser.add_argument("--target", choices=sorted(brokers.KINDS), default="mainstem")
    parser.add_argument("--binary", type=Path, help="the mainstem binary; built in release mode without it")
    parser.add_argument("--kill-every", type=float, default=10, help="seconds between two SIGKILLs of the broker")
    parser.add_argument("--rate", type=int, default=200, help="records a second")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"negative control: {doctored.check()}; seed {arguments.seed}", flush=True)
    brokers.Mainstem.binary = arguments.binary.resolve() if arguments.binary else runner.build()
    for family in FAMILIES[arguments.protocol]:  # nothing is built once the clock runs
        if family != "kcat":
            command(family, {})
    broker = coordinator.ready(brokers.KINDS[arguments.target](overrides={
        **scenarios.OVERRIDES, "num.partitions": str(PARTITIONS), "group.consumer.session.timeout.ms": "6000"}))
    soak = Soak(broker, arguments)
    try:
        with soak.group:
            soak.run()
        good = soak.verdict()
        if not good:
            write_history(soak)
    finally:
        broker.stop()
    if good:
        shutil.rmtree(broker.folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
