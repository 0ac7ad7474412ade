"""Passes and zones: how often each zone has been covered, and what it cost.

A pass is one coverage of a zone. It is counted when it is *opened*, before its
suction starts, so the count can be too high by one but never too low. It
closes when the operator says so, when the tip has been off the skin for
`pass_gap_ms` after a stroke, or when its time-on-skin or crystal budget is
spent. The last closing can be taken back (SAME PASS) until the next pass opens
or another zone is chosen, unless a budget or a fault closed it.

A press of the footswitch by mistake costs no pass: without a stroke the gap
does not close it, and it stays open for the next press.

The crystals of all passes of a zone are its dose; when that is spent, the zone
is, too.

No zone gets more passes than the plan allows, nor more than the absolute limit,
and nothing here can lower a count but the start of a new session. Each count
stands twice in memory, plain and inverted: a bit that flips is seen.
"""

from micropython import const

from firmware import limits
from firmware.contact import Contact
from firmware.plan import Plan
from firmware.settings import Settings
from hal.contract import COUNTER_MASK

CLOSED_NOT = const(0)
CLOSED_BY_OPERATOR = const(1)
CLOSED_BY_GAP = const(2)
CLOSED_BY_TIME = const(3)
CLOSED_BY_CRYSTALS = const(4)
CLOSED_BY_FAULT = const(5)
CLOSED_BY_DOSE = const(6)

_COME_BACK_MS = const(60_000)  # after a pause that the device wanted [E]
_MG_MIN_MS = const(60_000)  # mg/min times ms in one mg
_SESSION_MASK = const(0x3FFFFFFF)
_ALL_BITS = const(0xFF)  # of a count, as its copy inverts them


class Passes:
    """The passes of all zones in this session, and the one in progress."""

    STATE = (
        "zone",
        "is_open",
        "closed_by",
        "strokes",
        "contact_ms",
        "crystals_mg",
        "_crystals_part",
        "_off_skin_ms",
        "session",
        "session_is_open",
        "sequence",
        "opened",
        "_inverted",
        "zone_strokes",
        "zone_contact_ms",
        "zone_crystals_mg",
    )

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self._plan = plan
        self._zones = settings.zones
        self._gap_ms = settings.pass_gap_ms
        self.zone = 0  # index of the chosen zone
        self.is_open = 0  # a pass is in progress
        self.closed_by = CLOSED_NOT  # why the last pass closed
        # Of the pass in progress, or the last one:
        self.strokes = 0
        self.contact_ms = 0
        self.crystals_mg = 0
        self._crystals_part = 0  # mg/min * ms, not yet a whole mg
        self._off_skin_ms = 0
        # Of the session:
        self.session = 0  # number of the session
        self.session_is_open = 0
        self.sequence = 0  # of the pass record; a change asks for a commit
        self.opened = bytearray(limits.ZONES)  # passes of each zone
        self._inverted = bytearray([_ALL_BITS] * limits.ZONES)
        self.zone_strokes = [0] * limits.ZONES
        self.zone_contact_ms = [0] * limits.ZONES
        self.zone_crystals_mg = [0] * limits.ZONES

    def step(self, contact: Contact, flow_mg_min: int, dt_ms: int) -> None:
        """Account for one tick; `flow_mg_min` is the flow commanded in the
        tick before. Closes the pass when its gap or a budget says so."""
        if not self.is_open:
            return
        zone = self.zone
        if contact.on_skin:
            self._off_skin_ms = 0
            self.contact_ms += dt_ms
            self.zone_contact_ms[zone] += dt_ms
        elif self.strokes:
            self._off_skin_ms += dt_ms
        if contact.stroke_ended:
            self.strokes += 1
            self.zone_strokes[zone] += 1
        if flow_mg_min:
            part = self._crystals_part + flow_mg_min * dt_ms
            if part >= _MG_MIN_MS:
                whole_mg = part // _MG_MIN_MS
                part -= whole_mg * _MG_MIN_MS
                self.crystals_mg += whole_mg
                self.zone_crystals_mg[zone] += whole_mg
            self._crystals_part = part

        of_zone = self._zones[zone]
        if self.contact_ms >= of_zone.pass_time_ms:
            self.close(CLOSED_BY_TIME)
        elif self.crystals_mg >= of_zone.pass_crystals_mg:
            self.close(CLOSED_BY_CRYSTALS)
        elif self.zone_crystals_mg[zone] >= of_zone.dose_mg:
            self.close(CLOSED_BY_DOSE)
        elif self._off_skin_ms >= self._gap_ms:
            self.close(CLOSED_BY_GAP)

    def number(self) -> int:
        """Number of the pass in progress in its zone, from 1; 0 if none."""
        return self.opened[self.zone] if self.is_open else 0

    def may_open(self) -> bool:
        """Does the chosen zone have a pass left?"""
        zone = self.zone
        opened = self.opened[zone]
        return (
            opened < self._plan.passes
            and opened < limits.PASSES_PER_ZONE
            and self.zone_crystals_mg[zone] < self._zones[zone].dose_mg
        )

    def is_damaged(self) -> bool:
        """Is the chosen zone's count not what was written to it?"""
        zone = self.zone
        return self.opened[zone] ^ self._inverted[zone] != _ALL_BITS

    def kept(self, zone: int) -> int:
        """What the record keeps of a zone's count: should its copies differ,
        the higher one, so that no bit that flips gives a pass back."""
        opened = self.opened[zone]
        copy = self._inverted[zone] ^ _ALL_BITS
        return opened if opened > copy else copy

    def open_next(self) -> None:
        """Open the next pass of the chosen zone; the caller has asked
        `may_open`. Suction must wait until `sequence` is committed."""
        if self.is_open or self.opened[self.zone] >= limits.PASSES_PER_ZONE:
            return
        self.set_opened(self.zone, self.opened[self.zone] + 1)
        self.ask_for_commit()
        self.is_open = 1
        self.closed_by = CLOSED_NOT
        self.strokes = 0
        self.contact_ms = 0
        self.crystals_mg = 0
        self._crystals_part = 0
        self._off_skin_ms = 0

    def close(self, closed_by: int) -> None:
        """Close the pass in progress, if there is one."""
        if self.is_open:
            self.is_open = 0
            self.closed_by = closed_by
            self.ask_for_commit()

    def hold(self) -> None:
        """The device wants a pause: the gap of the pass in progress begins
        only when the operator has had time to come back."""
        self._off_skin_ms = -_COME_BACK_MS

    def reopen(self) -> bool:
        """SAME PASS: take the last closing back. False if it cannot be."""
        of_zone = self._zones[self.zone]
        if (
            self.closed_by not in (CLOSED_BY_GAP, CLOSED_BY_OPERATOR)
            or self.contact_ms >= of_zone.pass_time_ms
            or self.crystals_mg >= of_zone.pass_crystals_mg
            or self.zone_crystals_mg[self.zone] >= of_zone.dose_mg
        ):
            return False
        self.is_open = 1
        self.closed_by = CLOSED_NOT
        self._off_skin_ms = 0
        return True

    def select(self, zone: int) -> bool:
        """Choose a zone by index. False if the protocol has no such zone."""
        if not 0 <= zone < len(self._zones):
            return False
        if zone != self.zone:
            self.close(CLOSED_BY_OPERATOR)
            self.closed_by = CLOSED_NOT  # another zone: nothing to take back
            self.zone = zone
            self._plan.choose(zone)
        return True

    def begin_session(self) -> None:
        """Start a new session: the only thing that sets counts to zero."""
        if self.session_is_open:
            return
        self.session = (self.session + 1) & _SESSION_MASK
        self.session_is_open = 1
        self.closed_by = CLOSED_NOT
        for zone in range(limits.ZONES):
            self.set_opened(zone, 0)
            self.zone_strokes[zone] = 0
            self.zone_contact_ms[zone] = 0
            self.zone_crystals_mg[zone] = 0
        self.ask_for_commit()

    def end_session(self) -> None:
        """End the session; the next start begins a new one."""
        if self.session_is_open:
            self.close(CLOSED_BY_OPERATOR)
            self.session_is_open = 0
            self.ask_for_commit()

    def set_opened(self, zone: int, opened: int) -> None:
        """Write a zone's count, plain and inverted."""
        self.opened[zone] = opened
        self._inverted[zone] = opened ^ _ALL_BITS

    def ask_for_commit(self) -> None:
        """The record has something new: suction waits until it is kept."""
        self.sequence = (self.sequence + 1) & COUNTER_MASK
