"""Run whole processes side by side, and compare the medians of what they took.

Contestants take turns, so that what else the machine does meets all of them. What many files
were written to is not removed before the end: ext4 passes over inodes that were removed within
the last minutes one by one, and whoever writes next would pay for it.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

_LAUNCHER = """
import json, os, sys, time
began = time.perf_counter()
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - began
print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss]))
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
"""A small process between: the peak memory of a process counts what forked it, too."""

MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
"""Of `ru_maxrss`, in bytes."""

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Run:
    """What one process, and those that it started, took."""

    wall: float
    """Seconds."""

    cpu: float
    """Seconds, of user and system together."""

    memory: int
    """Bytes, at most at any time."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run, and in which environment."""

    arguments: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of one contestant."""

    label: str
    runs: Sequence[Run]
    requests: int | None = None
    """Requests that one run makes, counted in another one; None if that was not done."""

    def median(self, what: str = "wall") -> float:
        """Return the median of `wall` or `cpu`, in seconds."""
        return statistics.median(self._values(what))

    def spread(self, what: str = "wall") -> tuple[float, float]:
        """Return the least and the most."""
        return min(self._values(what)), max(self._values(what))

    def _values(self, what: str) -> list[float]:
        return [run.cpu if what == "cpu" else run.wall for run in self.runs]

    @property
    def memory(self) -> int:
        """The highest peak of all runs, in bytes."""
        return max(run.memory for run in self.runs)


Prepare = Callable[[int], Command]
"""Makes ready what is not measured, and returns what is; gets the number of the round."""


def run(command: Command) -> Run:
    """Run a command to its end.

    Raises:
        RuntimeError: with what it said, if it failed.
    """
    os.sync()  # what others wrote before is not to be waited for by who is measured
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command.arguments],
        env=dict(command.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command.arguments)} failed: {done.stderr[-2000:]}")
    wall, cpu, memory = json.loads(done.stdout)
    return Run(wall, cpu, memory * MEMORY_UNIT)


def race(contestants: Mapping[str, Prepare], rounds: int) -> dict[str, Runs]:
    """Let the contestants take turns for some rounds."""
    runs: dict[str, list[Run]] = {label: [] for label in contestants}
    for number in range(rounds):
        for label, prepare in contestants.items():
            runs[label].append(run(prepare(number)))
    return {label: Runs(label, taken) for label, taken in runs.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison."""

    case: str
    peer: str
    ours: str
    theirs: str
    ratio: float | None
    """Of the medians; None if it was not measured."""

    bound: float | None
    """What the ratio may be; None if it is only for information."""

    memory: float | None
    """MiB, ours, at most in any run."""

    memory_bound: float | None = None
    """MiB."""

    cpu: tuple[float, float | None] | None = None
    """Seconds of processor time, ours and theirs, the medians."""

    their_memory: float | None = None
    """MiB, at most in any run."""

    requests: tuple[int | None, int | None] = (None, None)
    """Of one run, ours and theirs; None if they were not counted."""

    request_bound: int | None = None

    def faults(self) -> list[str]:
        """Say what is not within its bound."""
        found = []
        if not self.ours:
            found.append(f"{self.case} / {self.peer}: not measured")
        elif self.bound is not None and self.ratio is not None and self.ratio > self.bound:
            found.append(f"{self.case} / {self.peer}: {self.ratio:.2f}, bound {self.bound}")
        if self.memory and self.memory_bound and self.memory > self.memory_bound:
            text = f"{self.memory:.0f} MiB, bound {self.memory_bound:.0f}"
            found.append(f"{self.case}: {text}")
        if self.request_bound is not None and (self.requests[0] or 0) > self.request_bound:
            text = f"{self.requests[0]} requests, bound {self.request_bound}"
            found.append(f"{self.case}: {text}")
        return found


@dataclass(slots=True)
class Table:
    """All comparisons of a session."""

    rows: list[Row] = field(default_factory=list)

    def compare(  # noqa: PLR0913 - the two, and what holds for them
        self,
        case: str,
        ours: Runs,
        theirs: Runs | None,
        bound: float | None = None,
        *,
        what: str = "wall",
        memory_bound: float | None = None,
        request_bound: int | None = None,
    ) -> Row:
        """Add a row; without `theirs` there is nobody to compare with."""
        row = Row(
            case,
            theirs.label if theirs else "",
            _shown(ours, what),
            _shown(theirs, what) if theirs else "",
            round(ours.median(what) / theirs.median(what), 3) if theirs else None,
            bound,
            round(ours.memory / MIB, 1),
            memory_bound,
            (round(ours.median("cpu"), 3), round(theirs.median("cpu"), 3) if theirs else None),
            round(theirs.memory / MIB, 1) if theirs else None,
            (ours.requests, theirs.requests if theirs else None),
            request_bound,
        )
        self.rows.append(row)
        return row

    def lines(self) -> list[str]:
        """Return the table as text."""
        heads = ("case", "ours", "peer", "theirs", "ratio", "bound", "CPU s", "MiB", "requests")
        cells = [heads, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
        return [
            "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
            for line in (cells[0], tuple("-" * width for width in widths), *cells[1:])
        ]

    def document(self) -> str:
        """Return the table as JSON."""
        return json.dumps([asdict(row) for row in self.rows], indent=1) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return (
        row.case,
        row.ours or "not measured",
        row.peer,
        row.theirs,
        ratio,
        "" if row.bound is None else f"{row.bound:g}",
        _pair(row.cpu or (None, None), ".2f"),
        _pair((row.memory, row.their_memory), ".0f", row.memory_bound),
        _pair(row.requests, ",", row.request_bound),
    )


def _pair(
    both: tuple[float | None, float | None], form: str, bound: float | None = None
) -> str:
    """Return ours, with what it may be at most in brackets, then a stroke and theirs."""
    ours, theirs = both
    if ours is None:
        return ""
    text = f"{ours:{form}}" + ("" if bound is None else f" (<= {bound:{form}})")
    return text if theirs is None else f"{text} / {theirs:{form}}"


def check(rows: Sequence[Row]) -> None:
    """Fail with all that is not within its bound."""
    faults = [fault for row in rows for fault in row.faults()]
    assert not faults, "\n".join(faults)


def _shown(runs: Runs, what: str) -> str:
    """Return the median and, in brackets, the least and the most."""
    least, most = runs.spread(what)
    unit = " s CPU" if what == "cpu" else " s"
    return f"{runs.median(what):.3f}{unit} ({least:.3f}-{most:.3f})"
