"""G7: kafkajs (the oldest JavaScript stack) and @platformatic/kafka (the newest)."""

import subprocess
from pathlib import Path

from interop import install

PROGRAM = Path(__file__).resolve().parent / "javascript/matrix.mjs"


def run(context, report):
    folder = install.javascript_clients()
    broker = context.start()
    # ES modules are found beside the importing file, so the program runs from the folder that has node_modules
    program = folder / PROGRAM.name
    program.write_text(PROGRAM.read_text())
    done = subprocess.run(["node", str(program), broker.bootstrap], capture_output=True, text=True, timeout=300,
                          cwd=folder, check=False)
    report.add_json_lines(done.stdout)
    if done.returncode != 0:
        report.add("matrix ended", False, done.stderr[-1500:])
