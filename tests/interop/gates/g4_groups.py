"""The part of G4 about groups: what Kafka's tools print of them, against Apache Kafka and against the target."""

import json
import re
import subprocess
import time
from contextlib import contextmanager

from interop.brokers import java
from interop.report import expect, expect_equal

TOPIC = "grouped"
LINES = "".join(f"line {i}\n" for i in range(100)).encode()


def groups(side, *arguments, **options):
    """The output without the width of its columns, which follows the lengths of ids."""
    return re.sub(r"[ \t]+", " ", side.tool("consumer-groups", *arguments, **options))


def read(side, group, count, *options):
    """Some records by the console consumer; it commits when it ends."""
    return side.tool("console-consumer", "--topic", TOPIC, "--group", group, "--max-messages", str(count), "--timeout-ms", "30000",
                     "--command-property", "auto.offset.reset=earliest", *options)


@contextmanager
def active(side, group, *options):
    """A console consumer that stays in the group."""
    process = subprocess.Popen(
        java(side.jars, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", side.broker.bootstrap, "--topic", TOPIC,
             "--group", group, "--command-property", "auto.offset.reset=earliest", "--command-property", "client.id=shown", *options),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100 if "--from-beginning" in options else 1):
            process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(30)


def fill(side):
    side.tool("topics", "--create", "--topic", TOPIC, "--partitions", "2", "--replication-factor", "1")
    # keys spread the lines the same way everywhere
    keyed = b"".join(b"%d\t%s\n" % (i, line) for i, line in enumerate(LINES.splitlines()))
    return side.tool("console-producer", "--topic", TOPIC, "--reader-property", "parse.key=true", stdin=keyed)


def console_reads_on(side):
    """The second consumer reads what the first left."""
    first, second = read(side, "console", 60), read(side, "console", 40)
    lines = sorted(line for line in (first + "\n" + second).splitlines() if line.startswith("line "))
    expect_equal(lines, sorted(LINES.decode().splitlines()), "lines of both consumers")
    return "100 lines"


def console_reads_on_consumer(side):
    protocol = ("--command-property", "group.protocol=consumer")
    first, second = read(side, "console-consumer", 60, *protocol), read(side, "console-consumer", 40, *protocol)
    lines = sorted(line for line in (first + "\n" + second).splitlines() if line.startswith("line "))
    expect_equal(lines, sorted(LINES.decode().splitlines()), "lines of both consumers")
    return "100 lines"


def only(text, word):
    return "\n".join(line for line in text.splitlines() if word in line)


def listing(side):
    return only(groups(side, "--list"), "console")


def listing_with_state(side):
    text = groups(side, "--list", "--state")
    return only(text, "console") + only(text, "GROUP")


def listing_with_type(side):
    return only(groups(side, "--list", "--type"), "console")


def listing_of_a_state(side):
    return only(groups(side, "--list", "--state", "empty"), "console") + "/" + only(groups(side, "--list", "--state", "stable"), "console")


def all_groups(side):
    return only(re.sub(r"[ \t]+", " ", side.tool("groups", "--list")), "console")


def describe_offsets(side):
    return groups(side, "--describe", "--group", "console")


def describe_members(side):
    return groups(side, "--describe", "--group", "console", "--members", "--verbose")


def describe_state(side):
    return groups(side, "--describe", "--group", "console", "--state", "--verbose")


def describe_unknown(side):
    return groups(side, "--describe", "--group", "nobody", code=None)


def describe_active(side):
    with active(side, "active", "--from-beginning"):
        time.sleep(6)  # the automatic commit comes every five seconds
        return "\n".join(groups(side, "--describe", "--group", "active", *options)
                         for options in ([], ["--members", "--verbose"], ["--state"]))


def describe_active_consumer(side):
    with active(side, "active-consumer", "--from-beginning", "--command-property", "group.protocol=consumer"):
        time.sleep(6)
        text = "\n".join(groups(side, "--describe", "--group", "active-consumer", *options)
                         for options in ([], ["--members", "--verbose"], ["--state", "--verbose"]))
        return re.sub(r"\b[A-Za-z0-9_-]{22}\b", "MEMBER", text)


def refused_while_active(side):
    """What may not be done to a group with members."""
    with active(side, "busy", "--from-beginning"):
        time.sleep(6)
        return "\n".join([
            first_error(groups(side, "--reset-offsets", "--group", "busy", "--topic", TOPIC, "--to-earliest", "--execute", code=None)),
            first_error(groups(side, "--delete", "--group", "busy", code=None)),
            groups(side, "--delete-offsets", "--group", "busy", "--topic", TOPIC, code=None)])


def first_error(text):
    found = [line for line in text.splitlines() if "Error" in line or "Exception" in line]
    expect(found, f"no error in {text[-500:]}")
    return found[0]


def reset(*how):
    def case(side):
        return groups(side, "--reset-offsets", "--group", "console", "--topic", TOPIC, *how)
    return case


def reset_partition(side):
    return groups(side, "--reset-offsets", "--group", "console", "--topic", f"{TOPIC}:1", "--to-offset", "3", "--execute") + describe_offsets(side)


def reset_new_group(side):
    groups(side, "--reset-offsets", "--group", "made-by-reset", "--topic", TOPIC, "--to-latest", "--execute")
    return groups(side, "--describe", "--group", "made-by-reset")


def export_and_import(side):
    plan = groups(side, "--reset-offsets", "--group", "console", "--topic", TOPIC, "--to-offset", "7", "--export", "--dry-run")
    path = side.broker.folder / "plan.csv"
    path.write_text("\n".join(line for line in plan.splitlines() if line.startswith('"')))
    return plan + groups(side, "--reset-offsets", "--group", "console", "--from-file", str(path), "--execute") + describe_offsets(side)


def delete_offsets(side):
    return groups(side, "--delete-offsets", "--group", "console", "--topic", f"{TOPIC}:0") + describe_offsets(side)


def delete_offsets_of_unknown(side):
    return groups(side, "--delete-offsets", "--group", "nobody", "--topic", TOPIC, code=None)


def delete(side):
    return groups(side, "--delete", "--group", "console") + listing(side)


def delete_unknown(side):
    return first_error(groups(side, "--delete", "--group", "nobody", code=None))


def configs_of_a_group(side):
    entity = ["--entity-type", "groups", "--entity-name", "tuned"]
    side.tool("configs", "--alter", *entity, "--add-config", "consumer.session.timeout.ms=9000")
    seen = side.tool("configs", "--describe", *entity)
    side.tool("configs", "--alter", *entity, "--delete-config", "consumer.session.timeout.ms")
    return seen + side.tool("configs", "--describe", *entity)


def configs_of_a_group_refused(side):
    text = side.tool("configs", "--alter", "--entity-type", "groups", "--entity-name", "tuned", "--add-config",
                     "consumer.session.timeout.ms=1", code=1)
    return first_error(text)


def verifiable_consumer(protocol):
    def case(side):
        text = side.tool("verifiable-consumer", "--topic", TOPIC, "--group-id", f"verifiable-{protocol}", "--group-protocol", protocol,
                         "--max-messages", "100", "--reset-policy", "earliest")
        counts = [int(n) for n in re.findall(r'"name":"records_consumed".*?"count":(\d+)', text)]
        counts = counts or [int(n) for n in re.findall(r'"count":(\d+)[^}]*"name":"records_consumed"', text)]
        expect(sum(counts) == 100, f"{counts}: {text[-400:]}")
        expect('"success":true' in text and '"success":false' not in text, text[-400:])
        return f"100 records, committed {groups(side, '--describe', '--group', f'verifiable-{protocol}')}"
    return case


def objects(text):
    """The JSON objects in a text, one after the other."""
    decoder, found, at = json.JSONDecoder(), [], text.find("{")
    while at != -1:
        try:
            one, end = decoder.raw_decode(text, at)
            found.append(one)
        except json.JSONDecodeError:
            end = at + 1
        at = text.find("{", end)
    return found


def without_times(record):
    """Ids of topics and moments differ from run to run."""
    data = (record["value"] or {}).get("data", {})
    for name in ("commitTimestamp", "currentStateTimestamp", "topicId"):
        if name in data:
            data[name] = "T"
    return record


def internal_records(formatter, group):
    """What Kafka's formatter makes of the internal topic: the last record of each key of a group."""
    def case(side):
        # a group with a name, or a random one would stand in every list from here on
        text = side.tool("console-consumer", "--topic", "__consumer_offsets", "--from-beginning", "--timeout-ms", "5000",
                         "--group", f"decoder-{formatter}-{len(group)}", "--formatter", f"org.apache.kafka.tools.consumer.{formatter}", code=None)
        last = {json.dumps(one["key"], sort_keys=True): without_times(one)["value"] for one in objects(text)
                if one["key"]["data"]["group"] == group}
        expect(last, f"no record of {group}: {text[-400:]}")
        return json.dumps(last, sort_keys=True, indent=1)
    return case


def dump_of_internal_records(group):
    """The dump tool decodes the files: which keys of a group stand there, and in which versions."""
    def case(side):
        files = [path for path in side.broker.folder.glob("data/__consumer_offsets-*/*.log") if path.stat().st_size]
        text = side.tool("dump-log", "--offsets-decoder", "--files", ",".join(map(str, files)), connect=False)
        keys = set()
        for line in text.splitlines():
            if f'"{group}"' in line:
                key, *value = objects(line)  # a tombstone has none
                if "memberId" in key["data"]:
                    key["data"]["memberId"] = "ID"
                keys.add((json.dumps(key, sort_keys=True), value[0]["version"] if value else None))
        expect(keys, f"no record of {group}: {text[-400:]}")
        return "\n".join(map(str, sorted(keys, key=str)))
    return case


CASES = [
    ("groups: two partitions of lines", fill),
    ("groups: console consumers read on", console_reads_on),
    ("groups: console consumers read on, consumer protocol", console_reads_on_consumer),
    ("groups: internal topic, offsets", internal_records("OffsetsMessageFormatter", "console")),
    ("groups: internal topic, offsets, consumer protocol", internal_records("OffsetsMessageFormatter", "console-consumer")),
    ("groups: internal topic, a group", internal_records("GroupMetadataMessageFormatter", "console")),
    ("groups: internal topic, dump", dump_of_internal_records("console")),
    ("groups: internal topic, dump, consumer protocol", dump_of_internal_records("console-consumer")),
    ("groups: --list", listing),
    ("groups: --list --state", listing_with_state),
    ("groups: --list --type", listing_with_type),
    ("groups: --list of a state", listing_of_a_state),
    ("groups: kafka-groups --list", all_groups),
    ("groups: --describe", describe_offsets),
    ("groups: --describe --members", describe_members),
    ("groups: --describe --state", describe_state),
    ("groups: --describe of an unknown group", describe_unknown),
    ("groups: --describe of an active group", describe_active),
    ("groups: --describe of an active group, consumer protocol", describe_active_consumer),
    ("groups: refused while active", refused_while_active),
    ("groups: reset to earliest, dry run", reset("--to-earliest", "--dry-run")),
    ("groups: reset to earliest", reset("--to-earliest", "--execute")),
    ("groups: reset by a shift", reset("--shift-by", "5", "--execute")),
    ("groups: reset by a shift below the start", reset("--shift-by", "-500", "--execute")),
    ("groups: reset to a time", reset("--to-datetime", "2020-01-01T00:00:00.000", "--execute")),
    ("groups: reset by a duration", reset("--by-duration", "PT0S", "--execute")),
    ("groups: reset to the current offset", reset("--to-current", "--execute")),
    ("groups: reset to latest", reset("--to-latest", "--execute")),
    ("groups: reset of one partition", reset_partition),
    ("groups: reset makes a group", reset_new_group),
    ("groups: reset from a file", export_and_import),
    ("groups: --delete-offsets", delete_offsets),
    ("groups: --delete-offsets of an unknown group", delete_offsets_of_unknown),
    ("groups: --delete", delete),
    ("groups: --delete of an unknown group", delete_unknown),
    ("groups: configs of a group", configs_of_a_group),
    ("groups: configs of a group refused", configs_of_a_group_refused),
    ("groups: verifiable consumer", verifiable_consumer("classic")),
    ("groups: verifiable consumer, consumer protocol", verifiable_consumer("consumer")),
]
