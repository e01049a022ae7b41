"""The text of this machine as numbered lines: what the real-input gate writes, and the judge of what comes back."""

from pathlib import Path

from interop.install import Missing
from interop.report import expect

SOURCES = ["usr/share/common-licenses/*", "usr/share/dict/american-english", "usr/share/doc/*/copyright",
           "usr/share/dict/british-english"]
LEAST_BYTES = 1_000_000


def text_of_this_machine():
    """Every line of the sources that a line-based producer passes on unchanged: UTF-8 without carriage returns."""
    lines = []
    for source in SOURCES:
        for path in sorted(Path("/").glob(source)):
            if path.is_file():
                lines += filter(is_plain, path.read_bytes().split(b"\n"))
    if sum(map(len, lines)) < LEAST_BYTES:
        raise Missing("the machine has no word list (Debian: apt-get install wamerican wbritish)")
    return lines


def is_plain(line):
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return b"\r" not in line


class Corpus:
    """The text, repeated until it has `size` bytes. Line `i` travels as `i TAB text LF`: its key and its value."""

    def __init__(self, size):
        self.text = text_of_this_machine()
        self.count = 0
        self.bytes = 0
        while self.bytes < size:
            self.bytes += len(self.line(self.count)) + 1
            self.count += 1

    def line(self, number):
        return self.text[number % len(self.text)]

    def feed(self, pipe, begin, end):
        """Writes the lines from `begin` (inclusive) to `end` (exclusive)."""
        for first in range(begin, end, 1000):
            pipe.write(b"".join(b"%d\t%s\n" % (i, self.line(i)) for i in range(first, min(first + 1000, end))))
        pipe.flush()

    def check_partition(self, lines, seen):
        """Each line byte for byte what was fed, in the order in which it was fed; marks its number in `seen`."""
        last = -1
        for line in lines:
            key, _, value = line.rstrip(b"\n").partition(b"\t")
            number = int(key)
            expect(number > last, f"line {number} after line {last}")
            expect(value == self.line(number), f"line {number} is {value!r:.200}, not {self.line(number)!r:.200}")
            seen[number] = 1
            last = number
