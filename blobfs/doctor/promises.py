"""Checks of what publishing, reading and removing rely on; each with objects of its own."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf

from blobfs.commit import FORMAT_SCHEMA
from blobfs.doctor.access import Access, duration
from blobfs.doctor.bench import Bench
from blobfs.doctor.kinds import ONE_WRITER, Kind
from blobfs.doctor.value import Found, fine, short, unknown
from blobfs.errors import StoreUnavailableError
from blobfs.layout.hashed import FORMAT
from blobfs.names import encode_path

WRITERS = 8
"""That race for one key."""

SOON = 5.0
"""Seconds for which what was written is waited for."""

LARGE = 9 << 20
"""Bytes of an object that goes by parts: more than one everywhere."""

OTHER_SCHEMA = "of another schema"

LOST = f"none of {WRITERS} at once was told that it won: an answer was lost; measure again"

NAMES = ("a b", "50%", "a#b", "é", "a+b", "a?b")
"""Names that storages, and the libraries before them, are known to change."""


def exclusive_create(bench: Bench, kind: Kind, access: Access) -> Found:
    """Of several that create one object exactly one must win; `format.json` must say so."""
    backend, key, race = bench.backend, bench.key("create"), bench.key("race")
    with suppress(FileExistsError):  # one's own, whose answer was lost
        backend.create(key, b"first")
    refused = _refuses(lambda: backend.create(key, b"second"))
    kept = backend.read(key) == b"first"
    winners = _contest(lambda writer: backend.create(race, b"%d" % writer))
    if refused and not winners:
        return unknown(LOST)
    one = winners == [int(backend.read(race))]
    # Where directories are renamed nothing depends on races for a single object.
    exclusive = refused and kept and (one or backend.renames_directories)
    second = "is refused" if refused and kept else "replaces the first"
    measured = f"a second one {second}; of {WRITERS} at once {len(winners)} won"
    if exclusive and not one:
        measured += ", but renaming decides here"
    found = fine(measured) if exclusive else short(measured, kind.exclusive)
    return _compared(found, access.format, bench.store.location.handle(FORMAT))


def _compared(found: Found, format_json: bytes | None, handle: str) -> Found:
    """Hold what `format.json` says of creation against what was found."""
    noted = _noted(format_json)
    if noted is None:
        return found
    if noted == OTHER_SCHEMA:
        measured = f"{found.measured}; format.json is of another version"
        return short(measured, "use the version of blobfs that wrote it")
    if noted == ("exclusive" if found.result == "ok" else "not exclusive"):
        return found._replace(measured=f"{found.measured}; format.json says the same")
    return short(
        f"{found.measured}; but format.json says {noted}",
        f"remove {handle}: the next upload finds out again",
    )


def _noted(data: bytes | None) -> str | None:
    """Return what `format.json` says of creation, None if there is none."""
    if data is None:
        return None
    try:
        fields = json.loads(data)
        schema, can = fields["schema"], fields.get("exclusive_create", False)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "nothing that can be read"
    if schema != FORMAT_SCHEMA:
        return OTHER_SCHEMA
    return "exclusive" if can is True else "not exclusive"


def read_after_write(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001 - as all
    """What was written, and what was written in its place, must be read at once."""
    key = bench.key("replaced")
    for data, what in ((b"old", "a new object"), (b"newer", "what replaced an object")):
        bench.backend.put(key, data)
        if seconds := _until(partial(_holds, bench, key, data)):
            return short(
                f"{what} is not read at once{_after(seconds)}",
                "wait before you read what was written; `blobfs verify` finds what is wrong",
            )
    return fine("new bytes are read at once, and those that replace them")


def list_after_write(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """What was written should be listed at once; no upload or download depends on it."""
    key = bench.key("listed/x")
    bench.backend.put(key, b"x")
    directory = key.rpartition("/")[0]
    seconds = _until(lambda: key in {found.key for found in bench.backend.objects(directory)})
    if seconds == 0:
        return fine("a new object is listed at once")
    return short(
        f"a new object is not listed at once{_after(seconds)}",
        "nothing that is published depends on it, but `ls` and the next version may lag behind",
    )


def delete(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """What was deleted must be gone; what is not there may be deleted."""
    key = bench.key("deleted")
    bench.backend.put(key, b"x")
    bench.backend.delete(key)
    bench.backend.delete(key)
    seconds = _until(partial(_holds, bench, key, None))
    if seconds == 0:
        return fine("a deleted object is gone at once")
    return short(f"a deleted object is still read{_after(seconds)}", "measure again later")


def server_side_copy(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """Files that did not change are copied inside the storage, where it can."""
    from hashlib import sha256

    data = os.urandom(1000)
    source, key = bench.key("copy/source"), bench.key("copy/target")
    bench.backend.put(source, data)
    digest = f"sha256:{sha256(data).hexdigest()}"
    if not bench.backend.copy(source, key, len(data), digest):
        return fine("not here: of a new version all is sent, or referred to")
    if bench.backend.read(key) != data:
        return short("the copy holds other bytes", "set `delta: reference`, and report this")
    return fine("the copy holds the same bytes")


def directory_rename(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """A tree is published by renaming its directory: exactly one of many may succeed."""
    backend = bench.backend
    target = bench.key("rename/target/x").rpartition("/")[0]
    stages = [bench.key(f"rename/{n}/x").rpartition("/")[0] for n in range(WRITERS + 1)]
    for number, stage in enumerate(stages):
        backend.put(f"{stage}/x", b"%d" % number, fresh=True)
        backend.sync(stage)
    winners = _contest(lambda writer: backend.rename(stages[writer], target))
    refused = _refuses(lambda: backend.rename(stages[WRITERS], target))
    if refused and not winners:
        return unknown(LOST)
    alone = backend.names(target) == ["x"]
    exclusive = refused and alone and winners == [int(backend.read(f"{target}/x"))]
    measured = f"of {WRITERS} at once {len(winners)} won"
    if exclusive:
        return fine(f"{measured}; a later one is refused")
    what = "a later one is refused" if refused else "a later one succeeds, too"
    mixed = "" if alone else "; what lost lies inside"
    return short(f"{measured}; {what}{mixed}", ONE_WRITER)


def parts(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """A large object goes by parts, and is there when it is completed, not before."""
    data = os.urandom(LARGE)
    if _sent(bench, "parts/aborted", data, complete=False) is not None:
        return short(
            "an upload that was aborted is there", "report this, with the server's name"
        )
    if _sent(bench, "parts/completed", data, complete=True) != data:
        return short("9 MiB came back as other bytes", "report this, with the server's name")
    return fine("9 MiB come back as sent; an aborted upload leaves no object")


def _sent(bench: Bench, name: str, data: bytes, *, complete: bool) -> bytes | None:
    """Send an object by parts; return what is there after it was completed, or aborted."""
    with bench.upload(name, len(data)) as upload:
        for number, start in enumerate(range(0, len(data), upload.part_size)):
            key = bench.key(name)  # still wanted?
            upload.write(number, data[start : start + upload.part_size])
        if complete:
            upload.complete()
        else:
            upload.abort()
    return _content(bench, key)


def case(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """Two names that differ in case only are two, or known to be one."""
    small, capital = bench.key("case/a"), bench.key("case/A")
    bench.backend.put(small, b"small")
    bench.backend.put(capital, b"capital")
    if (bench.backend.read(small), bench.backend.read(capital)) == (b"small", b"capital"):
        return fine("a and A are two objects")
    if bench.backend.is_case_insensitive():
        return fine("a and A are one object; an upload of both is refused")
    return short(
        "a and A are one object, and it is not known before",
        "publish no names that differ in case only",
    )


def names(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """Names come back as they were, or under the code that a manifest notes."""
    keys = {name: bench.key(f"names/{_encoded(bench, name)}") for name in NAMES}
    bad = {name for name, key in keys.items() if not _takes(bench, key, name.encode())}
    bad |= {n for n, key in keys.items() if n not in bad and not _holds(bench, key, n.encode())}
    listed = {found.key for found in bench.backend.objects(f"{bench.directory}/names")}
    bad |= {name for name, key in keys.items() if key not in listed}
    if bad:
        return short(
            f"these do not come back: {', '.join(sorted(map(repr, bad)))}",
            "publish no files of such names",
        )
    coded = [name for name in NAMES if _encoded(bench, name) != name]
    measured = "those with a blank, %, #, é, + and ? come back"
    return fine(f"{measured} ({', '.join(map(repr, coded))} by a code)" if coded else measured)


def _encoded(bench: Bench, name: str) -> str:
    return encode_path(name, bench.backend.forbidden)


def _takes(bench: Bench, key: str, data: bytes) -> bool:
    try:
        bench.backend.put(key, data)
    except StoreUnavailableError as error:
        if error.passing:
            raise
        return False
    return True


def _refuses(step: Callable[[], None]) -> bool:
    try:
        step()
    except FileExistsError:
        return True
    return False


def _contest(step: Callable[[int], None]) -> list[int]:
    """Let several threads do a step at once; return the numbers of those that were let."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    ready = Barrier(WRITERS)

    def take_part(writer: int) -> bool:
        ready.wait()
        return not _refuses(lambda: step(writer))

    with ThreadPoolExecutor(WRITERS, "blobfs-doctor") as pool:
        won = list(pool.map(take_part, range(WRITERS)))
    return [writer for writer, first in enumerate(won) if first]


def _content(bench: Bench, key: str) -> bytes | None:
    try:
        return bench.backend.read(key)
    except FileNotFoundError:
        return None


def _holds(bench: Bench, key: str, data: bytes | None) -> bool:
    return _content(bench, key) == data


def _until(holds: Callable[[], bool]) -> float:
    """Return the seconds after which something holds: 0 if at once, `inf` if not soon."""
    if holds():
        return 0
    began = time.monotonic()
    while (waited := time.monotonic() - began) < SOON:
        time.sleep(0.1)
        if holds():
            return max(waited, 0.1)
    return inf


def _after(seconds: float) -> str:
    return (
        f" after {SOON:.0f} s either" if seconds == inf else f", but after {duration(seconds)}"
    )
