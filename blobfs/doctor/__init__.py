"""What a store can do, measured with objects of one's own that are removed again.

    examination the checks, one after the other, each for itself
    access      the first look: reachable, credentials, reading, listing
    promises    what publishing relies on: creating, renaming, reading back, names, …
    numbers     checksums, clock, latency, throughput
    bench       the objects of one's own, and how they are removed
    kinds       what is known of each kind of storage without asking it
    value       what is returned

A check is a function of the bench, the kind of storage and what the first look found; it says
what it found, and may raise whatever the store answers.
"""

from blobfs.doctor.examination import examine, unopened
from blobfs.doctor.value import Check, Diagnosis, Result

__all__ = ["Check", "Diagnosis", "Result", "examine", "unopened"]
