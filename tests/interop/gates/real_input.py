"""Real text through every producer with every codec, the broker killed half-way, read back by another client.

All producers of one codec run at once. When the second half of the lines begins to arrive on disk, the broker is killed
with SIGKILL, and it comes up again while the producers go on. Every producer is idempotent, so the topic must hold each
line exactly once, in order within its partition, byte for byte.
"""

import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from gates.real_corpus import Corpus
from interop import install
from interop.brokers import Mainstem, java
from interop.report import expect, expect_equal

PROGRAM = Path(__file__).resolve().parent / "python/lines.py"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PARTITIONS = 2

# What one producer writes with one codec; four times five of them make the whole.
BYTES = 3_000_000
FULL_BYTES = 200_000_000


@dataclass
class Pair:
    """A producer, and the other client that reads what it wrote."""
    producer: str
    consumer: str
    produce: Callable  # (topic, codec) -> command that takes lines on stdin
    consume: Callable  # (topic, partition, count) -> command that prints lines


def pairs(broker):
    python, jars, kcat = str(install.python_clients()), install.kafka_jars(), install.kcat()

    def library(client, *arguments):
        return [python, str(PROGRAM), client, broker.bootstrap, *map(str, arguments)]

    def console_produce(topic, codec):
        # three retries are its default, which a broker that is down for a second uses up
        return java(jars, "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", broker.bootstrap, "--topic", topic,
                    "--compression-codec", codec, "--reader-property", "parse.key=true", "--message-send-max-retries",
                    "1000000", "--request-timeout-ms", "30000", "--timeout", "20")

    def console_consume(topic, partition, count):
        return java(jars, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", broker.bootstrap,
                    "--topic", topic, "--partition", str(partition), "--offset", "earliest", "--max-messages", str(count),
                    "--timeout-ms", "60000", "--formatter-property", "print.key=true")

    return [
        Pair("confluent-kafka", "Kafka's console consumer",
             lambda topic, codec: library("confluent-kafka", "produce", topic, codec), console_consume),
        Pair("kafka-python", "confluent-kafka",
             lambda topic, codec: library("kafka-python", "produce", topic, codec),
             lambda topic, partition, count: library("confluent-kafka", "consume", topic, partition, count)),
        Pair("Kafka's console producer", "kafka-python", console_produce,
             lambda topic, partition, count: library("kafka-python", "consume", topic, partition, count)),
        Pair("mainstem produce", "kcat",
             lambda topic, codec: [str(Mainstem.binary), "produce", topic, "-b", broker.bootstrap, "-K", "\t", "-z", codec,
                                   "--timeout", "300s"],
             lambda topic, partition, count: [kcat, "-b", broker.bootstrap, "-C", "-t", topic, "-p", str(partition), "-o",
                                              "beginning", "-c", str(count), "-q", "-f", "%k\t%s\n"]),
    ]


def wait_until(condition, limit):
    end = time.monotonic() + limit
    while not condition():
        expect(time.monotonic() < end, f"nothing arrived on disk within {limit} s")
        time.sleep(0.01)


class Run:
    """One producer at work on one topic."""

    def __init__(self, pair, codec, corpus, folder):
        self.pair, self.codec, self.corpus = pair, codec, corpus
        self.topic = f"real-{pair.producer}-{codec}".replace(" ", "-").replace("'", "")
        self.name = f"{pair.producer} {codec}, read by {pair.consumer}"
        self.log = folder / f"{self.topic}.log"
        self.failure = None

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.pair.produce(self.topic, self.codec), stdin=subprocess.PIPE, stdout=log,
                                            stderr=log)

    def feed(self, begin, end):
        try:
            self.corpus.feed(self.process.stdin, begin, end)
        except BrokenPipeError:
            self.failure = f"the producer ended early: {self.tail()}"

    def finish(self, limit):
        try:
            self.process.stdin.close()
            code = self.process.wait(limit)
            if code != 0:
                self.failure = f"the producer ended with {code}: {self.tail()}"
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.failure = f"the producer did not end within {limit} s: {self.tail()}"
        except BrokenPipeError:
            self.failure = f"the producer ended early: {self.tail()}"

    def tail(self):
        return self.log.read_text(errors="replace")[-600:]

    def check(self, counts):
        expect(self.failure is None, self.failure)
        expect_equal(sum(counts), self.corpus.count, f"records in the partitions {counts}")
        seen = bytearray(self.corpus.count)
        for partition, count in enumerate(counts):
            with subprocess.Popen(self.pair.consume(self.topic, partition, count), stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL) as reader:
                self.corpus.check_partition(reader.stdout, seen)
        expect_equal(sum(seen), self.corpus.count, "different lines read")
        return f"{self.corpus.count} lines, {self.corpus.bytes / 1e6:.0f} MB"


def run(context, report):
    corpus = Corpus(FULL_BYTES if context.full else BYTES)
    broker = context.start(overrides={"num.partitions": str(PARTITIONS)})
    python = str(install.python_clients())
    limit = 120 + corpus.bytes // 500_000

    def admin(*arguments):
        return install.run_quietly([python, str(PROGRAM), "admin", broker.bootstrap, *arguments], "confluent-kafka's admin")

    def on_disk(topic):
        return sum(path.stat().st_size for path in broker.folder.glob(f"data/{topic}-*/*.log"))

    def together(action, runs):
        threads = [threading.Thread(target=action, args=(run,)) for run in runs]
        for thread in threads:
            thread.start()
        return threads

    for codec in CODECS:
        runs = [Run(pair, codec, corpus, broker.folder) for pair in pairs(broker)]
        admin("create", str(PARTITIONS), *(run.topic for run in runs))
        for run in runs:
            run.start()
        for thread in together(lambda run: run.feed(0, corpus.count // 2), runs):
            thread.join()
        wait_until(lambda: all(on_disk(run.topic) > 0 for run in runs), limit)
        before = [on_disk(run.topic) for run in runs]
        second_half = together(lambda run: run.feed(corpus.count // 2, corpus.count), runs)
        wait_until(lambda: any(on_disk(run.topic) > size for run, size in zip(runs, before)), limit)
        broker.kill()
        broker.restart()
        for thread in second_half:
            thread.join()
        for thread in together(lambda run: run.finish(limit), runs):
            thread.join()
        counts = [list(map(int, line.split())) for line in admin("counts", str(PARTITIONS), *(r.topic for r in runs)).splitlines()]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda pair: report.run(pair[0].name, pair[0].check, pair[1]), zip(runs, counts)))
        admin("delete", *(run.topic for run in runs))
