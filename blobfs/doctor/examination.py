"""The examination: one check after the other, each for itself, and nothing is left behind."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import NamedTuple, TypeVar

from blobfs.backend.patient import begin
from blobfs.doctor import access as first
from blobfs.doctor import numbers, promises
from blobfs.doctor.access import Access, failed
from blobfs.doctor.bench import Bench, Left
from blobfs.doctor.kinds import OTHER, Kind, Permission, kind_of
from blobfs.doctor.value import Check, Diagnosis, Found, fine, short, unknown, untried
from blobfs.errors import AccessError, BlobfsError, StoreUnavailableError
from blobfs.late import log
from blobfs.store import Store

PATIENCE = 60.0
"""Seconds for one check: the engine's own retries would go on for minutes in each of them."""

PATIENCE_LARGE = 300.0
"""Seconds for one that sends some MiB."""

PATIENCE_REMOVING = 30.0
"""Seconds for removing what was written."""

GRACE = 0.5
"""Seconds that an interrupted check has to end its request; the command line has two in all."""

SHOWN = 5
"""Keys that are named, of those that are left."""

Telling = Callable[[str], object]
"""Is told the name of the check that begins."""

T = TypeVar("T")


class _Kind(NamedTuple):
    """One kind of check."""

    name: str
    run: Callable[[Bench, Kind, Access], Found]
    needs: Permission
    """What must be permitted for it, where an error does not say."""

    writes: bool = True
    large: bool = False
    """Whether it writes so much that it is only done where that can be removed."""


_DELETE = _Kind("delete", promises.delete, "delete")
_RENAME = _Kind("directory rename", promises.directory_rename, "write")
_CHECKS = (
    _Kind("exclusive create", promises.exclusive_create, "write"),
    _Kind("read after write", promises.read_after_write, "write"),
    _Kind("list after write", promises.list_after_write, "write"),
    _DELETE,
    _Kind("server-side copy", promises.server_side_copy, "copy"),
    _RENAME,
    _Kind("parts", promises.parts, "parts", large=True),
    _Kind("checksums", numbers.checksums, "read", writes=False),
    _Kind("case", promises.case, "write"),
    _Kind("names", promises.names, "write"),
    _Kind("clock skew", numbers.clock_skew, "write"),
    _Kind("latency", numbers.latency, "read", writes=False),
    _Kind("throughput", numbers.throughput, "write", large=True),
)

_NEEDS: dict[str, Permission] = {
    **dict.fromkeys(("reading", "looking"), "read"),
    "listing": "list",
    **dict.fromkeys(("deleting", "removing"), "delete"),
}
"""What a message begins with, as backends write it → what was not permitted."""


def examine(store: Store, *, identity: str = "", telling: Telling = str) -> Diagnosis:
    """Measure what a store can do, with objects of its own that are removed again.

    Args:
        store: opened; nothing of what it holds is touched.
        identity: the options that say who asks, for the row on credentials.
        telling: is told the name of each check as it begins.
    """
    bench, kind = Bench(store), kind_of(store.location)
    left: Left | None = None
    try:
        telling("reachable")
        access = _look(bench)
        checks = _first_checks(bench, kind, access, identity)
        for one in _checks(store):
            telling(one.name)
            checks.append(_row(one.name, _checked(one, bench, kind, access, checks)))
        telling("clean-up")
        left = _removed(bench)
    finally:
        if left is None:  # an interruption, or a bug
            left = _removed(bench)
            if left:
                what = _shown([*left.keys, *left.uploads])
                log().warning("not removed from %s: %s", store, what)
            elif not bench.is_settled:
                log().warning("%s: %s", store, _unsettled(bench))
    checks.append(_row("clean-up", _cleaned(bench, left)))
    return Diagnosis(store.name, store.location.url, tuple(checks), access.blocked)


def unopened(store: str | None, path: str | None, error: BlobfsError) -> Diagnosis:
    """Return the diagnosis of a store that could not be opened, because of `error`."""
    checks = [one.name for one in _CHECKS if one is not _RENAME]
    names = ("credentials", "read", "list", *checks, "clean-up")
    rest = (_row(name, untried("it cannot be opened")) for name in names)
    row = _row("reachable", failed(error, OTHER, "read"))
    return Diagnosis(store, path, (row, *rest), error)


def _checks(store: Store) -> Iterator[_Kind]:
    """Yield the checks that mean something for a store."""
    renames = store.backend.renames_directories
    return (one for one in _CHECKS if renames or one is not _RENAME)


def _look(bench: Bench) -> Access:
    try:
        return _within(PATIENCE, lambda: first.look(bench), bench)
    except StoreUnavailableError as error:
        return Access(PATIENCE, None, error)


def _first_checks(bench: Bench, kind: Kind, access: Access, identity: str) -> list[Check]:
    """Return the rows that the first look already tells."""
    rows = [_row("reachable", first.reachable(access, kind))]
    asking = access.blocked is None or isinstance(access.blocked, AccessError)
    who = first.credentials(access, kind, identity) if asking else _blocked(access)
    rows.append(_row("credentials", who))
    if access.blocked:
        return [*rows, *(_row(name, _blocked(access)) for name in ("read", "list"))]
    reading = _safely(lambda: first.read(access, bench, kind), PATIENCE, bench, kind, "read")
    return [*rows, _row("read", reading), _row("list", first.listed(access, kind))]


def _checked(
    one: _Kind, bench: Bench, kind: Kind, access: Access, before: Sequence[Check]
) -> Found:
    """Do one check, unless what was found before makes it useless."""
    if access.blocked:
        return _blocked(access)
    if one.writes and access.read_only:
        return untried("read-only credentials")
    removable = all(row.result == "ok" for row in before if row.check == _DELETE.name)
    if one.large and not removable:
        return untried("what it writes could not be removed")
    patience = PATIENCE_LARGE if one.large else PATIENCE
    return _safely(lambda: one.run(bench, kind, access), patience, bench, kind, one.needs)


def _blocked(access: Access) -> Found:
    refused = isinstance(access.blocked, AccessError)
    return untried("everything is refused" if refused else "it cannot be reached")


def _safely(
    check: Callable[[], Found], patience: float, bench: Bench, kind: Kind, needs: Permission
) -> Found:
    """Return what a check finds; whatever goes wrong in it, the next one is done."""
    try:
        return _within(patience, check, bench)
    except BlobfsError as error:
        return failed(error, kind, _NEEDS.get(str(error).partition(" ")[0], needs))
    except FileNotFoundError as error:
        return short(f"what was just written is not there: {error}", "measure again later")
    except Exception as error:  # noqa: BLE001 - a driver, or a manager of one's own
        log().debug("while examining %s", bench.store, exc_info=True)
        return short(f"{type(error).__name__}: {error}", "report this")


def _within(seconds: float, call: Callable[[], T], bench: Bench) -> T:
    """Call in another thread, so that neither it nor a Ctrl-C waits for long.

    Raises:
        StoreUnavailableError: if it takes longer; it is left alone then.
    """
    future: Future[T] = Future()
    try:
        return begin(call, future).result(seconds)
    except TimeoutError:
        if future.done():
            raise
        bench.is_settled = False
        raise StoreUnavailableError(f"nothing was found out within {seconds:.0f} s") from None
    except BaseException:
        if not (future.cancel() or future.done()):  # interrupted
            bench.close()
            bench.is_settled &= not wait([future], GRACE).not_done
        raise


def _removed(bench: Bench) -> Left:
    """Remove everything; what may be there counts as left if that takes too long."""
    bench.close()
    try:
        return _within(PATIENCE_REMOVING, bench.remove, bench)
    except StoreUnavailableError:
        return Left(bench.noted(), [], [])


def _cleaned(bench: Bench, left: Left) -> Found:
    where = bench.store.location.handle(bench.directory)
    if left.keys:
        return short(f"left behind: {_shown(left.keys)}", f"remove {where}/")
    if left.uploads:
        what = _shown(left.uploads)
        return short(f"an upload may be unfinished: {what}", "abort it, or let a rule do so")
    if not bench.is_settled:
        return unknown(_unsettled(bench))
    if left.directories:
        empty = ", ".join(map(bench.store.location.handle, left.directories))
        return fine(f"nothing is left but the empty {empty}")
    return fine("nothing is left behind" if bench.noted() else "nothing was written")


def _unsettled(bench: Bench) -> str:
    where = bench.store.location.handle(bench.directory)
    return f"a request without an answer may still write below {where}/"


def _shown(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more


def _row(name: str, found: Found) -> Check:
    return Check(name, found.result, found.measured, found.advice)
