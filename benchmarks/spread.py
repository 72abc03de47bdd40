"""One upload, by this process or by a cluster, timed from call to return.

Run as a script: the source, and the address of a scheduler if there is one. Prints the seconds
that passed, those of processor time here, those of the workers, and the peak memory here.
"""

import json
import resource
import sys
import time
from contextlib import ExitStack

import blobfs


def main(source: str, address: str = "") -> list[float]:
    """Upload `source` to the default store."""
    with ExitStack() as stack:
        client = executor = None
        if address:
            from distributed import Client

            client = stack.enter_context(Client(address))  # type: ignore[no-untyped-call]
            executor = client.get_executor()
        theirs = spent(client)
        began, used = time.perf_counter(), time.process_time()
        artifact = blobfs.upload(source, name="bench", executor=executor)
        wall, cpu = time.perf_counter() - began, time.process_time() - used
        theirs = spent(client) - theirs
    if artifact.reused:
        raise RuntimeError(f"{artifact.path} was there already")
    return [wall, cpu, theirs, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]


def spent(client: object) -> float:
    """Return the processor time that the workers took so far."""
    if client is None:
        return 0.0
    return float(sum(client.run(time.process_time).values()))  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
