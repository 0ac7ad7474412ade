"""The mock as a board that runs by itself, and a link that only listens.

`RunningMock` adds to `hal.mock` what `hal.contract.RunningBoard` asks for: it calls the
ticks of 5 ms that fall into a pause, keeps two records, and notes what is shown, fed
and stopped. Sensors read what a vented, idle device gives, unless a test sets them.
"""

from collections.abc import Callable
from typing import Any

from firmware.settings import Settings
from hal.contract import (
    BARRIERS_FINE,
    RESET_POWER_ON,
    SENSORS_FINE,
    RunningBoard,
)
from hal.mock import MockBoard, MockStorage
from host_tests.bench import bench_settings, raw_at, supply_raw

TICK_MS = 5
TICKS_OF_A_PAUSE = 4


class Restarted(BaseException):
    """The processor was reset; `into_service` as it was asked for."""

    def __init__(self, into_service: int) -> None:
        super().__init__(into_service)
        self.into_service = into_service


class RunningMock(MockBoard, RunningBoard):
    """A board with a main loop."""

    boot_storage: MockStorage
    journal_storage: MockStorage
    ledger_storage: MockStorage
    tick_error: BaseException | None

    def __init__(
        self,
        storage: MockStorage | None = None,
        boot_storage: MockStorage | None = None,
        journal_storage: MockStorage | None = None,
        ledger_storage: MockStorage | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(storage or MockStorage())
        self.boot_storage = boot_storage or MockStorage()
        self.journal_storage = journal_storage or MockStorage()
        self.ledger_storage = ledger_storage or MockStorage()
        self.boot_storage.board = self.journal_storage.board = self.ledger_storage.board = self
        self.device_id = "e660583883000001"
        self.in_service = 0
        self.reset_cause = RESET_POWER_ON
        self.ticks = 0
        self.overruns = 0
        self.tick_error = None
        self.sensor_fault = SENSORS_FINE
        self.digital_vacuum_pa = 0
        self.digital_vacuum_age_ms = 0
        self.barrier = BARRIERS_FINE  # what the proof finds
        self.proofs = 0
        self.acts: list[str] = []  # stop, show, watch, feed, restart: in order
        self.shown: list[tuple[int, int, int]] = []
        self.buttons = 0
        self.buttons_down = 0
        self.watchdog_ms = 0
        self.feeds = 0
        self._fed = 0
        self._tick: Callable[[], None] | None = None
        self.ticks_come = True
        settings = settings or bench_settings()
        supply = supply_raw(settings)
        self.sensor_supply_raw = supply
        self.vacuum_a_raw = round(raw_at(settings, "a", 0.0, supply))
        self.vacuum_b_raw = round(raw_at(settings, "b", 0.0, supply))

    def start(self, tick: Any) -> None:
        self._tick = tick

    def stop(self) -> None:
        self.acts.append("stop")
        self._tick = None
        self.make_safe()

    def pause(self) -> None:
        for _ in range(TICKS_OF_A_PAUSE):
            self.advance(TICK_MS)
            self.sensor_supply_raw ^= 1  # no converter gives the same count for ever
            if self._tick is None or not self.ticks_come:
                continue
            try:
                self._tick()
                self.ticks += 1
            except BaseException as error:  # noqa: BLE001 - as the boards do
                self.make_safe()
                self._tick = None
                self.tick_error = error

    def poll(self) -> None:
        self.measure_barometer()

    def watch(self, timeout_ms: int) -> None:
        self.acts.append("watch")
        self.watchdog_ms = timeout_ms

    def feed_watchdog(self) -> None:
        if self.watchdog_ms and self.ticks != self._fed:
            self._fed = self.ticks
            self.feeds += 1

    def buttons_pressed(self) -> int:
        pressed, self.buttons = self.buttons, 0
        return pressed

    def show(self, led_ready: int, led_fault: int, tone_hz: int) -> None:
        self.acts.append("show")
        self.shown.append((led_ready, led_fault, tone_hz))

    def prove_barriers(self) -> int:
        self.proofs += 1
        return self.barrier

    def open_storage_window(self) -> bool:
        return self.is_safe()

    def close_storage_window(self) -> None:
        self.acts.append("window closed")

    def restart(self, into_service: int) -> None:
        self.acts.append("restart")
        super().restart(into_service)
        raise Restarted(into_service)


class SilentLink:
    """Stands for `firmware.link.Link`."""

    def __init__(self, app: Any, board: Any, console: Any, info: dict[str, Any]) -> None:
        self.info = info
        self.turns = 0
        self.said: list[str] = []
        self.on_turn: Callable[[], None] | None = None

    def turn(self) -> None:
        self.turns += 1
        if self.on_turn is not None:
            self.on_turn()

    def say(self, text: str) -> None:
        self.said.append(text)
