"""dump: Kafka's own DumpLogSegments 4.3.1 reads a log directory that Mainstem's storage wrote, file by file.

No broker runs. The writer (an example of the storage crate) prints the batches that it wrote; the tool must print the
same from the segments, find every index in order with its log, and read the snapshots and epochs.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from interop import install
from interop.brokers import REPOSITORY, java
from interop.report import expect, expect_equal

TOOL = "org.apache.kafka.tools.DumpLogSegments"


def run(_context, report):
    jars = install.kafka_jars()
    folder = Path(tempfile.mkdtemp(prefix="dump-")) / "data"
    written = subprocess.run(
        ["cargo", "run", "--quiet", "--package", "mainstem-storage", "--example", "write_log", "--", str(folder)],
        cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]

    def printed(topic):
        return [line.removeprefix(topic + " ") for line in written if line.startswith(topic + " ")]

    def files(suffix, topic="written"):
        return sorted((folder / f"{topic}-0").glob(f"*.{suffix}"))

    def dump(paths, *options):
        done = subprocess.run(java(jars, TOOL, "--files", ",".join(map(str, paths)), *options), capture_output=True, text=True,
                              timeout=300, check=False)
        output = done.stdout + done.stderr
        expect(done.returncode == 0, f"ended with {done.returncode}: {output[-600:]}")
        for word in ("Exception", "Mismatch", "mismatch", "corrupt", "Corrupt", "out of order", "non-consecutive",
                     "isvalid: false", "bytes left"):
            expect(word not in output, f"{word!r} in {output[-1500:]}")
        return output

    def batches(topic):
        pattern = re.compile(r"baseOffset: (\d+) lastOffset: (\d+) .*?producerId: (-?\d+) .*?partitionLeaderEpoch: (\d+) .*? crc: (\d+)")
        found = [f"{first} {last} {epoch} {producer} {crc}"
                 for first, last, producer, epoch, crc in pattern.findall(dump(files("log", topic), "--deep-iteration"))]
        expect_equal(found, printed(topic), "batches")
        return f"{len(found)} batches in {len(files('log', topic))} segments"

    def records():
        output = dump(files("log"), "--deep-iteration", "--print-data-log")
        expect_equal(output.count(" payload: round "), 200, "records of the idempotent producer")
        expect_equal(output.count("endTxnMarker: "), 13, "transaction markers")

    def indexes(suffix, topic="written"):
        # Of an index without entries, as a small segment has it, the tool says nothing.
        filled = [path for path in files(suffix, topic) if path.stat().st_size != 0]
        sane = dump(files(suffix, topic), "--index-sanity-check")
        expect_equal(sane.count("passed sanity check"), len(filled), "sane indexes")
        entries = dump(files(suffix, topic))
        expect(0 < len(re.findall(r"^(?:offset|timestamp): ", entries, re.M)), "entries are printed")
        dump(files(suffix, topic), "--verify-index-only")

    def compacted_records():
        """Of each key that has no tombstone the last record, once; the tombstones with the time from which on they may go."""
        output = dump(files("log", "compacted"), "--deep-iteration", "--print-data-log")
        expect(0 < output.count("deleteHorizonMs: OptionalLong["), "delete horizons")
        keys = re.findall(r"key: (key-\d+)", output)
        expect(60 <= len(keys) < 600, f"{len(keys)} records of 1200 are left")
        empty = re.findall(r"baseOffset: 0 lastOffset: 0 count: 0 .*producerId: 3000 ", output)
        expect_equal(len(empty), 1, "the last batch of a producer stays, empty")
        return f"{len(keys)} of 1200 records"

    def transactions():
        output = dump(files("txnindex"))
        expect_equal(output.count("producerId: 2000"), 6, "aborted transactions")

    def snapshots():
        output = dump(files("snapshot"))
        for producer in ("producerId: 1000 ", "producerId: 2000 "):
            expect_equal(output.count(producer), len(files("snapshot")), producer)
        expect_equal(len(files("snapshot")), len(files("log")), "a snapshot for each segment but the first, and one of the end")

    def a_flaw_is_noticed():
        """The control: of an index whose entry points elsewhere the tool says so."""
        with tempfile.TemporaryDirectory() as copy:
            for suffix in ("log", "index"):
                for path in files(suffix)[:1]:
                    shutil.copy(path, copy)
            index = next(Path(copy).glob("*.index"))
            content = bytearray(index.read_bytes())
            content[15] ^= 1  # the position of the second entry
            index.write_bytes(content)
            try:
                dump([index])
            except AssertionError:
                return
            raise AssertionError("a wrong position went unnoticed")

    expect(3 < len(files("log")), "the log has several segments")
    report.run("batches", batches, "written")
    report.run("records", records)
    report.run("offset-indexes", indexes, "index")
    report.run("time-indexes", indexes, "timeindex")
    report.run("transaction-indexes", transactions)
    report.run("snapshots", snapshots)
    report.run("a-flaw-is-noticed", a_flaw_is_noticed)
    report.run("compacted-batches", batches, "compacted")
    report.run("compacted-records", compacted_records)
    report.run("compacted-offset-indexes", indexes, "index", "compacted")
    report.run("compacted-time-indexes", indexes, "timeindex", "compacted")
