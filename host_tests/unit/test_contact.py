"""Contact and strokes from the vacuum alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.contact import Contact
from firmware.settings import Settings
from host_tests.bench import bench_settings, with_values

TICK_MS = 5
# At this set vacuum 18 % and 15 % are above the fixed thresholds.
SET_PA = 27_000
ON_PA = SET_PA * 180 // 1000
OFF_PA = SET_PA * 150 // 1000


def contact_of(settings: Settings | None = None) -> Contact:
    return Contact(settings or bench_settings())


def feel(contact: Contact, vacuum_pa: int, ms: int, set_pa: int = SET_PA) -> None:
    for _ in range(ms // TICK_MS):
        contact.step(vacuum_pa, set_pa, TICK_MS)


def test_contact_is_believed_after_its_time() -> None:
    contact = contact_of()
    feel(contact, ON_PA + 1, 25)
    assert contact.on_skin == 0
    feel(contact, ON_PA + 1, 5)
    assert contact.on_skin == 1
    # The skin was there while it was made sure of.
    assert contact.contact_ms == 30


def test_at_the_threshold_is_no_contact() -> None:
    contact = contact_of()
    feel(contact, ON_PA, 10_000)
    assert contact.on_skin == 0


def test_contact_must_be_without_a_break() -> None:
    contact = contact_of()
    for _ in range(50):
        feel(contact, ON_PA + 1, 25)
        feel(contact, ON_PA, 5)
    assert contact.on_skin == 0


def test_a_lift_is_believed_after_its_time() -> None:
    contact = contact_of()
    feel(contact, SET_PA, 100)
    feel(contact, OFF_PA - 1, 75)
    assert contact.on_skin == 1
    feel(contact, OFF_PA - 1, 5)
    assert contact.on_skin == 0
    assert contact.contact_ms == 0


def test_between_the_thresholds_nothing_changes() -> None:
    for start_pa in (0, SET_PA):
        contact = contact_of()
        feel(contact, start_pa, 100)
        before = contact.on_skin
        for vacuum_pa in range(OFF_PA, ON_PA + 1, 100):
            feel(contact, vacuum_pa, 200)
            assert contact.on_skin == before


@pytest.mark.parametrize(
    ("set_pa", "on_pa", "off_pa"),
    [
        (10_000, 3_000, 2_500),  # the fixed thresholds are the larger ones
        (16_666, 3_000, 2_500),
        (40_000, 7_200, 6_000),  # the parts of the set vacuum are
    ],
)
def test_the_larger_threshold_counts(set_pa: int, on_pa: int, off_pa: int) -> None:
    contact = contact_of()
    feel(contact, on_pa, 200, set_pa)
    assert contact.on_skin == 0
    feel(contact, on_pa + 1, 30, set_pa)
    assert contact.on_skin == 1
    feel(contact, off_pa, 500, set_pa)
    assert contact.on_skin == 1
    feel(contact, off_pa - 1, 80, set_pa)
    assert contact.on_skin == 0


def test_without_suction_no_contact_is_believed_and_one_ends_at_once() -> None:
    contact = contact_of()
    feel(contact, 40_000, 5_000, set_pa=0)
    assert contact.on_skin == 0
    feel(contact, SET_PA, 1_000)
    assert contact.on_skin == 1
    contact.step(SET_PA, 0, TICK_MS)
    assert contact.on_skin == 0
    assert contact.stroke_ended == 1


@pytest.mark.parametrize("end", ["lift", "suction off"])
@pytest.mark.parametrize(("ms", "is_stroke"), [(295, 0), (300, 1), (2_000, 1)])
def test_a_contact_of_300_ms_is_a_stroke(ms: int, is_stroke: int, end: str) -> None:
    contact = contact_of(with_values(bench_settings(), contact_off_ms=10))
    feel(contact, SET_PA, ms)
    assert contact.is_stroke == is_stroke
    ended = 0
    for _ in range(20):
        contact.step(0, SET_PA if end == "lift" else 0, TICK_MS)
        ended += contact.stroke_ended
    assert (contact.on_skin, contact.is_stroke) == (0, 0)
    # A lift takes 10 ms to believe, in which the contact lasts on.
    assert ended == is_stroke or (end == "lift" and ms == 295)


def test_every_belief_starts_from_nothing() -> None:
    contact = contact_of()
    # A rise that is broken off by the end of suction does not count afterwards.
    feel(contact, SET_PA, 25)
    feel(contact, SET_PA, 5, set_pa=0)
    feel(contact, SET_PA, 25)
    assert contact.on_skin == 0
    feel(contact, SET_PA, 5)
    assert contact.on_skin == 1
    # Nor does the rise count towards the lift, or the lift towards a rise.
    feel(contact, 0, 75)
    assert contact.on_skin == 1
    feel(contact, 0, 5)
    assert contact.on_skin == 0
    feel(contact, SET_PA, 25)
    assert contact.on_skin == 0


def test_the_end_of_a_stroke_is_told_in_one_tick_only() -> None:
    contact = contact_of()
    for _ in range(3):
        feel(contact, SET_PA, 500)
        ends = []
        for _ in range(40):
            contact.step(0, SET_PA, TICK_MS)
            ends.append(contact.stroke_ended)
        assert sum(ends) == 1


def test_each_contact_starts_from_nothing() -> None:
    contact = contact_of()
    feel(contact, SET_PA, 250)
    feel(contact, 0, 200)
    feel(contact, SET_PA, 250)
    assert contact.contact_ms == 250
    assert contact.is_stroke == 0


@given(
    st.lists(
        st.tuples(st.integers(-5_000, 50_000), st.integers(1, 40), st.sampled_from((5, 10))),
        max_size=40,
    )
)
def test_a_belief_changes_only_after_its_whole_time(stretches: list[tuple[int, int, int]]) -> None:
    settings = bench_settings()
    contact = contact_of(settings)
    above_ms = below_ms = 0
    for vacuum_pa, ticks, dt_ms in stretches:
        for _ in range(ticks):
            before = contact.on_skin
            contact.step(vacuum_pa, SET_PA, dt_ms)
            above_ms = above_ms + dt_ms if vacuum_pa > ON_PA else 0
            below_ms = below_ms + dt_ms if vacuum_pa < OFF_PA else 0
            if not before:
                assert contact.on_skin == (above_ms >= settings.contact_on_ms)
            else:
                assert contact.on_skin == (below_ms < settings.contact_off_ms)
