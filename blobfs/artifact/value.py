"""What goes into an upload, and what it returns."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from blobfs.digest import Digest
from blobfs.hashcache import HashCache
from blobfs.manifest import Entry, Header, Kind
from blobfs.store import Store


class Asked(NamedTuple):
    """A name and version; both None if there are none."""

    name: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Options:
    """How an upload is made."""

    name: str | None = None
    version: str | None = None
    base: Digest | None = None
    """An artifact that the new one probably shares content with."""

    check: bool = False
    """Whether a hit is looked into, and what is missing sent again."""

    jobs: int | None = None
    cache: HashCache | None = None


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What an upload would do."""

    store: str | None
    digest: Digest
    kind: Kind
    name: str | None
    version: str | None
    path: str
    """The handle that it would have, or has."""

    files: int
    size: int
    """In bytes."""

    reused: bool
    """Whether the store has it already."""

    send: tuple[Entry, ...]
    copy: tuple[Entry, ...]
    """What the store would copy, or refer to."""

    @property
    def send_bytes(self) -> int:
        """Bytes that would be sent."""
        return sum(entry.size for entry in self.send)

    @property
    def copy_bytes(self) -> int:
        """Bytes that the store would copy, or refer to."""
        return sum(entry.size for entry in self.copy)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published, immutable file or tree of files, and what publishing it took."""

    store: str | None
    """The name of the store; None if it was opened from a dict."""

    digest: Digest
    path: str
    """The handle: the storage's own path or URL of it, valid for years."""

    uri: str | None
    """`blobfs://…`; None for a store that has no name."""

    kind: Kind
    size: int
    """Sum of the files' sizes in bytes, sent or not."""

    files: int
    name: str | None
    version: str | None
    reused: bool
    """Whether the store had the content already, so that nothing was sent."""

    sent_files: int = 0
    sent_bytes: int = 0
    copied_files: int = 0
    """Files that the store copied, or refers to, from another artifact."""

    copied_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by their names."""
        return asdict(self)


def artifact_of(  # noqa: PLR0913 - a value's fields
    store: Store,
    header: Header,
    name: str | None,
    version: str | None,
    *,
    reused: bool,
    sent: tuple[int, int] = (0, 0),
    copied: tuple[int, int] = (0, 0),
    is_asset: bool = True,
) -> Artifact:
    """Return the artifact of a header, as known by `name:version`.

    Args:
        store: where it is.
        header: of its manifest.
        name: of the asset, if any.
        version: of the asset, if any.
        reused: whether it was there.
        sent: files and bytes.
        copied: files and bytes.
        is_asset: whether the name and version are known here, and not to AzureML alone.
    """
    ref = f"{name}:{version}" if name and version and is_asset else header.digest
    return Artifact(
        store=store.name,
        digest=header.digest,
        path=header.url or store.location.handle(store.layout.root(header)),
        uri=f"blobfs://{store.name}/{ref}" if store.name else None,
        kind=header.kind,
        size=header.size,
        files=header.files,
        name=name,
        version=version,
        reused=reused,
        sent_files=sent[0],
        sent_bytes=sent[1],
        copied_files=copied[0],
        copied_bytes=copied[1],
    )


def plan_of(  # noqa: PLR0913 - a value's fields
    store: Store,
    header: Header,
    name: str | None,
    version: str | None,
    *,
    reused: bool,
    send: Sequence[Entry] = (),
    copy: Sequence[Entry] = (),
) -> UploadPlan:
    """Return the plan of an artifact that would have this header; arguments as its fields."""
    return UploadPlan(
        store=store.name,
        digest=header.digest,
        kind=header.kind,
        name=name,
        version=version,
        path=header.url or store.location.handle(store.layout.root(header)),
        files=header.files,
        size=header.size,
        reused=reused,
        send=tuple(send),
        copy=tuple(copy),
    )
