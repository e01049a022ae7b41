"""What members of a group said, and the judgement on it. Pure: no process, no clock; the soak and the gates stand above."""

from collections import defaultdict
from dataclasses import dataclass, field

# Two clocks of one machine, read by different languages.
SLACK_MICROSECONDS = 5_000
# How long after it got a partition a client may start its others anew.
ANEW_MICROSECONDS = 3_000_000
# How long before it says that it got a partition such a client may have asked where the others begin: nobody else owns those,
# so that a commit of its own may have come between.
ASKED_MICROSECONDS = 100_000


@dataclass(order=True)
class Event:
    """`at` is in microseconds. Kinds beside those of members/README.md: `x` the member was killed, `P` a record was acknowledged
    (partition, offset, value), `O` committed offsets were seen: asked after `at`, answered at `until`."""

    at: int
    member: str = field(compare=False)
    kind: str = field(compare=False)
    partitions: tuple = field(compare=False, default=())
    offset: int = field(compare=False, default=-1)
    value: str = field(compare=False, default="")
    offsets: dict = field(compare=False, default_factory=dict)
    until: int = field(compare=False, default=0)


def parse(member, line):
    """An event from a line of a member, or None if it is not one."""
    at, _, said = line.partition(" ")
    if not at.isdigit() or not said:
        return None
    at, (kind, *rest) = int(at), said.split(" ")
    if kind in ("+", "-"):
        return Event(at, member, kind, tuple(int(p) for p in rest))
    if kind in ("R", "P"):
        return Event(at, member, kind, (int(rest[0]),), int(rest[1]), " ".join(rest[2:]))
    if kind == "C":
        return Event(at, member, kind, offsets={int(p): int(o) for p, o in (part.split(":") for part in rest)})
    return Event(at, member, kind, value=" ".join(rest))


class Ownership:
    """Who owns which partition, as the members said."""

    def __init__(self):
        self.of = defaultdict(set)  # member -> partitions

    def follow(self, event):
        if event.kind == "+":
            self.of[event.member].update(event.partitions)
        elif event.kind == "-":
            self.of[event.member].difference_update(event.partitions)
        elif event.kind in (".", "x"):
            self.of.pop(event.member, None)


def lost(events):
    """Records that were acknowledged and that no member ever got."""
    read = {(e.partitions[0], e.offset, e.value) for e in events if e.kind == "R"}
    return [f"partition {e.partitions[0]} offset {e.offset} ({e.value}) was acknowledged, but no member got it"
            for e in events if e.kind == "P" and (e.partitions[0], e.offset, e.value) not in read]


def overlaps(events):
    """Partitions that two living members owned at the same time."""
    owners, found = Ownership(), []
    for event in sorted(events):
        if event.kind == "+":
            for other, owned in owners.of.items():
                both = owned.intersection(event.partitions) if other != event.member else ()
                found += [f"{event.member} got partition {p} while {other} had it" for p in both]
        owners.follow(event)
    return found


def committed_before(commits, partition, at):
    """The highest offset that was known to be committed for a partition before a time."""
    return max((offset for when, offset in commits[partition] if when < at), default=0)


def known_commits(events):
    """partition -> (time by which it was known, offset), from acknowledged commits and from what was seen."""
    commits = defaultdict(list)
    for event in events:
        if event.kind in ("C", "O"):
            for partition, offset in event.offsets.items():
                commits[partition].append((max(event.at, event.until), offset))
    return commits


def early_starts(events):
    """A member that gets a partition starts where the group committed, not before: only what came after the last commit
    may be read twice. From there on it reads one record after the other; but some clients start all their partitions anew
    from the commit when they get one more."""
    commits, found = known_commits(events), []
    first, last, gain = set(), {}, {}  # (member, partition) before its first record; the record before; member -> last gain
    for event in sorted(events):
        if event.kind == "+":
            gain[event.member] = event.at
            for partition in event.partitions:
                first.add((event.member, partition))
                last.pop((event.member, partition), None)
        elif event.kind == "R":
            (partition,) = event.partitions
            who = (event.member, partition)
            anew = event.offset <= last.get(who, -1) and event.at - gain[event.member] < ANEW_MICROSECONDS
            starts = who in first or anew
            asked = gain.get(event.member, 0) - (ASKED_MICROSECONDS if anew and who not in first else SLACK_MICROSECONDS)
            floor = committed_before(commits, partition, asked)
            if starts and event.offset < floor:
                found.append(f"{event.member} read partition {partition} from {event.offset}, although {floor} was committed")
            elif not starts and who in last and event.offset != last[who] + 1:
                found.append(f"{event.member} read offset {event.offset} of partition {partition} after {last[who]}")
            first.discard(who)
            last[who] = event.offset
    return found


def commits_undone(events):
    """Committed offsets that were seen below what had been acknowledged, or seen before."""
    found, commits = [], known_commits(events)
    for event in events:
        if event.kind == "O":
            for partition, offset in event.offsets.items():
                floor = committed_before(commits, partition, event.at - SLACK_MICROSECONDS)
                if offset < floor:
                    found.append(f"committed offset of partition {partition} seen at {offset}, although {floor} was committed")
    return found


def repeated(events):
    """How many records were handed out more than once."""
    seen, count = set(), 0
    for event in events:
        if event.kind == "R":
            key = (event.partitions[0], event.offset)
            count += key in seen
            seen.add(key)
    return count


def judge(events, shared=True):
    """Everything that is wrong with a history. `shared`: no member lost its session behind its own back, so that no
    partition may have had two owners."""
    return lost(events) + early_starts(events) + commits_undone(events) + (overlaps(events) if shared else [])
