"""A log as a page to read: who the device is, what happened, and its last ticks."""

from collections.abc import Iterator
from textwrap import wrap

from emery.blackbox.box import Box, Record
from emery.blackbox.journal import entries
from emery.blackbox.log_file import Log, LogFileError
from emery.blackbox.replay import replay
from emery.config.problem import COLUMNS, printable
from emery.link.said import barrier_words, cause_words, fault_name, reason_words, state_name
from emery.simulator.wording import clock, kpa, words
from firmware import faults, journal
from firmware.controller import Controller
from hal import contract

_FAULTS_SHOWN = 3
_NOT_SAID = -1


def page(log: Log, ticks: int) -> str:
    """The whole page, with this many of the last ticks."""
    lines = [*_head(log), "", *_journal(log), "", *_faults(log), "", *_ticks(log, ticks)]
    return "".join(printable(line) + "\n" for line in lines)


def _head(log: Log) -> Iterator[str]:
    hello = log.hello
    slot = f"slot {hello.slot}" if hello.slot else "no slot"
    trial = ", on trial" if hello.on_trial else ""
    yield f"Emery {hello.version}, {hello.chip}, {hello.board.replace('_', ' ')}"
    yield f"  pulled      {log.pulled}, with emery {log.emery}"
    yield f"  runs        {slot}{trial}, image {hello.image}, config {hello.config}"
    bad = f", {hello.unmarked} of them not seen healthy" if hello.unmarked else ""
    yield f"  start       number {hello.boots}: {cause_words(hello.cause)}{bad}"
    yield f"  hardware    {barrier_words(hello.barrier)}"
    yield f"  state       {state_name(hello.state)} when it was pulled"
    crash = log.blobs.get("crash", b"").decode("utf-8", "replace").strip()
    if crash:
        yield "  last error of the firmware:"
        for line in crash.splitlines():
            yield f"    {line}"
    for name, said in log.missing.items():
        yield f"  no {name}: the device said `{said}`"


def _journal(log: Log) -> Iterator[str]:
    rows = entries(log.blobs.get("journal", b""))
    if not rows:
        yield "Journal: empty."
        return
    yield "Journal, oldest first:"
    yield "  start  after          what"
    for row in rows:
        yield f"  {row.start:5}  {clock(row.s * 1000):>9} min  {row.words()}"


def _faults(log: Log) -> Iterator[str]:
    """The last few, each once, the newest first, and what to do about them."""
    numbers: list[int] = []
    for row in reversed(entries(log.blobs.get("journal", b""))):
        if row.kind == journal.FAULT_LATCHED and row.a not in numbers:
            numbers.append(row.a)
    if not numbers:
        yield "No fault in the journal."
        return
    yield "Last faults, the newest first:"
    catalogue = {row[0]: row for row in faults.CATALOGUE}
    for number in numbers[:_FAULTS_SHOWN]:
        if number not in catalogue:
            yield f"  {fault_name(number)}: this emery does not know it"
            continue
        _, code, _, _, headline, steps = catalogue[number]
        yield from wrap(f"  {code}: {headline}.", COLUMNS, subsequent_indent="    ")
        for place, step in enumerate(steps, 1):
            yield from wrap(f"    {place}. {step}", COLUMNS, subsequent_indent="       ")


def _ticks(log: Log, count: int) -> Iterator[str]:
    try:
        box = log.box()
    except LogFileError as error:
        yield f"No ticks: {error}."
        return
    if count == 0 or not box.records:
        yield f"{len(box.records)} ticks in the black box."
        return
    first, end, where = _window(box, count)
    vacuum, why = _vacuum(log)
    held = f"{box.first_tick} to {box.ticks - 1}"
    stopped = "; recording stopped after the fault" if box.is_stopped else ""
    yield f"Ticks {first} to {end - 1}, {where}:"
    yield f"  (there are {held}, each of {box.period_ms} ms{stopped})"
    if why:
        yield from wrap(f"  (no vacuum: {why})", COLUMNS, subsequent_indent="  ")
    yield "      tick      time s  foot   A kPa  B kPa  pump %  feed %  vent    state"
    reason = _NOT_SAID
    fault = box.record(first).fault
    for tick in range(first, end):
        record = box.record(tick)
        if record.command:
            yield f"{'':12}command: {command_words(record.command, record.argument)}"
        yield _tick(tick, record, vacuum.get(tick))
        if record.reason != reason:
            reason = record.reason
            yield f"{'':12}{reason_words(reason)}"
        if record.fault != fault:
            fault = record.fault
            if fault != faults.NONE:
                yield f"{'':12}latched: {fault_name(fault)}"


def _window(box: Box, count: int) -> tuple[int, int, str]:
    """The ticks to show: the last, or those around the fault that is latched in them."""
    if box.record(box.ticks - 1).fault == faults.NONE:
        return max(box.first_tick, box.ticks - count), box.ticks, "the last"
    fault_at = box.ticks - 1
    while fault_at > box.first_tick and box.record(fault_at - 1).fault != faults.NONE:
        fault_at -= 1
    end = min(box.ticks, fault_at + count // 2 + 1)
    return max(box.first_tick, end - count), end, "around the fault"


def _tick(tick: int, record: Record, vacuum: tuple[int, int] | None) -> str:
    # A hair below nothing is nothing.
    a, b = (kpa(pa).replace("-0.0", "0.0") for pa in vacuum) if vacuum else ("-", "-")
    return (
        f"{tick:10}  {record.now_ms / 1000:10.3f}  {'held' if record.footswitch else '':4}  "
        f"{a:>6} {b:>6}  {record.pump_permille / 10:6.1f}  {record.feed_permille / 10:6.1f}  "
        f"{'closed' if record.vent else 'open':6}  {state_name(record.state)}"
    )


def command_words(command: int, argument: int) -> str:
    """A COMMAND_ of the contract in words, with its argument."""
    for name, number in vars(contract).items():
        if name.startswith("COMMAND_") and number == command:
            return f"{words(name.removeprefix('COMMAND_'))} {argument}".removesuffix(" 0")
    return f"{command} {argument}"


def _vacuum(log: Log) -> tuple[dict[int, tuple[int, int]], str]:
    """The vacuum of both channels after each tick that replays, and why there is none.

    The records hold raw counts; what they mean, the core's own sensing tells.
    """
    found: dict[int, tuple[int, int]] = {}

    def watch(tick: int, controller: Controller) -> None:
        sensing = controller.sensing
        found[tick] = (sensing.a.vacuum_pa, sensing.b.vacuum_pa)

    try:
        replay(log, watch)
    except LogFileError as error:
        return {}, str(error)
    return found, ""


def summary(log: Log, box: Box | None) -> str:
    """One line for whoever has just pulled it."""
    ticks = f"{len(box.records)} ticks" if box is not None else "no black box"
    rows = len(entries(log.blobs.get("journal", b"")))
    entry = "entry" if rows == 1 else "entries"
    return f"{ticks}, {rows} journal {entry}, Emery {log.hello.version} on {log.hello.chip}"
