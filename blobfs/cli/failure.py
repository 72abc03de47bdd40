"""Say on standard error what went wrong: never a traceback, unless one was asked for."""

import logging

import click

from blobfs.cli.exit_status import FAILED, status_of
from blobfs.cli.output import OutputClosedError, OutputError, shown_lines
from blobfs.errors import (
    BlobfsError,
    CommitUnknownError,
    ExecutorError,
    SourceChangedError,
    StoreUnavailableError,
    TransferError,
)

_SHOWN = 20
"""Causes of one error that are listed."""

_HOPELESS = (NotADirectoryError, IsADirectoryError)
"""What the system says of a store whose path is wrong: trying again does not help."""

_logger = logging.getLogger("blobfs")


def complain(text: str) -> None:
    """Print a message, with what could steer a terminal made visible."""
    click.echo(f"blobfs: {shown_lines(text)}", err=True)


def tell(error: Exception) -> int:
    """Print what `error` means, and return the exit status."""
    if isinstance(error, OutputClosedError):
        return FAILED  # `blobfs ls | head` is no mistake
    if isinstance(error, click.ClickException):
        return _tell_usage(error)
    verbose = _logger.isEnabledFor(logging.DEBUG)
    if verbose:
        _print_traceback(error)
    complain(_masked(_text_of(error, verbose=verbose)))
    return status_of(error)


def _tell_usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    context = getattr(error, "ctx", None)
    advice = f"\n'{context.command_path} --help' shows what it takes." if context else ""
    complain(error.format_message() + advice)
    return error.exit_code


def _text_of(error: Exception, *, verbose: bool) -> str:
    if isinstance(error, BlobfsError):
        return "\n".join([*_lines_of(error), *_advice(error)])
    if isinstance(error, OutputError | OSError):
        return "\n".join([_plain(error), *_notes(error)])
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    hint = "the traceback above" if verbose else "what the same command says with -v"
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return f"this is a bug in blobfs ({said}); please report it, with {hint}"


def _lines_of(error: BlobfsError) -> list[str]:
    if not isinstance(error, TransferError):
        return [str(error) or type(error).__name__, *_notes(error)]
    causes = [
        f"  {_plain(cause)}" + "".join(f" ({note})" for note in getattr(cause, "__notes__", ()))
        for cause in error.exceptions[:_SHOWN]
    ]
    more = len(error.exceptions) - _SHOWN
    return [
        error.message,
        *_notes(error),
        *causes,
        *([f"  and {more} more"] if more > 0 else []),
    ]


def _plain(error: BaseException) -> str:
    """Return an error's text; the system's without its number."""
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _notes(error: BaseException) -> list[str]:
    return [f"  {note}" for note in getattr(error, "__notes__", ())]


def _advice(error: BlobfsError) -> list[str]:
    """Return a line on trying again, where that is safe and may help."""
    if not error.retry_is_safe or status_of(error) not in (
        FAILED,
        status_of(CommitUnknownError()),
    ):
        return []
    helps = (
        *(CommitUnknownError, ExecutorError, SourceChangedError, StoreUnavailableError),
        TransferError,
    )
    if not isinstance(error, helps) or isinstance(error.__cause__, _HOPELESS):
        return []
    return ["The same command can safely be run again."]


def _print_traceback(error: Exception) -> None:
    import traceback

    click.echo(shown_lines(_masked("".join(traceback.format_exception(error)))), err=True)


def _masked(text: str) -> str:
    """Return `text` without the secrets of any configured store."""
    from blobfs.cli.masking import mask

    return mask(text)
