"""The black box: the last ticks, recorded so that they replay exactly.

Every tick leaves one record of its inputs and its decision in a RAM ring. At
intervals the main loop keeps the full state as a keyframe, taken between two
ticks; from a keyframe and the records after it the core can be run again, tick
by tick, to the same decisions. After a fault the ring runs on for a while and
then stops, so that what led to the fault is not overwritten.
"""

import struct

from micropython import const

from firmware import faults, state
from firmware.protection import Protection
from firmware.treatment import Treatment
from hal.contract import COUNTER_MASK, Outputs, Readings

# Inputs: now_ms, barometer_pa, vacuum_a_raw, vacuum_b_raw, sensor_supply_raw,
# barometer_age_ms, main_turns, committed_sequence, dt_ms, footswitch, motion,
# main_fault, command, argument. Decision: pump, feed, vent, lease, state, reason, fault.
RECORD_FORM = "<iiHHHHHHBBBBBBHHBBBBB"
RECORD_BYTES = struct.calcsize(RECORD_FORM)

# Magic, version, bytes of a record, records, integers of a state, ticks, place (byte
# offset of the next record), period of the tick in ms, is_stopped.
COPY_FORM = "<4sHHHHiiiB"
COPY_MAGIC = b"EMBX"

# 512 ticks of 5 ms: 2.5 s, longer than a stroke's rise and any trip. [E]
RECORDS = const(512)
# A keyframe each 128 ticks, three kept: at least one precedes the last 256.
KEYFRAME_TICKS = const(128)
KEYFRAMES = const(3)
# Ticks recorded on after a fault: the release of the vacuum (0.4 s). [E]
AFTER_FAULT = const(80)

_RECORD_MASK = const(0x1FFFFFFF)  # 29 bits: what is kept stays a small integer
_BYTE = const(0xFF)
_RING_BYTES = RECORDS * RECORD_BYTES


class BlackBox:
    """The ring, its keyframes and its place. Not part of the core's state."""

    def __init__(self, state_size: int) -> None:
        self.records = bytearray(_RING_BYTES)
        self.ticks = 0  # ticks recorded since the start
        self.is_stopped = 0
        self._place = 0  # byte offset of the next record
        self._left = AFTER_FAULT
        self.keyframes = tuple([0] * state_size for _ in range(KEYFRAMES))
        # Tick count at each keyframe; -1 while it is empty or being written.
        self.keyframe_ticks = [-1] * KEYFRAMES
        self._next_keyframe = 0

    def record(
        self,
        readings: Readings,
        command: int,
        argument: int,
        outputs: Outputs,
        protection: Protection,
        wish: Treatment,
    ) -> None:
        """Record one tick."""
        fault = protection.fault
        if fault != faults.NONE:
            if self._left == 0:
                self.is_stopped = 1
                return
            self._left -= 1
        else:
            self._left = AFTER_FAULT
            if self.is_stopped:
                # What happened meanwhile is in no record: nothing kept before
                # the stop leads on to what comes now.
                self.is_stopped = 0
                for index in range(KEYFRAMES):
                    self.keyframe_ticks[index] = -1
        place = self._place
        write_record(self.records, place, readings, command, argument, outputs, wish, fault)
        self.ticks = (self.ticks + 1) & _RECORD_MASK
        place += RECORD_BYTES
        self._place = place if place < _RING_BYTES else 0

    def keep_keyframe(self, parts: tuple) -> None:
        """Called by the main loop each turn: keep the full state when it is
        due. A tick in the middle of it spoils it, and the next turn retries."""
        ticks = self.ticks
        index = self._next_keyframe
        newest = self.keyframe_ticks[index - 1]
        if self.is_stopped or (
            newest >= 0 and (ticks - newest) & _RECORD_MASK < KEYFRAME_TICKS
        ):
            return
        self.keyframe_ticks[index] = -1
        state.snapshot(parts, self.keyframes[index])
        if self.ticks == ticks and not self.is_stopped:
            self.keyframe_ticks[index] = ticks
            self._next_keyframe = index + 1 if index + 1 < KEYFRAMES else 0

    def oldest_record(self) -> int:
        """Number of the oldest tick still in the ring, from 0."""
        return self.ticks - RECORDS if self.ticks > RECORDS else 0

    def record_at(self, tick: int) -> tuple:
        """The record of a tick, in RECORD_FORM's order. Not for the tick."""
        offset = (self._place // RECORD_BYTES - (self.ticks - tick)) % RECORDS
        return struct.unpack_from(RECORD_FORM, self.records, offset * RECORD_BYTES)


    def copy(self, period_ms: int) -> bytearray:
        """Ring and keyframes as one piece, for a host; `period_ms` of the tick goes with
        it. Called by the main loop while the outputs are safe, since it needs as much
        memory again.

        Form, little-endian: COPY_FORM, then for each keyframe its tick (i32, -1: none)
        and the full state (i32 each), then the ring.
        """
        size = len(self.keyframes[0])
        at = struct.calcsize(COPY_FORM)
        # One piece, made once: a board has not room for two.
        piece = bytearray(at + KEYFRAMES * 4 * (1 + size) + _RING_BYTES)
        for index in range(KEYFRAMES):
            struct.pack_into("<i", piece, at, self.keyframe_ticks[index])
            at += 4
            for value in self.keyframes[index]:
                struct.pack_into("<i", piece, at, value)
                at += 4
        place = ticks = -1
        while ticks != self.ticks:  # a tick in between would tear the copy
            place = self._place
            ticks = self.ticks
            piece[at : at + _RING_BYTES] = self.records
        struct.pack_into(
            COPY_FORM, piece, 0, COPY_MAGIC, 1, RECORD_BYTES, RECORDS, size, ticks, place,
            period_ms, self.is_stopped,
        )
        return piece


def write_record(
    buffer: bytearray,
    offset: int,
    readings: Readings,
    command: int,
    argument: int,
    outputs: Outputs,
    wish: Treatment,
    fault: int,
) -> None:
    """Write one record; its inputs masked, since stores truncate silently on
    the device. The decision comes from the gate and the states, and fits.

    What the contract promises fits the form, so that a replay is exact.
    """
    struct.pack_into(
        RECORD_FORM,
        buffer,
        offset,
        readings.now_ms & _RECORD_MASK,
        readings.barometer_pa & _RECORD_MASK,
        readings.vacuum_a_raw & COUNTER_MASK,
        readings.vacuum_b_raw & COUNTER_MASK,
        readings.sensor_supply_raw & COUNTER_MASK,
        readings.barometer_age_ms & COUNTER_MASK,
        readings.main_turns & COUNTER_MASK,
        readings.committed_sequence & COUNTER_MASK,
        readings.dt_ms & _BYTE,
        readings.footswitch & _BYTE,
        readings.motion & _BYTE,
        readings.main_fault & _BYTE,
        command & _BYTE,
        argument & _BYTE,
        outputs.pump_permille,
        outputs.feed_permille,
        outputs.vent,
        outputs.lease_ms,
        wish.state,
        wish.reason,
        fault,
    )


def fill_readings(record: tuple, readings: Readings) -> None:
    """The readings of a record, for a replay; its command and argument stand
    at 12 and 13, its decision from 14 on."""
    readings.now_ms = record[0]
    readings.barometer_pa = record[1]
    readings.vacuum_a_raw = record[2]
    readings.vacuum_b_raw = record[3]
    readings.sensor_supply_raw = record[4]
    readings.barometer_age_ms = record[5]
    readings.main_turns = record[6]
    readings.committed_sequence = record[7]
    readings.dt_ms = record[8]
    readings.footswitch = record[9]
    readings.motion = record[10]
    readings.main_fault = record[11]
