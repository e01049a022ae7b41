"""A group member on confluent-kafka, kafka-python or aiokafka; the contract is in README.md beside this file."""

import asyncio
import faulthandler
import json
import logging
import signal
import sys
import threading
import time

OPTIONS = json.loads(sys.argv[1])
TOPIC = OPTIONS["topic"]
COMMIT_SECONDS = OPTIONS.get("commit", 200) / 1000
METADATA = OPTIONS.get("metadata", "")
STOP = threading.Event()


def say(kind, *rest):
    print(int(time.time() * 1_000_000), kind, *rest, flush=True)


def wait_for_the_end():
    for line in sys.stdin:
        if line.strip() == "stop":
            break
    STOP.set()


class Progress:
    """The next offset of each partition that we own: what a commit would say."""

    def __init__(self):
        self.next = {}
        self.saved = {}
        self.at = time.monotonic()

    def gain(self, partitions):
        if partitions:
            say("+", *sorted(partitions))

    def give_up(self, partitions):
        for partition in partitions:
            self.next.pop(partition, None)
            self.saved.pop(partition, None)
        if partitions:
            say("-", *sorted(partitions))

    def record(self, partition, offset, value):
        say("R", partition, offset, value.decode())
        self.next[partition] = offset + 1

    def due(self):
        return time.monotonic() - self.at >= COMMIT_SECONDS

    def unsaved(self, partitions=None):
        self.at = time.monotonic()
        return {p: o for p, o in self.next.items()
                if self.saved.get(p) != o and (partitions is None or p in partitions)}

    def acknowledged(self, offsets):
        if offsets:
            self.saved.update(offsets)
            say("C", *(f"{p}:{o}" for p, o in sorted(offsets.items())))


def confluent():
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    progress = Progress()
    settings = {"bootstrap.servers": OPTIONS["bootstrap"], "group.id": OPTIONS["group"], "enable.auto.commit": False,
                "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100, "topic.metadata.refresh.interval.ms": 5000,
                "reconnect.backoff.max.ms": 1000, "group.protocol": OPTIONS["protocol"]}
    if OPTIONS["protocol"] == "classic":
        settings.update({"session.timeout.ms": OPTIONS["session"], "heartbeat.interval.ms": OPTIONS["session"] // 4})
        if "assignor" in OPTIONS:
            settings["partition.assignment.strategy"] = OPTIONS["assignor"]
    elif "assignor" in OPTIONS:
        settings["group.remote.assignor"] = OPTIONS["assignor"]
    if "instance" in OPTIONS:
        settings["group.instance.id"] = OPTIONS["instance"]
    consumer = Consumer(settings)

    def commit(partitions=None):
        wanted = progress.unsaved(partitions)
        if not wanted:
            return
        try:
            answers = consumer.commit(offsets=[TopicPartition(TOPIC, p, o, METADATA) for p, o in wanted.items()],
                                      asynchronous=False)
            progress.acknowledged({a.partition: a.offset for a in answers if a.error is None})
            for answer in answers:
                if answer.error is not None:
                    say("!", f"commit: {answer.error}")
        except KafkaException as error:
            say("!", f"commit: {error}")

    def on_assign(_, partitions):
        progress.gain([p.partition for p in partitions])

    def on_revoke(_, partitions):
        ours = [p.partition for p in partitions]
        commit(ours)
        progress.give_up(ours)

    def on_lost(_, partitions):
        progress.give_up([p.partition for p in partitions])

    consumer.subscribe([TOPIC], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost)
    while not STOP.is_set():
        for message in consumer.consume(100, 0.1):
            if message.error():
                say("!", message.error())
            else:
                progress.record(message.partition(), message.offset(), message.value())
        if progress.due():
            commit()
    commit()
    consumer.close()


def kafka_python():
    from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
    from kafka.errors import KafkaError
    from kafka.structs import OffsetAndMetadata

    assignors = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor,
                 "sticky": StickyPartitionAssignor, "cooperative-sticky": CooperativeStickyAssignor}
    progress = Progress()
    options = {"group_instance_id": OPTIONS["instance"]} if "instance" in OPTIONS else {}
    if "assignor" in OPTIONS:
        options["partition_assignment_strategy"] = [assignors[OPTIONS["assignor"]]]
    consumer = KafkaConsumer(bootstrap_servers=OPTIONS["bootstrap"], group_id=OPTIONS["group"], enable_auto_commit=False,
                             auto_offset_reset="earliest", session_timeout_ms=OPTIONS["session"],
                             heartbeat_interval_ms=OPTIONS["session"] // 4, reconnect_backoff_max_ms=1000,
                             fetch_max_wait_ms=100, **options)

    def commit(partitions=None):
        wanted = progress.unsaved(partitions)
        if not wanted:
            return
        try:
            consumer.commit({TopicPartition(TOPIC, p): OffsetAndMetadata(o, METADATA, -1) for p, o in wanted.items()},
                            timeout_ms=10000)
            progress.acknowledged(wanted)
        except KafkaError as error:
            say("!", f"commit: {error!r}")

    class Listener(ConsumerRebalanceListener):
        def on_partitions_assigned(self, assigned):
            progress.gain([tp.partition for tp in assigned])

        def on_partitions_revoked(self, revoked):
            ours = [tp.partition for tp in revoked]
            commit(ours)
            progress.give_up(ours)

        def on_partitions_lost(self, lost):
            progress.give_up([tp.partition for tp in lost])

    consumer.subscribe([TOPIC], listener=Listener())
    # kafka-python 3.0.12 forgets a join that it led because partitions became known, if a poll ends between its assignment
    # and the answer to SyncGroup: it owns nothing and sends no heartbeats any more. So they are known before it joins.
    while not STOP.is_set():
        try:
            if consumer.partitions_for_topic(TOPIC):
                break
        except KafkaError as error:
            say("!", f"metadata: {error!r}")
        time.sleep(0.05)
    while not STOP.is_set():
        try:
            for tp, messages in consumer.poll(100).items():
                for message in messages:
                    progress.record(tp.partition, message.offset, message.value)
        except KafkaError as error:
            say("!", f"poll: {error!r}")
        if progress.due():
            commit()
    commit()
    consumer.close()


async def aiokafka():
    from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
    from aiokafka.coordinator.assignors.range import RangePartitionAssignor
    from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
    from aiokafka.errors import KafkaError

    assignors = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor,
                 "sticky": StickyPartitionAssignor}
    progress = Progress()
    options = {"group_instance_id": OPTIONS["instance"]} if "instance" in OPTIONS else {}
    if "assignor" in OPTIONS:
        options["partition_assignment_strategy"] = [assignors[OPTIONS["assignor"]]]
    consumer = AIOKafkaConsumer(bootstrap_servers=OPTIONS["bootstrap"], group_id=OPTIONS["group"], enable_auto_commit=False,
                                auto_offset_reset="earliest", session_timeout_ms=OPTIONS["session"],
                                heartbeat_interval_ms=OPTIONS["session"] // 4, fetch_max_wait_ms=100, **options)

    async def commit(partitions=None):
        wanted = progress.unsaved(partitions)
        if not wanted:
            return
        try:
            await consumer.commit({TopicPartition(TOPIC, p): (o, METADATA) for p, o in wanted.items()})
            progress.acknowledged(wanted)
        except KafkaError as error:
            say("!", f"commit: {error!r}")

    class Listener(ConsumerRebalanceListener):
        async def on_partitions_assigned(self, assigned):
            progress.gain([tp.partition for tp in assigned])

        async def on_partitions_revoked(self, revoked):
            ours = [tp.partition for tp in revoked]
            await commit(ours)
            progress.give_up(ours)

    consumer.subscribe([TOPIC], listener=Listener())
    await consumer.start()
    while not STOP.is_set():
        try:
            for tp, messages in (await consumer.getmany(timeout_ms=100)).items():
                for message in messages:
                    progress.record(tp.partition, message.offset, message.value)
        except KafkaError as error:
            say("!", f"getmany: {error!r}")
        if progress.due():
            await commit()
    await commit()
    await consumer.stop()


# for the report of a case that waits in vain: what a coordinator was asked, and where every thread is
logging.basicConfig(format="%(asctime)s %(name)s %(message)s", level=logging.WARNING)
logging.getLogger("kafka.coordinator").setLevel(logging.INFO)
logging.getLogger("aiokafka.consumer.group_coordinator").setLevel(logging.INFO)
faulthandler.register(signal.SIGUSR1, all_threads=True)
threading.Thread(target=wait_for_the_end, daemon=True).start()
if OPTIONS["library"] == "aiokafka":
    asyncio.run(aiokafka())
else:
    {"confluent-kafka": confluent, "kafka-python": kafka_python}[OPTIONS["library"]]()
say(".")
