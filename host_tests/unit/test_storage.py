"""The pass record: what comes back, and what a damaged one means."""

import struct
from binascii import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import faults, limits, storage
from firmware.controller import Controller
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_END,
    COMMAND_REPAIRED,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
)
from hal.mock import MockStorage
from host_tests.bench import RELEASE_MS, Bench, bench_settings, zone_of

ALL_SPENT = [limits.PASSES_PER_ZONE] * limits.ZONES


def controller_of(record: bytes = b"", in_service: int = 0) -> Controller:
    return Controller(bench_settings(), record, in_service)


def encoded(controller: Controller) -> bytes:
    return storage.encode(
        controller.passes, controller.treatment, controller.pump_rest, controller.protocol_mark
    )


def is_refused(controller: Controller) -> bool:
    fault: int = controller.protection.fault
    return fault == faults.RECORD_DAMAGED


def a_record() -> bytes:
    """Of a session with passes in two zones and a minute spent."""
    controller = controller_of()
    controller.passes.begin_session()
    controller.passes.set_opened(0, 2)
    controller.passes.set_opened(15, 1)
    controller.passes.sequence = 300
    controller.treatment.session_ms = 61_234
    return encoded(controller)


@given(
    opened=st.lists(st.integers(0, 3), min_size=16, max_size=16),
    sequence=st.integers(0, 0xFFFF),
    session=st.integers(0, 2**30 - 1),
    is_open=st.integers(0, 1),
    session_ms=st.integers(0, limits.SESSION_MS + 1_000),
    pump_on_ms=st.integers(0, limits.PUMP_ON_MS + 250),
    kept_fault=st.sampled_from([row[0] for row in faults.CATALOGUE]),
    crystals_mg=st.lists(st.integers(0, limits.DOSE_MG + 2), min_size=16, max_size=16),
)
def test_what_is_kept_comes_back(
    opened: list[int],
    sequence: int,
    session: int,
    is_open: int,
    session_ms: int,
    pump_on_ms: int,
    kept_fault: int,
    crystals_mg: list[int],
) -> None:
    before = controller_of()
    for zone, count in enumerate(opened):
        before.passes.set_opened(zone, count)
    before.passes.zone_crystals_mg[:] = crystals_mg
    before.pump_rest.on_ms = pump_on_ms
    before.treatment.kept_fault = kept_fault
    before.passes.sequence = sequence
    before.passes.session = session
    before.passes.session_is_open = is_open
    before.treatment.session_ms = session_ms
    after = controller_of(encoded(before))
    assert after.protection.fault == kept_fault
    assert after.treatment.kept_fault == kept_fault
    assert list(after.passes.opened) == opened
    for zone in range(limits.ZONES):
        assert after.passes.opened[zone] ^ after.passes._inverted[zone] == 0xFF
        # Never less than was given, so that a restart adds nothing to a dose.
        more_mg = after.passes.zone_crystals_mg[zone] - crystals_mg[zone]
        assert 0 <= more_mg < 500
    assert after.pump_rest.on_ms == pump_on_ms // 1000 * 1000
    assert after.passes.sequence == sequence
    assert after.passes.session == session
    assert after.passes.session_is_open == is_open
    assert after.treatment.session_ms == session_ms // 1000 * 1000


def test_no_record_is_a_device_that_has_never_treated() -> None:
    controller = controller_of(b"")
    assert controller.protection.fault == faults.NONE
    assert controller.passes.session_is_open == 0
    assert list(controller.passes.opened) == [0] * limits.ZONES


def test_a_restored_session_goes_on_counting() -> None:
    controller = controller_of(a_record())
    controller.passes.open_next()
    assert controller.passes.opened[0] == 3
    controller.passes.close(1)
    assert not controller_of(encoded(controller)).passes.may_open()


def is_spent(record: bytes) -> bool:
    """Is this taken for an open session with every pass spent?"""
    controller = controller_of(record)
    for zone in range(len(bench_settings().zones)):
        controller.passes.select(zone)
        if controller.passes.may_open():
            return False
    return (
        is_refused(controller)
        and list(controller.passes.opened) == ALL_SPENT
        and controller.passes.session_is_open == 1
    )


def test_every_single_bit_flip_spends_all_passes() -> None:
    record = a_record()
    for bit in range(8 * len(record)):
        damaged = bytearray(record)
        damaged[bit // 8] ^= 1 << bit % 8
        assert is_spent(bytes(damaged)), f"bit {bit}"


def test_every_cut_and_every_tail_spends_all_passes() -> None:
    record = a_record()
    for length in range(1, len(record)):
        assert is_spent(record[:length])
    assert is_spent(record + b"\x00")
    assert is_spent(b"\xff" * len(record))
    # All zeros would have a good CRC in some forms; not in this one.
    assert is_spent(bytes(len(record)))


@given(st.binary(min_size=1, max_size=64))
def test_random_bytes_spend_all_passes(record: bytes) -> None:
    assert is_spent(record)


def test_a_count_beyond_the_limit_is_the_limit() -> None:
    mark = controller_of().protocol_mark
    body = struct.pack(
        "<HIBHHB16s16sI", 1, 1, 1, 0, 0, 0, bytes([255] * 16), bytes([255] * 16), mark
    )
    controller = controller_of(body + struct.pack("<I", crc32(body)))
    assert controller.protection.fault == faults.NONE
    assert list(controller.passes.opened) == ALL_SPENT
    assert not controller.passes.is_damaged()


def test_a_restart_after_a_restart_adds_no_crystals() -> None:
    # They are rounded up once, not at each start.
    controller = controller_of()
    controller.passes.begin_session()
    controller.passes.zone_crystals_mg[0] = 1_201
    record = encoded(controller)
    for _ in range(20):
        record = encoded(controller_of(record))
    assert controller_of(record).passes.zone_crystals_mg[0] == 1_500


def test_crystals_beyond_what_the_record_can_hold_are_kept_at_its_most() -> None:
    controller = controller_of()
    controller.passes.zone_crystals_mg[3] = 10**6
    kept_mg = controller_of(encoded(controller)).passes.zone_crystals_mg[3]
    assert kept_mg >= limits.DOSE_MG


def test_a_spent_dose_survives_a_restart() -> None:
    controller = controller_of()
    controller.passes.begin_session()
    zone = bench_settings().zones[0]
    controller.passes.zone_crystals_mg[0] = zone.dose_mg
    assert not controller_of(encoded(controller)).passes.may_open()


# A fault that only SERVICE may clear ------------------------------------------------


SERVICE_FAULTS = [row[0] for row in faults.CATALOGUE if row[3] == faults.EXIT_SERVICE]


def vent_failed() -> Bench:
    """Off the skin, with safe outputs, and vacuum still there."""
    bench = Bench()
    bench.to_skin()
    bench.run(500)
    bench.footswitch = 0
    bench.vacuum_pa = 20_000.0
    bench.run_until(lambda: bench.state == "FAULT", 1_000)
    assert bench.fault == faults.VENT_FAILED
    return bench


def test_a_service_fault_outlives_every_restart() -> None:
    bench = vent_failed()
    bench.vacuum_pa = None
    bench.on_skin = False
    bench.run_until(bench.is_committed)
    for _ in range(3):
        bench.power_on()
        bench.run(1_000)
        bench.tick(COMMAND_ACKNOWLEDGE)
        bench.run(1_000)
        assert (bench.state, bench.fault) == ("FAULT", faults.VENT_FAILED)
        assert bench.board.is_safe()


def test_repaired_in_service_the_device_starts_again() -> None:
    bench = vent_failed()
    bench.vacuum_pa = None
    bench.on_skin = False
    bench.run_until(bench.is_committed)
    bench.power_on(in_service=1)
    bench.run(500)
    assert (bench.state, bench.fault) == ("SERVICE", faults.NONE)
    # Looked at and left as it was: still out of use.
    bench.power_on()
    bench.run(500)
    assert bench.fault == faults.VENT_FAILED
    bench.power_on(in_service=1)
    bench.run(500)
    bench.tick(COMMAND_REPAIRED)
    bench.run_until(bench.is_committed)
    bench.power_on()
    bench.to_standby()


@pytest.mark.parametrize("fault", SERVICE_FAULTS)
def test_a_kept_fault_is_not_hidden_by_counts_of_another_protocol(fault: int) -> None:
    before = controller_of(a_record())
    before.treatment.kept_fault = fault
    after = Controller(bench_settings([zone_of("neck")]), encoded(before), 0)
    assert after.protection.fault == fault
    assert list(after.passes.opened) == ALL_SPENT


@pytest.mark.parametrize("record", [b"\xa5" * 30, a_record()[:-1]])
def test_service_opens_with_a_record_that_cannot_be_used(record: bytes) -> None:
    assert controller_of(record, in_service=1).protection.fault == faults.NONE


def test_the_time_of_the_pump_survives_a_restart() -> None:
    # Switching off and on is no rest.
    bench = Bench()
    bench.to_ready()
    bench.controller.pump_rest.on_ms = limits.PUMP_ON_MS - 10_000
    bench.press()
    bench.power_on()
    assert bench.controller.pump_rest.on_ms >= limits.PUMP_ON_MS - 11_000


def test_a_session_longer_than_the_record_can_hold_is_kept_at_its_most() -> None:
    controller = controller_of()
    controller.treatment.session_ms = 2**30 - 1
    record = encoded(controller)
    assert controller_of(record).treatment.session_ms == 65_535_000


def another_protocol(*names: str) -> Controller:
    return Controller(bench_settings([zone_of(name) for name in names]), a_record(), 0)


@pytest.mark.parametrize(
    "names", [("forehead", "chin"), ("chin",), ("chin", "forehead", "neck"), ("chinforehead", "")]
)
def test_counts_of_another_protocol_spend_all_passes(names: tuple[str, ...]) -> None:
    # Zone 1 there may be zone 2 here: whose passes they were is not known.
    controller = another_protocol(*names)
    assert controller.protection.fault == faults.PROTOCOL_CHANGED
    assert controller.treatment.kept_fault == faults.NONE
    assert list(controller.passes.opened) == ALL_SPENT


def test_a_protocol_with_the_same_zones_goes_on() -> None:
    controller = another_protocol("chin", "forehead")
    assert controller.protection.fault == faults.NONE
    assert controller.passes.opened[0] == 2


def test_a_session_that_was_ended_leaves_nothing_to_another_protocol() -> None:
    before = controller_of(a_record())
    before.passes.end_session()
    after = Controller(bench_settings([zone_of("neck")]), encoded(before), 0)
    assert after.protection.fault == faults.NONE
    after.passes.begin_session()
    assert after.passes.may_open()


def test_a_damaged_record_may_have_kept_a_fault_and_is_not_acknowledged_away() -> None:
    # VENT_FAILED stood in the record; a bit of it flipped, the operator
    # acknowledged the damage and treated on with that vent.
    bench = Bench()
    bench.to_standby()
    bench.controller.protection.latch(faults.VENT_FAILED)
    bench.run(100)
    record = bytearray(bench.storage.record)
    record[3] ^= 1
    bench.storage.record = bytes(record)
    for _ in range(2):
        bench.power_on()
        bench.run(1_000)
        bench.tick(COMMAND_ACKNOWLEDGE)
        bench.run(1_000)
        assert (bench.state, bench.fault) == ("FAULT", faults.RECORD_DAMAGED)
    bench.power_on(in_service=1)
    bench.run(100)
    bench.power_on()  # nothing was repaired
    bench.run(100)
    assert bench.fault == faults.RECORD_DAMAGED
    bench.power_on(in_service=1)
    bench.run(100)
    bench.tick(COMMAND_REPAIRED)
    bench.run(100)
    bench.power_on()
    bench.to_standby()
    assert list(bench.controller.passes.opened) == ALL_SPENT


def test_a_record_that_could_not_be_read_once_comes_back() -> None:
    bench = Bench(storage=MockStorage())
    bench.to_treating()
    record = bench.storage.record
    load = bench.storage.load

    def fail() -> bytes:
        raise OSError(5)

    bench.storage.load = fail  # type: ignore[method-assign]
    bench.power_on()
    bench.run(3_000)
    assert bench.fault == faults.RECORD_DAMAGED
    assert bench.storage.record == record  # nothing is written over it
    bench.storage.load = load  # type: ignore[method-assign]
    bench.power_on()
    bench.footswitch = 0
    bench.to_standby()
    assert bench.controller.passes.opened[0] == 1


def test_after_damage_only_the_end_of_the_session_gives_passes_back() -> None:
    store = MockStorage()
    store.record = b"\xa5" * 30
    bench = Bench(storage=store)
    bench.run(2_000)
    assert (bench.state, bench.fault) == ("FAULT", faults.RECORD_DAMAGED)
    bench.power_on(in_service=1)
    bench.run(100)
    bench.tick(COMMAND_REPAIRED)
    bench.run(100)
    bench.power_on()
    bench.to_standby()
    bench.tick(COMMAND_START)
    bench.confirm()  # the session is open: no new one begins
    for zone in (0, 1):
        bench.tick(COMMAND_SELECT_ZONE, zone)
        bench.run(RELEASE_MS)
        bench.footswitch = 1
        bench.run(500)
        assert bench.state == "ZONE_DONE"
        assert bench.board.is_safe()
        bench.footswitch = 0
        bench.tick()
    bench.tick(COMMAND_END)
    bench.run(100)
    assert not is_refused(controller_of(store.record))
    bench.power_on()
    bench.to_treating()
    assert bench.controller.passes.opened[0] == 1


def test_the_session_time_survives_with_the_count() -> None:
    bench = Bench(bench_settings((zone_of(pass_time_ms=60_000),)))
    bench.to_skin()
    bench.run(30_000)
    bench.footswitch = 0
    bench.run(100)
    bench.controller.passes.close(1)
    bench.press()  # opens and records the next pass
    spent_ms = bench.controller.treatment.session_ms
    bench.power_on()
    assert bench.controller.treatment.session_ms == pytest.approx(spent_ms, abs=1_100)
