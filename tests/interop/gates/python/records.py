"""What is written, and what must be read back: key, value, ordered headers and timestamp of each record."""

import random
from dataclasses import dataclass, field

BASE_TIMESTAMP = 1_760_000_000_000


@dataclass
class Record:
    key: bytes | None
    value: bytes | None
    headers: list = field(default_factory=list)
    timestamp: int = BASE_TIMESTAMP


def sample(count=200, seed=7, null_headers=True):
    """Records that differ in all that a codec could confuse: nulls, empties, binary, long values, header order."""
    rng = random.Random(seed)
    records = []
    for i in range(count):
        kind = i % 8
        key = [None, b"", b"key", rng.randbytes(20)][i % 4]
        value = [b"v%d" % i, b"", None, rng.randbytes(300), b"\x00" * 5000, b"text " * 200, "\u00fc\u20ac".encode(), b"z"][kind]
        if key is None and value is None:
            key = b"tombstone"
        headers = [[], [("h", b"1"), ("h", b"2"), ("a", b"")], [("bin", rng.randbytes(9))], [("n", None if null_headers else b"")]][i % 4]
        records.append(Record(key, value, headers, BASE_TIMESTAMP + i))
    return records


def difference(wanted, got):
    """None if both lists are equal, else the first difference in words."""
    for i, (w, g) in enumerate(zip(wanted, got)):
        if w != g:
            return f"record {i}: wanted {w!r:.300}, got {g!r:.300}"
    if len(wanted) != len(got):
        return f"{len(wanted)} records wanted, {len(got)} got"
    return None
