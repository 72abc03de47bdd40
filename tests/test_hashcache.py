"""The hash cache never gives a wrong digest, and never fails a caller."""

import hashlib
import logging
import os
import random
import shutil
import sqlite3
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobfs.digest import digest_bytes
from blobfs.hashcache import HashCache, Identity, is_network_path
from blobfs.hashcache.cache import FILE_NAME
from blobfs.hashcache.mounts import mount_is_remote

SECOND = 1_000_000_000
NOW = time.time_ns()
LONG_AGO = NOW // SECOND * SECOND - 86_400 * SECOND + 123_456_789
DIGEST = digest_bytes(b"content")


def identity_of(path: Path) -> Identity:
    found = path.lstat()
    return (
        *(found.st_dev, found.st_ino, found.st_size),
        *(found.st_mtime_ns, found.st_ctime_ns),
    )


def made_up(number: int) -> Identity:
    return 66_306, 1_000 + 3 * number, 4_096, LONG_AGO + number, LONG_AGO


def moved(identity: Identity, place: int, value: int) -> Identity:
    device, inode, size, mtime, ctime = (
        value if here == place else number for here, number in enumerate(identity)
    )
    return device, inode, size, mtime, ctime


def seal_of(identity: Identity, hashed_at: int, digest: bytes) -> bytes:
    """The seal as another program would make it."""
    packed = struct.pack("<QQqqqq32s", *identity, hashed_at, digest)
    return hashlib.blake2b(packed, digest_size=16).digest()


def digest_of(number: int) -> str:
    return digest_bytes(b"%d" % number)


def fill(directory: Path, count: int) -> None:
    with HashCache(directory) as cache:
        cache.remember(((made_up(i), digest_of(i)) for i in range(count)), hashed_at_ns=NOW)


def look(directory: Path, *identities: Identity) -> list[str | None]:
    with HashCache(directory) as cache:
        return cache.lookup(identities)


def rewrite(path: Path) -> None:
    path.write_bytes(b"new")


def rewrite_and_restore_mtime(path: Path) -> None:
    path.write_bytes(b"new")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))


def rename_over(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"new")
    os.utime(other, ns=(LONG_AGO, LONG_AGO))
    other.replace(path)


def copy_over(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"new")
    os.utime(other, ns=(LONG_AGO, LONG_AGO))
    subprocess.run(["cp", "-p", other, path], check=True)


def rewrite_through_a_mapping(path: Path) -> None:
    import mmap

    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        mapping[:] = b"new"


CHANGES = [
    rewrite,
    rewrite_and_restore_mtime,
    rename_over,
    copy_over,
    rewrite_through_a_mapping,
]


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of files that were remembered more than two seconds after they changed."""
    root = tmp_path_factory.mktemp("settled")
    files = [root / change.__name__ for change in [*CHANGES, shutil.copy2]]
    for path in files:
        path.write_bytes(b"old")
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    time.sleep(2.05)  # only waiting makes a change time old
    with HashCache(root / "cache") as cache:
        rows = [(identity_of(path), digest_bytes(b"old")) for path in files]
        cache.remember(rows, hashed_at_ns=time.time_ns())
    assert look(root / "cache", *map(identity_of, files)) == [digest_bytes(b"old")] * len(files)
    return root


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_of_the_same_size_that_changed_is_unknown(
    settled: Path, change: Callable[[Path], None]
) -> None:
    path = settled / change.__name__
    change(path)
    assert (path.read_bytes(), path.stat().st_size) == (b"new", 3)
    assert look(settled / "cache", identity_of(path)) == [None]


def test_a_copy_with_its_times_kept_is_another_file(settled: Path) -> None:
    original, copy = settled / "copy2", settled / "copy"
    shutil.copy2(original, copy)
    known = look(settled / "cache", identity_of(copy), identity_of(original))
    assert known == [None, digest_bytes(b"old")]


def test_each_of_the_five_numbers_counts(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    for place in range(5):
        other = moved(made_up(0), place, made_up(0)[place] + 1)
        assert look(tmp_path, other, made_up(0)) == [None, digest_of(0)]


@pytest.mark.parametrize("place", [3, 4], ids=["mtime", "ctime"])
@pytest.mark.parametrize(
    ("age", "kept"),
    [
        (2 * SECOND + 1, True),
        (2 * SECOND, False),
        (1, False),
        (0, False),
        (-1, False),
        (-86_400 * SECOND, False),
    ],
)
def test_a_file_changed_within_two_seconds_before_hashing_or_after_is_not_kept(
    tmp_path: Path, place: int, age: int, *, kept: bool
) -> None:
    hashed_at = LONG_AGO + 10 * SECOND
    identity = moved(made_up(0), place, hashed_at - age)
    with HashCache(tmp_path) as cache:
        cache.remember([(identity, DIGEST)], hashed_at_ns=hashed_at)
        assert cache.lookup([identity]) == [DIGEST if kept else None]
    assert (tmp_path / FILE_NAME).exists() is kept


def test_a_row_that_should_not_have_been_stored_is_not_trusted(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    hashed_at = LONG_AGO + 1
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        (digest,) = database.execute("SELECT digest FROM file").fetchone()
        values = hashed_at, seal_of(made_up(0), hashed_at, digest)
        database.execute("UPDATE file SET hashed_at = ?, seal = ?", values)
    database.close()
    assert look(tmp_path, made_up(0)) == [None]


def test_a_file_just_written_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"new")
    with HashCache(tmp_path / "cache") as cache:
        row = identity_of(path), digest_bytes(b"new")
        cache.remember([row], hashed_at_ns=time.time_ns())
        assert cache.lookup([row[0]]) == [None]


def test_nothing_is_kept_when_the_clock_was_set_back_during_hashing(tmp_path: Path) -> None:
    with HashCache(tmp_path) as cache:
        cache.remember([(made_up(0), DIGEST)], hashed_at_ns=NOW + 86_400 * SECOND)
    assert os.listdir(tmp_path) == []


def test_a_row_from_the_future_is_not_trusted_until_then(tmp_path: Path) -> None:
    """As when the clock was a day ahead while it was stored, and was set right since."""
    ahead = "import time; real = time.time_ns; time.time_ns = lambda: real() + 86_400 * 10**9"
    store = (
        "from blobfs.hashcache import HashCache; import sys\n"
        "with HashCache(sys.argv[1]) as cache:\n"
        f"    cache.remember([({made_up(0)}, {DIGEST!r})], hashed_at_ns=time.time_ns())\n"
        f"    assert cache.lookup([{made_up(0)}]) == [{DIGEST!r}]"
    )
    subprocess.run([sys.executable, "-c", f"{ahead}\n{store}", tmp_path], check=True)
    assert look(tmp_path, made_up(0)) == [None]


def test_a_change_time_that_no_fine_clock_gave_is_not_kept(tmp_path: Path) -> None:
    """As in squashfs images and on FAT."""
    fixed = (1_792, 5, 4_096, LONG_AGO, LONG_AGO // SECOND * SECOND)
    with HashCache(tmp_path) as cache:
        cache.remember([(fixed, DIGEST)], hashed_at_ns=NOW)
        assert cache.lookup([fixed]) == [None]


BIG = st.integers(-(2**66), 2**66) | st.sampled_from(
    [0, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -1, -(2**63)]
)
TIMES = st.integers(NOW - 5 * SECOND, NOW + SECOND) | st.integers(-(2**63), NOW) | BIG
IDENTITIES = st.tuples(BIG, BIG, BIG, TIMES, TIMES)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.dictionaries(IDENTITIES, st.binary(max_size=9).map(digest_bytes), max_size=12),
    others=st.lists(IDENTITIES, max_size=5),
)
def test_a_look_up_gives_exactly_what_was_remembered_or_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    rows: dict[Identity, str],
    others: list[Identity],
) -> None:
    asked = [*others, *rows, *reversed(rows)]
    with HashCache(tmp_path_factory.mktemp("cache")) as cache:
        cache.remember(rows.items(), hashed_at_ns=NOW)
        for identity, known in zip(asked, cache.lookup(asked), strict=True):
            assert known in (None, rows.get(identity))


@pytest.mark.parametrize("number", [2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_device_and_inode_may_have_64_bits(tmp_path: Path, number: int) -> None:
    huge = [(number, 7, *made_up(0)[2:]), (7, number, *made_up(0)[2:])]
    with HashCache(tmp_path) as cache:
        cache.remember([(huge[0], digest_of(0)), (huge[1], digest_of(1))], hashed_at_ns=NOW)
        assert cache.lookup(huge) == [digest_of(0), digest_of(1)]
        assert cache.lookup([(number - 2**64, 7, *made_up(0)[2:])]) == [None]
        assert cache.lookup([(number + 2**64, 7, *made_up(0)[2:])]) == [None]


def test_answers_come_in_the_order_of_the_questions(tmp_path: Path) -> None:
    fill(tmp_path, 25_000)
    numbers = random.Random(1).choices(range(30_000), k=5_000)
    expected = [digest_of(i) if i < 25_000 else None for i in numbers]
    assert look(tmp_path, *map(made_up, numbers)) == expected


def test_what_is_no_digest_is_not_kept(tmp_path: Path) -> None:
    with HashCache(tmp_path) as cache:
        cache.remember([(made_up(0), "md5:00"), (made_up(1), DIGEST)], hashed_at_ns=NOW)
        assert cache.lookup([made_up(0), made_up(1)]) == [None, DIGEST]


def test_a_later_row_replaces_an_earlier_one_of_the_same_inode(tmp_path: Path) -> None:
    changed = (*made_up(0)[:4], LONG_AGO + 9)
    fill(tmp_path, 1)
    with HashCache(tmp_path) as cache:
        cache.remember([(changed, DIGEST)], hashed_at_ns=NOW)
    assert look(tmp_path, made_up(0), changed) == [None, DIGEST]


def test_nothing_is_created_by_asking_and_nothing_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from blobfs.hashcache import HashCache\n"
        "with HashCache(sys.argv[1] + '/cache') as cache:\n"
        f"    assert cache.lookup([{made_up(0)}]) == [None]\n"
        "assert 'sqlite3' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    assert os.listdir(tmp_path) == []


def test_a_closed_cache_opens_again(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    cache = HashCache(tmp_path)
    cache.close()
    assert cache.lookup([made_up(0)]) == [digest_of(0)]
    cache.close()
    cache.close()


def test_only_its_user_can_enter_the_directory(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "b", 1)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) & 0o077 == 0


def test_the_rows_that_were_not_used_for_longest_are_dropped(tmp_path: Path) -> None:
    fill(tmp_path, 1_000)
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        database.execute("UPDATE file SET used = used - 100 WHERE inode >= 1000 + 3 * 300")
    database.close()
    assert look(tmp_path, *map(made_up, range(300, 400))).count(None) == 0  # now used
    with HashCache(tmp_path, max_rows=1_000) as cache:
        cache.remember([(made_up(2_000), digest_of(2_000))], hashed_at_ns=NOW)
    known = look(tmp_path, *map(made_up, [*range(400), 2_000]))
    assert None not in known
    assert look(tmp_path, *map(made_up, range(2_001))).count(None) == 2_001 - 500


WRITER = """
import sys, time
from blobfs.hashcache import HashCache
from tests.test_hashcache import LONG_AGO, digest_of, made_up
first = int(sys.argv[2])
for _ in range(15):
    with HashCache(sys.argv[1]) as cache:
        numbers = range(first, first + 2_000)
        cache.remember(((made_up(i), digest_of(i)) for i in numbers), hashed_at_ns={now})
        asked = range(0, 6_000, 7)
        answers = cache.lookup([made_up(i) for i in asked])
        assert all(a in (None, digest_of(i)) for i, a in zip(asked, answers))
"""


def test_processes_may_write_at_once(tmp_path: Path) -> None:
    code = WRITER.replace("{now}", str(NOW)).replace("LONG_AGO, ", "")
    # The made-up times hang on the moment of import, so the children are told ours.
    code = code.replace(
        "first =", f"import tests.test_hashcache as t; t.LONG_AGO = {LONG_AGO}\nfirst ="
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, tmp_path, str(first)],
            cwd=Path(__file__).parent.parent,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in (0, 1_000, 4_000)
    ]
    complaints = [child.communicate()[1] for child in children]
    assert complaints == ["", "", ""]  # no traceback, and no warning of damage
    assert [child.returncode for child in children] == [0, 0, 0]
    known = look(tmp_path, *map(made_up, range(6_000)))
    assert all(answer in (None, digest_of(i)) for i, answer in enumerate(known))
    assert any(known)
    assert sorted(os.listdir(tmp_path)) == [FILE_NAME]


def test_a_locked_database_is_a_miss_and_a_skipped_write(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, 1)
    with HashCache(tmp_path) as cache:
        locker = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        cache.remember([(made_up(1), DIGEST)], hashed_at_ns=NOW)
        assert cache.lookup([made_up(0), made_up(1)]) == [digest_of(0), None]
        locker.execute("ROLLBACK")
        locker.execute("PRAGMA locking_mode = EXCLUSIVE")
        cache.close()
        locker.execute("BEGIN EXCLUSIVE")
        locker.execute("DELETE FROM file WHERE inode = 0")
        locker.execute("COMMIT")
        assert cache.lookup([made_up(0)]) == [None]
        locker.close()
        cache.remember([(made_up(1), DIGEST)], hashed_at_ns=NOW)
        assert cache.lookup([made_up(0), made_up(1)]) == [digest_of(0), DIGEST]
    assert not caplog.records


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(2).randbytes(path.stat().st_size))


def text(path: Path) -> None:
    path.write_text("not a database\n")


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_inside_a_page(path: Path) -> None:
    os.truncate(path, 5_000)


def cut_inside_the_header(path: Path) -> None:
    os.truncate(path, 50)


def newer_format(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(18)  # the version that a writer must know
        file.write(b"\x09")


def other_application(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)")
        database.execute("INSERT INTO moz_places VALUES (1, 'https://example.org')")
    database.close()


def other_columns(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE file (device INTEGER, inode INTEGER, digest TEXT)")
    database.close()


def another_table_beside(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE more (id INTEGER)")
    database.close()


DAMAGES = [
    garbage,
    text,
    cut_in_half,
    cut_inside_a_page,
    cut_inside_the_header,
    newer_format,
    other_application,
    other_columns,
    another_table_beside,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_database_is_set_aside_with_one_warning_and_built_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / FILE_NAME
    fill(tmp_path, 5_000)
    damage(path)
    damaged = path.read_bytes()
    numbers = range(5_000)
    with HashCache(tmp_path) as cache:
        answers = cache.lookup([made_up(i) for i in numbers])
        assert all(answer in (None, digest_of(i)) for i, answer in enumerate(answers))
        for _ in range(2):  # the first can be the one that finds the damage
            cache.remember(((made_up(i), digest_of(i)) for i in numbers), hashed_at_ns=NOW)
        assert cache.lookup(list(map(made_up, numbers))) == list(map(digest_of, numbers))
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [str(path) in warning.getMessage() for warning in warnings] == [True]
    aside = Path(f"{path}.damaged").read_bytes()
    assert aside == damaged or damage is newer_format
    assert sorted(os.listdir(tmp_path)) == [FILE_NAME, f"{FILE_NAME}.damaged"]


def test_what_another_process_built_anew_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILE_NAME
    fill(tmp_path, 5_000)
    with HashCache(tmp_path) as late:
        assert late.lookup([made_up(0)]) == [digest_of(0)]
        with path.open("r+b") as file:
            file.write(b"\0" * path.stat().st_size)
        assert look(tmp_path, made_up(0)) == [None]
        fill(tmp_path, 5_000)
        late.lookup(list(map(made_up, range(5_000))))  # still has the damaged one open
        assert look(tmp_path, made_up(4_999)) == [digest_of(4_999)]
        assert late.lookup([made_up(4_999)]) == [digest_of(4_999)]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def assert_survives(directory: Path, damaged: bytes, count: int) -> None:
    for name in os.listdir(directory):
        (directory / name).unlink()
    (directory / FILE_NAME).write_bytes(damaged)
    with HashCache(directory) as cache:
        answers = cache.lookup([made_up(i) for i in range(count)])
        assert all(answer in (None, digest_of(i)) for i, answer in enumerate(answers))
        for _ in range(3):
            rows = ((made_up(i), digest_of(i)) for i in range(0, count + 50, 3))
            cache.remember(rows, hashed_at_ns=NOW)
        answers = cache.lookup([made_up(i) for i in range(count + 50)])
        assert all(answer in (None, digest_of(i)) for i, answer in enumerate(answers))


def damage_at_random(rounds: int, seed: int, directory: Path) -> None:
    count = 600
    fill(directory, count)
    original = (directory / FILE_NAME).read_bytes()
    for number in range(rounds):
        rng = random.Random(f"{seed}/{number}")
        damaged = bytearray(original)
        for _ in range(rng.choice([1, 1, 3, 50])):
            place = rng.choice([rng.randrange(len(damaged)), rng.randrange(100)])
            damaged[place] ^= 1 << rng.randrange(8)
        if rng.random() < 0.2:
            del damaged[rng.randrange(len(damaged)) :]
        try:
            assert_survives(directory, bytes(damaged), count)
        except BaseException as error:
            error.add_note(f"seed {seed}/{number}")
            raise


def test_flipped_bits_and_cuts_never_give_a_wrong_digest_nor_an_exception(
    tmp_path: Path,
) -> None:
    damage_at_random(60, 3, tmp_path)


@pytest.mark.soak
def test_thousands_of_flipped_bits_and_cuts_never_give_a_wrong_digest(tmp_path: Path) -> None:
    damage_at_random(4_000, random.randrange(2**32), tmp_path)


def test_a_flipped_bit_in_a_digest_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    path = tmp_path / FILE_NAME
    stored = bytes.fromhex(digest_of(1).removeprefix("sha256:"))
    data = path.read_bytes()
    assert data.count(stored) == 1
    path.write_bytes(data.replace(stored, bytes([stored[0] ^ 1]) + stored[1:]))
    assert look(tmp_path, *map(made_up, range(3))) == [digest_of(0), None, digest_of(2)]


LONGER = bytes.fromhex(digest_of(0).removeprefix("sha256:")) + b"\0"


@pytest.mark.parametrize("value", [None, 1.5, "text", b"", b"\xff" * 31, 2**62, LONGER])
@pytest.mark.parametrize("column", ["digest", "seal", "hashed_at", "used"])
def test_a_value_of_another_kind_in_a_row_is_no_exception(
    tmp_path: Path, column: str, value: object
) -> None:
    fill(tmp_path, 2)
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        sql = f"UPDATE file SET {column} = ? WHERE inode = 1000"  # noqa: S608
        database.execute(sql, (value,))
    database.close()
    expected = digest_of(0) if column == "used" else None
    assert look(tmp_path, made_up(0), made_up(1)) == [expected, digest_of(1)]


def below_a_file(path: Path) -> Path:
    (path / "file").write_bytes(b"")
    return path / "file" / "cache"


def in_proc(_path: Path) -> Path:
    return Path("/proc/blobfs")


def a_directory_for_a_database(path: Path) -> Path:
    (path / FILE_NAME).mkdir()
    return path


def a_link_to_nowhere(path: Path) -> Path:
    (path / "cache").symlink_to(path / "nowhere" / "cache")
    return path / "cache"


def a_closed_directory(path: Path) -> Path:
    fill(path / "cache", 1)
    (path / "cache").chmod(0o500)
    return path / "cache"


PLACES = [
    below_a_file,
    in_proc,
    a_directory_for_a_database,
    a_link_to_nowhere,
    a_closed_directory,
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_place_where_nothing_can_be_kept_is_quietly_no_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: Callable[[Path], Path]
) -> None:
    directory = place(tmp_path)
    with caplog.at_level(logging.INFO, "blobfs"), HashCache(directory) as cache:
        cache.lookup([made_up(1)])
        cache.remember([(made_up(1), digest_of(1))], hashed_at_ns=NOW)
        assert cache.lookup([made_up(1)])[0] in (None, digest_of(1))
    assert not caplog.records


FULL = """
import resource, signal, sys
from tests.test_hashcache import HashCache, NOW, digest_of, made_up
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
with HashCache(sys.argv[1]) as cache:
    cache.remember(((made_up(i), digest_of(i)) for i in range(50_000)), hashed_at_ns=NOW)
    answers = cache.lookup([made_up(i) for i in range(50_000)])
    assert all(a in (None, digest_of(i)) for i, a in enumerate(answers))
"""


def test_no_space_left_is_quietly_no_cache(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    child = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (child.returncode, child.stderr) == (0, "")


def test_a_python_without_sqlite_is_quietly_no_cache(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    code = (
        "import sys; sys.modules['sqlite3'] = None\n"
        "from blobfs.hashcache import HashCache\n"
        "with HashCache(sys.argv[1]) as cache:\n"
        f"    cache.remember([({made_up(1)}, {DIGEST!r})], hashed_at_ns={NOW})\n"
        f"    assert cache.lookup([{made_up(0)}]) == [None]"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)


def test_an_error_of_the_caller_is_the_callers(tmp_path: Path) -> None:
    with HashCache(tmp_path) as cache, pytest.raises(ZeroDivisionError):
        cache.remember(((made_up(1 // i), DIGEST) for i in (1, 0)), hashed_at_ns=NOW)


MOUNTS = rb"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /home/me rw,relatime shared:7 master:1 - nfs4 server:/home rw
31 30 0:41 / /home/me/scratch rw - tmpfs tmpfs rw
32 27 0:42 / /mnt/a\040b rw - fuse.sshfs me@host:/ rw
33 27 0:43 /sub /btrfs rw - btrfs /dev/vdb rw
34 27 0:44 / /share rw - cifs //host/share rw
35 27 0:45 / /lustre rw - lustre 10.0.0.1@tcp:/fs rw
36 27 8:17 / /shared-disk rw - gfs2 /dev/sdb1 rw
37 27 8:33 / /other rw - newfs /dev/sdc1 rw
38 27 0:46 / /vm rw - 9p share rw
39 27 0:47 / /over rw - tmpfs tmpfs rw
40 27 0:48 / /over rw - ceph 10.0.0.2:/ rw
""".strip()


@pytest.mark.parametrize(
    ("path", "device", "remote"),
    [
        ("/etc", (254, 0), False),
        ("/home/me/x", (0, 40), True),
        ("/home/me/scratch/x", (0, 41), False),
        ("/home/meadow", (254, 0), False),
        ("/home/me/x", (0, 99), True),  # by its name alone
        ("/mnt/a b/c", (0, 99), True),
        ("/mnt/a", (254, 0), False),
        ("/btrfs/x", (0, 77), False),  # a subvolume has a device number of its own
        ("/share/x", (0, 44), True),
        ("/lustre", (0, 45), True),
        ("/shared-disk/x", (8, 17), True),
        ("/other/x", (8, 33), False),  # unknown, on a disk of this machine
        ("/vm/x", (0, 46), True),
        ("/over/x", (0, 99), True),  # the later mount covers the earlier
        ("/bound/elsewhere", (0, 44), True),  # by its device, whatever its name
    ],
)
def test_network_file_systems_are_told_by_the_mounts(
    path: str, device: tuple[int, int], *, remote: bool
) -> None:
    assert mount_is_remote(MOUNTS, path, os.makedev(*device)) is remote


def test_a_path_of_no_known_mount_counts_as_remote() -> None:
    assert mount_is_remote(b"", "/x", os.makedev(0, 5))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_path_that_does_not_exist_lies_where_its_directory_does(tmp_path: Path) -> None:
    assert is_network_path(str(tmp_path / "a" / "b")) is is_network_path(str(tmp_path))
    assert is_network_path("/proc/self") is True  # a file system without a disk
