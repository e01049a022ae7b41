"""What the gates need, fetched by name and pinned version from package registries into a cache folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("INTEROP_CACHE", HERE / ".cache"))


class Missing(Exception):
    """A tool that the gate needs is not on this machine; the text says how to get it."""


def need(tool, how):
    path = shutil.which(tool)
    if path is None:
        raise Missing(f"{tool} is missing ({how})")
    return path


def run_quietly(command, what, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{what} failed: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def stamped(folder, stamp_text, build):
    """Runs `build` unless the folder was completed with the same stamp. The stamp comes last."""
    stamp = folder / ".complete"
    if not (stamp.exists() and stamp.read_text() == stamp_text):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        build()
        stamp.write_text(stamp_text)
    return folder


def python_clients():
    """A virtual environment with the Python clients; returns its interpreter."""
    requirements = HERE / "requirements.txt"
    folder = CACHE / "python"

    def build():
        run_quietly([sys.executable, "-m", "venv", str(folder)], "python -m venv")
        run_quietly([str(folder / "bin/pip"), "install", "--quiet", "-r", str(requirements)], "pip install")

    stamped(folder, requirements.read_text(), build)
    return folder / "bin/python"


def javascript_clients():
    """A folder with node_modules; returns it."""
    need("node", "Debian: apt-get install nodejs")
    need("npm", "Debian: apt-get install npm")
    manifest = HERE / "package.json"
    folder = CACHE / "javascript"

    def build():
        shutil.copy(manifest, folder / "package.json")
        run_quietly(["npm", "install", "--silent", "--no-audit", "--no-fund"], "npm install", cwd=folder)

    stamped(folder, manifest.read_text(), build)
    return folder


def kafka_jars():
    """The jars of Apache Kafka's broker and tools; returns the folder."""
    need("java", "Debian: apt-get install openjdk-17-jdk-headless")
    need("mvn", "Debian: apt-get install maven")
    pom = HERE / "peers/kafka/pom.xml"
    folder = CACHE / "kafka"

    def build():
        run_quietly(
            ["mvn", "--quiet", "--batch-mode", "--file", str(pom), "dependency:copy-dependencies",
             f"-DoutputDirectory={folder}"], "mvn dependency:copy-dependencies")

    return stamped(folder, pom.read_text(), build)


def kcat():
    return need("kcat", "Debian: apt-get install kcat")
