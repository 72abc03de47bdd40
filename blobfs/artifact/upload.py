"""Upload: scan, digest, held? plan, transfer, commit."""

from collections.abc import Callable, Sequence

from blobfs import plan as planning
from blobfs.artifact.flat import check_flat, plan_flat, put_flat
from blobfs.artifact.naming import Wanted, choose, look_up, settle
from blobfs.artifact.repair import lacks, repair
from blobfs.artifact.sink import StageSink
from blobfs.artifact.value import Artifact, Options, UploadPlan, artifact_of, plan_of
from blobfs.commit import now, publish, stage_for, warn_unless_exclusive
from blobfs.digest import Digest
from blobfs.errors import (
    ArtifactNotFoundError,
    IntegrityError,
    SourceChangedError,
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
from blobfs.transfer import Callback, Silent, each, move, pump

ATTEMPTS = 3
"""How often a source that changes while it is read is planned anew, the first time included."""


def upload(
    open_source: Callable[[], Uploadable],
    store: Store,
    options: Options,
    callback: Callback | None = None,
) -> Artifact:
    """Store what a source holds, unless the store has it, and register it.

    Args:
        open_source: looks at the source; called again if it changed while it was read.
        store: where to.
        options: how.
        callback: counts bytes.

    Raises:
        BlobfsError: see `blobfs.upload`.
    """
    if store.flat:
        check_flat(store, options.name, options.version)
    wanted = look_up(store, options.name, options.version)
    for left in reversed(range(ATTEMPTS)):
        try:
            return _attempt(open_source(), store, wanted, options, callback or Silent())
        except SourceChangedError as error:
            if not left:
                raise
            log().info("%s; starting over", error)
    raise AssertionError("not reached")


def _attempt(
    source: Uploadable, store: Store, wanted: Wanted, options: Options, callback: Callback
) -> Artifact:
    """Upload what the source holds now."""
    if store.flat:
        return put_flat(source, store, options, callback)
    work = _Work(source, store, options, callback)
    try:
        digest, manifest = work.known(), None
        if digest is None:
            manifest = work.digest()
            digest = manifest.header.digest
        version = choose(wanted, digest, store)
        header = work.held(digest)
        if header is None:
            header = work.send(manifest or work.digest(), options.base or wanted.base)
        version = settle(store, wanted, version, header)
        name = wanted.name
        if name is None and work.reused:
            name, version = last_registered(store, header.digest)
        elif not work.reused or wanted.base != header.digest:
            warn_unless_exclusive(store)
        return artifact_of(
            store,
            header,
            name,
            version,
            reused=work.reused,
            sent=work.sent,
            copied=work.copied,
        )
    finally:
        work.close()


def last_registered(store: Store, digest: str) -> tuple[str | None, str | None]:
    """Return the name and version that an artifact was last registered to, if any."""
    pairs = store.registered(digest)
    return pairs[-1] if pairs else (None, None)


def plan_upload(source: Uploadable, store: Store, options: Options) -> UploadPlan:
    """Return what `upload` would do; nothing is written."""
    if store.flat:
        check_flat(store, options.name, options.version)
        return plan_flat(source, store, options)
    wanted = look_up(store, options.name, options.version)
    work = _Work(source, store, options, Silent(), dry=True)
    manifest = work.digest()
    version = choose(wanted, manifest.header.digest, store)
    header = store.probe(manifest.header.digest)
    if header is not None:
        lost = (
            [entry for entry, _ in lacks(store, store.manifest(header.digest))]
            if options.check
            else []
        )
        return plan_of(store, header, wanted.name, version, reused=not lost, send=lost)
    plan = work.plan(manifest, {}, options.base or wanted.base)
    copied = [*(entry for entry, _ in plan.copy), *(e for e in plan.entries if e.within)]
    return plan_of(
        store,
        manifest.header,
        wanted.name,
        version,
        reused=False,
        send=plan.send,
        copy=copied,
    )


class _Work:
    """One upload: the stages in the order in which they are called."""

    def __init__(
        self,
        source: Uploadable,
        store: Store,
        options: Options,
        callback: Callback,
        *,
        dry: bool = False,
    ) -> None:
        self.source, self.store, self.options, self.callback = source, store, options, callback
        self.reused = False
        self.sent = self.copied = (0, 0)
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
        kind: Kind = "tree" if source.is_directory else "file"
        from uuid import uuid4

        files = [entry for entry in entries if not entry.is_directory]
        header = Header(
            digest=listing_digest(kind, entries),
            kind=kind,
            name=source.name,
            files=len(files),
            size=sum(entry.size for entry in files),
            created=now(),
            commit=str(uuid4()),
            key=self._keys.get(""),
        )
        if self.options.cache:
            source.remember(self.options.cache, header.digest)
        return Manifest(header, entries)

    def held(self, digest: Digest) -> Header | None:
        """Return the header of what the store has, None if it has not got it."""
        try:
            header = self.store.probe(digest)
            if header is not None and self.options.check:
                self.sent = repair(self.store, digest, self.source, self.callback, self._jobs)
        except (IntegrityError, UnsafeNameError):
            if not self.store.backend.renames_directories:
                raise
            header = None  # the commit moves it out of the way
        self.reused = header is not None and self.sent == (0, 0)
        return header

    def send(self, manifest: Manifest, base: Digest | None) -> Header:
        """Bring in what the store has not got, and commit."""
        store, callback = self.store, self.callback
        store.reclaim()
        stage = self._begin(manifest.header.digest)
        plan = self.plan(manifest, stage.held() | self._staged, base)
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

    def plan(self, manifest: Manifest, staged: dict[str, int], base: Digest | None) -> Plan:
        """Decide what must be sent."""
        return planning.plan(
            manifest.entries,
            staged=staged,
            base=self._base(base),
            inner=lambda entry: inner_key(manifest.header, entry),
            refer=self.store.delta == "reference",
        )

    def close(self) -> None:
        """Remove what was staged and not published."""
        if self._stage is not None:
            self._stage.discard()

    @property
    def _jobs(self) -> int:
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
        header = manifest.header
        if header.kind == "reference":
            return {}
        entries = manifest.entries
        if not self.store.backend.checks_copies or self.store.delta == "reference":
            gone = {entry.path for entry, _ in lacks(self.store, manifest)}
            entries = [entry for entry in entries if entry.path not in gone]
        return planning.base_of(entries, digest, lambda e: inner_key(header, e))

    def _copy(self, sink: "StageSink", copies: Sequence[tuple[Entry, Held]]) -> list[Entry]:
        """Have the store copy what the base holds; return what it could not."""
        sources = {
            entry.path: f"{self.store.layout.directory(held.within)}/{held.inner}"
            for entry, held in copies
        }
        uncopied: list[Entry] = []

        def copy(entry: Entry) -> None:
            if not sink.copy(sources[entry.path], entry):
                uncopied.append(entry)

        each([entry for entry, _ in copies], copy, jobs=self._jobs)
        return uncopied

    def _move(self, entries: Sequence[Entry], stage: Stage, header: Header) -> None:
        """Send the bytes of `entries`, or have them sent."""
        source, jobs, callback = self.source, self._jobs, self.callback
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
