"""The bench in SERVICE: steps, recordings, refusals; on a modelled device and over the link."""

from collections.abc import Iterator

import pytest

from emery.blackbox.box import Record
from emery.device.problem import DeviceProblem
from emery.link.client import Client
from emery.service_bench.bench import Step, closed_vent, longest_ms, pump, recorded
from emery.service_bench.linked import ServiceBench
from emery.simulator.plant import TIP_ON_CAP
from firmware import faults, limits
from hal.contract import COMMAND_RESTART, COMMAND_RUN_FEED, VENT_CLOSED, VENT_OPEN
from host_tests.bench import bench_settings
from host_tests.linked import LinkedDevice, linked_device, serviced_device
from host_tests.modelled_bench import ModelledBench

_CAPPED = {"cap_nozzle": 0.0}


def _modelled(plant: dict[str, float] | None = None) -> ModelledBench:
    bench = ModelledBench(bench_settings(), {**_CAPPED, **(plant or {})})
    bench.tip = TIP_ON_CAP
    return bench


@pytest.fixture
def device() -> Iterator[LinkedDevice]:
    with serviced_device() as device:
        yield device


def _linked(device: LinkedDevice) -> ServiceBench:
    client = Client(device)
    return ServiceBench(client, client.hello())


def test_a_run_is_recorded_from_before_it_until_the_vacuum_is_gone() -> None:
    bench = _modelled()
    recording = bench.run([pump(60, 400), pump(0, 600)])
    vacuum = recording.vacuum_pa(bench_settings(), "a")
    assert recording.t_ms[0] == -100
    assert recording.pump_permille[recording.t_ms.index(0)] == 600
    assert recording.vent[recording.t_ms.index(0) - 1] == VENT_OPEN
    # The pump stops and the vent stays closed, without a tick in between.
    at = recording.t_ms.index(400)
    assert recording.pump_permille[at - 1 : at + 1] == (600, 0)
    assert set(recording.vent[recording.t_ms.index(0) : recording.t_ms.index(995)]) == {
        VENT_CLOSED
    }
    assert max(vacuum) > 10_000
    assert abs(vacuum[-1]) < 500
    assert recording.active_ms == 1_000
    assert not recording.was_cut


def test_both_channels_read_alike_through_noise() -> None:
    bench = _modelled()
    recording = bench.run([pump(50, 400), closed_vent(600)])
    settings = bench_settings()
    a, b = (recording.vacuum_pa(settings, channel) for channel in "ab")
    held = slice(recording.t_ms.index(800), recording.t_ms.index(950))
    assert sum(a[held]) == pytest.approx(sum(b[held]), rel=0.03)


def test_the_firmware_lets_go_above_30_kpa_and_the_recording_says_so() -> None:
    recording = _modelled({"volume_m3": 2e-4}).run([pump(60, 1_500)])
    assert recording.was_cut
    peak_pa = max(recording.vacuum_pa(bench_settings(), "a"))
    assert limits.SERVICE_VACUUM_PA < peak_pa < 36_000


def test_the_feed_runs_with_the_vent_open() -> None:
    recording = _modelled().run([Step(COMMAND_RUN_FEED, 40, 500)])
    assert max(recording.feed_permille) == 400
    assert set(recording.vent) == {VENT_OPEN}
    assert recording.active_ms == 500


def test_a_fault_in_a_run_is_told() -> None:
    bench = _modelled()
    bench.sensors.set("offset_a_pa", 5_000.0)
    with pytest.raises(DeviceProblem, match="SENSOR_DISAGREEMENT"):
        bench.run([pump(30, 500)])


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "no step"),
        ([pump(61, 100)], "61 %; 0 to 60 are due"),
        ([Step(COMMAND_RUN_FEED, 101, 100)], "101 %"),
        ([pump(60, 2_001)], "2001 ms"),
        ([pump(60, 0)], "0 ms"),
        ([pump(60, 1_100), pump(0, 1_000)], "2100 ms altogether"),
        ([Step(COMMAND_RESTART, 0, 100)], "no command of SERVICE"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_runs(
    steps: list[Step], words: str
) -> None:
    bench = _modelled()
    ticks = bench.black_box.ticks
    with pytest.raises(ValueError, match=words):
        bench.run(steps)
    assert bench.black_box.ticks == ticks


def test_all_that_one_run_may_have_fits_the_black_box() -> None:
    assert 2_000 <= longest_ms(5) < 512 * 5 - 250
    assert 2 * longest_ms(5) < longest_ms(10)


def test_a_run_whose_beginning_is_gone_is_none() -> None:
    bench = _modelled()
    steps = [pump(20, 200), closed_vent(200)]
    bench.run(steps)
    box = bench.black_box
    records = [Record(*box.record_at(tick)) for tick in range(box.oldest_record(), box.ticks)]
    found = recorded(records, steps)
    assert found is not None
    begin = next(at for at, row in enumerate(records) if row.command)
    assert recorded(records[begin + 1 :], steps) is None
    # Nor is another one taken for it.
    assert recorded(records, [pump(21, 200), closed_vent(200)]) is None


# Over the link -----------------------------------------------------------------------


def test_a_run_over_the_link_comes_whole_out_of_the_black_box(device: LinkedDevice) -> None:
    bench = _linked(device)
    first = bench.run([pump(30, 400), closed_vent(900)])
    second = bench.run([pump(40, 2_000)])
    assert max(first.pump_permille) == 300
    assert 1_250 <= first.active_ms <= 1_500
    assert max(second.pump_permille) == 400
    assert second.t_ms[0] == -100
    assert second.vent[-1] == VENT_OPEN
    assert set(second.dt_ms) == {5}


def test_it_is_refused_outside_service() -> None:
    with linked_device() as device:
        device.run_until("STANDBY")
        with pytest.raises(DeviceProblem, match=r"in STANDBY.*SERVICE only"):
            _linked(device).run([pump(30, 500)])
        assert not device.board.pump_permille


def test_the_box_records_though_service_began_with_a_kept_fault(device: LinkedDevice) -> None:
    # A fault that needs service is kept over the restart, and not latched in SERVICE.
    device.controller.treatment.kept_fault = faults.VENT_FAILED
    recording = _linked(device).run([pump(30, 500)])
    assert max(recording.pump_permille) == 300


def test_a_latched_fault_is_told_and_nothing_runs(device: LinkedDevice) -> None:
    bench = _linked(device)
    device.controller.protection.latch(faults.VENT_FAILED)
    with pytest.raises(DeviceProblem, match="latched VENT_FAILED"):
        bench.run([pump(30, 500)])


def test_vacuum_that_stays_is_told(device: LinkedDevice) -> None:
    bench = _linked(device)
    device.board.vacuum_pa = 4_000.0
    device.run(100)
    with pytest.raises(DeviceProblem, match=r"still shows \d\.\d kPa with its outputs off"):
        bench.run([pump(30, 500)])


def test_a_line_that_stalls_in_every_run_is_told(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = _linked(device)
    pull = bench._pull

    def late() -> object:
        device.run(3_000)
        return pull()

    monkeypatch.setattr(bench, "_pull", late)
    with pytest.raises(DeviceProblem, match="overwritten before it was pulled"):
        bench.run([pump(30, 500)])


@pytest.mark.parametrize("slip", [KeyboardInterrupt, ValueError])
def test_whatever_ends_a_run_lets_go_at_once(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch, slip: type[BaseException]
) -> None:
    bench = _linked(device)
    hear = bench._client.hear

    def interrupted(s: float) -> None:
        hear(s)
        if device.board.pump_permille:
            raise slip

    monkeypatch.setattr(bench._client, "hear", interrupted)
    with pytest.raises(slip):
        bench.run([pump(30, 400), pump(30, 1_500)])
    device.run(50)
    assert device.board.pump_permille == 0
    assert device.board.vent == VENT_OPEN


def test_an_interrupt_stays_one_though_the_line_is_lost_with_it(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = _linked(device)
    do = bench._client.do

    def unplugged(command: int, argument: int = 0) -> None:
        do(command, argument)
        device.write = lambda data: None  # type: ignore[method-assign]
        raise KeyboardInterrupt

    monkeypatch.setattr(bench._client, "do", unplugged)
    with pytest.raises(KeyboardInterrupt):
        bench.run([pump(30, 400)])
