"""What a command prints on standard output: lines, tables, one JSON document.

Names come from stores and may hold anything, so what could steer a terminal, or break a line,
is escaped in text. JSON holds names exactly.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from blobfs.backend.base import Data

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class OutputClosedError(Exception):
    """Nobody reads standard output any more."""


class OutputError(Exception):
    """Standard output cannot be written."""


def say(text: str) -> None:
    """Print a line of standard output; `text` is safe to print.

    Raises:
        OutputClosedError, OutputError: if it cannot be printed.
    """
    try:
        click.echo(text)
    except OSError as error:
        raise _output_error(error) from error


def write(data: "Data") -> None:
    """Write bytes to standard output as they are."""
    try:
        sys.stdout.buffer.write(data)
    except OSError as error:
        raise _output_error(error) from error


def flush() -> None:
    """Return when standard output took everything."""
    try:
        sys.stdout.flush()
    except OSError as error:
        raise _output_error(error) from error


def document(value: Any) -> None:  # noqa: ANN401 - anything that JSON can say
    """Print the one JSON document of a command.

    In ASCII: so it is the same in every locale, and holds any name that a file system may have.
    """
    say(json.dumps(value, indent=2))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str]) -> None:
    """Print rows aligned under their columns; where no terminal is, as tab-separated lines.

    Args:
        columns: their titles.
        rows: a cell for each column, not escaped yet.
        right: the titles of the columns that are aligned to the right.
    """
    if not is_terminal():
        for row in rows:
            say("\t".join(map(shown, row)))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in columns:
        justify = "right" if title in right else "left"
        grid.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type] # a literal
    for row in rows:
        grid.add_row(*(Text(shown(cell)) for cell in row))
    if grid.row_count:
        try:
            Console(highlight=False).print(grid)
        except OSError as error:
            raise _output_error(error) from error


def is_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def size_text(size: int) -> str:
    """Return a number of bytes as people read it.

    >>> size_text(0), size_text(1023), size_text(1536), size_text(5 << 30)
    ('0 B', '1023 B', '1.5 KiB', '5.0 GiB')
    >>> size_text((1 << 20) - 1), size_text(1 << 71)
    ('1.0 MiB', '2048.0 EiB')
    """
    if size < 1024:  # noqa: PLR2004 - a KiB
        return f"{size} B"
    power = 1
    while power < len(_UNITS) and round(size / 1024**power, 1) >= 1024:  # noqa: PLR2004
        power += 1
    return f"{size / 1024**power:.1f} {_UNITS[power - 1]}"


def count_text(number: int, what: str = "file") -> str:
    """Return a number of things.

    >>> count_text(1), count_text(12000)
    ('1 file', '12,000 files')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def shown(text: str) -> str:
    r"""Return `text` in one line that cannot steer a terminal.

    >>> print(shown("a b/é"), shown("a\x1b[2J\n"), shown("C:\\new"))
    a b/é a\x1b[2J\n C:\new
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def shown_lines(text: str) -> str:
    """Return the same of a text of several lines."""
    return "\n".join(map(shown, text.split("\n")))


def _escaped(character: str) -> str:
    return (
        repr(character)[1:-1]
        if not "\ud800" <= character <= "\udfff"
        else ascii(character)[1:-1]
    )


def _output_error(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return OutputClosedError()
    return OutputError(f"writing standard output: {error.strerror or error}")
