"""The commits of `layout: azureml`, where several contents may want to lie at one key.

A claim says for which content a place is taken, before a byte of it is sent: of several one
wins. The manifest comes when every byte is there, then a pointer from the digest to it: with
it the artifact exists. AzureML's mark, which comes last, is not written here.
"""

import json
from contextlib import suppress

from blobfs.artifact.repair import lacks
from blobfs.commit import creates_exclusively
from blobfs.digest import short
from blobfs.errors import ArtifactConflictError, IntegrityError
from blobfs.layout.azureml.places import claim_key, decode_pointer, encode_pointer
from blobfs.manifest import Header, Manifest, encode
from blobfs.store import Store


def claim(store: Store, header: Header) -> None:
    """Take the place of an upload for one content.

    Raises:
        ArtifactConflictError: if it is taken for another one.
        IntegrityError: if what lies there says nothing.
    """
    key, data = claim_key(header), json.dumps({"schema": 1, "digest": header.digest}).encode()
    try:
        if creates_exclusively(store):
            store.backend.create(key, data + b"\n")
            return
        store.backend.put(key, data + b"\n")
    except FileExistsError:
        check_claim(store, header)


def check_claim(store: Store, header: Header) -> None:
    """Raise as `claim` does, unless the place is taken for this content."""
    key = claim_key(header)
    where = store.location.handle(key)
    try:
        taken = str(json.loads(store.backend.read(key))["digest"])
    except FileNotFoundError:
        raise ArtifactConflictError(
            f"{where} was removed while it was needed: upload again"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{where} does not say for what it is: {error!r}") from error
    if taken != header.digest:
        raise ArtifactConflictError(
            f"{where} says that {short(taken)} is or was on its way to where"
            f" {short(header.digest)} would lie, since AzureML's hash is the same for both:"
            " use `layout: hashed`, or remove that file if its upload is over"
        )


def let_go(store: Store, header: Header) -> None:
    """Give up a claim of one's own, whose content nobody will send any more."""
    store.backend.delete(claim_key(header))


def write_manifest(store: Store, manifest: Manifest) -> None:
    """Write the manifest of what is there, unless one of the same content is.

    Raises:
        ArtifactConflictError: if another artifact is known by that place, and still there.
    """
    header, key = manifest.header, store.layout.manifest_of(manifest.header)
    data = b"".join(encode(manifest))
    with suppress(FileExistsError):
        if creates_exclusively(store):
            store.backend.create(key, data)
            return
    with suppress(FileNotFoundError, IntegrityError):
        theirs = store.manifest_at(key)
        if theirs.header.digest == header.digest:
            return
        if is_pointed_at(store, theirs.header) and not lacks(store, theirs):
            raise ArtifactConflictError(
                f"{store.location.handle(store.layout.root(theirs.header))} is"
                f" {short(theirs.header.digest)}, a {theirs.header.kind}, and AzureML's hash is"
                f" the same for {short(header.digest)}, a {header.kind}: use `layout: hashed`"
            )
    store.backend.put(key, data)


def point_at(store: Store, header: Header) -> None:
    """Make an artifact visible that is complete, and whose manifest is there."""
    pointer = store.layout.pointer(header.digest)
    if pointer is None:
        return
    data = encode_pointer(store.layout.manifest_of(header))
    with suppress(FileExistsError):
        if creates_exclusively(store):
            store.backend.create(pointer, data)
            return
    # There is one already, perhaps to the same content under another name: both are right.
    if not is_pointed_at(store, header):
        store.backend.put(pointer, data)


def is_pointed_at(store: Store, header: Header) -> bool:
    """Whether the digest of an artifact leads to its manifest at just this place.

    A pointer that cannot be used is none: who asks writes a right one.
    """
    pointer = store.layout.pointer(header.digest) or ""
    try:
        there = decode_pointer(store.backend.read(pointer), pointer)
    except (FileNotFoundError, IntegrityError):
        return False
    return there == store.layout.manifest_of(header)
