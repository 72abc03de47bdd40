"""Azure Data Lake Storage Gen2, in front of an Azurite of its own."""

from contextlib import ExitStack
from pathlib import Path

from tests.servers.azure import Azurite
from tests.servers.wsgi import serving


class DataLake(Azurite):
    """An account with a hierarchical namespace, which no emulator has.

    Both APIs are at one URL, where a real account has two hosts; the path is what is signed.
    The DFS API takes the account's key only, and checks it; the Blob API takes what Azurite
    takes.
    """

    def __init__(self) -> None:
        super().__init__()

    def _start(self, stack: ExitStack, directory: Path) -> None:
        super()._start(stack, directory)
        behind = stack.enter_context(self.client())
        from tests.servers.dfs_front import Front

        front = Front(self.port, self.account, self.key, behind)
        self.port = stack.enter_context(serving(front))
