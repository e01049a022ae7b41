"""What every client library does in a group, the same for each: read on after a restart, share, join, leave, die, come back."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

from interop import coordinator
from interop.members import Group
from interop.report import expect, expect_equal

AT_ONCE = 4
# How soon a member that was killed is missed; a static member must start again within the long one.
SESSION = 3000
LONG_SESSION = 30_000
OVERRIDES = {
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": str(SESSION),
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    "group.consumer.assignment.interval.ms": "0",
}
WITHOUT_METADATA = ("kafka-go", "kafkajs", "@platformatic/kafka", "kcat")
PARTITIONS = 4


def texts(what, count=40):
    return [f"{what}-{i}" for i in range(count)]


class Scenarios:
    """Cases of one gate: each has a topic and a group of its own, so they run at the same time."""

    def __init__(self, gate, broker, report):
        self.gate, self.broker, self.report = gate, broker, report
        self.cases = []

    def group(self, name, protocol, **options):
        name = f"{self.gate}-{name}".replace("/", "-").replace("@", "")
        return Group(self.broker, name, name, PARTITIONS, protocol, **{"session": SESSION, **options})

    def add(self, name, function, *arguments, needs="classic"):
        self.cases.append((needs, name, function, arguments))

    def run(self, at_once=AT_ONCE):
        coordinator.ready(self.broker)
        served = {None, *coordinator.served(self.broker)}
        with ThreadPoolExecutor(at_once) as pool:
            for needs, name, function, arguments in self.cases:
                if needs in served:
                    pool.submit(self.report.run, name, function, *arguments)
                else:
                    self.report.not_served(name, f"{needs} groups")

    # --- the cases ------------------------------------------------------------------------------------------------

    def of_library(self, library, protocol="classic", static=True, sleeps=True, killed=True, assignors=()):
        """All cases of a library."""
        self.add(f"{library}, {protocol}: reads to the end, commits, reads on", self.reads_on, library, protocol, needs=protocol)
        self.add(f"{library}, {protocol}: two members share, one leaves", self.shares, library, protocol, needs=protocol)
        if killed:
            self.add(f"{library}, {protocol}: the other takes over from a killed one", self.takes_over, library, protocol, needs=protocol)
        if sleeps:
            self.add(f"{library}, {protocol}: a member that slept joins again", self.expires, library, protocol, needs=protocol)
        if static:
            self.add(f"{library}, {protocol}: a static member comes back to its partitions", self.comes_back, library, protocol, needs=protocol)
        for assignor in assignors:
            self.add(f"{library}, {protocol}, {assignor}: two members share, one leaves", self.shares, library, protocol, assignor, needs=protocol)

    def reads_on(self, library, protocol):
        """The second member, another process, reads exactly what the first had not; what was committed stands there with
        its metadata."""
        metadata = {} if library in WITHOUT_METADATA else {"metadata": f"by {library}"}
        with self.group(f"on-{library}-{protocol}", protocol, **metadata) as group:
            group.feed(texts("first"))
            first = group.start(library)
            group.wait_read()
            group.wait_committed(dict.fromkeys(range(PARTITIONS), 10))
            first.stop()
            group.feed(texts("second", 20))
            second = group.start(library)
            group.wait_read()
            group.wait_committed(dict.fromkeys(range(PARTITIONS), 15))
            second.stop()
            got = sorted(e.value for e in group.events if e.kind == "R" and e.member == second.name)
            expect_equal(got, sorted(texts("second", 20)), "what the second member read")
            if metadata:
                # confluent-kafka sends the zero byte at the end of a C string along
                got = {m.rstrip("\0") for _, m in group.committed().values()}
                expect_equal(got, {f"by {library}"}, "committed metadata")
            group.judge()

    def shares(self, library, protocol, assignor=None):
        """Two members own each partition once; the one that is left owns all again; no record is lost on the way."""
        options = {"assignor": assignor} if assignor else {}
        with self.group(f"share-{library}-{protocol}-{assignor}", protocol, **options) as group:
            group.feed(texts("alone"))
            first = group.start(library)
            group.wait_read()
            second = group.start(library)
            group.wait_shared([first, second])
            group.feed(texts("together"))
            group.wait_read()
            shares = (len(first.owned), len(second.owned))
            second.stop()
            group.wait_shared([first])
            group.feed(texts("alone-again"))
            group.wait_read()
            first.stop()
            group.judge()
            expect_equal(shares, (2, 2), "partitions of each")

    def takes_over(self, library, protocol):
        """A killed member says nothing; when its session is over, the other reads on from its last commit."""
        with self.group(f"killed-{library}-{protocol}", protocol) as group:
            group.feed(texts("before"))
            first, second = group.start(library), group.start(library)
            group.wait_shared([first, second])
            group.wait_read()
            second.kill()
            group.feed(texts("after"))
            group.wait_shared([first])
            group.wait_read()
            first.stop()
            group.judge()

    def comes_back(self, library, protocol):
        """A static member that starts again within its session gets its partitions back, and the other one hears nothing of
        it. A classic one may have been killed; in a KIP-848 group its id is free again only when it said that it goes."""
        with self.group(f"static-{library}-{protocol}", protocol, session=LONG_SESSION) as group:
            if protocol == "consumer":
                coordinator.configure(self.broker, group.name, "consumer.session.timeout.ms", str(LONG_SESSION))
            group.feed(texts("before"))
            first, second = group.start(library, instance="one"), group.start(library, instance="two")
            group.wait_shared([first, second])
            group.wait_read()
            before = second.owned
            said = len([e for e in group.events if e.member == first.name and e.kind in "+-"])
            if protocol == "classic":
                second.kill()
            else:
                second.stop()
            again = group.start(library, instance="two")
            group.wait("the static member has its partitions", lambda: again.owned == before)
            group.feed(texts("after"))
            group.wait_read()
            expect_equal(len([e for e in group.events if e.member == first.name and e.kind in "+-"]), said,
                         "changes that the other member saw")
            first.stop()
            again.stop()
            group.judge()

    def expires(self, library, protocol="classic"):
        """A member that was stopped for longer than its session comes back: it is told so, what it commits is refused, and it
        joins again."""
        with self.group(f"expires-{library}-{protocol}", protocol) as group:
            group.feed(texts("before"))
            first, second = group.start(library), group.start(library)
            group.wait_shared([first, second])
            group.wait_read()
            os.kill(second.process.pid, signal.SIGSTOP)
            group.wait("the other has every partition", lambda: len(first.owned) == PARTITIONS)
            group.feed(texts("while it slept"))
            group.wait_read()
            os.kill(second.process.pid, signal.SIGCONT)
            group.wait_shared([first, second])
            group.feed(texts("after"))
            group.wait_read()
            first.stop()
            second.stop()
            group.judge(shared=False)

    def mixed(self, members, assignor="range", protocol="classic"):
        """Members of several libraries in one group: each gets a share, one after the other leaves."""
        with self.group(f"mixed-{'-'.join(members)}-{protocol}-{assignor}", protocol, assignor=assignor) as group:
            group.feed(texts("before"))
            started = [group.start(library) for library in members]
            group.wait_shared(started)
            group.feed(texts("together"))
            group.wait_read()
            for i, member in enumerate(started):
                member.stop()
                if started[i + 1:]:
                    group.wait_shared(started[i + 1:])
                    group.feed(texts(f"without-{member.name}"))
                    group.wait_read()
            group.judge()

    def both_protocols(self, classic, consumer):
        """A member of the old protocol and one of the new in the same group, as in an upgrade without a pause."""
        with self.group(f"both-{classic}-{consumer}", "classic", assignor="range") as group:
            group.feed(texts("before"))
            old = group.start(classic)
            group.wait_shared([old])
            new = group.start(consumer, protocol="consumer")
            group.wait_shared([old, new])
            group.feed(texts("together"))
            group.wait_read()
            old.stop()
            group.wait_shared([new])
            group.feed(texts("upgraded"))
            group.wait_read()
            new.stop()
            expect(not [e for e in group.events if e.kind == "!"], "an error was reported")
            group.judge()
