"""Offsets and groups by three clients, beyond what every library does: `groups.py BOOTSTRAP`; one JSON line per case on stdout."""

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, ConsumerGroupType, KafkaException, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
from kafka import KafkaConsumer
from kafka import TopicPartition as PyTopicPartition
from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.errors import GroupSubscribedToTopicError, NoError, NonEmptyGroupError, UnknownMemberIdError
from kafka.structs import OffsetAndMetadata

from cases import ADMIN, BOOTSTRAP, case, check, create, only, refused_with, waits
from clients import Confluent
from records import Record

PROTOCOLS = ("classic", "consumer")


def known(topic, partition):
    """Waits until the coordinator has heard of a new topic: on Kafka its metadata is a little behind."""
    def taken():
        try:
            set_offsets("warm-up", TopicPartition(topic, partition, 1))
        except KafkaException as error:
            check(error.args[0].name() == "UNKNOWN_TOPIC_OR_PART", f"{error}")
            return False
        return True
    wait_for(taken, f"{topic} is known")


def numbers(topic, partitions=1, count=10):
    create(topic, partitions)
    known(topic, partitions - 1)
    Confluent.produce(BOOTSTRAP, topic, [Record(None, b"%d" % i) for i in range(count)])


def consumer(group, protocol="classic", **settings):
    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "enable.auto.commit": False, "group.protocol": protocol,
                     "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100, **settings})


class Active:
    """A member of a group that polls in the background until the block ends."""

    def __init__(self, group, topic, protocol="classic", **settings):
        self.consumer, self.topic = consumer(group, protocol, **settings), topic
        self.ours, self.values = set(), []
        self.over = threading.Event()

    def poll(self):
        while not self.over.is_set():
            message = self.consumer.poll(0.1)
            if message is not None and not message.error():
                self.values.append((message.partition(), message.offset()))
        self.consumer.close()

    def __enter__(self):
        self.consumer.subscribe([self.topic], on_assign=lambda _, got: self.ours.update(p.partition for p in got),
                                on_revoke=lambda _, lost: self.ours.difference_update(p.partition for p in lost))
        self.thread = threading.Thread(target=self.poll, daemon=True)
        self.thread.start()
        wait_for(lambda: self.ours, "the member has partitions")
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.05)


def offsets_of(group):
    answer = only(ADMIN.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
    return {(p.topic, p.partition): p.offset for p in answer.topic_partitions}


def described(group):
    return only(ADMIN.describe_consumer_groups([group]))


def set_offsets(group, *partitions):
    answer = only(ADMIN.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, list(partitions))]))
    for partition in answer.topic_partitions:
        if partition.error is not None:
            raise KafkaException(partition.error)


def first_look_up():
    """The first look-up creates the internal topic; until its partitions are loaded the answers say so."""
    create("first")
    c = consumer("warm-up")

    def found():
        try:
            (answer,) = c.committed([TopicPartition("first", 0)], timeout=10)
            return answer.error is None
        except KafkaException as error:
            check(error.args[0].retriable() or error.args[0].name() == "NOT_COORDINATOR", f"{error}")
            return False
    wait_for(found, "a coordinator")
    c.close()


# --- offsets without members ----------------------------------------------------------------------------------------

def unknown_group():
    create("offsets-unknown")
    c = consumer("never-seen")
    (answer,) = c.committed([TopicPartition("offsets-unknown", 0)], timeout=20)
    check(answer.offset == -1001 and answer.error is None, f"{answer}")
    (answer,) = c.committed([TopicPartition("no-such-topic", 7)], timeout=20)
    check(answer.offset == -1001, f"{answer}")
    c.close()
    check(offsets_of("never-seen") == {}, "offsets of an unknown group")


def commit_without_membership():
    """A consumer that assigns its own partitions commits into a group that has no members; metadata and leader epoch come
    back as they were sent, also with the empty text."""
    create("simple", 3)
    known("simple", 2)
    c = consumer("simple-group")
    c.assign([TopicPartition("simple", p) for p in range(3)])
    for metadata in ("some \u00e4 text", ""):
        c.commit(offsets=[TopicPartition("simple", p, 100 + p, metadata, 0) for p in range(2)], asynchronous=False)
        answers = c.committed([TopicPartition("simple", p) for p in range(3)], timeout=20)
        check([a.offset for a in answers] == [100, 101, -1001], f"{answers}")
        check([(a.metadata or "").rstrip("\0") for a in answers[:2]] == [metadata] * 2, f"{[a.metadata for a in answers]}")
        check([a.leader_epoch for a in answers[:2]] == [0, 0], f"{[a.leader_epoch for a in answers]}")
    c.close()
    check(described("simple-group").state == ConsumerGroupState.EMPTY, f"{described('simple-group').state}")


def offsets_survive_the_topic():
    """Offsets go with the topic that they are of."""
    numbers("passing")
    set_offsets("passing-group", TopicPartition("passing", 0, 5))
    check(offsets_of("passing-group") == {("passing", 0): 5}, f"{offsets_of('passing-group')}")
    only(ADMIN.delete_topics(["passing"]))
    wait_for(lambda: offsets_of("passing-group") == {}, "the offsets are gone")


def long_metadata():
    create("long")
    known("long", 0)
    c = consumer("long-metadata")

    def commit(length):
        (answer,) = c.commit(offsets=[TopicPartition("long", 0, 1, "m" * length)], asynchronous=False)
        if answer.error:
            raise KafkaException(answer.error)
    commit(4095)  # and the zero byte that the library adds
    refused_with("OFFSET_METADATA_TOO_LARGE", commit, 4096)
    c.close()


def many_offsets():
    """1000 partitions in one commit and in one answer."""
    create("wide-offsets", 1000)
    known("wide-offsets", 999)
    set_offsets("wide-group", *[TopicPartition("wide-offsets", p, p + 1) for p in range(1000)])
    check(offsets_of("wide-group") == {("wide-offsets", p): p + 1 for p in range(1000)}, "the offsets differ")


# --- members ----------------------------------------------------------------------------------------------------------

def seek_and_pause(protocol):
    name = f"seek-{protocol}"
    numbers(name)
    c = consumer(name, protocol)
    c.subscribe([name])

    def read(count):
        got = []
        end = time.monotonic() + 30
        while len(got) < count and time.monotonic() < end:
            got += [m.offset() for m in c.consume(count - len(got), 1) if not m.error()]
        return got
    check(read(10) == list(range(10)), "the first ten")
    c.seek(TopicPartition(name, 0, 4))
    check(read(6) == list(range(4, 10)), "from 4")
    c.pause([TopicPartition(name, 0)])
    Confluent.produce(BOOTSTRAP, name, [Record(None, b"later")])
    check(c.poll(1.5) is None, "a paused partition gave a record")
    c.resume([TopicPartition(name, 0)])
    check(read(1) == [10], "10 after resume")
    check([p.offset for p in c.position([TopicPartition(name, 0)])] == [11], "position")
    c.close()


def commit_while_active(protocol):
    """Nobody but its members moves the offsets of a group that has some."""
    name = f"guarded-{protocol}"
    numbers(name)
    with Active(name, name, protocol):
        refused_with("UNKNOWN_MEMBER_ID", set_offsets, name, TopicPartition(name, 0, 3))
        c = consumer(name)
        refused_with("UNKNOWN_MEMBER_ID", lambda: c.commit(offsets=[TopicPartition(name, 0, 3)], asynchronous=False))
        c.close()
    set_offsets(name, TopicPartition(name, 0, 3))
    with Active(name, name, protocol) as member:
        wait_for(lambda: len(member.values) == 7, "seven records")
    check(member.values == [(0, o) for o in range(3, 10)], f"{member.values}")


def automatic_commit(protocol):
    name = f"automatic-{protocol}"
    numbers(name)
    with Active(name, name, protocol, **{"enable.auto.commit": True, "auto.commit.interval.ms": 100}) as member:
        wait_for(lambda: len(member.values) == 10, "ten records")
        wait_for(lambda: offsets_of(name) == {(name, 0): 10}, "the commit")


def slow_member(protocol):
    """A member that does not poll leaves; another takes its partitions; it is told so."""
    name = f"slow-{protocol}"
    numbers(name)
    slow = consumer(name, protocol, **{"max.poll.interval.ms": 6000, **({"session.timeout.ms": 6000} if protocol == "classic" else {})})
    slow.subscribe([name])
    m = slow.poll(20)
    check(m is not None and not m.error(), f"{m and m.error()}")
    other = consumer(name, protocol)
    other.subscribe([name])
    end = time.monotonic() + 30
    while not other.assignment() and time.monotonic() < end:
        other.poll(0.2)
    check([p.partition for p in other.assignment()] == [0], f"{other.assignment()}")
    errors = []
    for _ in range(50):
        m = slow.poll(0.2)
        if m is not None and m.error():
            errors.append(m.error().name())
            break
    check(errors == ["_MAX_POLL_EXCEEDED"], f"{errors}")
    slow.close()
    other.close()


def three_groups_of_three(protocol):
    """Nine members of three groups come at once; in each group every partition has one owner and every record one reader."""
    numbers_of = {}
    for g in range(3):
        name = f"crowd-{protocol}-{g}"
        create(name, 6)
        numbers_of[name] = 6
    members = [Active(name, name, protocol) for name in numbers_of for _ in range(3)]
    with ThreadPoolExecutor(len(members)) as pool:
        list(pool.map(lambda m: m.__enter__(), members))
    try:
        def settled():
            return all(sorted(p for m in members if m.topic == name for p in m.ours) == list(range(6))
                       and all(len(m.ours) == 2 for m in members) for name in numbers_of)
        wait_for(settled, "each member has two partitions", 45)
        for name in numbers_of:
            answer = described(name)
            check(answer.state == ConsumerGroupState.STABLE and len(answer.members) == 3, f"{answer.state} {len(answer.members)}")
            spread = sorted((p.topic, p.partition) for m in answer.members for p in m.assignment.topic_partitions)
            check(spread == [(name, p) for p in range(6)], f"{spread}")
    finally:
        for member in members:
            member.over.set()
        for member in members:
            member.thread.join()


def full_group():
    """group.max.size members and no more: set for this broker by the gate."""
    create("full", 8)
    members = [Active("full", "full") for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda m: m.__enter__(), members))
    c = consumer("full")
    c.subscribe(["full"])
    errors, end = set(), time.monotonic() + 20
    while not errors and time.monotonic() < end:
        m = c.poll(0.5)
        if m is not None and m.error():
            errors.add(m.error().name())
    c.close()
    for member in members:
        member.over.set()
    for member in members:
        member.thread.join()
    check(errors == {"GROUP_MAX_SIZE_REACHED"}, f"{errors}")


def pattern(protocol):
    """A subscription by pattern follows topics that come later."""
    create(f"pattern-{protocol}-a")
    c = consumer(f"pattern-{protocol}", protocol, **{"topic.metadata.refresh.interval.ms": 500})
    c.subscribe([f"^pattern-{protocol}-.*"])
    seen, end = set(), time.monotonic() + 40
    while len(seen) < 1 and time.monotonic() < end:
        c.poll(0.2)
        seen = {p.topic for p in c.assignment()}
    create(f"pattern-{protocol}-b")
    while len(seen) < 2 and time.monotonic() < end:
        c.poll(0.2)
        seen = {p.topic for p in c.assignment()}
    c.close()
    check(seen == {f"pattern-{protocol}-a", f"pattern-{protocol}-b"}, f"{seen}")


# --- administration ---------------------------------------------------------------------------------------------------

def lists_and_describes(protocol):
    name, kind = f"described-{protocol}", ConsumerGroupType[protocol.upper()]
    numbers(name, 2)
    with Active(name, name, protocol, **{"client.id": "shown", "group.instance.id": "fixed"}) as member:
        wait_for(lambda: member.ours == {0, 1}, "both partitions")
        wait_for(lambda: described(name).state == ConsumerGroupState.STABLE, "stable")
        answer = described(name)
        check(answer.type == kind and answer.partition_assignor in ("range", "uniform"), f"{answer.type} {answer.partition_assignor}")
        check(answer.coordinator.id in ADMIN.list_topics(timeout=30).brokers, f"{answer.coordinator}")
        (m,) = answer.members
        check((m.client_id, m.group_instance_id) == ("shown", "fixed"), f"{m.client_id} {m.group_instance_id}")
        check("127.0.0.1" in m.host and m.member_id, f"{m.host} {m.member_id}")
        check(sorted(p.partition for p in m.assignment.topic_partitions) == [0, 1], f"{m.assignment.topic_partitions}")
        for filters, there in [({}, True), ({"states": {ConsumerGroupState.STABLE}}, True), ({"states": {ConsumerGroupState.EMPTY}}, False),
                               ({"types": {kind}}, True), ({"types": set(ConsumerGroupType) - {kind, ConsumerGroupType.UNKNOWN}}, False)]:
            listed = ADMIN.list_consumer_groups(**filters).result(30).valid
            found = [g for g in listed if g.group_id == name]
            check(bool(found) == there and all(g.type == kind and g.state == ConsumerGroupState.STABLE for g in found), f"{filters}: {found}")


def describe_unknown():
    try:
        answer = described("nobody-knows")
        check(answer.state == ConsumerGroupState.DEAD and not answer.members, f"{answer.state}")
    except KafkaException as error:
        check(error.args[0].name() == "GROUP_ID_NOT_FOUND", f"{error}")


def deletes_groups(protocol):
    name = f"deleted-{protocol}"
    numbers(name)
    with Active(name, name, protocol, **{"enable.auto.commit": True, "auto.commit.interval.ms": 100}):
        wait_for(lambda: offsets_of(name), "a commit")
        refused_with("NON_EMPTY_GROUP", lambda: only(ADMIN.delete_consumer_groups([name])))
    wait_for(lambda: described(name).state == ConsumerGroupState.EMPTY, "empty")
    check(offsets_of(name), "no offsets to delete")
    only(ADMIN.delete_consumer_groups([name]))
    check(offsets_of(name) == {}, f"{offsets_of(name)}")
    check(name not in [g.group_id for g in ADMIN.list_consumer_groups().result(30).valid], "still listed")
    refused_with("GROUP_ID_NOT_FOUND", lambda: only(ADMIN.delete_consumer_groups([name])))


def group_config():
    """The settings of a KIP-848 group: set, shown, refused."""
    def alter(key, value):
        return only(ADMIN.incremental_alter_configs([ConfigResource(ConfigResource.Type.GROUP, "tuned", incremental_configs=[
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)])]))

    def value(key):
        return only(ADMIN.describe_configs([ConfigResource(ConfigResource.Type.GROUP, "tuned")]))[key].value
    alter("consumer.session.timeout.ms", "9000")
    wait_for(lambda: value("consumer.session.timeout.ms") == "9000", "the setting")
    refused_with("INVALID_CONFIG", alter, "consumer.session.timeout.ms", "soon")
    refused_with("INVALID_CONFIG", alter, "no.such.key", "1")


def with_kafka_python(action):
    def run():
        admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        try:
            action(admin)
        finally:
            admin.close()
    return run


def kafka_python_offsets(admin):
    numbers("py-offsets", 2)
    tps = [PyTopicPartition("py-offsets", p) for p in range(2)]
    answer = admin.alter_group_offsets("py-offsets", {tp: OffsetAndMetadata(4, "m", -1) for tp in tps})
    check(set(answer.values()) == {NoError}, f"{answer}")
    check({tp: (o.offset, o.metadata) for tp, o in admin.list_group_offsets("py-offsets")["py-offsets"].items()}
          == {tp: (4, "m") for tp in tps}, "offsets")
    answer = admin.delete_group_offsets("py-offsets", [tps[0]])
    check(set(answer.values()) == {NoError}, f"{answer}")
    check(list(admin.list_group_offsets("py-offsets")["py-offsets"]) == [tps[1]], "what is left")


def kafka_python_active(admin):
    """Offsets of a topic that a member reads cannot be deleted; its group neither."""
    numbers("py-active")
    with Active("py-active", "py-active"):
        tp = PyTopicPartition("py-active", 0)
        answer = admin.delete_group_offsets("py-active", [tp])
        check(answer == {tp: GroupSubscribedToTopicError}, f"{answer}")
        check(admin.delete_groups(["py-active"])["py-active"] == NonEmptyGroupError.__name__, "deleted")


def kafka_python_removes_members(admin):
    numbers("py-removed")
    with Active("py-removed", "py-removed", **{"group.instance.id": "fixed"}):
        member = MemberToRemove(group_instance_id="fixed")
        answer = admin.remove_group_members("py-removed", [member])
        check(set(answer.values()) == {NoError}, f"{answer}")
        answer = admin.remove_group_members("py-removed", [MemberToRemove(group_instance_id="nobody")])
        check(set(answer.values()) == {UnknownMemberIdError}, f"{answer}")


def kafka_python_describes(admin):
    numbers("py-described")
    with Active("py-described", "py-described"):
        group = admin.describe_groups(["py-described"])["py-described"]
        check(group["group_state"] == "Stable" and len(group["members"]) == 1, f"{group['group_state']}")
        listed = {g["group_id"]: g for g in admin.list_groups(states_filter=["stable"])}
        check("py-described" in listed, f"{list(listed)}")


async def aiokafka_groups():
    numbers("aio-groups", 2)
    c = AIOKafkaConsumer("aio-groups", bootstrap_servers=BOOTSTRAP, group_id="aio-groups", auto_offset_reset="earliest",
                         enable_auto_commit=False)
    await c.start()
    try:
        for _ in range(10):
            await asyncio.wait_for(c.getone(), 30)
        await c.commit()
        tp = AioTopicPartition("aio-groups", 0)
        check(await c.committed(tp) == 10, f"{await c.committed(tp)}")
        await c.seek_to_committed()
        check(await c.position(tp) == 10, f"{await c.position(tp)}")
        admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        await admin.start()
        try:
            check("aio-groups" in [g[0] for g in await admin.list_consumer_groups()], "not listed")
            (answer,) = await admin.describe_consumer_groups(["aio-groups"])
            check((answer.groups[0][1], answer.groups[0][2]) == ("aio-groups", "Stable"), f"{answer.groups[0][:3]}")
            offsets = await admin.list_consumer_group_offsets("aio-groups")
            check(offsets[tp].offset == 10, f"{offsets}")
        finally:
            await admin.close()
    finally:
        await c.stop()


def kafka_python_iterates():
    """kafka-python's plain loop with its automatic commit."""
    numbers("py-loop")
    for wanted in (range(10), range(10, 15)):
        c = KafkaConsumer("py-loop", bootstrap_servers=BOOTSTRAP, group_id="py-loop", auto_offset_reset="earliest",
                          consumer_timeout_ms=30000, fetch_max_wait_ms=100)
        got = []
        for m in c:
            got.append(m.offset)
            if len(got) == len(wanted):
                break
        check(c.committed(PyTopicPartition("py-loop", 0)) in (None, wanted.start), "committed before the end")
        c.close()
        check(got == list(wanted), f"{got}")
        Confluent.produce(BOOTSTRAP, "py-loop", [Record(None, b"more")] * 5)


# What needs the offsets of groups only.
WITHOUT_MEMBERS = ("offsets of an unknown group", "metadata that is too long is refused", "a thousand offsets at once",
                   "offsets of a deleted topic go", "kafka-python alters and deletes offsets")


def main():
    cases = [
        ("offsets of an unknown group", unknown_group),
        ("a consumer outside any group commits, with metadata and epoch", commit_without_membership),
        ("offsets of a deleted topic go", offsets_survive_the_topic),
        ("metadata that is too long is refused", long_metadata),
        ("a thousand offsets at once", many_offsets),
        ("describe an unknown group", describe_unknown),
        ("group.max.size", full_group),
        ("settings of a group", group_config),
        ("kafka-python alters and deletes offsets", with_kafka_python(kafka_python_offsets)),
        ("kafka-python may not delete what is in use", with_kafka_python(kafka_python_active)),
        ("kafka-python removes members", with_kafka_python(kafka_python_removes_members)),
        ("kafka-python lists and describes", with_kafka_python(kafka_python_describes)),
        ("kafka-python's loop with automatic commit", kafka_python_iterates),
        ("aiokafka reads, commits, lists, describes", lambda: asyncio.run(aiokafka_groups())),
    ]
    for protocol in PROTOCOLS:
        cases += [(f"{name}, {protocol}", lambda f=function, p=protocol: f(p)) for name, function in [
            ("seek, pause and resume in a group", seek_and_pause),
            ("offsets of an active group are its members'", commit_while_active),
            ("automatic commit", automatic_commit),
            ("a member that does not poll is replaced", slow_member),
            ("three groups of three members at once", three_groups_of_three),
            ("a subscription by pattern", pattern),
            ("list and describe groups", lists_and_describes),
            ("delete groups", deletes_groups),
        ]]
    case("the coordinator is found", first_look_up)
    served = sys.argv[2].split(",")  # the protocols of groups that the broker advertises

    def run(name, function):
        needs = "consumer" if name.endswith(", consumer") else "classic"
        if needs in served or name in WITHOUT_MEMBERS:
            case(name, function)
        else:
            waits(name, f"{needs} groups")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda c: run(*c), cases))


main()
