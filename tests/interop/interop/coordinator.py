"""FindCoordinator, OffsetFetch, DescribeGroups and IncrementalAlterConfigs by hand: what a group has committed and who is in
it, asked beside every client library. One broker is every coordinator."""

import socket
import struct
import time


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values[0]

    def text(self):
        length = self.take(">h")
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length:self.at].decode()


def receive(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("closed in the middle of an answer")
        data += part
    return data


def ask(broker, key, version, body, throttled=True):
    """The answer to one request, behind its correlation id and throttle time (where this version has one)."""
    request = struct.pack(">hhi", key, version, 1) + text("interop") + body
    with socket.create_connection(("127.0.0.1", broker.port), timeout=5) as connection:
        connection.settimeout(5)
        connection.sendall(struct.pack(">i", len(request)) + request)
        reader = Reader(receive(connection, struct.unpack(">i", receive(connection, 4))[0]))
    reader.take(">ii" if throttled else ">i")
    return reader


OFFSET_COMMIT = 8
CLASSIC = frozenset(range(11, 17))  # JoinGroup, Heartbeat, LeaveGroup, SyncGroup, DescribeGroups, ListGroups
CONSUMER = CLASSIC | {68, 69}  # ConsumerGroupHeartbeat, ConsumerGroupDescribe


def apis(broker):
    """The keys that the broker advertises (ApiVersions 0)."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=5) as connection:
        connection.settimeout(5)
        connection.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))
        reader = Reader(receive(connection, struct.unpack(">i", receive(connection, 4))[0]))
    reader.take(">i"), reader.take(">h")
    return {reader.take(">hhh") for _ in range(reader.take(">i"))}


def served(broker):
    """The protocols of groups whose every API the broker advertises, of `classic` and `consumer`."""
    keys = apis(broker)
    return [protocol for protocol, needed in (("classic", CLASSIC), ("consumer", CONSUMER)) if needed <= keys]


def ready(broker):
    """Waits until the coordinator of a group is found and loaded: the first look-up creates its internal topic. Some
    suites take the errors of the first moments for failures."""
    if OFFSET_COMMIT not in apis(broker):
        return broker
    end = time.monotonic() + 30
    while ask(broker, 10, 1, text("warm-up") + b"\0").take(">h") != 0:
        if time.monotonic() > end:
            raise TimeoutError("no coordinator within 30 s")
        time.sleep(0.1)
    committed_soon(broker, "warm-up", "warm-up", [0])
    return broker


def configure(broker, group, key, value):
    """Sets a setting of a KIP-848 group (IncrementalAlterConfigs 0)."""
    group_resource, set_it = 32, 0
    reader = ask(broker, 44, 0, struct.pack(">ib", 1, group_resource) + text(group) + struct.pack(">i", 1) + text(key)
                 + struct.pack(">b", set_it) + text(value) + b"\0")
    reader.take(">i")  # one resource
    code = reader.take(">h")
    if code:
        raise RuntimeError(f"{key} of group {group} was refused with {code}: {reader.text()}")


def committed(broker, group, topic, partitions):
    """partition -> (offset, metadata), for partitions that have a commit. Raises OSError where the broker does not answer."""
    reader = ask(broker, 9, 5, text(group) + struct.pack(">i", 1) + text(topic)
                 + struct.pack(f">i{len(partitions)}i", len(partitions), *partitions))
    found, codes = {}, set()
    for _ in range(reader.take(">i")):
        reader.text()
        for _ in range(reader.take(">i")):
            partition, offset = reader.take(">i"), reader.take(">q")
            reader.take(">i")
            metadata = reader.text()
            codes.add(reader.take(">h"))
            if offset >= 0:
                found[partition] = (offset, metadata)
    codes.add(reader.take(">h"))
    if codes - {0}:
        raise ConnectionError(f"OffsetFetch answered {sorted(codes)}")
    return found


def committed_soon(broker, group, topic, partitions, seconds=20):
    """The same, while the coordinator is still loading or being found."""
    end = time.monotonic() + seconds
    while True:
        try:
            return committed(broker, group, topic, partitions)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def described(broker, group):
    """The state of a group and its members in words (DescribeGroups 0), for a report."""
    try:
        reader = ask(broker, 15, 0, struct.pack(">i", 1) + text(group), throttled=False)
        reader.take(">i")
        code, _, state, kind, protocol = reader.take(">h"), reader.text(), reader.text(), reader.text(), reader.text()
        members = []
        for _ in range(reader.take(">i")):
            members.append(f"{reader.text()} of {reader.text()}{reader.text()}")
            for _ in range(2):  # metadata and assignment
                reader.at += max(0, reader.take(">i"))
        return f"group is {state} (code {code}, {kind}, {protocol}) with {', '.join(members) or 'nobody'}"
    except (OSError, struct.error) as error:
        return f"the group cannot be described: {error!r}"
