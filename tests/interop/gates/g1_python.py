"""G1: confluent-kafka, kafka-python and aiokafka: codecs, headers, nulls, timestamps, seek, idempotence, admin."""

import subprocess
from pathlib import Path

from interop import install

SCENARIOS = Path(__file__).resolve().parent / "python"


def run(context, report):
    python = install.python_clients()
    broker = context.start()
    done = subprocess.run([str(python), str(SCENARIOS / "matrix.py"), broker.bootstrap], capture_output=True, text=True,
                          timeout=600, check=False)
    report.add_json_lines(done.stdout)
    if done.returncode != 0:
        report.add("matrix ended", False, done.stderr[-1500:])
