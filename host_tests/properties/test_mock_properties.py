"""The mock under any use: it is safe whenever no lease runs, and says what its
faults did."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hal.contract import (
    DT_HIGHEST_MS,
    FULL_PERMILLE,
    LEASE_MS,
    RAW_FULL_SCALE,
    VENT_CLOSED,
    VENT_OPEN,
    Outputs,
    Readings,
    StorageRefused,
)
from hal.mock import FAULTS, MockBoard, MockStorage

NAMES = [row[0] for row in FAULTS]


class AnyUse(RuleBasedStateMachine):
    """Whatever an app and a test may do to a mock."""

    @initialize()
    def switch_on(self) -> None:
        self.store = MockStorage()
        self.kept = b""
        self.restart()

    @rule()
    def restart(self) -> None:
        self.board = MockBoard(self.store)
        self.lease_left_ms = 0
        self.injected: set[str] = set()
        self.effects = [0] * len(NAMES)
        assert self.board.is_safe()
        assert self.store.load() == self.kept

    @rule()
    def cut_the_power(self) -> None:
        """The same wires, and what is wrong with them, on a fresh board."""
        before = self.board
        injected = self.injected
        self.restart()
        self.board.take_over(before)
        self.injected = injected
        assert (self.board.pump_permille, self.board.feed_permille) == (0, 0)

    @rule(
        pump=st.integers(0, FULL_PERMILLE),
        feed=st.integers(0, FULL_PERMILLE),
        vent=st.sampled_from((VENT_OPEN, VENT_CLOSED)),
        lease_ms=st.sampled_from((LEASE_MS, LEASE_MS, 0)),
    )
    def drive(self, pump: int, feed: int, vent: int, lease_ms: int) -> None:
        outputs = Outputs()
        outputs.pump_permille = pump
        outputs.feed_permille = feed
        outputs.vent = vent
        outputs.lease_ms = lease_ms
        self.board.drive(outputs)
        self.lease_left_ms = lease_ms
        if lease_ms:
            if "pump_stuck_full" in self.injected:
                pump = FULL_PERMILLE
            elif "pump_dead" in self.injected:
                pump = 0
            elif "pump_weak" in self.injected:
                pump //= 2
            if "feed_stuck_open" in self.injected:
                feed = FULL_PERMILLE
            elif "feed_stuck_shut" in self.injected:
                feed = 0
            assert (self.board.pump_permille, self.board.feed_permille) == (pump, feed)
            if "vent_stuck_closed" in self.injected:
                vent = VENT_CLOSED
            elif "vent_stuck_open" in self.injected:
                vent = VENT_OPEN
            assert self.board.vent == vent

    @rule(ms=st.integers(1, 60))
    def advance(self, ms: int) -> None:
        self.board.advance(ms)
        self.lease_left_ms = max(0, self.lease_left_ms - ms)

    @rule()
    def make_safe(self) -> None:
        self.board.make_safe()
        self.lease_left_ms = 0

    @rule(name=st.sampled_from(NAMES))
    def inject(self, name: str) -> None:
        self.board.inject(name)
        self.injected.add(name)

    @rule(name=st.sampled_from(NAMES))
    def clear(self, name: str) -> None:
        self.board.clear(name)
        self.injected.discard(name)

    @rule(record=st.binary(max_size=30))
    def commit(self, record: bytes) -> None:
        may = self.board.is_safe() and "storage_refuses" not in self.injected
        works = "storage_fails" not in self.injected
        try:
            self.store.commit(record)
            assert may
            assert works
            self.kept = record
        except StorageRefused:
            assert not may
        except OSError:
            assert may
            assert not works

    @rule(
        a_raw=st.integers(0, RAW_FULL_SCALE),
        b_raw=st.integers(0, RAW_FULL_SCALE),
        supply_raw=st.integers(0, RAW_FULL_SCALE),
        footswitch=st.integers(0, 1),
    )
    def sample(self, a_raw: int, b_raw: int, supply_raw: int, footswitch: int) -> None:
        self.board.vacuum_a_raw = a_raw
        self.board.vacuum_b_raw = b_raw
        self.board.sensor_supply_raw = supply_raw
        self.board.footswitch = footswitch
        readings = Readings()
        self.board.sample(readings)
        assert 1 <= readings.dt_ms <= DT_HIGHEST_MS
        assert 0 <= readings.vacuum_a_raw <= RAW_FULL_SCALE
        assert 0 <= readings.vacuum_b_raw <= RAW_FULL_SCALE
        assert 0 <= readings.sensor_supply_raw <= RAW_FULL_SCALE
        assert readings.footswitch in (0, 1)
        if not self.injected:
            assert readings.vacuum_a_raw == a_raw
            assert readings.sensor_supply_raw == supply_raw
            assert readings.footswitch == footswitch

    @invariant()
    def without_a_lease_it_is_safe(self) -> None:
        if self.lease_left_ms == 0:
            assert self.board.is_safe()
            assert (self.board.pump_permille, self.board.feed_permille) == (0, 0)
            if "vent_stuck_closed" not in self.injected:
                assert self.board.vent == VENT_OPEN

    @invariant()
    def only_a_fault_that_was_injected_has_an_effect(self) -> None:
        for index, name in enumerate(NAMES):
            now = self.board.effects[index]
            assert now >= self.effects[index]
            if name not in self.injected:
                assert now == self.effects[index]
            self.effects[index] = now

    @invariant()
    def what_was_committed_is_kept(self) -> None:
        assert self.store.record == self.kept


TestAnyUse = AnyUse.TestCase
TestAnyUse.settings = settings(stateful_step_count=30)
