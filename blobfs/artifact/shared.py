"""Uploads and downloads whose bytes workers move, over a file system that all of them share.

An upload takes two rounds. Workers hash; the caller builds the listing and asks the store;
workers send what it has not got; the caller publishes it. So a caller that dies leaves nothing
visible.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from blobfs.artifact.reading import Found
from blobfs.artifact.spread import Spread, shares
from blobfs.artifact.worker import Fetching, Hashed, Hashing, Sending
from blobfs.destination import Landing
from blobfs.digest import PREFIX
from blobfs.errors import ConfigError
from blobfs.layout.hashed import inner_key
from blobfs.lent import machine
from blobfs.manifest import Entry, Header
from blobfs.scan import Scan
from blobfs.source import Advance, LocalSource, Problems, Take
from blobfs.stage import Stage


class SharedSource(LocalSource):
    """The files of a scan, where the workers see them, too."""

    def __init__(self, scan: Scan, spread: Spread) -> None:
        super().__init__(scan)
        self._spread = spread
        self.sender = self.send

    def hash_files(
        self,
        numbers: Sequence[int],
        take: Take | None,  # noqa: ARG002 - what is read by others is staged by them, later
        advance: Advance,
    ) -> list[tuple[int, str]]:
        """Have the files with these numbers hashed by workers, all of them or an error."""
        files, problems = self.scan.files, Problems(self.scan.root)
        result: list[tuple[int, str]] = []

        def done(task: "_NumberedHashing", hashed: Hashed) -> None:
            for place, number in enumerate(task.numbers):
                digest = hashed.digests[32 * place : 32 * place + 32]
                result.append((number, PREFIX + digest.hex()))
            for place, error in hashed.problems.items():
                problems.add(error, files[task.numbers[place]].path)
            advance(sum(file.size for file in task.scan.files))

        large_first = sorted(numbers, key=lambda number: -files[number].size)
        self._spread.run(
            (
                _NumberedHashing(
                    self.scan._replace(files=[files[n] for n in share], empty=[]), share
                )
                for share in shares(large_first, lambda n: files[n].size)
            ),
            done,
        )
        problems.raise_all()
        return result

    def send(
        self,
        entries: Sequence[Entry],
        stage: Stage,
        header: Header,
        *,
        jobs: int,
        advance: Advance,
    ) -> None:
        """Have workers write the files of `entries` into a stage; see `transfer.move`."""
        lent = stage.lend()
        whole = Sending(
            reopen=self._spread.reopen,
            scan=self.scan._replace(files=[], empty=[]),
            stage=lent,
            header=header,
            entries=(),
            jobs=jobs,
            origin=machine(),
        )

        def done(task: Sending, _: None) -> None:
            _check_arrived(stage, header, task.entries[-1])
            advance(sum(entry.size for entry in task.entries))

        cut = shares(entries, lambda entry: entry.size)
        try:
            tasks = (replace(whole, entries=share) for share in cut)
            self._spread.run(tasks, done, stage.recall)
        finally:
            stage.take_back()


@dataclass(frozen=True, slots=True)
class _NumberedHashing(Hashing):
    """Knows which files of the whole scan it holds."""

    numbers: Sequence[int]


def _check_arrived(stage: Stage, header: Header, entry: Entry) -> None:
    """Raise unless a worker wrote into this store, not into another one that is called so.

    One file of each task tells: what a worker is configured with holds for all of it.
    """
    if not stage.holds(inner_key(header, entry), entry.size):
        raise ConfigError(
            f"a worker sent {entry.path}, but not to where this process finds it: the store has"
            " another configuration there, or is of one process or machine alone"
        )


def fetch(  # noqa: PLR0913 - what is fetched, where to, and how
    spread: Spread,
    found: Found,
    missing: Sequence[Entry],
    landing: Landing,
    *,
    jobs: int,
    advance: Advance,
) -> None:
    """Have workers fetch the files `missing` of what was found; see `transfer.move`."""
    lent = landing.lend(missing)
    whole = Fetching(
        reopen=spread.reopen,
        header=found.header,
        path=found.path,
        is_tree=found.is_tree,
        originals={},
        tree=lent,
        entries=(),
        jobs=jobs,
        origin=machine(),
    )
    originals = found.originals

    def tasks() -> Iterator[Fetching]:
        large_first = sorted(missing, key=lambda entry: -entry.size)
        for share in shares(large_first, lambda entry: entry.size):
            own = {entry.path: originals[entry.path] for entry in share if originals}
            yield replace(whole, entries=share, originals=own)

    def done(task: Fetching, _: None) -> None:
        advance(sum(entry.size for entry in task.entries))

    try:
        spread.run(tasks(), done, lambda: landing.recall(lent))
    finally:
        landing.take_back(lent, found.entries)
