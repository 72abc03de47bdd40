"""Manifests say what they were given, and never more than that to whoever forged one."""

import json
import random
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobfs
from blobfs.digest import Digest
from blobfs.errors import BlobfsError, IntegrityError, UnsafeNameError
from blobfs.manifest import (
    MAX_LINE,
    Entry,
    Header,
    Manifest,
    decode,
    decode_header,
    encode,
    listing,
    listing_digest,
)
from tests.hostile_manifests import BY_HAND, ZERO, by_dice, digest, file, hollow, manifest
from tests.places import PLACES, Directory, Place, content, hex_of, sha256, write_tree

SEED = 20261123

parts = (
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
    .filter(lambda part: part not in {".", ".."} and len(part.encode()) <= 255)
    .map(str)
)
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)
digests = st.binary(min_size=32, max_size=32).map(lambda b: Digest("sha256:" + b.hex()))


@st.composite
def entry_lists(draw: st.DrawFn) -> list[Entry]:
    """Entries as an upload makes them: sorted, and no file is also a directory."""
    kept: dict[str, Entry] = {}
    above: set[str] = set()
    for path in draw(st.lists(paths, min_size=1, max_size=20, unique=True)):
        directories = {path.rsplit("/", n)[0] for n in range(1, path.count("/") + 1)}
        if path in above or directories & {p.removesuffix("/") for p in kept}:
            continue
        above |= directories
        kept[path] = draw(entries_of(path))
    return sorted(kept.values(), key=lambda entry: entry.path.encode())


def entries_of(path: str) -> st.SearchStrategy[Entry]:
    files = st.builds(
        Entry,
        st.just(path),
        st.integers(0, 1 << 60),
        digests,
        st.booleans(),
        st.none() | paths,
        st.none(),
    )
    elsewhere = st.builds(
        Entry, st.just(path), st.integers(0, 9), digests, st.booleans(), paths, digests
    )
    return files | elsewhere | st.just(Entry(path + "/", 0, "-"))


def header_of(entries: list[Entry]) -> Header:
    files = [entry for entry in entries if not entry.is_directory]
    return Header(
        listing_digest("tree", entries),
        "tree",
        "näme",
        len(files),
        sum(entry.size for entry in files),
        "2026-01-01T00:00:00Z",
        "a-commit",
    )


# ---- what was written is read ----------------------------------------------------------------


@given(entry_lists(), st.integers(1, 5000))
def test_what_is_written_is_read(entries: list[Entry], chunk: int) -> None:
    written = Manifest(header_of(entries), entries)
    data = b"".join(encode(written))
    assert decode(data[at : at + chunk] for at in range(0, len(data), chunk)) == written
    assert decode_header(data, whole=False) == written.header


@given(entry_lists())
def test_a_manifest_is_what_the_documented_format_says(entries: list[Entry]) -> None:
    header, *rows = map(
        json.loads, b"".join(encode(Manifest(header_of(entries), entries))).splitlines()
    )
    assert header["digest"] == digest(rows)
    assert [row["path"] for row in rows] == [entry.path for entry in entries]


@given(entry_lists())
def test_a_listing_tells_entries_apart(entries: list[Entry]) -> None:
    """Paths, sizes, digests and executable bits are identity; keys and holders are not."""
    good = listing_digest("tree", entries)
    assert good == sha256(b"".join(listing("tree", entries)))
    first = entries[0]
    moved = Entry(first.path, first.size, first.digest, first.executable, "key", Digest(ZERO))
    assert listing_digest("tree", [moved, *entries[1:]]) == good
    for other in (
        Entry(first.path + "x", first.size, first.digest, first.executable),
        Entry(first.path, first.size + 1, first.digest, first.executable),
        Entry(first.path, first.size, sha256(b"other"), first.executable),
        Entry(first.path, first.size, first.digest, not first.executable),
    ):
        assert listing_digest("tree", [other, *entries[1:]]) != good
    assert listing_digest("file", entries) != good


def test_paths_are_sorted_by_their_bytes() -> None:
    """A path beyond U+FFFF comes after one at U+E000, which UTF-16 orders the other way."""
    sorted_ = ["A", "B/", "a", "a/b", "a0", "\ue000", "\U00010000"]
    assert sorted_ == sorted(sorted_, key=str.encode)
    names = [name for name in sorted_ if name != "a/b"]
    rows = [hollow(name) if name.endswith("/") else file(name) for name in names]
    assert [entry.path for entry in decode([manifest(rows)]).entries] == names


def test_unknown_fields_are_ignored_and_a_newer_schema_is_told_apart() -> None:
    rows = [file("a", colour="red", size=3)]
    assert decode([manifest(rows, weight=1)]).entries == [Entry("a", 3, ZERO)]
    with pytest.raises(IntegrityError, match="newer one is needed"):
        decode([manifest(rows, schema=2)])


def test_a_header_longer_than_a_probe_asks_for_more() -> None:
    data = manifest([file("a")], note="x" * 9000)
    with pytest.raises(EOFError):
        decode_header(data[:4096], whole=False)
    assert decode_header(data).files == 1
    with pytest.raises(IntegrityError, match="header"):
        decode_header(data[:4096])


def test_an_artifact_with_a_long_header_is_a_hit(
    store_place: Place, tree: Path, tmp_path: Path
) -> None:
    artifact = blobfs.upload(tree, store=store_place.open())
    key = f"LocalUpload/{hex_of(artifact.digest)}/_manifest.jsonl"
    long = store_place.read(key).replace(
        b'"schema":1', b'"schema":1,"x":"' + b"x" * 9000 + b'"'
    )
    store_place.around.write(key, long)
    assert blobfs.upload(tree, store=store_place.open()).reused
    where = blobfs.download(artifact.digest, tmp_path / "out", store=store_place.open())
    assert content(where) == content(tree)


# ---- what somebody forged is refused ---------------------------------------------------------


@pytest.mark.parametrize("data", BY_HAND.values(), ids=BY_HAND)
def test_a_forged_manifest_is_refused(data: bytes) -> None:
    with pytest.raises((IntegrityError, UnsafeNameError)):
        decode([data])


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A directory around store and destination, in which a stray write is seen."""
    root = tmp_path / "outer" / "sandbox"
    write_tree(root, {"bystander": "x", "beside/": ""})
    return root


def forge(place: Place, data: bytes) -> str:
    """Put `data` where the manifest of the digest that it claims belongs."""
    found = re.search(rb'"digest": "(sha256:[0-9a-f]{64})"', data.partition(b"\n")[0])
    claimed = found[1].decode() if found else ZERO
    place.around.write(f"LocalUpload/{hex_of(claimed)}/_manifest.jsonl", data)
    return claimed


def outside(sandbox: Path) -> dict[str, bytes]:
    """Everything around the store and the destination."""
    found = Directory(sandbox.parent).snapshot()
    inner = ("sandbox/store/", "sandbox/out/")
    return {key: data for key, data in found.items() if not key.startswith(inner)}


def test_a_forged_manifest_in_a_store_writes_nothing(sandbox: Path) -> None:
    place = PLACES["local"](sandbox)
    before = outside(sandbox)
    for what, data in BY_HAND.items():
        claimed = forge(place, data)
        with pytest.raises((IntegrityError, UnsafeNameError)):
            blobfs.download(claimed, sandbox / "out", store=place.open())
        assert not (sandbox / "out").exists(), what
        assert not blobfs.verify(claimed, store=place.open()).ok, what
    assert outside(sandbox) == before


@pytest.mark.parametrize("number", [300, pytest.param(10_000, marks=pytest.mark.soak)])
def test_random_manifests_write_nothing_outside(sandbox: Path, number: int) -> None:
    """Those that happen to be right may be downloaded: to the destination."""
    place = PLACES["local"](sandbox)
    seed = SEED + number
    before = outside(sandbox)
    for data in by_dice(seed, number):
        claimed = forge(place, data)
        for path in ("", "/a"):
            try:
                blobfs.download(
                    claimed + path, sandbox / "out", store=place.open(), overwrite=True
                )
            except BlobfsError:
                continue
            except BaseException as error:
                error.add_note(f"seed {seed}: {data!r}")
                raise
    assert outside(sandbox) == before, f"seed {seed}"


def test_more_bytes_than_any_disk_holds_is_a_typed_error(sandbox: Path) -> None:
    place = PLACES["local"](sandbox)
    claimed = forge(place, manifest([file("a", size=1 << 90)]))
    with pytest.raises(blobfs.StorageFullError):
        blobfs.download(claimed, sandbox / "out", store=place.open())
    assert not (sandbox / "out").exists()


@pytest.mark.parametrize(
    "url",
    ["", "x", "memory://", "nosuch://x/y", "file:///\ud800", "memory://x/\0", "::", "s4:"],
)
def test_a_forged_url_is_a_typed_error(sandbox: Path, url: str) -> None:
    place = PLACES["local"](sandbox)
    data = manifest([file("a", digest="etag:1")], kind="reference", url=url)
    claimed = forge(place, data)
    with pytest.raises(BlobfsError):
        blobfs.download(claimed, sandbox / "out", store=place.open())
    assert not (sandbox / "out").exists()


def test_a_key_may_not_lead_out_of_the_store(sandbox: Path) -> None:
    """A manifest that names a file beside the store as its bytes gives nothing of it away."""
    place = PLACES["local"](sandbox)
    secret = sha256(b"x")
    for key in ("../../../bystander", "model/../../../bystander", "/etc/passwd"):
        for fields in ({"key": key}, {"key": key, "within": ZERO}):
            row = file("a", size=1, **fields)
            claimed = forge(place, manifest([{**row, "digest": secret}]))
            with pytest.raises(UnsafeNameError):
                blobfs.download(claimed, sandbox / "out", store=place.open())


# ---- memory ----------------------------------------------------------------------------------


def endless(first: bytes, again: bytes) -> Iterator[bytes]:
    yield first
    for _ in count():
        yield again


@pytest.mark.parametrize(
    ("first", "again"),
    [(b"", b"x" * 4096), (manifest([file("a")]), b'{"path":"' + b" " * 4096)],
)
def test_a_line_without_an_end_is_given_up_early(first: bytes, again: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError):
            decode(endless(first, again))
        assert tracemalloc.get_traced_memory()[1] < 8 * MAX_LINE
    finally:
        tracemalloc.stop()


MEASURE = """
import re, resource, sys
from blobfs.digest import digest_bytes
from blobfs.manifest import Entry, Header, Manifest, decode, encode, listing_digest
count, path = int(sys.argv[1]), sys.argv[2]

def peak():
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/status") as status:  # a child's ru_maxrss begins with its parent's
        return int(re.search("VmHWM:\\s+([0-9]+) kB", status.read())[1]) * 1024

base = peak()
entries = [Entry(f"d{i // 1000:04}/f{i:07}", i, digest_bytes(b"%d" % i)) for i in range(count)]
header = Header(
    listing_digest("tree", entries), "tree", "n", count, sum(e.size for e in entries), "", ""
)
with open(path, "wb") as file:
    file.writelines(encode(Manifest(header, entries)))
del entries
with open(path, "rb") as file:
    assert len(decode(iter(lambda: file.read(1 << 20), b"")).entries) == count
print(base, peak())
"""


def peak_of(number: int, path: Path) -> tuple[int, int]:
    """Bytes that a process has before, and at most while, it writes and reads entries."""
    command = [sys.executable, "-c", MEASURE, str(number), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, peak = done.stdout.split()
    return int(before), int(peak)


def test_memory_grows_with_the_number_of_entries_and_no_faster(tmp_path: Path) -> None:
    growth = []
    for number in (25_000, 50_000):
        before, peak = peak_of(number, tmp_path / "m")
        growth.append(peak - before)
    assert growth[1] < 2.5 * growth[0]
    assert growth[1] < 50_000 * 1000, "so that a million fit into 1 GiB"


@pytest.mark.soak
def test_a_million_entries_fit_into_a_gibibyte(tmp_path: Path) -> None:
    assert peak_of(1_000_000, tmp_path / "m")[1] < 1 << 30


# ---- bit rot ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [60, pytest.param(1000, marks=pytest.mark.soak)])
def test_every_flipped_bit_is_found_and_refused(
    store_place: Place, tree: Path, tmp_path: Path, number: int
) -> None:
    """Bits of `created` and `commit` apart, on which nothing depends."""
    artifact = blobfs.upload(tree, store=store_place.open(), name="n")
    good = {k: v for k, v in store_place.around.snapshot().items() if k[:5] == "Local" and v}
    dice = random.Random(SEED)
    for trial in range(number):
        target = tmp_path / f"out{trial}"  # not the last one's, which would be resumed
        key = dice.choice(sorted(good))
        bad, at = bytearray(good[key]), dice.randrange(len(good[key]))
        if key.endswith("/_manifest.jsonl") and unimportant(good[key], at):
            continue
        bad[at] ^= 1 << dice.randrange(8)
        store_place.around.write(key, bytes(bad))
        what = f"seed {SEED}: byte {at} of {key}"
        assert not blobfs.verify(artifact.digest, store=store_place.open(), deep=True).ok, what
        try:
            blobfs.download("n:1", target, store=store_place.open())
        except BlobfsError:
            assert not target.exists(), what
        else:
            pytest.fail(f"{what} was delivered")
        store_place.around.write(key, good[key])
    assert blobfs.verify(artifact.digest, store=store_place.open(), deep=True).ok


def unimportant(data: bytes, at: int) -> bool:
    spans = re.finditer(rb'"(?:created|commit)":"([^"]*)"', data)
    return any(span.start(1) <= at < span.end(1) for span in spans)
