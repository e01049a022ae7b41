"""The negative control of history.py: an honest history is taken, and each of its doctored copies is not."""

from interop.history import Event, judge
from interop.report import expect, expect_equal


def honest():
    """Two members: the first reads a partition, commits and dies; the second goes on from the commit, one record twice."""
    events = [Event(i, "producer", "P", (0,), i, f"v{i}") for i in range(6)]
    events += [Event(10_000, "one", "+", (0,))]
    events += [Event(11_000 + i, "one", "R", (0,), i, f"v{i}") for i in range(3)]
    events += [Event(20_000, "one", "C", offsets={0: 3}), Event(21_000, "one", "R", (0,), 3, "v3"), Event(22_000, "one", "x"),
               Event(40_000, "observer", "O", offsets={0: 3}, until=41_000), Event(50_000, "two", "+", (0,))]
    events += [Event(60_000 + i, "two", "R", (0,), i, f"v{i}") for i in range(3, 6)]
    events += [Event(70_000, "two", "C", offsets={0: 6}), Event(80_000, "observer", "O", offsets={0: 6}, until=81_000),
               Event(90_000, "two", ".")]
    return events


def at(events, when):
    (index,) = [i for i, e in enumerate(events) if e.at == when]
    return index


def without_a_record(events):
    del events[at(events, 60_005)]


def with_another_value(events):
    events[at(events, 60_004)].value = "v9"


def before_the_commit(events):
    events.insert(at(events, 60_003), Event(55_000, "two", "R", (0,), 2, "v2"))


def with_a_step_back(events):
    events.append(Event(8_000_000, "two", "R", (0,), 3, "v3"))


def with_a_gap(events):
    del events[at(events, 60_004)]


def with_a_start_below_the_commit(events):
    """The one that starts anew because it got more: its commit was long known when it asked."""
    events += [Event(1_000_000, "two", "+", (1,)), Event(1_001_000, "two", "R", (0,), 1, "v1")]


def with_a_commit_undone(events):
    events[at(events, 40_000)].offsets = {0: 2}


def with_an_earlier_view_again(events):
    events[at(events, 80_000)].offsets = {0: 3}
    events[at(events, 70_000)].offsets = {0: 5}


def with_two_owners(events):
    del events[at(events, 22_000)]


DOCTORED = [
    (without_a_record, "was acknowledged, but no member got it"), (with_another_value, "was acknowledged, but no member got it"),
    (before_the_commit, "although 3 was committed"), (with_a_step_back, "read offset 3 of partition 0 after 5"),
    (with_a_gap, "read offset 5 of partition 0 after 3"), (with_a_start_below_the_commit, "from 1, although 6 was committed"),
    (with_a_commit_undone, "seen at 2, although 3"), (with_an_earlier_view_again, "seen at 3, although 5"),
    (with_two_owners, "got partition 0 while one had it"),
]


def check():
    """Raises unless the judge takes the honest history and refuses each doctored one for its own fault."""
    expect_equal(judge(honest()), [], "faults of an honest history")
    for doctor, fault in DOCTORED:
        events = honest()
        doctor(events)
        found = judge(events)
        expect(any(fault in f for f in found), f"{doctor.__name__}: found {found}, wanted {fault!r}")
    return f"{len(DOCTORED)} doctored histories were noticed"
