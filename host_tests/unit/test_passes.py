"""Passes: when they open and close, what they cost, and how many there are."""

import pytest

from firmware import limits, passes
from firmware.contact import Contact
from firmware.passes import Passes
from firmware.plan import Plan
from firmware.settings import Settings
from hal.contract import STEP_DOWN
from host_tests.bench import bench_settings, zone_of

TICK_MS = 5


class Hand:
    """Passes with a hand that touches and lifts at will."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or bench_settings(
            (zone_of("one", pass_time_ms=20_000), zone_of("two", passes=2))
        )
        self.plan = Plan(self.settings)
        self.passes = Passes(self.settings, self.plan)
        self.contact = Contact(self.settings)
        self.passes.begin_session()

    def tick(self, touching: bool, flow_mg_min: int = 0) -> None:
        self.contact.step(20_000 if touching else 0, 20_000, TICK_MS)
        self.passes.step(self.contact, flow_mg_min, TICK_MS)

    def touch(self, ms: int, flow_mg_min: int = 0) -> None:
        for _ in range(ms // TICK_MS):
            self.tick(True, flow_mg_min)

    def lift(self, ms: int) -> None:
        for _ in range(ms // TICK_MS):
            self.tick(False)

    def stroke(self) -> None:
        """Half a second on the skin, and off it until that is believed."""
        self.touch(500)
        self.lift(self.settings.contact_off_ms)
        assert self.contact.on_skin == 0

    def whole_pass(self) -> None:
        """One pass of one stroke, closed by the operator."""
        assert self.passes.may_open()
        self.passes.open_next()
        self.stroke()
        self.passes.close(passes.CLOSED_BY_OPERATOR)


def test_a_pass_counts_when_it_opens_and_asks_for_a_record() -> None:
    hand = Hand()
    sequence = hand.passes.sequence
    assert hand.passes.number() == 0
    hand.passes.open_next()
    assert hand.passes.opened[0] == 1
    assert hand.passes.number() == 1
    assert hand.passes.sequence == sequence + 1


@pytest.mark.parametrize("strokes", [1, 2, 5])
def test_the_gap_closes_a_pass_at_its_time(strokes: int) -> None:
    hand = Hand()
    hand.passes.open_next()
    for _ in range(strokes):
        hand.stroke()
    # The gap runs from the tick in which the lift is believed, or the next one.
    hand.lift(hand.settings.pass_gap_ms - 2 * TICK_MS)
    assert hand.passes.is_open == 1
    hand.lift(2 * TICK_MS)
    assert hand.passes.is_open == 0
    assert hand.passes.closed_by == passes.CLOSED_BY_GAP


def test_a_pass_starts_with_nothing_spent() -> None:
    hand = Hand()
    hand.passes.open_next()
    hand.stroke()
    hand.touch(5_000, flow_mg_min=7_000)
    hand.lift(hand.settings.pass_gap_ms + 500)
    assert hand.passes.closed_by == passes.CLOSED_BY_GAP
    hand.passes.open_next()
    assert (hand.passes.contact_ms, hand.passes.crystals_mg, hand.passes.strokes) == (0, 0, 0)
    assert not hand.passes.reopen()
    # Without a stroke of its own it has no gap, whatever the one before had.
    hand.lift(60_000)
    assert hand.passes.is_open == 1
    hand.stroke()
    hand.lift(hand.settings.pass_gap_ms - 2 * TICK_MS)
    assert hand.passes.is_open == 1


def test_each_stroke_starts_the_gap_anew() -> None:
    hand = Hand()
    hand.passes.open_next()
    for _ in range(5):
        hand.stroke()
        hand.lift(hand.settings.pass_gap_ms - 100)
        assert hand.passes.is_open == 1
    assert hand.passes.strokes == 5
    assert hand.passes.zone_strokes[0] == 5


def test_before_the_first_stroke_there_is_no_gap() -> None:
    hand = Hand()
    hand.passes.open_next()
    hand.lift(60_000)
    hand.touch(200)  # a touch, no stroke
    hand.lift(60_000)
    assert hand.passes.is_open == 1
    assert hand.passes.strokes == 0


def test_the_time_on_skin_closes_a_pass_at_its_budget() -> None:
    hand = Hand()
    hand.passes.open_next()
    hand.touch(hand.settings.contact_on_ms - TICK_MS)  # not believed yet, nothing counted
    hand.touch(hand.settings.zones[0].pass_time_ms - TICK_MS)
    assert hand.passes.is_open == 1
    hand.touch(TICK_MS)
    assert hand.passes.is_open == 0
    assert hand.passes.closed_by == passes.CLOSED_BY_TIME
    assert hand.passes.contact_ms == hand.settings.zones[0].pass_time_ms
    hand.touch(60_000)
    assert hand.passes.contact_ms == hand.settings.zones[0].pass_time_ms


def test_the_time_on_skin_adds_up_over_strokes() -> None:
    hand = Hand()
    hand.passes.open_next()
    strokes = 0
    while hand.passes.is_open:
        hand.stroke()
        strokes += 1
    # 500 ms and the lift's 80, less the 30 that contact takes to believe.
    assert strokes == pytest.approx(20_000 / 550, abs=1.5)
    assert hand.passes.closed_by == passes.CLOSED_BY_TIME


def test_the_crystals_close_a_pass_at_their_budget() -> None:
    settings = bench_settings((zone_of(pass_time_ms=180_000, pass_crystals_mg=500),))
    hand = Hand(settings)
    hand.passes.open_next()
    # 6 g/min is 100 mg/s.
    hand.touch(4_995, flow_mg_min=6_000)
    assert (hand.passes.is_open, hand.passes.crystals_mg) == (1, 499)
    hand.touch(TICK_MS, flow_mg_min=6_000)
    assert (hand.passes.is_open, hand.passes.crystals_mg) == (0, 500)
    assert hand.passes.closed_by == passes.CLOSED_BY_CRYSTALS
    assert hand.passes.zone_crystals_mg[0] == 500


@pytest.mark.parametrize("flow_mg_min", [1, 7, 999, 8_000, 20_000])
def test_no_crystal_is_lost_in_rounding(flow_mg_min: int) -> None:
    settings = bench_settings(
        (zone_of(pass_time_ms=180_000, pass_crystals_mg=30_000, dose_mg=90_000),)
    )
    hand = Hand(settings)
    hand.passes.open_next()
    hand.touch(60_000, flow_mg_min)
    assert hand.passes.crystals_mg == flow_mg_min


def test_three_passes_and_no_fourth() -> None:
    hand = Hand()
    for number in (1, 2, 3):
        assert hand.passes.may_open()
        hand.passes.open_next()
        assert hand.passes.number() == number
        hand.stroke()
        hand.passes.close(passes.CLOSED_BY_OPERATOR)
    assert not hand.passes.may_open()


def test_a_protocol_may_allow_fewer() -> None:
    hand = Hand()
    hand.passes.select(1)
    for _ in range(2):
        hand.whole_pass()
    assert not hand.passes.may_open()


@pytest.mark.parametrize("claimed", [4, 9, 255])
def test_three_is_absolute_whatever_a_zone_claims(claimed: int) -> None:
    hand = Hand(bench_settings((zone_of(passes=claimed),)))
    for _ in range(3):
        hand.whole_pass()
    assert not hand.passes.may_open()
    hand.passes.open_next()  # not even when it is not asked first
    assert hand.passes.is_open == 0
    assert hand.passes.opened[0] == limits.PASSES_PER_ZONE


def test_a_client_may_be_allowed_fewer() -> None:
    hand = Hand()
    hand.plan.passes = 1
    hand.whole_pass()
    assert not hand.passes.may_open()


def test_another_zone_has_the_plan_of_that_zone() -> None:
    hand = Hand(bench_settings((zone_of("one"), zone_of("two", passes=2, level=5))))
    assert hand.plan.passes == 3
    hand.passes.select(1)
    assert hand.plan.passes == 2
    # Chosen again, a zone keeps what the operator has changed in it.
    hand.plan.step_level(STEP_DOWN)
    level = hand.plan.level
    assert level < hand.plan.level_highest
    hand.passes.select(1)
    assert hand.plan.level == level


# The dose of a zone -------------------------------------------------------------------


def dosed(dose_mg: int = 1_000) -> Hand:
    """Two zones, the first with this dose and passes of 600 mg."""
    return Hand(
        bench_settings(
            (
                zone_of("one", pass_time_ms=180_000, pass_crystals_mg=600, dose_mg=dose_mg),
                zone_of("two", pass_time_ms=180_000, pass_crystals_mg=600, dose_mg=dose_mg),
            )
        )
    )


def test_the_dose_closes_a_pass_when_it_is_spent() -> None:
    hand = dosed()
    hand.passes.open_next()
    hand.touch(6_100, flow_mg_min=6_000)  # 100 mg/s: the crystals of one pass
    assert hand.passes.closed_by == passes.CLOSED_BY_CRYSTALS
    hand.passes.open_next()
    hand.touch(3_995, flow_mg_min=6_000)
    assert (hand.passes.is_open, hand.passes.zone_crystals_mg[0]) == (1, 999)
    hand.touch(TICK_MS, flow_mg_min=6_000)
    assert (hand.passes.is_open, hand.passes.zone_crystals_mg[0]) == (0, 1_000)
    assert hand.passes.closed_by == passes.CLOSED_BY_DOSE
    hand.touch(5_000, flow_mg_min=6_000)
    assert hand.passes.zone_crystals_mg[0] == 1_000


def test_a_zone_whose_dose_is_spent_has_no_pass_left() -> None:
    hand = dosed()
    hand.passes.zone_crystals_mg[0] = 999
    assert hand.passes.may_open()
    hand.passes.zone_crystals_mg[0] = 1_000
    assert not hand.passes.may_open()
    # The other zone has a dose of its own.
    hand.passes.select(1)
    assert hand.passes.may_open()


@pytest.mark.parametrize("closed_by", [passes.CLOSED_BY_OPERATOR, passes.CLOSED_BY_GAP])
def test_a_spent_dose_cannot_be_taken_back(closed_by: int) -> None:
    hand = dosed()
    hand.passes.open_next()
    hand.stroke()
    hand.passes.zone_crystals_mg[0] = 1_000
    hand.passes.close(closed_by)
    assert not hand.passes.reopen()
    hand.passes.zone_crystals_mg[0] = 999
    assert hand.passes.reopen()


# Counts that stand twice --------------------------------------------------------------


@pytest.mark.parametrize("copy", ["opened", "_inverted"])
@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("zone", [0, 1])
def test_a_flipped_bit_of_a_count_is_seen(zone: int, bit: int, copy: str) -> None:
    # It could give a zone its passes back, or take them.
    hand = Hand()
    hand.whole_pass()
    hand.passes.select(1)
    hand.whole_pass()
    hand.passes.select(zone)
    assert not hand.passes.is_damaged()
    getattr(hand.passes, copy)[zone] ^= 1 << bit
    assert hand.passes.is_damaged()


@pytest.mark.parametrize("copy", ["opened", "_inverted"])
@pytest.mark.parametrize("bit", range(8))
def test_the_record_keeps_the_higher_of_two_counts_that_differ(bit: int, copy: str) -> None:
    # Only the chosen zone is looked at each tick, and the record holds them all:
    # a bit that flipped elsewhere went to the flash, and a restart believed it.
    hand = Hand()
    for _ in range(2):
        hand.whole_pass()
    hand.passes.select(1)
    getattr(hand.passes, copy)[0] ^= 1 << bit
    assert not hand.passes.is_damaged()
    assert hand.passes.kept(0) >= 2
    assert hand.passes.kept(1) == 0


def test_no_way_to_write_a_count_forgets_its_copy() -> None:
    hand = Hand()
    for _ in range(3):
        hand.whole_pass()
        assert not hand.passes.is_damaged()
    hand.passes.end_session()
    hand.passes.begin_session()
    for zone in range(limits.ZONES):
        hand.passes.set_opened(zone, zone % 4)
        assert hand.passes.opened[zone] ^ hand.passes._inverted[zone] == 0xFF


def test_a_pass_without_a_stroke_stays_open_and_is_not_opened_twice() -> None:
    hand = Hand()
    hand.passes.open_next()
    sequence = hand.passes.sequence
    for _ in range(20):
        hand.lift(10_000)
        assert hand.passes.is_open == 1
        hand.passes.open_next()  # it is open: nothing happens
    assert (hand.passes.opened[0], hand.passes.sequence) == (1, sequence)


@pytest.mark.parametrize(
    "closed_by", [passes.CLOSED_BY_OPERATOR, passes.CLOSED_BY_FAULT, passes.CLOSED_BY_TIME]
)
def test_a_pass_that_was_closed_is_spent_whatever_it_saw(closed_by: int) -> None:
    hand = Hand()
    for number in (1, 2, 3):
        hand.passes.open_next()
        hand.touch(200)
        hand.lift(100)
        hand.passes.close(closed_by)
        assert hand.passes.opened[0] == number
    assert not hand.passes.may_open()


def test_touches_too_short_for_a_stroke_spend_passes_as_well() -> None:
    hand = Hand()
    for _ in range(10):
        if not hand.passes.may_open():
            break
        hand.passes.open_next()
        while hand.passes.is_open:
            hand.touch(200)
            hand.lift(100)
        assert hand.passes.closed_by == passes.CLOSED_BY_TIME
    most_ms = limits.PASSES_PER_ZONE * hand.settings.zones[0].pass_time_ms
    assert hand.passes.zone_contact_ms[0] == most_ms


@pytest.mark.parametrize("closed_by", [passes.CLOSED_BY_GAP, passes.CLOSED_BY_OPERATOR])
def test_the_last_closing_can_be_taken_back(closed_by: int) -> None:
    hand = Hand()
    hand.passes.open_next()
    hand.stroke()
    contact_ms = hand.passes.contact_ms
    hand.passes.close(closed_by)
    assert hand.passes.reopen()
    assert hand.passes.number() == 1
    assert (hand.passes.contact_ms, hand.passes.strokes) == (contact_ms, 1)
    # Only once: it is open now.
    assert not hand.passes.reopen()


def test_a_pass_taken_back_has_a_whole_gap_again() -> None:
    hand = Hand()
    hand.passes.open_next()
    hand.stroke()
    hand.lift(hand.settings.pass_gap_ms)
    assert hand.passes.closed_by == passes.CLOSED_BY_GAP
    assert hand.passes.reopen()
    hand.lift(hand.settings.pass_gap_ms - TICK_MS)
    assert hand.passes.is_open == 1
    hand.lift(TICK_MS)
    assert hand.passes.is_open == 0


@pytest.mark.parametrize(
    "closed_by",
    [
        passes.CLOSED_BY_TIME,
        passes.CLOSED_BY_CRYSTALS,
        passes.CLOSED_BY_DOSE,
        passes.CLOSED_BY_FAULT,
    ],
)
def test_what_a_budget_or_a_fault_closed_stays_closed(closed_by: int) -> None:
    hand = Hand()
    hand.passes.open_next()
    hand.stroke()
    hand.passes.close(closed_by)
    assert not hand.passes.reopen()
    assert hand.passes.is_open == 0


@pytest.mark.parametrize("budget", ["time", "crystals"])
def test_a_spent_budget_cannot_be_taken_back(budget: str) -> None:
    hand = Hand()
    hand.passes.open_next()
    hand.stroke()
    if budget == "time":
        hand.passes.contact_ms = hand.settings.zones[0].pass_time_ms
    else:
        hand.passes.crystals_mg = hand.settings.zones[0].pass_crystals_mg
    hand.passes.close(passes.CLOSED_BY_OPERATOR)
    assert not hand.passes.reopen()


def test_nothing_can_be_taken_back_before_a_pass_or_after_another_zone() -> None:
    hand = Hand()
    assert not hand.passes.reopen()
    hand.whole_pass()
    hand.passes.select(1)
    assert not hand.passes.reopen()
    hand.passes.select(0)
    assert not hand.passes.reopen()


def test_a_zone_keeps_its_count_while_others_are_treated() -> None:
    hand = Hand()
    hand.whole_pass()
    hand.passes.open_next()
    hand.stroke()
    assert hand.passes.select(1)
    assert (hand.passes.is_open, hand.passes.number()) == (0, 0)
    hand.whole_pass()
    assert hand.passes.select(0)
    assert list(hand.passes.opened[:2]) == [2, 1]
    hand.whole_pass()
    assert not hand.passes.may_open()
    assert hand.passes.zone_strokes[:2] == [3, 1]


def test_choosing_the_same_zone_closes_nothing() -> None:
    hand = Hand()
    hand.passes.open_next()
    hand.stroke()
    assert hand.passes.select(0)
    assert hand.passes.is_open == 1


@pytest.mark.parametrize("zone", [-1, 2, 16, 255, 10**6])
def test_a_zone_that_the_protocol_lacks_is_refused(zone: int) -> None:
    hand = Hand()
    hand.passes.open_next()
    assert not hand.passes.select(zone)
    assert (hand.passes.zone, hand.passes.is_open) == (0, 1)


def test_only_a_new_session_sets_counts_to_zero() -> None:
    hand = Hand()
    for _ in range(2):
        hand.whole_pass()
    hand.passes.open_next()
    hand.touch(2_000, flow_mg_min=20_000)
    hand.lift(200)
    hand.passes.close(passes.CLOSED_BY_OPERATOR)
    assert hand.passes.zone_crystals_mg[0] > 0
    session = hand.passes.session
    hand.passes.begin_session()  # one is open: nothing happens
    assert (hand.passes.opened[0], hand.passes.session) == (3, session)
    hand.passes.end_session()
    assert hand.passes.opened[0] == 3
    hand.passes.begin_session()
    assert (hand.passes.opened[0], hand.passes.session) == (0, session + 1)
    assert hand.passes.may_open()
    assert (hand.passes.zone_strokes[0], hand.passes.zone_contact_ms[0]) == (0, 0)
    assert hand.passes.zone_crystals_mg[0] == 0
    assert not hand.passes.reopen()


def test_the_end_of_a_session_closes_the_pass_and_asks_for_a_record() -> None:
    hand = Hand()
    hand.passes.open_next()
    sequence = hand.passes.sequence
    hand.passes.end_session()
    assert (hand.passes.is_open, hand.passes.session_is_open) == (0, 0)
    ended = hand.passes.sequence
    assert ended != sequence
    hand.passes.end_session()
    assert hand.passes.sequence == ended


def test_numbers_wrap_where_the_record_ends() -> None:
    hand = Hand()
    hand.passes.sequence = 0xFFFF
    hand.passes.open_next()
    assert hand.passes.sequence == 0
    hand.passes.end_session()
    hand.passes.session = 2**30 - 1
    hand.passes.begin_session()
    assert hand.passes.session == 0


def test_nothing_is_counted_while_no_pass_is_open() -> None:
    hand = Hand()
    hand.touch(5_000, flow_mg_min=20_000)
    hand.lift(5_000)
    assert hand.passes.zone_contact_ms[0] == 0
    assert hand.passes.zone_crystals_mg[0] == 0
    assert hand.passes.zone_strokes[0] == 0
