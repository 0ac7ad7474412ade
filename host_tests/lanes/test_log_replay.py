"""A device's black box replays on every interpreter to the CRC that CPython comes to."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from emery.blackbox import command
from emery.blackbox import replay as replaying
from emery.blackbox.replay import replay, replay_on
from emery.simulator import lanes
from host_tests.logs import log_of, treated_device, tripped_device
from host_tests.whole_device import WholeDevice

APP = typer.Typer()
APP.command()(command.replay)


def started_into_service() -> WholeDevice:
    """A device that is in SERVICE, with a keyframe of before its first tick."""
    device = WholeDevice()
    device.power_on(1)
    device.controller.black_box.keep_keyframe(device.controller.parts)
    device.run(1_000)
    return device


@pytest.mark.parametrize("device", [treated_device, tripped_device, started_into_service])
def test_a_log_replays_alike(device: object, slot: Path, lane: str) -> None:
    assert callable(device)
    made = device()
    log = log_of(made.controller, made.settings, in_service=int(made.state == "SERVICE"))
    here = replay(log)
    assert here.difference is None
    assert replay_on(log, lane, slot) == {
        "ticks": here.ticks, "crc": here.crc, "first_difference": -1,
    }  # fmt: skip


@pytest.mark.parametrize("crc", [0, 1])
def test_the_command_sees_a_lane_that_comes_to_something_else(
    crc: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = treated_device()
    log = log_of(device.controller, device.settings)
    here = replay(log)
    file = tmp_path / "it.emery-log"
    file.write_text(log.text())
    told = {"ticks": here.ticks, "crc": here.crc ^ crc, "first_difference": 5 if crc else -1}
    monkeypatch.setattr(replaying, "replay_on", lambda log, lane: told)
    monkeypatch.setattr(lanes, "interpreter", lambda lane: "a MicroPython")
    done = CliRunner().invoke(APP, [str(file), "--lane", "micropython"])
    assert done.exit_code == crc
    if crc:
        assert f"tick {here.first_tick + 5} comes out otherwise on a MicroPython" in done.stderr
    else:
        assert "same on a MicroPython" in done.stdout
