"""blobfs's own log on standard error: warnings, and with `-v` what is done."""

import logging

import click

from blobfs.cli.output import shown_lines


def show_log(*, verbose: bool, quiet: bool) -> None:
    """Print what blobfs logs from now on; what the libraries under it log may hold secrets."""
    logger = logging.getLogger("blobfs")
    level = logging.ERROR if quiet else logging.WARNING
    logger.setLevel(logging.DEBUG if verbose else level)
    logger.handlers = [_Echo(masked=verbose)]
    logger.propagate = False


class _Echo(logging.Handler):
    """Prints records as plain lines."""

    def __init__(self, *, masked: bool) -> None:
        super().__init__()
        self._masked = masked

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        text = record.getMessage()
        if self._masked:
            from blobfs.cli.masking import mask

            text = mask(text)
        click.echo(f"blobfs: {record.levelname.lower()}: {shown_lines(text)}", err=True)
