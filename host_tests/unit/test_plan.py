"""The plan never gives more than the protocol, the client and the pump allow."""

from hypothesis import given
from hypothesis import strategies as st

from firmware import limits
from firmware.plan import Plan
from hal.contract import CLIENT_FIRST_SESSION, SKIN_TYPE_HIGHEST, STEP_DOWN, STEP_UP
from host_tests.bench import bench_settings, zone_of

ZONES = st.lists(
    st.builds(
        lambda level, flow, passes: zone_of(level=level, flow_mg_min=flow, passes=passes),
        st.integers(1, 10),
        st.integers(0, limits.FLOW_MG_MIN),
        st.integers(1, limits.PASSES_PER_ZONE),
    ),
    min_size=1,
    max_size=4,
)
CLIENTS = st.tuples(st.integers(1, SKIN_TYPE_HIGHEST), st.sampled_from((0, CLIENT_FIRST_SESSION)))
# What may be asked of a plan: a step of level or of flow, or another zone.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("level"), st.sampled_from((STEP_UP, STEP_UP, STEP_DOWN, 0, 3, 255))),
        st.tuples(st.just("flow"), st.sampled_from((STEP_UP, STEP_UP, STEP_DOWN, 0, 3, 255))),
        st.tuples(st.just("zone"), st.integers(0, 3)),
    ),
    max_size=40,
)


def highest(level: int, skin_type: int, is_first: int) -> int:
    """The highest level by the words of `limits.py`, not by the code's."""
    if skin_type in (4, 5, 6):
        level -= 2
    if is_first:
        level = min(level, 5)
    return max(level, 1)


@given(ZONES, CLIENTS, st.integers(0, 10), STEPS)
def test_nothing_reaches_past_zone_client_and_pump(zones, client, available, steps):  # type: ignore[no-untyped-def]
    skin_type, first = client
    settings = bench_settings(zones)
    plan = Plan(settings)
    assert plan.tell_client(skin_type | first)
    plan.available_level = available
    zone = 0
    plan.choose(zone)
    for kind, argument in steps:
        of_zone = zones[zone]
        before = (plan.level, plan.flow_mg_min)
        if kind == "zone":
            zone = argument % len(zones)
            plan.choose(zone)
        elif kind == "level":
            changed = plan.step_level(argument)
            # One at a time, told truly, and only where it was asked for.
            assert abs(plan.level - before[0]) == (1 if changed else 0)
            assert plan.flow_mg_min == before[1]
            if changed:
                assert (plan.level > before[0]) == (argument == STEP_UP)
                assert argument in (STEP_UP, STEP_DOWN)
                assert argument == STEP_DOWN or plan.level <= available
        else:
            changed = plan.step_flow(zone, argument)
            assert (plan.flow_mg_min != before[1]) == changed
            assert abs(plan.flow_mg_min - before[1]) <= 1_000
            assert plan.level == before[0]
        of_zone = zones[zone]
        most = highest(of_zone.level, skin_type, first)
        assert 1 <= plan.level <= most
        assert 0 <= plan.flow_mg_min <= of_zone.flow_mg_min
        assert plan.passes <= of_zone.passes
        if skin_type >= 4:
            assert plan.passes <= (1 if first else 2)
        assert plan.passes >= 1
        assert plan.is_available() == (plan.level <= available)


@given(ZONES, CLIENTS)
def test_what_was_taken_down_comes_back_up_to_the_cap_and_no_further(zones, client):  # type: ignore[no-untyped-def]
    plan = Plan(bench_settings(zones))
    plan.tell_client(client[0] | client[1])
    plan.available_level = 10
    plan.choose(0)
    level, flow = plan.level, plan.flow_mg_min
    assert level == highest(zones[0].level, *client)
    for _ in range(25):
        plan.step_level(STEP_DOWN)
        plan.step_flow(0, STEP_DOWN)
    assert (plan.level, plan.flow_mg_min) == (1, 0)
    for _ in range(25):
        plan.step_level(STEP_UP)
        plan.step_flow(0, STEP_UP)
    assert (plan.level, plan.flow_mg_min) == (level, flow)


@given(st.integers(0, 255))
def test_only_a_skin_type_is_a_client(argument: int) -> None:
    plan = Plan(bench_settings())
    is_one = (argument & ~CLIENT_FIRST_SESSION) in range(1, 7)
    assert plan.tell_client(argument) == is_one
    assert plan.skin_type == ((argument & 7) if is_one else 0)
    assert plan.is_first_session == (1 if is_one and argument & CLIENT_FIRST_SESSION else 0)


def test_a_mistaken_client_does_not_replace_the_one_that_was_told() -> None:
    plan = Plan(bench_settings())
    plan.tell_client(5)
    assert not plan.tell_client(7)
    assert plan.skin_type == 5


def test_another_client_is_asked_for_and_nothing_of_the_last_one_stays() -> None:
    plan = Plan(bench_settings())
    plan.tell_client(6 | CLIENT_FIRST_SESSION)
    plan.ask_client()
    plan.choose(0)
    assert (plan.skin_type, plan.is_first_session, plan.level, plan.passes) == (0, 0, 6, 3)


def test_nothing_is_available_before_it_is_proved() -> None:
    plan = Plan(bench_settings())
    assert not plan.is_available()
    assert not plan.step_level(STEP_UP)
