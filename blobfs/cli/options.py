"""What every command takes, and how a command is made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

import click

from blobfs.cli.completion import complete_store


@dataclass(frozen=True, slots=True)
class Common:
    """The options of every command."""

    store: str | None
    jobs: int | None
    verbose: bool
    quiet: bool
    json: bool

    @property
    def talks(self) -> bool:
        """Whether it says in words what happened."""
        return not (self.quiet or self.json)


def command(
    name: str, *, example: str, verbose: str = "Say on standard error what is done."
) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a function, which gets a `Common` and its own options, a command.

    Args:
        name: of the command.
        example: the end of its help.
        verbose: what its `-v` does.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        def run(
            *,
            store: str | None,
            jobs: int | None,
            verbose: bool,
            quiet: bool,
            as_json: bool,
            **options: Any,  # noqa: ANN401 - each command's own
        ) -> int | None:
            if verbose and quiet:
                raise click.UsageError("-v and -q contradict each other")
            from blobfs.cli.log import show_log

            show_log(verbose=verbose, quiet=quiet)
            return function(Common(store, jobs, verbose, quiet, as_json), **options)

        update_wrapper(run, function)
        epilog = "\b\nExample:\n" + "".join(f"  {line}\n" for line in example.splitlines())
        made = click.command(name, epilog=epilog)(run)
        made.params.extend(_common(verbose))
        return made

    return decorate


def _common(verbose: str) -> list[click.Parameter]:
    return [
        click.Option(
            ["--store"],
            metavar="NAME",
            shell_complete=complete_store,
            help="The configured store; else the project's, else the default one.",
        ),
        click.Option(
            ["-j", "--jobs"],
            type=click.IntRange(min=1),
            metavar="N",
            help="Files in flight; else what serves the store best.",
        ),
        click.Option(["-v", "--verbose"], is_flag=True, help=verbose),
        click.Option(
            ["-q", "--quiet"], is_flag=True, help="Say nothing but errors and results."
        ),
        click.Option(
            ["--json", "as_json"], is_flag=True, help="Print the result as one JSON document."
        ),
    ]
