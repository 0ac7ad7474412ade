"""One simulation under MicroPython: the far end of `emery.simulator.lanes`.

Started with two arguments: a job as JSON, and the file for the trace. Progress
goes to stderr a line at a time, the result to stdout as one line of JSON.
"""

import gc
import json
import sys

from emery.simulator import loop


def main(job_path: str, trace_path: str) -> None:
    """Run the job of one file; its trace goes to the other."""
    with open(job_path) as file:
        job = json.load(file)
    for key in ("settings", "record"):
        job[key] = bytes.fromhex(job[key])
    gc.collect()  # the black box needs one long piece of a heap in use
    with open(trace_path, "wb") as trace:
        facts = loop.run(job, trace.write, lambda share: print(share, file=sys.stderr))
    print(json.dumps(facts))


main(sys.argv[1], sys.argv[2])
