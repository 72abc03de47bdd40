"""The stages of an upload under `layout: azureml`: AzureML and blobfs find each other's.

A claim is written first, so that of two contents that share AzureML's hash one wins; then the
file that AzureML looks for, not yet marked, then all others, then the manifest, the pointer
with which the artifact exists for blobfs, and last the mark with which it exists for AzureML.
So after a crash at any moment either program finishes what the other began.

What lies there is believed only if names and sizes are those of the source: different sources
may have one hash, and AzureML looks at no more than one of the files.
"""

import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from uuid import uuid4

from blobfs.artifact.azureml_commit import (
    check_claim,
    claim,
    is_pointed_at,
    let_go,
    point_at,
    write_manifest,
)
from blobfs.artifact.azureml_tree import differences, listed, put_by_rename
from blobfs.artifact.marks import Marks, asked_of, is_complete
from blobfs.artifact.sink import FinalSink
from blobfs.artifact.value import Asked, UploadPlan, plan_of
from blobfs.artifact.verify import digest_at
from blobfs.artifact.work import Work, header_of
from blobfs.commit import creates_exclusively, now
from blobfs.digest import PREFIX, Digest, hex_of, short
from blobfs.errors import (
    ArtifactConflictError,
    SourceChangedError,
    UnsafeNameError,
    naming_all,
)
from blobfs.layout.azureml.places import root_key
from blobfs.manifest import Header, Kind, Manifest
from blobfs.names import key_fault
from blobfs.source import AzureMLSource
from blobfs.transfer import Sink, move

PAUSES = 0.5, 1.0, 2.0, 4.0
"""Seconds between looks at a file of Gen2 that has no bytes: AzureML makes it, then fills it,
and may do so once more when another program has just completed the same upload."""

SHOWN = 5
"""Differences that a message lists."""


class AzureMLWork(Work):
    """One upload, as AzureML would make it."""

    source: AzureMLSource

    _manifest: Manifest | None = None
    """Of the source, once it was hashed."""

    _asked = Asked(None, None)
    """What the marks of a hit say that it was registered as."""

    _known = False
    """Whether blobfs itself marked it."""

    _to_mend: AbstractSet[str] = frozenset()
    """The keys of files that a hit lacks, and that are sent again."""

    def digest(self) -> Manifest:
        """Hash the source, AzureML's way and ours."""
        if self._manifest is None:
            self._refuse_names()
            source, cache = self.source, self.options.cache
            self.callback.call("hashing")
            self.callback.set_size(source.to_hash)
            advance = self.callback.relative_update
            entries = source.entries({}, cache=cache, take=None, advance=advance)
            header = header_of(source, entries)._replace(at=self._root)
            if cache:
                source.remember(cache, header.digest)
            self._manifest = Manifest(header, entries)
        return self._manifest

    def held(self, digest: Digest) -> Header | None:
        """Return the header of what the store has, None if it has not all of it.

        Raises:
            ArtifactConflictError: if what is there under the same hash is something else.
        """
        found, there = self._found(), self.wanted.base
        wrong = differences(found, self._sizes)
        if there == digest and not wrong and not self.options.check:
            self.reused = True  # and registered, which comes after all that makes it complete
            return self._header(digest)
        marks = self._marks.read() if found else {}
        known = marks.get(self._marks.digest_name)
        if not is_complete(marks) or self._is_only_begun(known, wrong):
            self._refuse_others(found)
            return None
        if known not in (None, hex_of(digest)):
            self._refuse([f"its digest is {short(PREFIX + str(known))}, not {short(digest)}"])
        if self._can_mend(known, wrong):
            self._to_mend = wrong.keys()
        elif wrong := self._settled(wrong):
            self._refuse([f"{self._path(key)} {what}" for key, what in wrong.items()], known)
        if self._to_mend and not self.dry:
            self._mend(marks)
        if known is None or (self.options.name is not None and there != digest):
            self._take_over(digest, known)
        self._asked, self._known = asked_of(marks), known is not None
        self.reused = not self._to_mend
        return self._header(digest)

    def send(self, manifest: Manifest) -> Header:
        """Send everything, as AzureML does after an upload that did not end; then commit."""
        store, header = self.store, manifest.header
        claim(store, header)
        try:
            if store.backend.renames_directories:
                put_by_rename(store, manifest, lambda sink: self._put(manifest, sink))
            else:
                self._put(manifest, FinalSink(store, manifest))
        except SourceChangedError:
            if self.source.uncovered:  # else what it is now goes to a place of its own
                let_go(store, header)
            raise
        if not creates_exclusively(store):
            check_claim(store, header)
        write_manifest(store, manifest)
        point_at(store, header)
        self.sent = header.files, header.size
        return header

    def mark(self, header: Header, version: str | None) -> None:
        """Write AzureML's marks, with which the upload is complete for AzureML."""
        self._marks.write(Asked(self.wanted.name, version), header.digest)

    def registered(self, digest: str) -> Asked:
        """Return what blobfs registered of its own uploads; else what AzureML's marks say."""
        name, version = self._asked
        self.names_asset = self._known or name is None
        if name is not None and not self._known:
            return self._asked
        asked = super().registered(digest)
        if asked.name is not None or name is None or version is None:
            return asked
        there = self.store.asset(name, version)
        self.names_asset = there is not None
        return Asked(None, None) if there and there.removed else self._asked

    def forecast(self, manifest: Manifest, version: str | None) -> UploadPlan:
        """Return what would be done; nothing is written."""
        there = self.held(manifest.header.digest) is not None
        send = [e for e in manifest.entries if not there or self._key(e.path) in self._to_mend]
        name, reused = self.wanted.name, self.reused
        return plan_of(self.store, manifest.header, name, version, reused=reused, send=send)

    @cached_property
    def _root(self) -> str:
        return root_key(self.source.object_hash, self.source.name)

    @cached_property
    def _marks(self) -> Marks:
        return Marks(self.store, self._root, self._key(self.source.indicator))

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {self._key(file.path): file.size for file in self.source.scan.files}

    def _key(self, path: str) -> str:
        return f"{self._root}/{path}" if self.source.is_directory else self._root

    def _path(self, key: str) -> str:
        return key.removeprefix(f"{self._root}/")

    def _found(self) -> dict[str, int]:
        """Return the sizes of what is there by keys, without what only marks a directory."""
        found = listed(self.store, self._root, is_tree=self.source.is_directory)
        sizes = {one.key: one.size for one in found}
        others = sizes.keys() - self._sizes.keys()
        if others:
            above = {up for key in self._sizes for up in _directories(key)}
            for key in others:
                if not sizes[key] and key.rstrip("/") in above:
                    del sizes[key]
        return sizes

    def _settled(self, wrong: dict[str, str]) -> dict[str, str]:
        """Return what is still wrong when nobody is writing files of Gen2 any more."""
        for pause in PAUSES if self.store.backend.marks_directories else ():
            if not any(what.startswith("has 0 bytes") for what in wrong.values()):
                break
            time.sleep(pause)
            wrong = differences(self._found(), self._sizes)
        return wrong

    def _header(self, digest: Digest) -> Header:
        if self._manifest is not None:
            return self._manifest.header
        kind: Kind = "tree" if self.source.is_directory else "file"
        sizes = self._sizes.values()
        return Header(
            digest,
            kind,
            self.source.name,
            len(sizes),
            sum(sizes),
            now(),
            str(uuid4()),
            at=self._root,
        )

    def _is_only_begun(self, known: str | None, wrong: dict[str, str]) -> bool:
        """Whether the marks, where directories have them, are of another root."""
        shared = self.store.backend.marks_directories and known is None
        return shared and bool(wrong) and set(wrong.values()) == {"is not there"}

    def _can_mend(self, known: str | None, wrong: dict[str, str]) -> bool:
        """Whether what is wrong happened to what blobfs put there, and shall be mended."""
        ours = bool(wrong) and known is not None and wrong.keys() <= self._sizes.keys()
        return self.options.check and ours

    def _mend(self, marks: Mapping[str, str]) -> None:
        manifest = self.digest()
        lacking = [e for e in manifest.entries if self._key(e.path) in self._to_mend]
        move(
            lacking,
            self.source,
            FinalSink(self.store, manifest),
            jobs=self.jobs,
            callback=self.callback,
        )
        if self._key(self.source.indicator) in self._to_mend:  # with which the marks went
            self._marks.restore(marks)
        self.sent = len(lacking), sum(entry.size for entry in lacking)

    def _put(self, manifest: Manifest, sink: Sink) -> None:
        """Write the file that AzureML looks for, then the others, the large ones first."""
        callback, indicator = self.callback, self.source.indicator
        callback.call("sending")
        callback.absolute_update(0)
        callback.set_size(manifest.header.size)
        first = [entry for entry in manifest.entries if entry.path == indicator]
        others = [entry for entry in manifest.entries if entry.path != indicator]
        others.sort(key=lambda entry: -entry.size)
        for entries in (first, others):
            move(entries, self.source, sink, jobs=self.jobs, callback=callback)

    def _take_over(self, digest: Digest, known: str | None) -> None:
        """Have blobfs know what is there, once it is certain that it is the source.

        Of what AzureML uploaded its hash and the sizes stand for all files that it hashes;
        those that it uploads without hashing them are read.

        Args:
            digest: of the source.
            known: the same, if blobfs put there what is there.
        """
        if is_pointed_at(self.store, self._header(digest)):
            return
        manifest = self.digest()
        uncovered = set() if known else set(self.source.uncovered)
        other = [
            f"{entry.path} has other bytes"
            for entry in manifest.entries
            if entry.path in uncovered
            and digest_at(self.store, manifest, entry) != entry.digest
        ]
        if other:
            self._refuse(other)
        if not self.dry:
            write_manifest(self.store, manifest)
            point_at(self.store, manifest.header)

    def _refuse_others(self, found: Mapping[str, int]) -> None:
        """Refuse to complete what holds more than the source, if it cannot be moved away."""
        others = sorted(found.keys() - self._sizes.keys())
        if others and not self.store.backend.renames_directories:
            self._refuse(
                [f"{self._path(key)} is there, and not in the source" for key in others]
            )

    def _refuse(self, differing: list[str], known: str | None = None) -> None:
        where = self.store.location.handle(self._root)
        more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
        told = f"{', '.join(differing[:SHOWN])}{more}"
        if known is not None:
            raise ArtifactConflictError(
                f"{where} is not what it was when it was published: {told}. `check` (`--check`)"
                " sends again what was removed of it"
            )
        raise ArtifactConflictError(
            f"{where} is another upload with the same AzureML hash: {told}. AzureML would take"
            f" it for {self.source.name}; `layout: hashed` tells them apart"
        )

    def _refuse_names(self) -> None:
        """Refuse what the store would keep under another name, or not at all."""
        special = {*map(chr, range(0x20)), "\x7f", "\\", *self.store.backend.forbidden} - {"?"}
        # The longest of what is called after the root.
        fault = key_fault(f"{self.source.name}.jsonl")
        problems = [f"{self.source.name} {fault}"] if fault else []
        for path in self.source.paths:
            fault = key_fault(f"{root_key('0' * 64, self.source.name)}/{path}")
            if found := special & {*self.source.name, *path}:
                fault = (
                    f"has {', '.join(map(repr, sorted(found)))}, which would not stay as it is"
                )
            if fault:
                problems.append(f"{path} {fault}")
        if problems:
            raise naming_all(
                UnsafeNameError,
                f"{self.source.name} cannot be stored as AzureML does",
                problems,
            )


def _directories(key: str) -> list[str]:
    """Return the keys of the directories above a key.

    >>> _directories("a/b/c")
    ['a', 'a/b']
    """
    parts = key.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
