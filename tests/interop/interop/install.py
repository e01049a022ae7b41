"""What the gates need, fetched by name and pinned version from package registries into a cache folder."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("INTEROP_CACHE", HERE / ".cache"))
BUILDING = threading.RLock()  # cases run in parallel, and one installs for all


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
    with BUILDING:
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


def connect_jars():
    """The jars of a Connect worker; returns the folder."""
    need("mvn", "Debian: apt-get install maven")
    pom = HERE / "peers/connect/pom.xml"
    folder = CACHE / "connect"

    def build():
        run_quietly(["mvn", "--quiet", "--batch-mode", "--file", str(pom), "dependency:copy-dependencies",
                     f"-DoutputDirectory={folder}"], "mvn dependency:copy-dependencies")

    return stamped(folder, pom.read_text(), build)


def java_clients(version):
    """The jars of an older Apache Kafka: its clients and console tools; returns the folder."""
    need("mvn", "Debian: apt-get install maven")
    pom = HERE / "peers/java-clients/pom.xml"
    folder = CACHE / f"kafka-{version}"

    def build():
        run_quietly(["mvn", "--quiet", "--batch-mode", "--file", str(pom), "dependency:copy-dependencies", f"-Dkafka={version}",
                     f"-DoutputDirectory={folder}"], "mvn dependency:copy-dependencies")

    return stamped(folder, pom.read_text(), build)


def java_member(library):
    """The jars for `java` (this Kafka's version) or `java-VERSION`, and the folder with the compiled member program."""
    need("javac", "Debian: apt-get install openjdk-17-jdk-headless")
    source = HERE / "members/Member.java"
    oldest = java_clients("2.8.2")
    folder = CACHE / "java-member"

    def build():
        run_quietly(["javac", "-cp", f"{oldest}/*", "-d", str(folder), str(source)], "javac of the member program")

    _, _, version = library.partition("-")
    return java_clients(version) if version else kafka_jars(), stamped(folder, source.read_text(), build)


def go_clients():
    """The Go clients compiled into one program; returns it."""
    folder, module = CACHE / "go", HERE / "go"
    need("go", "Debian: apt-get install golang; 1.21 or newer, which fetches the toolchain that go.mod names")
    version = run_quietly(["go", "env", "GOVERSION"], "go env", cwd="/").strip().removeprefix("go")
    if tuple(int(part) for part in version.split(".")[:2]) < (1, 21):
        raise Missing(f"go {version} is too old: 1.21 or newer is needed, which fetches the toolchain that go.mod names")
    sources = sorted(module.glob("*"))

    def build():
        run_quietly(["go", "build", "-o", str(folder / "clients"), "."], "go build", cwd=module)

    return stamped(folder, "\n".join(path.read_text() for path in sources), build) / "clients"


def javascript_program(name, source):
    """A program beside the node_modules that it imports: ES modules are found beside the importing file."""
    folder = javascript_clients()
    program = folder / name
    text = (source / name).read_text()
    if not (program.exists() and program.read_text() == text):
        program.write_text(text)
    return program


def rust_crates():
    """The published Rust clients, as cargo unpacked them from the registry: name -> folder."""
    need("cargo", "a Rust toolchain")
    manifest = ["--manifest-path", str(HERE / "rust/Cargo.toml"), "--locked"]
    run_quietly(["cargo", "fetch", *manifest], "cargo fetch")
    listing = json.loads(run_quietly(["cargo", "metadata", "--format-version", "1", *manifest], "cargo metadata"))
    return {p["name"]: Path(p["manifest_path"]).parent for p in listing["packages"]}


def librdkafka():
    """librdkafka with its test runner, compiled from what the crate rdkafka-sys ships; returns the source folder.

    `usr` in it is an installed copy with its pkg-config file, for crates that link to it.
    """
    need("make", "Debian: apt-get install make")
    need("g++", "Debian: apt-get install g++")
    source = rust_crates()["rdkafka-sys"]
    folder = CACHE / "librdkafka"

    def build():
        shutil.copytree(source / "librdkafka", folder, dirs_exist_ok=True)
        run_quietly(["./configure", f"--prefix={folder}/usr", "--disable-ssl", "--disable-curl", "--disable-gssapi",
                     "--enable-zstd"], "configure of librdkafka (Debian: apt-get install zlib1g-dev libzstd-dev)", cwd=folder)
        jobs = f"-j{os.cpu_count()}"
        run_quietly(["make", jobs, "libs"], "make libs of librdkafka", cwd=folder)
        run_quietly(["make", "-C", "src", "install"], "make install of librdkafka", cwd=folder)
        run_quietly(["make", jobs, "-C", "tests", "test-runner"], "make of librdkafka's test runner", cwd=folder)

    return stamped(folder, source.name, build)


def rust_suites():
    """The integration tests that rdkafka and rskafka ship, compiled: for each crate, name of the test -> program."""
    crates, native = rust_crates(), librdkafka()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(CACHE / "rust"), "CARGO_PROFILE_DEV_DEBUG": "0",
                   "PKG_CONFIG_PATH": str(native / "usr/lib/pkgconfig")}

    def compile_tests(folder, *options):
        # not from inside the folder: what a crate asks of its own toolchain does not bind its users
        lines = run_quietly(["cargo", "test", "--no-run", "--manifest-path", str(folder / "Cargo.toml"), "--locked",
                             "--message-format", "json", *options], f"compiling the tests of {folder.name}",
                            cwd=CACHE, env=environment).splitlines()
        artifacts = [json.loads(line) for line in lines if line.startswith("{")]
        return {a["target"]["name"]: a["executable"] for a in artifacts if a.get("executable")}

    rskafka = CACHE / "rskafka"
    lock = HERE / "rust/rskafka.lock"

    def copy():
        shutil.copytree(crates["rskafka"], rskafka, dirs_exist_ok=True)
        # its own lock file names rsasl 2.2.0, which the compiler no longer takes
        shutil.copy(lock, rskafka / "Cargo.lock")
        # a workspace of its own: the folder lies below a member of ours, which no exclusion overrules
        with open(rskafka / "Cargo.toml", "a") as manifest:
            manifest.write("\n[workspace]\n")

    stamped(rskafka, f"{crates['rskafka'].name}, a workspace\n{lock.read_text()}", copy)
    return (compile_tests(crates["rdkafka"], "--features", "dynamic-linking", "--tests"),
            compile_tests(rskafka, "--features", "rdkafka/dynamic-linking", *(
                option for name in ("client", "consumer", "producer", "produce_consume") for option in ("--test", name))))


def kcat():
    return need("kcat", "Debian: apt-get install kcat")
