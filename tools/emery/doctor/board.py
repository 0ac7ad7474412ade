"""What a board is, and what runs on it.

A running Emery is asked over its link and goes on with what it does. A board that
sits at MicroPython's prompt is looked at from there. Whatever else runs is left alone.
"""

import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from emery import slot_build
from emery.device import refuse
from emery.device.ports import Port
from emery.device.problem import DeviceProblem
from emery.device.remote import Remote
from emery.doctor.finding import Finding
from emery.flash import fit, look
from emery.flash.look import Looked
from emery.link.client import Client, Silent
from emery.link.port import SerialPort
from emery.link.said import (
    Hello,
    barrier_words,
    cause_words,
    certificate_words,
    fault_name,
    state_name,
)
from firmware.boot_record import BootRecord
from firmware.certificate import VALID
from hal.contract import BARRIERS_FINE
from hal.flash_storage import FlashStorage

_ASK_S = 1.5
_PROMPT_S = 0.5
_ENTER = b"\r"
_LEAVE_RAW = b"\x02"
_PROMPT = b">>> "
_BOOT_RECORD = "boot_record"


@dataclass(slots=True)
class BoardFindings:
    """All about one port. `answers` is False if nothing there was understood."""

    port: str
    title: str
    answers: bool = True
    findings: list[Finding] = field(default_factory=list)

    def add(self, name: str, found: str, remedy: str = "", *, is_needed: bool = True) -> None:
        """One more finding."""
        self.findings.append(Finding(name, found, remedy, is_needed))


def examine(port: Port) -> BoardFindings:
    """Everything that can be told of the board at a port. Never raises for the board."""
    board = BoardFindings(port.device, str(port))
    try:
        running = _over_link(port.device, board)
        if not running:
            _without_firmware(port.device, board)
    except DeviceProblem as problem:
        board.answers = False
        board.add("answer", problem.what, problem.remedy)
    return board


def _over_link(port: str, board: BoardFindings) -> bool:
    client = Client(SerialPort(port))
    try:
        try:
            hello = client.who_soon(_ASK_S)
        except Silent:
            return False
        _tell_running(hello, board)
        with suppress(DeviceProblem):
            _tell_config(hello, client, board)
        with suppress(DeviceProblem):
            status = client.status()
            if status.shown_fault:
                code = fault_name(status.shown_fault)
                board.add("fault", code, f"`emery faults {code}` tells what to do about it.")
        if hello.unmarked > 1 or hello.on_trial or hello.in_service:
            with suppress(DeviceProblem):
                crash = client.whole_blob("crash").decode("utf-8", "replace").strip()
                if crash:
                    board.add("last error", crash.splitlines()[-1])
    finally:
        client.close()
    return True


def _tell_running(hello: Hello, board: BoardFindings) -> None:
    where = f"in slot {hello.slot}" if hello.slot else "from a frozen build"
    health = "on trial, not yet seen healthy" if hello.on_trial else "seen healthy"
    board.add("runs", f"Emery {hello.version} {where}, {state_name(hello.state)}; {health}")
    if micropython := hello.raw.get("micropython", ""):
        board.add("interpreter", f"MicroPython {micropython}{_abi(hello.raw.get('mpy', ''))}")
    purpose = "; a bench rig, which treats nobody" if hello.is_bench else ""
    board.add("board", f"{hello.board.replace('_', ' ')} ({hello.chip}){purpose}")
    board.add(
        "starts",
        f"{hello.boots}, the last by {cause_words(hello.cause)}"
        + (f"; {hello.unmarked} in a row without a health mark" if hello.unmarked > 1 else ""),
        "Its log tells what they ended with: emery log pull." if hello.unmarked > 1 else "",
    )
    if hello.barrier != BARRIERS_FINE:
        board.add(
            "barriers", barrier_words(hello.barrier),
            "It does not treat. hal/README.md says how each barrier is wired and proved.",
        )  # fmt: skip


def _tell_config(hello: Hello, client: Client, board: BoardFindings) -> None:
    """Which config is on flash, and whether the device may treat with it."""
    if not hello.device_id:
        return  # a firmware from before certificates
    board.add("device", hello.device_id)
    later = "; changed, and in force from the next restart on" if hello.is_changed else ""
    board.add("config", f"{hello.config}{later}")
    if hello.is_bench:
        board.add("purpose", "bench rig: it treats nobody, and stays in SERVICE")
        return
    payload = client.whole_blob("certificate")
    board.add(
        "certificate",
        certificate_words(hello.certificate, payload),
        "" if hello.certificate == VALID else "Without one it stays in SERVICE. Put the config "
        "on again, which certifies it: emery config push BOARD; why not: emery certify BOARD.",
    )


def _abi(mpy: str) -> str:
    if not mpy.isdigit() or not int(mpy):
        return ""
    machine = slot_build.machine(int(mpy))
    return f", modules of format {int(mpy) & 0xFF}" + (f" ({machine})" if machine else "")


def _without_firmware(port: str, board: BoardFindings) -> None:
    if not _is_at_prompt(port):
        board.answers = False
        board.add(
            "answer",
            "neither Emery nor MicroPython's prompt; what else runs there was left alone",
            "Reset it and look again. If it never had MicroPython: emery flash CONFIG --base "
            "IMAGE",
        )
        return
    with tempfile.TemporaryDirectory(prefix="emery-doctor-") as folder:
        looked = look.look(Remote(port), Path(folder), gently=True)
        _tell_looked(looked, board)
        _tell_boot_record(looked, Path(folder), board)


def _is_at_prompt(port: str) -> bool:
    line = SerialPort(port)
    try:
        for key in (_ENTER, _LEAVE_RAW):
            line.write(key)
            end = line.now_s() + _PROMPT_S
            told = b""
            while line.now_s() < end:
                told += line.read()
            if told.endswith(_PROMPT):
                return True
    finally:
        line.close()
    return False


def _tell_looked(looked: Looked, board: BoardFindings) -> None:
    machine = looked.machine or looked.platform
    board.add("runs", "nothing; MicroPython's prompt answers")
    remedy = ""
    try:
        fit.check_interpreter(looked)
        refuse.unknown_chip(looked.chip)
    except DeviceProblem as problem:
        remedy = problem.remedy
    version = f"{looked.interpreter} {looked.version_text}".replace("micropython", "MicroPython")
    board.add("interpreter", f"{version} on {machine}{_abi(str(looked.mpy))}", remedy)
    board.add(
        "flash", f"{looked.free_bytes / 1000:.0f} of {looked.size_bytes / 1000:.0f} kB are free"
    )
    active = looked.state.active if looked.state else "a"
    for name, slot in looked.slots.items():
        if slot.is_empty:
            found = "empty"
        elif slot.is_whole:
            found = f"Emery {slot.version} for {slot.chip}, whole"
        elif "manifest.json" not in slot.files:
            found = "half written, no version"
        else:
            found = f"Emery {slot.version}, damaged: {slot.problem}"
        if name == active and not slot.is_empty:
            on_trial = looked.state is not None and looked.state.on_trial
            found += "; active, on trial" if on_trial else "; active, seen healthy"
        is_wrong = not slot.is_whole and not slot.is_empty and name == active
        board.add(f"slot {name}", found, "Flash it again: emery flash CONFIG" if is_wrong else "")
    if looked.is_bare:
        board.add("firmware", "none yet", "Put it on: emery flash CONFIG")
    elif looked.slots[active].is_whole:
        board.add("firmware", "is there, and not running", "Reset the board to start it.")


def _tell_boot_record(looked: Looked, folder: Path, board: BoardFindings) -> None:
    mine = {name: kept for name, kept in looked.records.items() if name.startswith(_BOOT_RECORD)}
    if not mine:
        return
    for name, kept in mine.items():
        (folder / name).write_bytes(kept)
    storage = FlashStorage(str(folder), _BOOT_RECORD, None)
    record = BootRecord(storage)
    try:
        record._take(storage.load())
    except (OSError, ValueError):
        board.add("starts", "the boot record is damaged", "The next start makes it anew.")
        return
    told = f"{record.boots}, the last by {cause_words(record.causes[0])}"
    if record.unmarked:
        told += f"; {record.unmarked} in a row without a health mark"
    board.add("starts", told)
    if record.crash:
        board.add("last error", record.crash.strip().splitlines()[-1])
