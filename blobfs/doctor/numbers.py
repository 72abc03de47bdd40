"""What is measured in seconds and bytes."""

import os
import statistics
import time
from contextlib import suppress

from blobfs.doctor.access import Access, duration
from blobfs.doctor.bench import Bench
from blobfs.doctor.kinds import Kind
from blobfs.doctor.value import Found, fine, short, unknown
from blobfs.layout.hashed import FORMAT

READS = 10
"""Small reads that the latency is the median of."""

MIB = 1 << 20

SIZE = 8 * MIB
"""Bytes that the throughput is measured with."""

MOST_SKEW = 15 * 60
"""Seconds by which clocks may differ: beyond, S3, Azure and OSS refuse signatures.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html#RESTAuthenticationTimeStamp"""

COARSE = 1.5
"""Seconds below which a difference says nothing: many storages tell whole ones."""


def checksums(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001 - as all
    """Say what the storage verifies; what counts is the SHA-256 that blobfs itself verifies."""
    return fine(f"SHA-256 by blobfs itself; by the storage: {kind.checksums}")


def clock_skew(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """Compare the storage's clock with this machine's, by the time of a fresh object."""
    key = bench.key("clock")
    before = time.time()
    bench.backend.put(key, b"x")
    after = time.time()
    modified = bench.backend.head(key).modified
    if not modified:
        return unknown("the storage tells no times")
    skew = modified - (before + after) / 2
    if abs(skew) <= COARSE + (after - before) / 2:
        return fine("the storage's clock agrees to the second")
    measured = (
        f"the storage's clock is {duration(abs(skew))} {'ahead' if skew > 0 else 'behind'}"
    )
    if abs(skew) <= MOST_SKEW:
        return fine(measured)
    return short(measured, "set this machine's clock: signed requests are refused otherwise")


def latency(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """Time small reads, of an object of one's own or of what a read-only store has."""
    key = FORMAT
    if access.writing is None:
        key = bench.key("latency")
        bench.backend.put(key, b"x" * 100)
    times = sorted(_seconds(bench, key) for _ in range(READS))
    middle, most = duration(statistics.median(times)), duration(times[-1])
    return fine(f"{middle} for a small read, at most {most} (of {READS})")


def _seconds(bench: Bench, key: str) -> float:
    began = time.perf_counter()
    with suppress(FileNotFoundError):  # an answer like any other
        bench.backend.read(key)
    return time.perf_counter() - began


def throughput(bench: Bench, kind: Kind, access: Access) -> Found:  # noqa: ARG001
    """Send one object of some MiB, and fetch it."""
    key, data = bench.key("throughput"), os.urandom(SIZE)
    began = time.perf_counter()
    bench.backend.put(key, data)
    sent = time.perf_counter()
    fetched = bench.backend.read(key)
    done = time.perf_counter()
    if fetched != data:
        return short("8 MiB came back as other bytes", "report this, with the server's name")
    return fine(f"{_rate(sent - began)} up, {_rate(done - sent)} down (8 MiB)")


def _rate(seconds: float) -> str:
    rate = SIZE / MIB / max(seconds, 1e-6)
    return f"{rate:.0f} MiB/s" if rate >= 10 else f"{rate:.1f} MiB/s"  # noqa: PLR2004 - digits
