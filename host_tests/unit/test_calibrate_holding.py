"""Outputs held in SERVICE: for as long as it takes, and never longer; over the link too."""

from collections.abc import Iterator

import pytest

from emery.calibrate.holding import HOLD_LONGEST_MS, Deed, HoldingBench, LinkedHold
from emery.device.problem import DeviceProblem
from emery.link.client import Client
from emery.service_bench.bench import closed_vent, pump
from firmware import limits
from hal.contract import VENT_CLOSED, VENT_OPEN
from host_tests.bench import bench_settings
from host_tests.held_bench import HeldModel
from host_tests.linked import LinkedDevice, serviced_device


@pytest.fixture
def device() -> Iterator[LinkedDevice]:
    with serviced_device() as made:
        yield made


def linked(device: LinkedDevice) -> LinkedHold:
    client = Client(device)
    return LinkedHold(client, client.hello())


def closed_for(ms: int) -> Deed:
    seen = yield closed_vent(0)
    while seen.t_ms < ms:
        seen = yield closed_vent(0)
        assert seen.vent == VENT_CLOSED


def check_hold(bench: HoldingBench) -> None:
    held = bench.hold(closed_for(7_000))
    assert 7_000 <= held.seen[-1].t_ms < 7_600
    assert held.last.vent[-1] == VENT_CLOSED
    assert VENT_OPEN not in held.last.vent[-300:]


def test_a_hold_outlasts_the_two_seconds_and_ends_at_once(device: LinkedDevice) -> None:
    assert limits.SERVICE_RUN_MS == 2_000
    check_hold(linked(device))
    assert device.board.vent == VENT_OPEN
    model = HeldModel(bench_settings())
    check_hold(model)
    assert model.board.vent == VENT_OPEN


def test_a_hold_ends_by_itself_when_nobody_answers(device: LinkedDevice) -> None:
    with pytest.raises(DeviceProblem, match="nobody answered"):
        HeldModel(bench_settings()).hold(closed_for(HOLD_LONGEST_MS + 5_000))
    bench = linked(device)
    with pytest.raises(DeviceProblem, match="nobody answered"):
        bench.hold(closed_for(HOLD_LONGEST_MS + 5_000))
    device.run(100)
    assert device.board.vent == VENT_OPEN


def test_whatever_goes_wrong_lets_go(device: LinkedDevice) -> None:
    def fails() -> Deed:
        for _ in range(5):
            yield pump(30, 0)
        raise ValueError("a slip")

    with pytest.raises(ValueError, match="a slip"):
        linked(device).hold(fails())
    device.run(100)
    assert device.board.pump_permille == 0
    assert device.board.vent == VENT_OPEN


def test_a_line_that_is_lost_ends_it_in_the_firmware(device: LinkedDevice) -> None:
    def goes() -> Deed:
        for _ in range(5):
            yield pump(30, 0)
        device.write = lambda data: None  # type: ignore[method-assign]
        while True:
            yield pump(30, 0)

    with pytest.raises(DeviceProblem):
        linked(device).hold(goes())
    device.run(limits.SERVICE_RUN_MS)
    assert device.board.pump_permille == 0
    assert device.board.vent == VENT_OPEN


def test_what_lies_at_rest_is_recorded_with_all_outputs_off(device: LinkedDevice) -> None:
    recording = linked(device).at_rest(1_000)
    assert len(recording) == 200
    assert set(recording.pump_permille) == {0}
    assert set(recording.vent) == {VENT_OPEN}
