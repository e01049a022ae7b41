"""Chooses gates, runs them, and decides the exit code."""

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from interop import brokers
from interop.install import Missing
from interop.report import Report

# Gate -> module and the least number of cases that must have run, so that an empty pass is a failure.
GATES = {
    "thread": ("gates.thread", 4),
    "g1": ("gates.g1_python", 180),
    "g2": ("gates.g2_rust", 82),
    "g3": ("gates.g3_librdkafka", 115),
    "g4": ("gates.g4_java", 93),
    "g6": ("gates.g6_go", 44),
    "g7": ("gates.g7_javascript", 36),
    "g8": ("gates.g8_kcat", 24),
    "client": ("gates.client", 15),
    "dump": ("gates.dump", 11),
    "real": ("gates.real_input", 20),
}


class Context:
    """What a gate gets: brokers on demand, which all end with the gate."""

    def __init__(self, target, full):
        self.target = target
        self.full = full  # the whole size of what a gate also does smaller
        self.started = []

    def start(self, profile="interop", overrides=None, target=None):
        broker = brokers.KINDS[target or self.target](profile, overrides)
        self.started.append(broker)
        return broker

    def end(self, keep):
        """Stops the brokers; their folders stay if somebody will want to look."""
        for broker in self.started:
            broker.stop()
            if not keep:
                shutil.rmtree(broker.folder)


def run_gate(name, target, full):
    module_name, least = GATES[name]
    report = Report(name)
    context = Context(target, full)
    began = time.monotonic()
    try:
        module = importlib.import_module(module_name)
        module.run(context, report)
    except Missing as missing:
        if os.environ.get("CI"):
            report.add("setup", False, str(missing))
        else:
            print(f"SKIPPED {name}: {missing}", flush=True)
            return True
    except Exception as error:  # noqa: BLE001 - the boundary of a gate
        report.add("setup", False, f"{type(error).__name__}: {error}")
    finally:
        context.end(keep=bool(report.failed))
    if len(report.results) < least:
        report.add("executed", False, f"{len(report.results)} cases ran, at least {least} are expected")
    seconds = time.monotonic() - began
    print(f"gate {name} against {target}: {report.passed} passed, {len(report.failed)} failed, "
          f"{seconds:.0f} s", flush=True)
    if report.failed:
        for broker in context.started:
            print(f"  log of {broker.name}: {broker.log}", flush=True)
    return not report.failed


def build():
    """The release binary, built if need be."""
    subprocess.run(["cargo", "build", "--quiet", "--release", "--bin", "mainstem"], cwd=brokers.REPOSITORY, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", brokers.REPOSITORY / "target"))
    return target / "release/mainstem"


def main():
    parser = argparse.ArgumentParser(description="Runs unmodified Kafka clients against a real broker.")
    parser.add_argument("gates", nargs="*", metavar="GATE", help=f"one of {', '.join(GATES)}; all without any")
    parser.add_argument("--target", choices=sorted(brokers.KINDS), default="mainstem")
    parser.add_argument("--binary", type=Path, help="the mainstem binary; built in release mode without it")
    parser.add_argument("--full", action="store_true", help="the full size of gate real (200 MB per producer and codec)")
    parser.add_argument("--list", action="store_true", help="print the gates and end")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(GATES))
        return 0
    unknown = [g for g in arguments.gates if g not in GATES]
    if unknown:
        parser.error(f"unknown gate {unknown[0]}; known: {', '.join(GATES)}")
    brokers.Mainstem.binary = arguments.binary.resolve() if arguments.binary else build()
    # two at a time: they wait more than they work; the one that waits longest begins
    chosen = sorted(arguments.gates or GATES, key=lambda gate: gate != "g3")
    with ThreadPoolExecutor(2) as pool:
        good = list(pool.map(lambda name: run_gate(name, arguments.target, arguments.full), chosen))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
