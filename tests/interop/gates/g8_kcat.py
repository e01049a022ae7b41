"""G8: kcat from Debian (librdkafka 2.0.2): list, produce, consume, query, groups. It skips tagged fields wrongly in ApiVersions 3."""

import json
import subprocess

from interop import install
from interop.report import expect, expect_equal
from interop.scenarios import OVERRIDES, Scenarios


def run(context, report):
    kcat = install.kcat()
    broker = context.start(overrides=OVERRIDES)

    def call(*arguments, stdin=b"", ok=True):
        done = subprocess.run([kcat, "-b", broker.bootstrap, *arguments], input=stdin, capture_output=True, timeout=60,
                              check=False)
        expect((done.returncode == 0) == ok, f"kcat ended with {done.returncode}: {done.stderr.decode()[-400:]}")
        return done.stdout.decode()

    def consume(topic, *options):
        output = call("-C", "-t", topic, "-e", "-q", "-J", *options)
        return [json.loads(line) for line in output.splitlines()]

    def list_brokers():
        listing = json.loads(call("-L", "-J"))
        expect_equal(len(listing["brokers"]), 1, "brokers")
        expect_equal(listing["brokers"][0]["name"], broker.bootstrap, "advertised address")

    def keys_and_headers():
        call("-P", "-t", "kcat-keys", "-p", "0", "-K", ":", "-H", "a=1", "-H", "a=2", "-H", "b=", stdin=b"k1:v1\nk2:v2\n")
        records = consume("kcat-keys", "-p", "0", "-o", "beginning")
        expect_equal([(r["key"], r["payload"]) for r in records], [("k1", "v1"), ("k2", "v2")], "records")
        expect_equal(records[0]["headers"], ["a", "1", "a", "2", "b", ""], "headers")

    def tombstone():
        call("-P", "-t", "kcat-null", "-p", "0", "-K", ":", "-Z", stdin=b"k:\n")
        (record,) = consume("kcat-null", "-p", "0", "-o", "beginning")
        expect_equal((record["key"], record["payload"]), ("k", None), "record")

    def codec(name):
        lines = "".join(f"{name} {i} {'y' * 100}\n" for i in range(500)).encode()
        call("-P", "-t", f"kcat-{name}", "-p", "0", "-z", name, stdin=lines)
        got = "".join(r["payload"] + "\n" for r in consume(f"kcat-{name}", "-p", "0", "-o", "beginning"))
        expect_equal(got.encode(), lines, "records")

    def positions():
        call("-P", "-t", "kcat-positions", "-p", "0", stdin=b"".join(b"%d\n" % i for i in range(10)))
        for start, wanted in [("beginning", range(10)), ("3", range(3, 10)), ("-2", range(8, 10))]:
            got = [int(r["payload"]) for r in consume("kcat-positions", "-p", "0", "-o", start)]
            expect_equal(got, list(wanted), f"from {start}")

    def query_by_time():
        answer = call("-Q", "-t", "kcat-positions:0:1")
        expect("[0] offset 0" in answer, f"answer {answer!r}")
        answer = call("-Q", "-t", "kcat-positions:0:4102444800000")
        expect("[0] offset -1" in answer or "[0] offset 10" in answer, f"answer {answer!r}")

    def all_partitions():
        call("-P", "-t", "kcat-spread", stdin=b"".join(b"%d\n" % i for i in range(1000)))
        got = sorted(int(r["payload"]) for r in consume("kcat-spread", "-o", "beginning"))
        expect_equal(got, list(range(1000)), "records over all partitions")

    def unknown_partition():
        call("-C", "-t", "kcat-positions", "-p", "77", "-e", ok=False)

    def list_a_topic():
        listing = json.loads(call("-L", "-J", "-t", "kcat-keys"))
        (topic,) = listing["topics"]
        expect_equal([p["leader"] for p in topic["partitions"]], [listing["brokers"][0]["id"]] * 4, "leaders")

    def idempotent():
        lines = b"".join(b"%d\n" % i for i in range(2000))
        call("-P", "-t", "kcat-idempotent", "-p", "0", "-X", "enable.idempotence=true", stdin=lines)
        got = [r["payload"] for r in consume("kcat-idempotent", "-p", "0", "-o", "beginning")]
        expect_equal(got, [str(i) for i in range(2000)], "records")

    def without_acknowledgement():
        call("-P", "-t", "kcat-acks-0", "-p", "0", "-X", "acks=0", stdin=b"".join(b"%d\n" % i for i in range(100)))
        got = call("-C", "-t", "kcat-acks-0", "-p", "0", "-o", "beginning", "-c", "100", "-q")
        expect_equal(got.splitlines(), [str(i) for i in range(100)], "records")

    def between_times():
        for value in (b"early", b"late"):
            call("-P", "-t", "kcat-times", "-p", "0", stdin=value)
        early, late = consume("kcat-times", "-p", "0", "-o", "beginning")
        got = consume("kcat-times", "-p", "0", "-o", f"s@{early['ts'] + 1}", "-o", f"e@{late['ts'] + 1}")
        expect_equal([r["payload"] for r in got], ["late"], "records between the times")

    def a_count_and_a_format():
        got = call("-C", "-t", "kcat-positions", "-p", "0", "-o", "2", "-c", "3", "-q", "-f", "%t/%p/%o=%s;")
        expect_equal(got, "".join(f"kcat-positions/0/{i}={i};" for i in (2, 3, 4)), "output")

    def a_file_as_one_record():
        content = bytes(range(1, 256)) * 2000
        path = broker.folder / "record.bin"
        path.write_bytes(content)
        call("-P", "-t", "kcat-file", "-p", "0", str(path))
        done = subprocess.run([kcat, "-b", broker.bootstrap, "-C", "-t", "kcat-file", "-p", "0", "-o", "beginning", "-e", "-q",
                               "-f", "%s"], capture_output=True, timeout=60, check=True)
        expect(done.stdout == content, f"{len(done.stdout)} of {len(content)} bytes, or others")

    def group_of_two_topics():
        for topic in ("kcat-group-a", "kcat-group-b"):
            call("-P", "-t", topic, "-p", "0", stdin=b"".join(b"%d\n" % i for i in range(10)))
        got = call("-G", "kcat-two", "-X", "auto.offset.reset=earliest", "-c", "20", "-q", "-f", "%t=%s;",
                   "kcat-group-a", "kcat-group-b")
        expect_equal(sorted(got.split(";")[:-1]), sorted(f"kcat-group-{t}={i}" for t in "ab" for i in range(10)), "records")

    report.run("list brokers and topics", list_brokers)
    report.run("keys and duplicate headers", keys_and_headers)
    report.run("tombstone", tombstone)
    for name in ("gzip", "snappy", "lz4", "zstd"):
        report.run(f"codec {name}", codec, name)
    report.run("start positions", positions)
    report.run("offsets by time", query_by_time)
    report.run("all partitions", all_partitions)
    report.run("an unknown partition is an error", unknown_partition)
    report.run("list a topic", list_a_topic)
    report.run("idempotent", idempotent)
    report.run("acks=0", without_acknowledgement)
    report.run("records between two times", between_times)
    report.run("a count and a format", a_count_and_a_format)
    report.run("a file as one record", a_file_as_one_record)
    cases = Scenarios("g8", broker, report)
    cases.add("a group of two topics", group_of_two_topics)
    cases.of_library("kcat", assignors=("range", "roundrobin"))
    cases.run()
