"""One job under MicroPython: the far end of `emery.simulator.lanes`.

A simulation writes its trace to the file; a replay reads its records from
there. The result goes to stdout as one line of JSON.
"""

import gc
import json


def steps(job_path: str, file_path: str):  # type: ignore[no-untyped-def]
    """Run the job of the first file with the second, in pieces: yields the
    share done, or None where nobody knows it."""
    with open(job_path) as file:
        job = json.load(file)
    for key in ("settings", "record", "start"):
        job[key] = bytes.fromhex(job[key])
    # Only what the job needs is loaded: a replay has the heap of a board, of
    # which the black box then wants one long piece.
    if job["kind"] == "replay":
        from emery.simulator import replay

        gc.collect()
        with open(file_path, "rb") as records:
            facts = yield from replay.steps(
                job["settings"], job["record"], records, job["start"], job["in_service"]
            )
    else:
        from emery.simulator import loop

        gc.collect()
        with open(file_path, "wb") as trace:
            facts = yield from loop.steps(job, trace.write)
    print(json.dumps(facts))
