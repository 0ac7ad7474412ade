"""One job under MicroPython: the far end of `emery.simulator.lanes`.

Started with two arguments: a job as JSON, and a file. A simulation writes its
trace there; a replay reads its records from there. Progress goes to stderr a
line at a time, the result to stdout as one line of JSON.
"""

import gc
import json
import sys


def main(job_path: str, file_path: str) -> None:
    """Run the job of the first file with the second."""
    with open(job_path) as file:
        job = json.load(file)
    for key in ("settings", "record"):
        job[key] = bytes.fromhex(job[key])
    # Only what the job needs is loaded: a replay has the heap of a board, of
    # which the black box then wants one long piece.
    if job["kind"] == "replay":
        from emery.simulator.replay import replay

        gc.collect()
        with open(file_path, "rb") as records:
            facts = replay(job["settings"], job["record"], records)
    else:
        from emery.simulator.loop import run

        gc.collect()
        with open(file_path, "wb") as trace:
            facts = run(job, trace.write, lambda share: print(share, file=sys.stderr))
    print(json.dumps(facts))


main(sys.argv[1], sys.argv[2])
