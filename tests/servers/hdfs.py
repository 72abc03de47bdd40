"""HDFS: a real NameNode and DataNode in one JVM, and what a client's JVM needs."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.cache import Unavailable, installed, program, run
from tests.servers.process import ENVIRONMENT, START, ServerError, free_ports, running, tail
from tests.servers.server import Server

if TYPE_CHECKING:
    from subprocess import Popen

HADOOP = "3.4.2"

JAVA = "17"
"""Hadoop does not run on 24 and later, and the libraries are compiled for this one."""

LIBHDFS = "0.3.1"
"""Of the crate hdfs-sys, which carries the C sources of Hadoop 3.3; no package has a binary."""

SOURCE = Path(__file__).parent / "MiniHdfs.java"

CLIENT_JARS = (
    *("hadoop-client-api", "hadoop-client-runtime"),
    *("slf4j-api", "commons-logging", "commons-lang3"),
)

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>blobfs</groupId><artifactId>servers</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.hadoop</groupId><artifactId>hadoop-client-minicluster</artifactId>
      <version>{HADOOP}</version>
    </dependency>
    <!-- WebHDFS answers 500 without JAXB, which left the JDK in 11. -->
    <dependency>
      <groupId>javax.xml.bind</groupId><artifactId>jaxb-api</artifactId>
      <version>2.3.1</version>
    </dependency>
    <!-- libhdfs asks for it by its plain name; Hadoop's jars carry it under another. -->
    <dependency>
      <groupId>org.apache.commons</groupId><artifactId>commons-lang3</artifactId>
      <version>3.18.0</version>
    </dependency>
  </dependencies>
</project>
"""

CLIENT_CONFIGURATION = """<configuration><property>
<name>dfs.client.block.write.locateFollowingBlock.initial.delay.ms</name><value>4</value>
</property></configuration>
"""
"""Without it every small write takes 200 to 500 ms."""

CARGO = f"""[package]
name = "sources"
version = "0.0.0"
edition = "2021"
[dependencies]
hdfs-sys = "={LIBHDFS}"
"""


class Hdfs(Server):
    """Clients are users by name, as HDFS has it without Kerberos; permissions are checked.

    A client's JVM reads `environment` when the process makes its first filesystem and never
    again, and does not survive a fork: set it before, or better run the client as a program.
    """

    def __init__(self) -> None:
        super().__init__()
        self.http_port = 0
        """Of the NameNode, for WebHDFS, which sends clients on to the DataNode for data."""
        self.environment: dict[str, str] = {}
        """For a client of libhdfs, as pyarrow is."""
        self._process: Popen[bytes] | None = None
        self._log = Path()
        self._commands = 0

    @property
    def url(self) -> str:
        return f"hdfs://{self.host}:{self.port}"

    def safe_mode(self, on: bool) -> None:
        """Refuse every write, or allow it again."""
        self._command(f"safemode {'on' if on else 'off'}")

    def set_quota(self, path: str, size: int | None) -> None:
        """Bound the bytes below a directory; None for no bound.

        A block counts as full (128 MiB) while it is written, so anything less refuses all.
        """
        self._command(f"quota {path} {-1 if size is None else size}")

    def _start(self, stack: ExitStack, directory: Path) -> None:
        home = java_home()
        jars = installed(f"hadoop-{HADOOP}", _jars)
        digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
        classes = installed(
            f"minihdfs-{HADOOP}-{digest}", lambda place: _classes(home, jars, place)
        )
        native = installed(f"libhdfs-{LIBHDFS}", lambda place: _libhdfs(home, place))
        ports = free_ports(5)
        self.port, self.http_port = ports[:2]
        self.environment = _environment(home, jars, native, directory)
        self._log = directory / "log"
        options = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        path = os.pathsep.join(map(str, [classes, *sorted(jars.glob("*.jar"))]))
        process = running(
            [
                *(str(home / "bin" / "java"), *options, "-cp", path, "MiniHdfs"),
                *(str(directory / "hdfs"), self.host, *map(str, ports)),
            ],
            log=self._log,
            answers=lambda: "READY" in self._said(),
            commands=True,
        )
        self._process = stack.enter_context(process)
        self._commands = 0

    def _command(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._commands += 1
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        until = time.monotonic() + START
        while time.monotonic() < until and self._process.poll() is None:
            for said in self._said():
                words = said.split(" ", 2)
                if words[:2] == ["DONE", str(self._commands)]:
                    return
                if words[:2] == ["FAILED", str(self._commands)]:
                    raise ServerError(f"HDFS did not `{line}`: {words[2]}")
            time.sleep(0.01)
        raise ServerError(f"HDFS did not answer `{line}`; its log: {tail(self._log)}")

    def _said(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()


def java_home() -> Path:
    """Return the directory of a JDK that Hadoop runs on."""
    for home in _java_homes():
        release = home / "release"
        compiles = release.exists() and (home / "bin" / "javac").exists()
        if compiles and f'JAVA_VERSION="{JAVA}.' in release.read_text():
            return home
    raise Unavailable(f"HDFS needs a JDK {JAVA}; set JAVA_HOME if it is in an unusual place")


def _java_homes() -> Iterator[Path]:
    if "JAVA_HOME" in ENVIRONMENT:
        yield Path(ENVIRONMENT["JAVA_HOME"])
    yield from sorted(Path("/usr/lib/jvm").glob("*"))
    yield from sorted(Path("/Library/Java/JavaVirtualMachines").glob("*/Contents/Home"))


def _environment(home: Path, jars: Path, native: Path, directory: Path) -> dict[str, str]:
    configuration = directory / "client"
    configuration.mkdir()
    (configuration / "hdfs-site.xml").write_text(CLIENT_CONFIGURATION)
    # By name: libhdfs knows no wildcards.
    found = [jar for name in CLIENT_JARS for jar in sorted(jars.glob(f"{name}-[0-9]*.jar"))]
    return {
        "JAVA_HOME": str(home),
        "ARROW_LIBHDFS_DIR": str(native),
        "LIBHDFS_OPTS": "-Xmx256m -XX:+UseSerialGC",
        "CLASSPATH": os.pathsep.join(map(str, [configuration, *found])),
    }


def _jars(directory: Path) -> None:
    maven = program("mvn", "HDFS")
    (directory / "pom.xml").write_text(POM)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    java = str(java_home())
    where = f"-DoutputDirectory={directory}"
    run(maven, "-q", "-B", *goal, where, cwd=directory, JAVA_HOME=java)


def _classes(home: Path, jars: Path, directory: Path) -> None:
    javac = home / "bin" / "javac"
    run(javac, "-nowarn", "-cp", f"{jars}/*", "-d", directory, SOURCE, cwd=directory)


def _toolchain(cargo: str) -> dict[str, str]:
    """Return where rustup, if cargo is its, keeps what it runs: beside it, whatever HOME is."""
    beside = Path(cargo).parent.parent.parent / ".rustup"
    return {"RUSTUP_HOME": str(beside)} if beside.is_dir() else {}


def _libhdfs(home: Path, directory: Path) -> None:
    """Compile the C library that pyarrow loads; its JVM is found by JAVA_HOME at run time."""
    gcc = program("gcc", "libhdfs")
    cargo = program("cargo", "libhdfs")
    crate = directory / "crate"
    (crate / "src").mkdir(parents=True)
    (crate / "src" / "lib.rs").touch()
    (crate / "Cargo.toml").write_text(CARGO)
    run(cargo, "vendor", "-q", crate / "vendor", cwd=crate, **_toolchain(cargo))
    sources = crate / "vendor" / "hdfs-sys" / "libhdfs" / "hdfs_3_3"
    include = [sources, sources.parent, sources / "include", sources / "include" / "hdfs"]
    include += [sources / "os" / "posix", sources / "os"]
    include += [home / "include", home / "include" / "linux"]
    files = [*sources.glob("*.c"), *sources.glob("common/htable.c")]
    files += [sources / "os" / "posix" / f"{n}.c" for n in ("mutexes", "thread_local_storage")]
    flags = [*("-shared", "-fPIC", "-O2", "-w", "-std=gnu11"), *(f"-I{one}" for one in include)]
    jvm = home / "lib" / "server"
    link = [f"-L{jvm}", "-ljvm", f"-Wl,-rpath,{jvm}"]
    run(gcc, *flags, "-o", directory / "libhdfs.so", *files, *link, cwd=directory)
