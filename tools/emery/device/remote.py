"""The one adapter around mpremote's command line.

mpremote documents its command line and nothing else, so that is what is called: one
process for a whole chain of commands, with limits to how long it may take and how
long it may be silent. Its words are turned into problems that say what to do. The
version is pinned in pyproject.toml; a test runs the chain that `emery flash` uses.
"""

import importlib.util
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from emery.device.ports import INSTALL
from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode

# How long a chain may go without a line of output. mpremote gives up by itself after
# 10 s; flash may take 400 ms to erase a block, and a line comes for every file. [E]
_SILENCE_S = 15.0
_ENDING_S = 3.0


class NoAnswer(DeviceProblem):
    """The port is there; what is behind it does not answer as MicroPython does."""


class ScriptFailed(DeviceProblem):
    """What was run on the device ended with an exception; `output` has it all."""

    def __init__(self, output: str) -> None:
        lines = [line for line in output.strip().splitlines() if line.strip()]
        super().__init__(
            f"the device stopped with an error: {lines[-1].strip() if lines else 'no words'}",
            "Try it again; if it stays so, reset the device and run `emery doctor`.",
        )
        self.output = output


class Remote:
    """A board behind a port, by way of mpremote."""

    def __init__(self, port: str) -> None:
        self.port = port

    def run(
        self,
        *commands: Sequence[str],
        limit_s: float,
        silence_s: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Run commands of mpremote in one process; what came to stdout.

        Each line is given to `on_line` as it comes. Raises DeviceProblem.
        """
        if importlib.util.find_spec("mpremote") is None:
            raise DeviceProblem("mpremote is not there", INSTALL, ExitCode.BAD_INPUT)
        arguments = [sys.executable, "-P", "-m", "mpremote", "connect", self.port]
        for number, command in enumerate(commands):
            arguments += ["+", *command] if number else command
        with subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            lines = self._follow(process, limit_s, silence_s or _SILENCE_S, on_line)
            process.wait()
        if process.returncode:
            raise self._problem(lines)
        return "".join(f"{line}\n" for name, line in lines if name == "out")

    def _follow(
        self,
        process: subprocess.Popen[bytes],
        limit_s: float,
        silence_s: float,
        on_line: Callable[[str], None] | None,
    ) -> list[tuple[str, str]]:
        """Every line of both streams, as ("out" or "err", text), until they end."""
        assert process.stdout is not None
        assert process.stderr is not None
        coming: queue.Queue[tuple[str, str | None]] = queue.Queue()
        readers = [
            threading.Thread(target=_read, args=(name, stream, coming), daemon=True)
            for name, stream in (("out", process.stdout), ("err", process.stderr))
        ]
        for reader in readers:
            reader.start()
        lines: list[tuple[str, str]] = []
        open_streams = len(readers)
        end = time.monotonic() + limit_s
        try:
            while open_streams:
                left_s = min(silence_s, end - time.monotonic())
                try:
                    name, line = coming.get(timeout=max(left_s, 0.0))
                except queue.Empty:
                    raise NoAnswer(
                        f"the device at {self.port} does not answer any more",
                        "Unplug it, plug it in again, and try once more.",
                    ) from None
                if line is None:
                    open_streams -= 1
                    continue
                lines.append((name, line))
                if name == "out" and on_line is not None:
                    on_line(line)
        finally:
            if open_streams:
                _end(process)
            for reader in readers:
                reader.join(_ENDING_S)
        return lines

    def _problem(self, lines: list[tuple[str, str]]) -> DeviceProblem:
        """What mpremote's words mean."""
        # What a script on the device says comes to stdout, mpremote's own words to stderr.
        told = "\n".join(line for name, line in lines if name == "err")
        if "failed to access" in told:
            return DeviceProblem(
                f"{self.port} cannot be opened: another program uses it, or it was unplugged",
                "Close what else is connected to it (a terminal, an editor, another emery).",
            )
        if "could not enter raw repl" in told:
            return NoAnswer(
                f"what is connected to {self.port} does not answer as MicroPython does",
                "If it is new, put MicroPython on it with --base IMAGE. If it is a device that "
                "treats, end the session first. Else reset it, and try again.",
            )
        if "Traceback" in told or "OSError: [Errno" in told or "timeout waiting" in told:
            return DeviceProblem(
                f"the connection to {self.port} was lost",
                "Plug the device in again. It starts what it started before; then do it again.",
            )
        output = "\n".join(line for name, line in lines if name == "out")
        if "Traceback" in output:
            return ScriptFailed(output)
        last = [line for _, line in lines if line.strip()][-1:]
        return DeviceProblem(
            f"mpremote could not do it: {last[0].strip() if last else 'it said nothing'}",
            "Reset the device, and try it again; `emery doctor` tells what runs on it.",
        )


def _read(name: str, stream: IO[bytes], to: "queue.Queue[tuple[str, str | None]]") -> None:
    with suppress(ValueError, OSError):  # the stream is closed when the process is ended
        for line in stream:
            to.put((name, line.decode("utf-8", "replace").rstrip("\r\n")))
    to.put((name, None))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
