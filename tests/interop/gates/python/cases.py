"""What the scenario programs share: the broker, one JSON line per case on stdout, checks, topics."""

import json
import sys
import threading
import traceback

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1]
PRINTING = threading.Lock()
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})


def case(name, function, *arguments):
    try:
        detail = function(*arguments) or ""
        ok = True
    except Exception as error:  # noqa: BLE001 - the boundary of a case
        where = traceback.extract_tb(error.__traceback__)[-1]
        ok, detail = False, f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})"[:1200]
    with PRINTING:
        print(json.dumps({"case": name, "ok": ok, "detail": detail}), flush=True)


def waits(name, what):
    """Announces a case that needs what the broker does not advertise."""
    with PRINTING:
        print(json.dumps({"case": name, "waits": what}), flush=True)


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def create(topic, partitions=1, config=None):
    for future in ADMIN.create_topics([NewTopic(topic, partitions, 1, config=config or {})]).values():
        future.result(30)


def refused_with(code, action, *arguments):
    """Checks that confluent-kafka's `action` raises the error named `code`."""
    try:
        action(*arguments)
    except KafkaException as error:
        check(error.args[0].name() == code, f"{error.args[0].name()} ({error}) instead of {code}")
    else:
        raise AssertionError(f"taken, although {code} was due")


def only(futures, seconds=30):
    """The result of the one future in an answer of confluent-kafka's admin client."""
    (future,) = futures.values()
    return future.result(seconds)
