"""The real azure-ai-ml as a client of a server, in processes of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
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
"""Seconds that the steps of one process may take."""


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

    A test that makes one is skipped where azure-ai-ml cannot be installed. To import it takes
    seconds in each process, so several steps are better told at once.
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
        outcomes: list[Outcome] = []
        while len(outcomes) < len(steps):
            outcomes += self._run(steps[len(outcomes) :])
        return outcomes

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

    def _run(self, steps: Sequence[Step]) -> list[Outcome]:
        """Do steps in one process, to the end or to one after which it ends."""
        told = [{"do": step.do, **asdict(step)} for step in steps]
        paths = [str(self._installation), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", azureml_steps.__file__],
            input=json.dumps({"account": self._account, "steps": told}, default=str),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        outcomes = [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]
        if done.returncode == azureml_steps.KILLED:
            return [*outcomes, Outcome(error="Killed")]
        assert done.returncode == 0, done.stderr
        return outcomes
