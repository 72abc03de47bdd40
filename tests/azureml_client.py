"""The real azure-ai-ml as a client of a server, in a process of its own."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from tests import azureml_steps
from tests.servers.azure import Azurite
from tests.servers.azureml import azureml
from tests.servers.cache import Unavailable

Kind = Literal["blob", "gen2"]
"""Which of its two storage clients: `BlobStorageClient`, or `Gen2StorageClient`."""

PATIENCE = 120.0
"""Seconds that a step may take."""


class ClientError(Exception):
    """What azure-ai-ml raised: the name of its type, and its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Upload as the creation of a data asset does; the value is what the client returns."""

    do: ClassVar[str] = "upload"
    path: Path
    container: str
    kind: Kind = "blob"
    name: str | None = "n"
    version: str | None = "1"
    killed_after: Sequence[str] | None = None
    """Paths below `path`, or its name if it is a file: when these are uploaded and others are
    not, the process ends. By Gen2 the others may be there, but empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Download all whose name begins with a prefix."""

    do: ClassVar[str] = "download"
    prefix: str
    container: str
    destination: Path
    kind: Kind = "blob"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHash:
    """Compute the hash that names where a path is uploaded to."""

    do: ClassVar[str] = "object_hash"
    path: Path


Step = Upload | Download | ObjectHash


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step."""

    value: Any = None
    error: str | None = None
    """The name of the exception's type; `Killed` if the process ended as it was told to."""
    message: str = ""

    def get(self) -> Any:  # noqa: ANN401 - what a step returns
        """Return the value.

        Raises:
            ClientError: if there is an error instead.
        """
        if self.error is not None:
            raise ClientError(self.error, self.message)
        return self.value


class Client:
    """azure-ai-ml with the key of a server's account.

    A test that makes one is skipped where azure-ai-ml cannot be installed.
    """

    def __init__(self, server: Azurite, *, url: str | None = None) -> None:
        """Take a server, and the URL of a proxy if there is one before it."""
        try:
            self._installation = azureml()
        except Unavailable as missing:
            pytest.skip(str(missing))
        self._account = {
            "url": f"{url}/{server.account}" if url else server.url,
            "key": server.key,
        }

    def run(self, *steps: Step) -> list[Outcome]:
        """Do the steps, one after the other, and return what came of each."""
        return [
            Worker.of(getattr(step, "kind", ""), self._installation).do(step, self._account)
            for step in steps
        ]

    def upload(
        self,
        path: Path,
        container: str,
        *,
        kind: Kind = "blob",
        name: str | None = "n",
        version: str | None = "1",
    ) -> dict[str, str]:
        """Return `remote path`, `name`, `version` and `indicator file`.

        Raises:
            ClientError: if it fails.
        """
        step = Upload(path=path, container=container, kind=kind, name=name, version=version)
        told: dict[str, str] = self.run(step)[0].get()
        return told

    def download(
        self, prefix: str, container: str, destination: Path, *, kind: Kind = "blob"
    ) -> None:
        """Download all whose name begins with a prefix.

        Raises:
            ClientError: if it fails.
        """
        step = Download(prefix=prefix, container=container, destination=destination, kind=kind)
        self.run(step)[0].get()

    def object_hash(self, path: Path) -> str:
        """Return the hash that names where a path is uploaded to.

        Raises:
            ClientError: if it fails.
        """
        return str(self.run(ObjectHash(path=path))[0].get())


class Worker:
    """A process that has imported azure-ai-ml; it ends when nobody tells it anything more."""

    kept: ClassVar[dict[str, "Worker"]] = {}
    """By the kind of client, since Gen2's is made to use one thread."""

    def __init__(self, installation: Path) -> None:
        paths = [str(installation), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", azureml_steps.__file__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )

    @classmethod
    def of(cls, kind: str, installation: Path) -> "Worker":
        """Return one that lives."""
        if kind not in cls.kept:
            cls.kept[kind] = cls(installation)
        return cls.kept[kind]

    def do(self, step: Step, account: Mapping[str, str]) -> Outcome:
        """Have a step done; after one that was to end it, or changed it, it is not kept."""
        told = {"account": account, "step": {"do": step.do, **asdict(step)}}
        line = self._ask(json.dumps(told, default=str).encode() + b"\n")
        if not line or (isinstance(step, Upload) and step.killed_after is not None):
            Worker.kept = {k: one for k, one in Worker.kept.items() if one is not self}
            self._end()
        if line:
            return Outcome(**json.loads(line))
        assert self._process.returncode == azureml_steps.KILLED, self._said()
        return Outcome(error="Killed")

    def _ask(self, line: bytes) -> bytes:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line)
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        assert ready, f"no answer in {PATIENCE:.0f} s: {self._said()}"
        return self._process.stdout.readline()

    def _end(self) -> None:
        self._process.communicate(timeout=PATIENCE)
        self._log.seek(0)
        self._last = self._log.read()[-2000:].decode(errors="replace")
        self._log.close()

    def _said(self) -> str:
        return getattr(self, "_last", "")
