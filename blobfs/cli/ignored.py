"""`blobfs check-ignore`."""

import os

import click

from blobfs.cli.completion import complete_path
from blobfs.cli.exit_status import DONE, FAILED
from blobfs.cli.options import Common, command
from blobfs.cli.output import document, say, shown


@command(
    "check-ignore",
    example="blobfs check-ignore -v build/model.bin",
    verbose="Print the line that decided, too: FILE:LINE:PATTERN<tab>PATH.",
)
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, shell_complete=complete_path
)
def check_ignore(common: Common, *, paths: tuple[str, ...]) -> int:
    """Print those of the paths that an upload leaves out.

    It is about an upload of the working directory. As with git, -v prints a line for every path
    that some pattern decides on, be it with `!`, and the exit status is 1 if there is none.
    """
    from blobfs.ignore import explain

    decided = list(explain(os.curdir, paths))
    if common.json:
        document(
            {
                "paths": [
                    {
                        "path": path,
                        "ignored": rule is not None and not rule.negated,
                        "source": rule.source if rule else None,
                        "line": rule.line if rule else None,
                        "pattern": rule.pattern if rule else None,
                    }
                    for path, rule in decided
                ]
            }
        )
    matched = [
        (p, rule) for p, rule in decided if rule and (common.verbose or not rule.negated)
    ]
    for path, rule in matched if common.talks else ():
        deciding = f"{shown(rule.source)}:{rule.line}:{shown(rule.pattern)}\t"
        say(f"{deciding if common.verbose else ''}{shown(path)}")
    return DONE if matched else FAILED
