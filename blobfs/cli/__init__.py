"""The command line: parsing, progress, printing; nothing else of blobfs prints.

    app          the command `blobfs`, whose subcommands are imported when they are run
    options      what every command takes
    upload, download, look, check, manage, materialize, adopt, ignored, doctor    the commands
    output       text, tables and JSON on standard output
    progress     bytes, rate and time left, on a terminal's standard error
    failure      errors as people read them; exit_status: as scripts do
    interrupt    Ctrl-C and SIGTERM; completion: the shell's Tab

A start costs what it uses: rich is imported for a terminal only, and what moves bytes by the
command that does.
"""

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command of this process, say what went wrong, and end it with the exit status.

    It ends here and now: the interpreter's own end would wait for threads, and would answer a
    Ctrl-C that comes so late in its own way.
    """
    from blobfs.cli.interrupt import Interrupted, leave, listen

    try:
        listen()
        forget_working_directory()
        open_standard_streams()
        from blobfs.cli.app import run

        os._exit(run())
    except BaseException:
        if Interrupted.received is None:
            raise
        leave(Interrupted.received)


def open_standard_streams() -> None:
    """Write to nowhere where a stream was closed, and any name where it is open."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as we live
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def forget_working_directory() -> None:
    """Take the working directory off the path that modules are imported from.

    `python -m` puts it there, and so does an empty part of PYTHONPATH. A `project.yaml` names
    classes, and the one lying here may have come with somebody's repository.
    """
    try:
        here = os.path.realpath(os.getcwd())
    except FileNotFoundError:  # it was removed; only relative paths can mean it
        sys.path[:] = [path for path in sys.path if os.path.isabs(path)]
        return
    sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != here]
