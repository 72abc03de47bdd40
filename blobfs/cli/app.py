"""The command `blobfs` and the table of its subcommands, each imported when it is needed."""

from contextlib import suppress
from importlib import import_module

import click

from blobfs import __version__
from blobfs.cli.completion import install_completion

COMMANDS = {
    "upload": "upload",
    "download": "download",
    "ls": "look",
    "show": "look",
    "cat": "download",
    "verify": "check",
    "diff": "check",
    "rm": "manage",
    "materialize": "materialize",
    "adopt": "adopt",
    "check-ignore": "ignored",
    "stores": "manage",
    "doctor": "doctor",
}
"""Command → the module beside this one that has it, under its name with `_` for `-`."""


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"blobfs.cli.{COMMANDS[cmd_name]}")
        found = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)  # noqa: S101 - the table above says so
        return found


@click.group(
    "blobfs",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog="\b\nExample:\n  blobfs upload model/ --name resnet\n  blobfs download resnet out/",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def blobfs() -> None:
    """Keep artifacts (models, data sets, project code) on any storage you already have."""


def run() -> int:
    """Run the command of this process and return its exit status."""
    from blobfs.cli.output import OutputClosedError, OutputError, flush

    install_completion()
    try:
        status = blobfs.main(prog_name="blobfs", standalone_mode=False)
        flush()
    except Exception as error:  # noqa: BLE001 - here is where every error ends
        from blobfs.cli.failure import tell
        from blobfs.cli.interrupt import Interrupted

        if Interrupted.received:
            raise Interrupted.received from None
        with suppress(OutputClosedError, OutputError):  # what was printed before is printed
            flush()
        return tell(error)
    return status or 0
