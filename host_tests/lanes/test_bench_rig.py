"""The bench's tick rig on real MicroPython: what it plays is the recording."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emery.bench import tick
from emery.simulator import lanes


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A short recording, which no other test gets to see."""
    try:
        lanes.build_slot(tmp_path / "slot")
        lanes.interpreter("micropython")
    except lanes.LaneMissing as missing:
        pytest.skip(str(missing))
    tick.recording.cache_clear()
    monkeypatch.setattr(tick, "_RECORDED_MS", 25_000)
    monkeypatch.setattr(tick, "_COUNTED_MS", 20_000)
    monkeypatch.setattr(tick, "_RIG_RUNS", 1)
    yield
    tick.recording.cache_clear()


@pytest.mark.usefixtures("short")
def test_ticks_and_calls_are_timed_in_turns_and_no_tick_allocates() -> None:
    figures = tick.measure(1, lambda part: None)
    allocated = figures["tick.allocated_bytes"]
    assert allocated.value == 0
    assert isinstance(allocated.detail["ticks"], int)
    assert allocated.detail["ticks"] > 2_300
    (call,) = allocated.references.values()
    assert call is not None
    assert call > 100
    ratio = figures["tick.vs_simple_pid"]
    assert ratio.value is not None
    assert ratio.value > 0
    assert ratio.detail["heap_locked"]
    assert ratio.detail["heap_open"]


@pytest.mark.usefixtures("short")
def test_without_simple_pid_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick, "_simple_pid", lambda: None)
    figures = tick.measure(1, lambda part: None)
    assert figures["tick.allocated_bytes"].value == 0
    assert figures["tick.unix_us"].value
    assert figures["tick.vs_simple_pid"].value is None
    assert "pip install" in figures["tick.vs_simple_pid"].reason
