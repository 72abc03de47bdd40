"""AzureML's URIs, and whether what a person wrote is one or a local path.

    azureml://datastores/<datastore>/paths/<path>
    azureml://subscriptions/<id>/resourcegroups/<group>/workspaces/<name>/datastores/<…>/paths/<…>
    azureml://jobs/<job>/outputs/<output>/paths/<path>
    azureml://datastores/<datastore>/ExperimentRun/<path>
    runs:/<run>/<path>

Nothing in them is percent-encoded, so `#`, `?`, `%` and blanks stand for themselves.

Source: azure-ai-ml 1.35, `AzureMLDatastorePathUri` in `azure.ai.ml._utils._storage_utils`, the
formats in `azure.ai.ml.constants._common`, `_check_and_upload_path` in
`azure.ai.ml._artifacts._artifact_utilities`.
"""

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from blobfs.errors import ConfigError

PREFIXES = ("file:", "folder:")
"""One of them may stand before a URI or path, to say what it leads to; it changes nothing."""

Kind = Literal["datastore", "run", "job", "experiment"]


class Workspace(NamedTuple):
    """Where a datastore belongs."""

    subscription: str
    resource_group: str
    name: str


class AzureMLUri(NamedTuple):
    """A URI, taken apart."""

    kind: Kind
    path: str
    """In the datastore, the run or the job's output; `ExperimentRun/…` of an experiment."""

    datastore: str | None = None
    workspace: Workspace | None = None
    """Of the long form."""

    run: str | None = None
    job: str | None = None
    output: str | None = None
    """The name of the job's output. AzureML takes it for the path, and drops the path."""


class Place(NamedTuple):
    """What a path or URI leads to."""

    is_local: bool
    path: str
    """A local path, absolute; else the URI."""


_IN_DATASTORE = r"datastores/(?P<datastore>[^/]+)/paths/(?P<path>.+)"

_FORMS: dict[Kind, re.Pattern[str]] = {
    "datastore": re.compile(
        r"azureml://(?:subscriptions/([^/]+)/resource[gG]roups/([^/]+)/workspaces/([^/]+)/)?"
        + _IN_DATASTORE,
        re.DOTALL,
    ),
    "run": re.compile(r"runs:/(?P<run>[^/?]+)/(?P<path>.+)", re.DOTALL),
    "job": re.compile(
        r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)/paths/(?P<path>.+)", re.DOTALL
    ),
    "experiment": re.compile(
        r"azureml://datastores/(?P<datastore>[^/]+)/(?P<path>ExperimentRun/.+)", re.DOTALL
    ),
}


def parse_uri(text: str) -> AzureMLUri:
    """Take one of AzureML's URIs apart; a `file:` or `folder:` before it is passed over.

    Raises:
        ConfigError: if it is none of the forms above.

    >>> parse_uri("folder:azureml://datastores/blobs/paths/images/dogs").path
    'images/dogs'
    """
    uri = without_prefix(text)
    for kind, form in _FORMS.items():
        if found := form.fullmatch(uri):
            workspace = found.groups()[:3] if kind == "datastore" else (None,)
            return AzureMLUri(
                kind,
                workspace=Workspace(*workspace) if workspace[0] is not None else None,
                **found.groupdict(),
            )
    raise ConfigError(
        f"{text!r} is none of AzureML's URIs: azureml://datastores/<datastore>/paths/<path>,"
        " azureml://subscriptions/…/datastores/<datastore>/paths/<path>,"
        " azureml://jobs/<job>/outputs/<output>/paths/<path>, runs:/<run>/<path>"
    )


def short_uri(datastore: str, path: str) -> str:
    """Return the URI of a path in a datastore of the workspace that one is in.

    Raises:
        ConfigError: if either is empty, or a datastore's name holds "/".

    >>> short_uri("workspaceblobstore", "LocalUpload/5f0e/resnet")
    'azureml://datastores/workspaceblobstore/paths/LocalUpload/5f0e/resnet'
    """
    return f"azureml://{_in_datastore(datastore, path)}"


def long_uri(datastore: str, path: str, workspace: Workspace) -> str:
    """Return the URI of a path in a datastore of any workspace.

    Raises:
        ConfigError: if anything is empty, or holds "/" where a path does not stand.

    >>> long_uri("blobs", "a", Workspace("0", "team", "ml"))
    'azureml://subscriptions/0/resourcegroups/team/workspaces/ml/datastores/blobs/paths/a'
    """
    subscription, group, name = (
        _part(what, part) for what, part in zip(Workspace._fields, workspace, strict=True)
    )
    return (
        f"azureml://subscriptions/{subscription}/resourcegroups/{group}/workspaces/{name}/"
        + _in_datastore(datastore, path)
    )


def locate(path: str | os.PathLike[str], base: str | os.PathLike[str] = ".") -> Place:
    """Tell a local path from a URI, as AzureML does before it uploads anything.

    A URI is what has a scheme and a host, as in `azureml://…` or `https://…`, and what begins
    with `runs:`; it is not looked into. All else is a local path: an absolute one as it is, a
    relative one below `base`, with links and `..` resolved. A `file:` or `folder:` before
    either is passed over.

    Args:
        path: what was written.
        base: the directory of the file that it was written in.

    Raises:
        ConfigError: if it holds a NUL.

    >>> locate("https://example.org/data.csv").is_local, locate("file:/data/a").path
    (False, '/data/a')
    """
    text = without_prefix(os.fspath(path))
    if _is_remote(text):
        return Place(is_local=False, path=text)
    if "\0" in text:
        raise ConfigError(f"{text!r} is neither a path nor a URI: it holds a NUL")
    local = Path(text)
    return Place(
        is_local=True, path=str(local if local.is_absolute() else Path(base, local).resolve())
    )


def without_prefix(text: str) -> str:
    """Return `text` without one `file:` or `folder:` at its beginning."""
    for prefix in PREFIXES:
        if text.startswith(prefix):
            return text.removeprefix(prefix)
    return text


def _is_remote(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:  # such as http://[, which may well be a file
        return False
    return parts.scheme == "runs" or bool(parts.scheme and parts.netloc)


def _in_datastore(datastore: str, path: str) -> str:
    if not path:
        raise ConfigError("AzureML has no URI for the root of a datastore: the path is empty")
    return f"datastores/{_part('datastore', datastore)}/paths/{path}"


def _part(what: str, value: str) -> str:
    if not value or "/" in value:
        raise ConfigError(f"{value!r} cannot be the {what} in a URI of AzureML")
    return value
