"""Remember the digests of files that have not changed since they were hashed.

It only saves time: whatever goes wrong with the database ends in a miss. What a row may be
believed for is decided in `rows`; here is only how rows are kept.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import groupby, islice
from threading import get_ident
from typing import TYPE_CHECKING, Self

from blobfs.digest import PREFIX
from blobfs.hashcache.mounts import is_network_path
from blobfs.hashcache.rows import Identity, Row, believed, rows_of, signed, today

if TYPE_CHECKING:
    import sqlite3

FILE_NAME = "hashes.sqlite"

MAX_ROWS = 2_000_000
"""Above it the half that was not used for longest is dropped; about 90 bytes a row."""

BUSY_SECONDS = 0.25
"""A database that stays locked for longer is a miss."""

_WRITE_ROWS = 20_000
_READ_ROWS = 900  # SQLite before 3.32 binds at most 999 values
_USED_DAYS = 30  # the precision of "used", so that look-ups rarely write

_SCHEMA = (
    "CREATE TABLE file (device INTEGER, inode INTEGER, hashed_at INTEGER, used INTEGER,"
    " digest BLOB, seal BLOB, PRIMARY KEY (device, inode)) WITHOUT ROWID"
)
_SELECT = "SELECT inode, hashed_at, used, digest, seal FROM file WHERE device = ? AND inode IN "
_SELECT += f"({', '.join('?' * _READ_ROWS)})"
_TRIM = (
    "DELETE FROM file WHERE (device, inode) IN"
    " (SELECT device, inode FROM file ORDER BY used LIMIT ?)"
)
_BUSY = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED: https://sqlite.org/rescode.html
_OUTSIDE = frozenset({3, 7, 9, 10, 13, 14, 15})  # PERM NOMEM INTERRUPT IOERR FULL CANTOPEN …

_logger = logging.getLogger("blobfs")


_users: list[int] = []
_lost_locks: list[int] = []
"""The threads that were in SQLite when this process was forked: locks that they held, of which
SQLite has some for all connections, are never let go here."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _lost_locks.extend(_users))


@contextmanager
def _inside() -> Iterator[None]:
    """Note that this thread is in SQLite."""
    me = get_ident()
    _users.append(me)
    try:
        yield
    finally:
        _users.remove(me)


class HashCache:
    """The digests known on this machine; use it from one thread, and not across a fork.

    Nothing is opened before the first look-up, and nothing created before the first row is
    remembered. No method raises because of the cache: it is then a cache that knows nothing.
    """

    def __init__(self, directory: str | os.PathLike[str], *, max_rows: int = MAX_ROWS) -> None:
        self._directory = os.fspath(directory)
        self._path = os.path.join(self._directory, FILE_NAME)
        self._max_rows = max_rows
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None  # of the file that was opened
        self._unused: list[tuple[int, int, int]] = []  # rows whose day of use is old
        self._off = bool(_lost_locks)
        self._wrote = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lookup(self, identities: Sequence[Identity]) -> list[str | None]:
        """Return the digest of each file in the same order, None where it is not known."""
        found: list[str | None] = [None] * len(identities)
        if self._off or not os.path.exists(self._path):
            return found
        # In the order of the database, each of its pages is read once.
        order = sorted(range(len(identities)), key=identities.__getitem__)
        touching = True
        for start in range(0, len(order), _READ_ROWS):
            chunk = order[start : start + _READ_ROWS]
            if not self._attempt(partial(self._read, identities, chunk, found)):
                break
            # Once is enough: a lock would be waited for each time.
            touching = touching and (not self._unused or self._attempt(self._touch))
            self._unused.clear()
        return found

    def remember(self, rows: Iterable[tuple[Identity, str]], *, hashed_at_ns: int) -> None:
        """Keep the digests of the files that had settled when they were hashed.

        Args:
            rows: identities, the same before and after the hashing, and the digests.
            hashed_at_ns: `time.time_ns()` before the first of these files was opened.
        """
        if hashed_at_ns > time.time_ns():
            _logger.debug("the clock was set back while files were hashed: nothing is cached")
            return
        rows = iter(rows)
        while not self._off and (chunk := list(islice(rows, _WRITE_ROWS))):
            if kept := rows_of(chunk, hashed_at_ns):
                self._attempt(partial(self._write, kept))

    def close(self) -> None:
        """Drop what is too much, and close the database; a later look-up opens it again."""
        if self._wrote:
            self._wrote = False
            self._attempt(self._trim)
        self._disconnect()

    def _read(
        self, identities: Sequence[Identity], chunk: list[int], found: list[str | None]
    ) -> None:
        connection = self._open()
        day, now = today(), time.time_ns()
        for device, group in groupby(chunk, key=lambda index: identities[index][0]):
            members = list(group)
            inodes = [signed(identities[index][1]) for index in members]
            values = [signed(device), *inodes, *[None] * (_READ_ROWS - len(inodes))]
            rows = {row[0]: row for row in connection.execute(_SELECT, values)}
            for index, inode in zip(members, inodes, strict=True):
                row = rows.get(inode)
                if row is None:
                    continue
                _, hashed_at, used, digest, seal = row
                if believed(identities[index], hashed_at, digest, seal, now):
                    found[index] = PREFIX + digest.hex()
                    if not isinstance(used, int) or abs(day - used) > _USED_DAYS:
                        self._unused.append((day, signed(device), inode))

    def _touch(self) -> None:
        connection = self._open()
        with connection:
            connection.executemany(
                "UPDATE file SET used = ? WHERE device = ? AND inode = ?", self._unused
            )

    def _write(self, rows: list[Row]) -> None:
        connection = self._open(create=True)
        with connection:
            connection.executemany("INSERT OR REPLACE INTO file VALUES (?,?,?,?,?,?)", rows)
        self._wrote = True

    def _trim(self) -> None:
        connection = self._open()
        (rows,) = connection.execute("SELECT count(*) FROM file").fetchone()
        if rows > self._max_rows:
            with connection:
                connection.execute(_TRIM, (rows - self._max_rows // 2,))

    def _open(self, *, create: bool = False) -> "sqlite3.Connection":
        import sqlite3

        if self._connection is None:
            if create:
                os.makedirs(self._directory, mode=0o700, exist_ok=True)
            if is_network_path(self._directory):
                # The numbers are this machine's, and SQLite's WAL needs its shared memory.
                raise OSError("the cache directory is on a network file system")
            self._inode = os.stat(self._path).st_ino if os.path.exists(self._path) else None
            self._connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level="IMMEDIATE"
            )
            _prepare(self._connection)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Closing can fail like any other use, and there is nothing left to lose.
            with suppress(Exception), _inside():
                connection.close()

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Whether `action` on the database succeeded."""
        try:
            import sqlite3
        except ImportError as error:
            return self._switch_off(error)
        try:
            with _inside():
                action()
        except OSError as error:
            return self._switch_off(error)
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _BUSY:
                self._disconnect()
                _logger.debug("%s is locked: nothing is cached for now", self._path)
                return False
            misused = isinstance(error, sqlite3.ProgrammingError)
            if misused or code in _OUTSIDE or not os.access(self._path, os.W_OK):
                return self._switch_off(error)
            return self._set_aside(error)
        return True

    def _switch_off(self, error: Exception) -> bool:
        self._off = True
        self._disconnect()
        _logger.debug("no hash cache at %s: %s", self._path, error)
        return False

    def _set_aside(self, error: Exception) -> bool:
        self._disconnect()
        aside = f"{self._path}.damaged"
        try:
            # Another process that came first has put a sound one here.
            if os.stat(self._path).st_ino != self._inode:
                return False
            os.replace(self._path, aside)
            for suffix in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(self._path + suffix)
        except OSError as failure:
            return self._switch_off(failure)
        _logger.warning(
            "the hash cache %s is damaged (%s): it was moved to %s and is built anew",
            *(self._path, error, aside),
        )
        return False


def _prepare(connection: "sqlite3.Connection") -> None:
    import sqlite3

    connection.text_factory = bytes  # a damaged text need not be UTF-8
    tables = connection.execute("SELECT sql FROM sqlite_master").fetchall()
    if not tables:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_SCHEMA.replace("TABLE", "TABLE IF NOT EXISTS", 1))
    elif tables != [(_SCHEMA.encode(),)]:
        raise sqlite3.DatabaseError("it holds other tables")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 0")
