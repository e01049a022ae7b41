#!/usr/bin/env python3
"""Writes a seed corpus below protocol/fuzz/corpus out of the test data of the repository: messages and conversations of
Kafka, log directories that Kafka wrote, and a few texts. Names follow the content, so that a second run changes nothing."""

import hashlib
import json
import pathlib
import re
import struct

FUZZ = pathlib.Path(__file__).resolve().parent
ROOT = FUZZ.parent.parent
KAFKA = ROOT / "protocol/tests/data/kafka-4.3.1"
SMALL = 16 * 1024  # longer seeds slow a fuzzer down


def save(target, data):
    if len(data) <= SMALL:
        folder = FUZZ / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def messages():
    known = json.loads((KAFKA / "messages.json").read_text())
    for vector in lines(KAFKA / "vectors.jsonl"):
        message = known.get(vector["message"], {})
        body, version = bytes.fromhex(vector["hex"]), vector["version"]
        flexible = message.get("flexibleVersions", "none")
        is_flexible = flexible != "none" and version >= int(flexible.split("-")[0].rstrip("+"))
        tags = b"\0" if is_flexible else b""
        if message.get("type") == "request":
            save("request_frame", struct.pack(">hhihs", message["apiKey"], version, 7, 1, b"c") + tags + body)
        if message.get("type") == "response":
            tags = b"" if message["apiKey"] == 18 else tags
            save("response_frame", struct.pack(">hhi", message["apiKey"], version, 7) + tags + body)
    for path in (KAFKA / "captures").glob("*.jsonl"):
        for frame in lines(path):
            if "hex" not in frame or "api_key" not in frame:
                continue
            rest = bytes.fromhex(frame["hex"])[4:]
            if frame["dir"] == ">":
                save("request_frame", rest)
            else:
                save("response_frame", struct.pack(">hh", frame["api_key"], frame["api_version"]) + rest)


def stored():
    text = (ROOT / "protocol/src/messages/catalog.rs").read_text()
    listed = text[text.index("pub const RECORDS"): text.index("#[cfg(test)]")]
    numbers = {name: n for n, name in enumerate(re.findall(r"of::<\s*super::[\w:]*::(\w+),?\s*>", listed))}
    for vector in lines(KAFKA / "record-vectors.jsonl") + lines(KAFKA / "vectors.jsonl"):
        number = numbers.get(vector["message"])
        if number is not None:
            save("stored_message", bytes([number, vector["version"]]) + bytes.fromhex(vector["hex"]))


def batches():
    for path in (ROOT / "protocol/tests/data/kafka-logs").glob("*.log"):
        rest = path.read_bytes()
        save("fetched_batches", b"\0" + rest)
        while len(rest) >= 61:
            length = 12 + struct.unpack(">i", rest[8:12])[0]
            batch, rest = rest[:length], rest[length:]
            codec = batch[22] & 7
            produced = bytes(8) + batch[8:]
            save("produced_batch", b"\1" + produced)
            save("fetched_batches", b"\1" + batch)
            save("compressed_block", bytes([codec]) + batch[61:])
            if codec == 0:
                for other in range(1, 5):
                    dressed = produced[:22] + bytes([batch[22] | other]) + produced[23:]
                    save("produced_batch", b"\3" + dressed)
                    save("fetched_batches", b"\3" + dressed)


def files():
    formats = {
        "leader-epoch-checkpoint": 0, "meta.properties": 6, "partition.metadata": 8, ".kafka_cleanshutdown": 5,
        "replication-offset-checkpoint": 7, "recovery-point-offset-checkpoint": 7,
        "log-start-offset-checkpoint": 7, "cleaner-offset-checkpoint": 7,
    }
    for path in (ROOT / "broker/storage/tests/data").rglob("*"):
        if not path.is_file():
            continue
        number = formats.get(path.name)
        if number is None:
            number = {".txnindex": 1, ".snapshot": 9}.get(path.suffix)
        if number is not None:
            save("storage_file", bytes([number]) + path.read_bytes())
    for number, magic in [(2, b"MSSL"), (3, b"MSCL"), (4, b"MSDU"), (10, b"MSPR")]:
        save("storage_file", bytes([number]) + magic + bytes(60))
    for kind in range(40):
        for body in [b"", bytes(8), bytes(40)]:
            record = struct.pack(">hh", kind, 0) + bytes([len(body) + 1]) + body + b"\0"
            save("metadata_log", struct.pack(">hq", 0, 41) + b"\2" + record + b"\0")


def texts():
    record = b'{"topic":"t","partition":0,"offset":1,"timestamp":5,"key":"a","value":null,"headers":[]}\n'
    for form, data in [
        ("json", record), ("raw", b"one\ntwo\n"), ("kv", b"k\tv\n"), ("hex", b"00ff\tfe\n"),
        (r"%k\t%v\n", b"key\tvalue\n"), ("%K{big32}%V{big32}%k%v", b"\0\0\0\1\0\0\0\2kvv"),
        (r"%t %p %o %d %h{%k=%v,}\n", b"t 1 2 5 a=b,\n"), (r"%K{ascii} %k{base64} %v{hex}\n", b"4 QQ== 00\n"),
        (r"%d{strftime[%Y-%m-%d]} %e %H{big16}%h{%K{big16}%V{big16}%k%v}", b"2020-01-01 3"),
    ]:
        save("record_format", form.encode() + b"\0" + data)
    properties = (
        "node.id=1\nlisteners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://:9093\nprocess.roles=broker,controller\n"
        "controller.quorum.voters=1@localhost:9093\ncontroller.listener.names=CONTROLLER\n"
        "log.dirs=/a,/b\nlog.retention.hours = 168\n# note\nlog.segment.bytes: 1073741824\nnum.io.threads\\\n =8\n"
        "mainstem.durability=replicated\ncompression.type=zstd\nmax.connections.per.ip.overrides=127.0.0.1:9\n"
    )
    toml = 'node.id = 1\n[log]\ndirs = ["/a", "/b"]\nretention.ms = "7d"\n[mainstem]\ndurability = "fsync"\n'
    client = "bootstrap.servers=a:1,b:2\nacks=all\nlinger.ms=0.5\ncompression.type=lz4\nbatch.size=16384\n"
    environment = "KAFKA_NODE_ID=1\nKAFKA_LOG_DIRS=/a\nMAINSTEM_DURABILITY=fsync\nCLUSTER_ID=abc\n"
    for place, text in [(0, properties), (1, toml), (2, properties), (3, environment), (4, client)]:
        save("configuration", bytes([place]) + text.encode())


for part in (messages, stored, batches, files, texts):
    part()
for folder in sorted((FUZZ / "corpus").iterdir()):
    print(f"{folder.name}: {len(list(folder.iterdir()))} inputs")
