"""`blobfs materialize`."""

import click

from blobfs.cli.completion import complete_ref
from blobfs.cli.exit_status import DONE
from blobfs.cli.options import Common, command
from blobfs.cli.output import count_text, document, say, shown, size_text
from blobfs.cli.progress import progress


@command("materialize", example="blobfs materialize resnet:3")
@click.argument("ref", metavar="REF", shell_complete=complete_ref)
def materialize(common: Common, *, ref: str) -> int:
    """Complete an artifact that shares bytes with others.

    Afterwards every byte lies under its own name, for programs that do not ask blobfs.
    """
    from blobfs import api

    with progress(wanted=common.talks) as callback:
        artifact = api.materialize(ref, store=common.store, jobs=common.jobs, callback=callback)
    if common.json:
        document(artifact.to_dict())
    elif not common.quiet:
        moved = count_text(artifact.copied_files + artifact.sent_files)
        size = size_text(artifact.copied_bytes + artifact.sent_bytes)
        done = "was complete already" if artifact.reused else f"is complete: {moved}, {size}"
        say(f"{shown(ref)} {done}")
        say(f"  path    {shown(artifact.path)}")
    return DONE
