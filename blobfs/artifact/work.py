"""The stages of an upload in a store of the usual layout."""

from collections.abc import Sequence

from blobfs import plan as planning
from blobfs.artifact.naming import Wanted
from blobfs.artifact.repair import lacks, repair
from blobfs.artifact.sink import StageSink
from blobfs.artifact.value import Asked, Options, UploadPlan, plan_of
from blobfs.commit import now, publish, stage_for
from blobfs.digest import Digest
from blobfs.errors import (
    ArtifactNotFoundError,
    IntegrityError,
    SourceError,
    UnsafeNameError,
)
from blobfs.late import log
from blobfs.layout.hashed import inner_key
from blobfs.manifest import Entry, Header, Kind, Manifest, listing_digest
from blobfs.plan import Blob, Held, Plan
from blobfs.source import Parts, Uploadable
from blobfs.stage import Stage
from blobfs.store import Store
from blobfs.transfer import Callback, each, move, pump


class Work:
    """One upload: the stages in the order in which they are called."""

    def __init__(  # noqa: PLR0913 - what an upload is made of
        self,
        source: Uploadable,
        store: Store,
        options: Options,
        wanted: Wanted,
        callback: Callback,
        *,
        dry: bool = False,
    ) -> None:
        self.source, self.store, self.options, self.callback = source, store, options, callback
        self.wanted = wanted
        self.reused = False
        self.sent = self.copied = (0, 0)
        self.names_asset = True
        self.dry = dry
        self._stage: Stage | None = None
        self._staged: dict[str, int] = {}
        self._keys: dict[str, str] = {}
        self._staging = store.backend.renames_directories and not dry
        if not source.files:
            raise SourceError(f"{source.name} holds no file to upload (or all are ignored)")

    def known(self) -> Digest | None:
        """Return the digest of a source that is known not to have changed."""
        cache = self.options.cache
        digest = self.source.known(cache) if cache else None
        return Digest(digest) if digest else None

    def digest(self) -> Manifest:
        """Hash the source; large files are staged on the way where trees are."""
        source, store = self.source, self.store
        self._keys = planning.keys_of(
            source.name,
            source.paths if source.is_directory else (),
            prefix=store.layout.directory("0" * 64),
            forbidden=store.backend.forbidden,
            case_insensitive=store.backend.is_case_insensitive(),
        )
        self.callback.call("hashing")
        self.callback.set_size(source.to_hash)
        entries = source.entries(
            self._keys,
            cache=self.options.cache,
            take=self._take if self._staging else None,
            advance=self.callback.relative_update,
        )
        header = header_of(source, entries)._replace(key=self._keys.get(""))
        if self.options.cache:
            source.remember(self.options.cache, header.digest)
        return Manifest(header, entries)

    def held(self, digest: Digest) -> Header | None:
        """Return the header of what the store has, None if it has not got it."""
        try:
            header = self.store.probe(digest)
            if header is not None and self.options.check:
                self.sent = repair(self.store, digest, self.source, self.callback, self.jobs)
        except (IntegrityError, UnsafeNameError):
            if not self.store.backend.renames_directories:
                raise
            header = None  # the commit moves it out of the way
        self.reused = header is not None and self.sent == (0, 0)
        return header

    def send(self, manifest: Manifest) -> Header:
        """Bring in what the store has not got, and commit."""
        store, callback = self.store, self.callback
        store.reclaim()
        stage = self._begin(manifest.header.digest)
        plan = self.plan(manifest, stage.held() | self._staged)
        callback.call("sending")
        callback.absolute_update(0)
        callback.set_size(plan.send_size + sum(self._staged.values()))
        callback.relative_update(sum(self._staged.values()))
        sink = StageSink(stage, manifest.header)
        for key in self._staged.keys() - {sink.key(e) for e in plan.entries if not e.within}:
            stage.remove(key)
        uncopied = self._copy(sink, plan.copy)
        self._move([*plan.send, *uncopied], stage, manifest.header)
        for entry in plan.entries:
            if entry.is_directory:
                stage.make_directory(sink.key(entry).removesuffix("/"))
        self._count(plan, uncopied)
        return publish(store, stage, manifest._replace(entries=plan.entries))

    def mark(self, header: Header, version: str | None) -> None:
        """Do what makes other programs see what was sent; the version is the one it gets."""

    def plan(self, manifest: Manifest, staged: dict[str, int]) -> Plan:
        """Decide what must be sent."""
        return planning.plan(
            manifest.entries,
            staged=staged,
            base=self._base(self.options.base or self.wanted.base),
            inner=lambda entry: inner_key(manifest.header, entry),
            refer=self.store.delta == "reference",
        )

    def registered(self, digest: str) -> Asked:
        """Return the name and version that what was there was last registered to, if any."""
        return last_registered(self.store, digest)

    def forecast(self, manifest: Manifest, version: str | None) -> UploadPlan:
        """Return what would be done; nothing is written."""
        store, name = self.store, self.wanted.name
        header = store.probe(manifest.header.digest)
        if header is not None:
            check = self.options.check
            lost = lacks(store, store.manifest(header.digest)) if check else []
            send = [entry for entry, _ in lost]
            return plan_of(store, header, name, version, reused=not lost, send=send)
        plan = self.plan(manifest, {})
        copied = [*(entry for entry, _ in plan.copy), *(e for e in plan.entries if e.within)]
        return plan_of(
            store,
            manifest.header,
            name,
            version,
            reused=False,
            send=plan.send,
            copy=copied,
        )

    def close(self) -> None:
        """Remove what was staged and not published."""
        if self._stage is not None:
            self._stage.discard()

    @property
    def jobs(self) -> int:
        """How many files are in flight."""
        return self.options.jobs or self.store.jobs or self.store.backend.jobs

    def _begin(self, digest: str) -> Stage:
        if self._stage is None:
            self._stage = stage_for(self.store, digest)
        return self._stage

    def _take(self, path: str, size: int, executable: bool, parts: Parts) -> str:
        """Stage a large file while it is hashed."""
        root = self._keys.get("", self.source.name)
        inner = f"{root}/{self._keys.get(path, path)}" if self.source.is_directory else root
        upload = self._begin("").upload(inner, size, executable=executable)
        try:
            digest, _ = pump(parts(upload.part_size), upload, self.callback.relative_update)
            upload.complete()
        except BaseException:
            upload.abort()
            raise
        self._staged[inner] = size
        return digest

    def _base(self, digest: Digest | None) -> dict[Blob, Held]:
        """Return what the base artifact holds; none that cannot be read is needed."""
        if digest is None:
            return {}
        try:
            manifest = self.store.manifest(digest)
        except (ArtifactNotFoundError, IntegrityError, UnsafeNameError) as error:
            log().warning(
                "%s: the base cannot be used, everything is sent: %s", self.store, error
            )
            return {}
        header, entries, refer = (
            manifest.header,
            manifest.entries,
            self.store.delta == "reference",
        )
        if header.kind == "reference" or (header.at and refer):
            return {}
        if not self.store.backend.checks_copies or refer:
            gone = {entry.path for entry, _ in lacks(self.store, manifest)}
            entries = [entry for entry in entries if entry.path not in gone]
        return planning.base_of(
            entries,
            digest,
            lambda entry: inner_key(header, entry),
            lambda entry: self.store.layout.content(header, entry),
        )

    def _copy(self, sink: "StageSink", copies: Sequence[tuple[Entry, Held]]) -> list[Entry]:
        """Have the store copy what the base holds; return what it could not."""
        sources = {entry.path: held.key for entry, held in copies}
        uncopied: list[Entry] = []

        def copy(entry: Entry) -> None:
            if not sink.copy(sources[entry.path], entry):
                uncopied.append(entry)

        each([entry for entry, _ in copies], copy, jobs=self.jobs)
        return uncopied

    def _move(self, entries: Sequence[Entry], stage: Stage, header: Header) -> None:
        """Send the bytes of `entries`, or have them sent."""
        source, jobs, callback = self.source, self.jobs, self.callback
        if send := source.sender:
            send(entries, stage, header, jobs=jobs, advance=callback.relative_update)
        else:
            move(entries, source, StageSink(stage, header), jobs=jobs, callback=callback)

    def _count(self, plan: Plan, uncopied: Sequence[Entry]) -> None:
        paths = {entry.path for entry in uncopied}
        copied = [entry for entry, _ in plan.copy if entry.path not in paths]
        copied += [entry for entry in plan.entries if entry.within]
        self.copied = len(copied), sum(entry.size for entry in copied)
        sent = [*plan.send, *uncopied]
        staged = self._staged.values()
        self.sent = len(sent) + len(staged), sum(entry.size for entry in sent) + sum(staged)


def last_registered(store: Store, digest: str) -> Asked:
    """Return the name and version that an artifact was last registered to, if any."""
    pairs = store.registered(digest)
    return Asked(*pairs[-1]) if pairs else Asked(None, None)


def header_of(source: Uploadable, entries: Sequence[Entry]) -> Header:
    """Return the header of the artifact of `entries`, which are those of a source."""
    from uuid import uuid4

    kind: Kind = "tree" if source.is_directory else "file"
    files = [entry for entry in entries if not entry.is_directory]
    return Header(
        digest=listing_digest(kind, entries),
        kind=kind,
        name=source.name,
        files=len(files),
        size=sum(entry.size for entry in files),
        created=now(),
        commit=str(uuid4()),
    )
