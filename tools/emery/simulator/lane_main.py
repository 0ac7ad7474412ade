"""One job under MicroPython: the far end of `emery.simulator.lanes`.

A simulation writes its trace to the file; a replay reads its records from
there. The result goes to stdout as one line of JSON.
"""

import gc
import json

from emery.simulator import loop, replay


def steps(job_path: str, file_path: str):  # type: ignore[no-untyped-def]
    """Run the job of the first file with the second, in pieces: yields the
    share done, or None where nobody knows it."""
    with open(job_path) as file:
        job = json.load(file)
    for key in ("settings", "record"):
        job[key] = bytes.fromhex(job[key])
    gc.collect()  # the black box needs one long piece of a heap in use
    if job["kind"] == "replay":
        with open(file_path, "rb") as records:
            facts = yield from replay.steps(job["settings"], job["record"], records)
    else:
        with open(file_path, "wb") as trace:
            facts = yield from loop.steps(job, trace.write)
    print(json.dumps(facts))
