"""Replay a device's black box through this emery's firmware, tick by tick.

From the oldest keyframe that a record follows, the core is given the inputs of each
record and must come to the same decision; at every later keyframe its full state must
be the one that the device had. The rolling CRC-32 covers the record and the full state
after every tick, as in `emery.simulator.replay`: two replays with one CRC have agreed on
everything.
"""

import struct
import tempfile
from binascii import crc32
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emery.blackbox.box import Box
from emery.blackbox.log_file import Log, LogFileError
from firmware import black_box, state
from firmware.controller import Controller
from firmware.settings import Settings, encode
from hal.contract import Outputs, Readings

_INPUTS = 12  # readings; command and argument follow, then the decision
_DECISION_AT = 14
_DECISION = (*Outputs.FIELDS, "state", "reason", "fault")


@dataclass(frozen=True, slots=True)
class Differing:
    """One thing that came out otherwise."""

    field: str
    recorded: int
    replayed: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The first tick that differs. `in_state`: what was before it is the same but for the
    full state, which is not that of the device's keyframe. `error`: what the core ended
    with in this tick, "" if it did not."""

    tick: int
    in_state: bool
    fields: tuple[Differing, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay came to. `ticks` that agree, from `first_tick` on; `keyframes` that
    were compared with the replay's own state."""

    first_tick: int
    ticks: int
    crc: int
    keyframes: int
    difference: Difference | None


def replay(log: Log, watch: Callable[[int, Controller], None] | None = None) -> Outcome:
    """Replay the black box of a log; `watch` sees the core after each tick.

    LogFileError if there is nothing to replay, or if it is of other firmware.
    """
    return replay_box(log.box(), log.settings(), log.hello.in_service, watch)


def replay_box(
    box: Box,
    settings: Settings,
    in_service: bool,
    watch: Callable[[int, Controller], None] | None = None,
) -> Outcome:
    """The same, with the parts of a log."""
    controller = Controller(settings, b"", int(in_service))
    later = dict(box.keyframes)
    start, frame = _first_keyframe(box, settings, in_service)
    try:
        state.restore(controller.parts, list(frame))
    except (ValueError, OverflowError):
        raise LogFileError(
            f"the keyframe of tick {start} holds numbers that no state has"
        ) from None
    readings = Readings()
    outputs = Outputs()
    row = [0] * len(frame)
    pack_state = struct.Struct(f"<{len(frame)}i").pack
    pack_record = struct.Struct(black_box.RECORD_FORM).pack
    crc = 0
    compared = 0
    for tick in range(start, box.ticks):
        if tick in later and tick != start:
            compared += 1
            if tuple(row) != later[tick]:
                fields = _differing_state(controller, later[tick], row)
                difference = Difference(tick, True, fields)
                return Outcome(start, tick - start, crc, compared, difference)
        record = box.record(tick)
        black_box.fill_readings(record, readings)
        try:
            controller.step(readings, record[_INPUTS], record[_INPUTS + 1], outputs)
            state.snapshot(controller.parts, row)
            packed = pack_state(*row)
        except Exception as error:  # noqa: BLE001 - no state of a sound device leads there
            words = f"{type(error).__name__}: {error}"
            return Outcome(start, tick - start, crc, compared, Difference(tick, False, (), words))
        decision = (
            *(getattr(outputs, name) for name in Outputs.FIELDS),
            controller.treatment.state,
            controller.treatment.reason,
            controller.protection.fault,
        )
        if decision != record[_DECISION_AT:]:
            differing = tuple(
                Differing(name, recorded, replayed)
                for name, recorded, replayed in zip(
                    _DECISION, record[_DECISION_AT:], decision, strict=True
                )
                if recorded != replayed
            )
            return Outcome(start, tick - start, crc, compared, Difference(tick, False, differing))
        crc = crc32(packed, crc32(pack_record(*record), crc))
        if watch is not None:
            watch(tick, controller)
    return Outcome(start, box.ticks - start, crc, compared, None)


def replay_on(log: Log, lane: str, slot: Path | None = None) -> dict[str, Any]:
    """The same on a MicroPython lane: ticks, crc and first_difference, the latter
    counted from the first tick replayed, -1 for none. `slot` is one that
    `lanes.build_slot` made, if there is one.

    LogFileError as `replay`; LaneMissing or LaneFailed of `emery.simulator.lanes`.
    """
    from emery.simulator import lanes

    box = log.box()
    settings = log.settings()
    start, frame = _first_keyframe(box, settings, log.hello.in_service)
    pack_record = struct.Struct(black_box.RECORD_FORM).pack
    with tempfile.TemporaryDirectory(prefix="emery-replay-") as folder:
        if slot is None:
            slot = Path(folder) / "slot"
            lanes.build_slot(slot)
        records = Path(folder) / "records.bin"
        rows = (pack_record(*box.record(tick)) for tick in range(start, box.ticks))
        records.write_bytes(b"".join(rows))
        return lanes.replay(
            slot, lane, encode(settings), b"", records, struct.pack(f"<{len(frame)}i", *frame),
            int(log.hello.in_service),
        )  # fmt: skip


def _first_keyframe(
    box: Box, settings: Settings, in_service: bool
) -> tuple[int, tuple[int, ...]]:
    """The oldest keyframe, of a state that this firmware has. Raises LogFileError."""
    if not box.keyframes:
        raise LogFileError(
            "the black box has no keyframe that a record follows, so there is no state to "
            "begin with. A device has one when it ran for a second without a stop"
        )
    frame = box.keyframes[0][1]
    expected = state.count(Controller(settings, b"", int(in_service)).parts)
    if len(frame) != expected:
        raise LogFileError(
            f"the state in this black box has {len(frame)} numbers, that of this emery's "
            f"firmware {expected}: it is of another version. Replay it with the emery of the "
            "device's version"
        )
    return box.keyframes[0]


def _differing_state(
    controller: Controller, recorded: tuple[int, ...], replayed: list[int]
) -> tuple[Differing, ...]:
    names = state_names(controller)
    return tuple(
        Differing(name, was, now)
        for name, was, now in zip(names, recorded, replayed, strict=True)
        if was != now
    )


def state_names(controller: Controller) -> list[str]:
    """The name of each number of a state, such as `treatment.session_ms`."""
    # Level by level, so that a part is called by the shortest way to it.
    places = {id(controller): "core"}
    level: list[tuple[str, object]] = [("", controller)]
    while level:
        below = []
        for way, owner in level:
            for name, part in vars(owner).items():
                if hasattr(part, "__dict__") and id(part) not in places:
                    places[id(part)] = f"{way}{name}"
                    below.append((f"{way}{name}.", part))
        level = below
    names = []
    for part in controller.parts:
        for name in part.STATE:
            value = getattr(part, name)
            full = f"{places[id(part)]}.{name}"
            if isinstance(value, int):
                names.append(full)
            else:
                names += [f"{full}[{index}]" for index in range(len(value))]
    return names
