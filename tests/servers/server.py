"""What all servers have in common."""

import tempfile
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.process import HOST


class Server(ABC):
    """A server that runs while its `with` block does, on a free port of loopback."""

    host = HOST
    scheme = "http"

    def __init__(self) -> None:
        self.port = 0
        """Known once it has started."""
        self._closing = ExitStack()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            directory = tempfile.TemporaryDirectory(
                prefix="blobfs-server-", ignore_cleanup_errors=True
            )
            self._start(stack, Path(stack.enter_context(directory)))
            self._closing = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()

    @abstractmethod
    def _start(self, stack: ExitStack, directory: Path) -> None:
        """Start, set `port`, and leave on the stack what stops it.

        Args:
            stack: unwound when the server is stopped, or at once if it does not start.
            directory: for data and logs; empty now, and removed after the server.

        Raises:
            Unavailable: if something is missing on this machine.
        """
