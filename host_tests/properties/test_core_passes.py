"""Passes under any order of events, against a count of what was really done."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware import limits, passes
from firmware.contact import Contact
from firmware.passes import Passes
from firmware.plan import Plan
from hal.contract import CLIENT_FIRST_SESSION
from host_tests.bench import bench_settings, zone_of

TICK_MS = 5
ZONES = 2


class AnyTreatment(RuleBasedStateMachine):
    """A hand and an operator that do anything in any order."""

    @initialize(
        allowed=st.lists(st.sampled_from((9, 1, 2, 3)), min_size=ZONES, max_size=ZONES),
        pass_time_ms=st.sampled_from((5_000, 20_000)),
        pass_crystals_mg=st.sampled_from((500, 30_000)),
        dose_mg=st.sampled_from((700, 90_000)),
    )
    def switch_on(
        self, allowed: list[int], pass_time_ms: int, pass_crystals_mg: int, dose_mg: int
    ) -> None:
        self.settings = bench_settings(
            [
                zone_of(f"zone {n}", passes=passes_allowed, pass_time_ms=pass_time_ms,
                        pass_crystals_mg=pass_crystals_mg, dose_mg=dose_mg)
                for n, passes_allowed in enumerate(allowed)
            ]
        )
        self.plan = Plan(self.settings)
        self.passes = Passes(self.settings, self.plan)
        self.contact = Contact(self.settings)
        self.made = [0] * ZONES  # passes in which a stroke was made
        self.given_mg = [0.0] * ZONES  # crystals, worked out a second time
        self.stroke_seen = False  # in the pass that was last opened
        self.before = [0] * ZONES  # counts after the last event
        self.session = -1
        self.passes.begin_session()

    def tick(self, touching: bool, flow_mg_min: int) -> None:
        suction = self.passes.is_open and self.passes.session_is_open
        self.contact.step(20_000 if touching else 0, 20_000 if suction else 0, TICK_MS)
        if self.passes.is_open and self.contact.is_stroke and not self.stroke_seen:
            self.stroke_seen = True
            self.made[self.passes.zone] += 1
        if self.passes.is_open:
            self.given_mg[self.passes.zone] += flow_mg_min * TICK_MS / 60_000
        self.passes.step(self.contact, flow_mg_min, TICK_MS)

    @rule(
        ms=st.sampled_from((100, 290, 310, 1_000, 6_000)), flow=st.sampled_from((0, 8_000, 20_000))
    )
    def touch(self, ms: int, flow: int) -> None:
        for _ in range(ms // TICK_MS):
            self.tick(True, flow)

    @rule(ms=st.sampled_from((50, 200, 3_900, 4_200)))
    def lift(self, ms: int) -> None:
        for _ in range(ms // TICK_MS):
            self.tick(False, 0)

    @precondition(lambda self: self.passes.session_is_open and not self.passes.is_open)
    @rule()
    def open_next(self) -> None:
        zone = self.passes.zone
        if self.passes.may_open():
            assert self.passes.zone_crystals_mg[zone] < self.settings.zones[zone].dose_mg
            self.passes.open_next()
            assert self.passes.is_open
            self.stroke_seen = False

    @precondition(lambda self: self.passes.session_is_open and not self.passes.is_open)
    @rule(ms=st.sampled_from((290, 310)), closed_by=st.sampled_from(
        (passes.CLOSED_BY_OPERATOR, passes.CLOSED_BY_FAULT)
    ))
    def short_pass(self, ms: int, closed_by: int) -> None:
        """Otherwise chance would hardly ever get through all passes of a zone."""
        self.open_next()
        self.touch(ms, 0)
        self.close(closed_by)

    @rule(closed_by=st.sampled_from((passes.CLOSED_BY_OPERATOR, passes.CLOSED_BY_FAULT)))
    def close(self, closed_by: int) -> None:
        self.passes.close(closed_by)

    @precondition(lambda self: self.passes.session_is_open)  # the treatment asks in no other
    @rule()
    def same_pass(self) -> None:
        self.passes.reopen()

    @rule(skin_type=st.integers(1, 6), first=st.booleans())
    def another_client(self, skin_type: int, first: bool) -> None:
        """As the checklist does it, in the middle of a session after a fault."""
        self.plan.tell_client(skin_type + (CLIENT_FIRST_SESSION if first else 0))
        self.plan.choose(self.passes.zone)

    @rule(zone=st.integers(-1, ZONES))
    def select(self, zone: int) -> None:
        assert self.passes.select(zone) == (0 <= zone < ZONES)

    @rule()
    def begin_session(self) -> None:
        if not self.passes.session_is_open:
            self.made = [0] * ZONES
            self.given_mg = [0.0] * ZONES
        self.passes.begin_session()

    @rule()
    def end_session(self) -> None:
        self.passes.end_session()

    @invariant()
    def counts_are_kept(self) -> None:
        counted = list(self.passes.opened[:ZONES])
        for zone, plan in enumerate(self.settings.zones):
            allowed = min(plan.passes, limits.PASSES_PER_ZONE)
            assert self.made[zone] <= counted[zone] <= allowed
            if self.passes.session == self.session:
                assert counted[zone] >= self.before[zone], "a count fell"
            most_ms = counted[zone] * (plan.pass_time_ms + TICK_MS)
            assert self.passes.zone_contact_ms[zone] <= most_ms
            most_mg = min(counted[zone] * (plan.pass_crystals_mg + 2), plan.dose_mg + 2)
            assert self.passes.zone_crystals_mg[zone] <= most_mg
            # Less than one mg of each pass is not yet a whole one.
            assert self.given_mg[zone] + 1e-6 >= self.passes.zone_crystals_mg[zone]
            assert self.given_mg[zone] - self.passes.zone_crystals_mg[zone] <= counted[zone]
            assert counted[zone] ^ self.passes._inverted[zone] == 0xFF
        assert not self.passes.is_damaged()
        self.before = counted
        self.session = self.passes.session

    @invariant()
    def budgets_are_kept(self) -> None:
        plan = self.settings.zones[self.passes.zone]
        assert self.passes.contact_ms < plan.pass_time_ms + TICK_MS
        assert self.passes.crystals_mg <= plan.pass_crystals_mg + 2
        if self.passes.is_open:
            assert self.passes.contact_ms < plan.pass_time_ms
            assert self.passes.crystals_mg < plan.pass_crystals_mg
            assert self.passes.zone_crystals_mg[self.passes.zone] < plan.dose_mg
            assert 1 <= self.passes.number() <= limits.PASSES_PER_ZONE


TestAnyTreatment = AnyTreatment.TestCase
# A run is cheap, and most of them never spend a zone.
TestAnyTreatment.settings = settings(
    max_examples=5 * settings().max_examples, stateful_step_count=40
)
