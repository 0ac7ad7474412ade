"""Group `trip`: how high the vacuum goes when the worst happens, and how long
the skin is held.

The pump sticks at full and the nozzle clogs in mid-stroke at level 10. The
plant runs in steps of 1 ms, so that the fault can come at every phase of the
tick and the crossing of the hard limit is seen to the millisecond. From that
millisecond the same plant is let run on twice more: with safe outputs at once
(what a firmware without any delay would do), and with safe outputs 10 ms later
(the reference). The worst over volumes, drawn plants and phases is reported.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass

from emery import slot
from emery.bench.keys import Figure
from emery.config.load import load
from emery.simulator.analysis import SKIN_FREE_PA
from emery.simulator.loop import TURN_MS
from emery.simulator.noise import Noise
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN, Plant
from emery.simulator.sensors import Sensors
from firmware import treatment
from firmware.app import App
from firmware.limits import LEVEL_VACUUM_PA
from firmware.settings import Settings, encode
from hal.contract import (
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_NONE,
    COMMAND_START,
    CONFIRM_CONSULTATION,
    CONFIRM_EYEWEAR,
    CONFIRM_FRESH_TIP,
    FULL_PERMILLE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
    VENT_OPEN,
)
from hal.mock import MockBoard, MockStorage

VOLUMES_M3 = (0.2e-3, 0.3e-3, 0.65e-3)
DRAWN_PLANTS = 23  # besides the nominal one, for each volume
_INTO_STROKE_MS = 2_500  # on the skin before the fault: well after the rise
_WAIT_MS = 15_000  # no proof takes as long, nor a release
_RELEASED_MS = 200  # of the footswitch: a commit stops the tick meanwhile
_SKIN_TYPE = 2
_REFERENCE_DELAY_MS = 10
# An ESP32 ticks at 10 ms, and sees less voltage: halved, a vented sensor fits.
_ESP32 = {
    "tick_period_ms": 10,
    "vacuum_a_divider_permille": 500,
    "vacuum_b_divider_permille": 500,
}
_CHECKLIST = (CONFIRM_CONSULTATION, CONFIRM_EYEWEAR, CONFIRM_FRESH_TIP)


@dataclass(frozen=True, slots=True)
class Trip:
    """One runaway. Peaks are at the skin; times run from the true crossing of
    the hard limit to a vacuum that lets go of the skin."""

    volume_m3: float
    peak_pa: float
    release_ms: int
    ideal_release_ms: int
    reference_peak_pa: float


class Device:
    """The firmware on a modelled device with a steady hand, in steps of 1 ms."""

    def __init__(
        self, settings: Settings, chip: str, plant: dict[str, float], seed: int
    ) -> None:
        self.tick_ms = settings.tick_period_ms
        self.plant = Plant(plant, Noise(seed), 0.001)
        self._sensors = Sensors({}, vars(settings), chip, Noise(seed + 1), self.tick_ms * 0.001)
        self.board = MockBoard(MockStorage())
        self.board.barometer_pa = int(self.plant.atmosphere_pa)
        self.app = App(self.board, encode(settings))
        self._gap_ms = 0  # what is left of a commit, with the tick stopped

    @property
    def state(self) -> int:
        """The treatment's state."""
        assert self.app.controller is not None
        return self.app.controller.treatment.state

    def run(self, ms: int) -> None:
        """Let this much time pass."""
        for _ in range(ms):
            self.step()

    def step(self) -> None:
        """One millisecond, and what falls due at its end."""
        board = self.board
        self.plant.run(board.pump_permille, board.feed_permille, board.vent)
        board.advance(1)
        if self._gap_ms:
            self._gap_ms -= 1
            board.excuse(1)
        elif board.now_ms % self.tick_ms == 0:
            sensors = self._sensors
            sensors.step(self.plant.skin_pa)
            board.vacuum_a_raw = sensors.vacuum_a_raw
            board.vacuum_b_raw = sensors.vacuum_b_raw
            board.sensor_supply_raw = sensors.supply_raw
            self.app.tick()
            if board.now_ms % TURN_MS == 0:
                board.measure_barometer()
                self.app.turn()
                self._gap_ms = board.pending_gap_ms
                board.pending_gap_ms = 0

    def to_stroke(self) -> None:
        """From power-on to the middle of a long stroke in the first zone."""
        self._until(treatment.STANDBY)
        self._ask(COMMAND_START)
        for item in _CHECKLIST:
            self._ask(COMMAND_CONFIRM, item)
        self._ask(COMMAND_CLIENT, _SKIN_TYPE)
        self._until(treatment.PROOF)
        self.plant.tip = TIP_ON_CAP
        self.run(100)
        self.board.footswitch = SWITCH_PRESSED
        self._until(treatment.READY)
        self.plant.tip = TIP_IN_AIR
        self.board.footswitch = SWITCH_RELEASED
        # A drawn plant may be too weak for this level: the runaway is the same.
        assert self.app.controller is not None
        self.app.controller.plan.available_level = len(LEVEL_VACUUM_PA)
        self.run(_RELEASED_MS)
        self.board.footswitch = SWITCH_PRESSED
        self._until(treatment.TREATING)
        self.plant.tip = TIP_ON_SKIN
        self.run(_INTO_STROKE_MS)

    def runs_away(self) -> None:
        """The pump sticks at full, in this millisecond, and the nozzle clogs."""
        self.board.inject("pump_stuck_full")
        self.board.pump_permille = FULL_PERMILLE
        self.plant.set("nozzle_open", 0.0)

    def _ask(self, command: int, argument: int = COMMAND_NONE) -> None:
        self.app.post(command, argument)
        self.run(self.tick_ms)

    def _until(self, state: int) -> None:
        for _ in range(_WAIT_MS):
            if self.state == state:
                return
            self.step()
        raise RuntimeError(f"the device did not come to {treatment.STATES[state]}")


def measure(seed: int, progress: Callable[[float], None]) -> dict[str, Figure]:
    """The figures of this group."""
    settings = load(
        slot.ROOT / "board_configs" / "pico_reference.toml",
        slot.ROOT / "board_configs" / "protocols" / "body.toml",
    )
    trips = runaways(settings, "rp2040", seed, lambda part: progress(0.6 * part))
    for name, value in _ESP32.items():
        setattr(settings, name, value)
    slower = runaways(settings, "esp32", seed, lambda part: progress(0.6 + 0.4 * part))
    return _figures(trips, "worst") | _figures(slower, "10ms_esp32")


def _figures(trips: list[Trip], which: str) -> dict[str, Figure]:
    def worst(what: Callable[[Trip], float], digits: int = 3) -> dict[str, float]:
        return {
            f"{volume_m3 * 1000:g} L": round(
                max(what(trip) for trip in trips if trip.volume_m3 == volume_m3), digits
            )
            for volume_m3 in VOLUMES_M3
        }

    peaks = worst(lambda trip: trip.peak_pa / 1000)
    physics = worst(lambda trip: trip.reference_peak_pa / 1000)
    ratios = worst(lambda trip: trip.release_ms / trip.ideal_release_ms)
    longest = worst(lambda trip: trip.release_ms, 0)
    return {
        f"trip.peak_{which}_kpa": Figure(
            max(peaks.values()),
            references={f"safe after {_REFERENCE_DELAY_MS} ms": max(physics.values())},
            detail={"by_volume": peaks, "reference_by_volume": physics, "trips": len(trips)},
        ),
        f"trip.release_ratio_{which}": Figure(
            max(ratios.values()),
            references={"no delay": 1.0},
            detail={"by_volume": ratios, "longest_release_ms": longest},
        ),
    }


def runaways(
    settings: Settings, chip: str, seed: int, progress: Callable[[float], None]
) -> list[Trip]:
    """Every volume with every drawn plant at every phase of the tick."""
    plants = [{}, *drawn_plants(seed)]
    trips = []
    for number, volume_m3 in enumerate(VOLUMES_M3):
        for place, plant in enumerate(plants):
            before = Device(settings, chip, {**plant, "volume_m3": volume_m3}, seed + place)
            before.to_stroke()
            for _ in range(settings.tick_period_ms):
                device = copy.deepcopy(before)
                device.runs_away()
                trips.append(follow(device, volume_m3, settings.hard_limit_pa))
                before.step()
            progress((number * len(plants) + place + 1) / (len(VOLUMES_M3) * len(plants)))
    return trips


def drawn_plants(seed: int) -> list[dict[str, float]]:
    """Plants that differ from the nominal one as devices and sites do. [E]"""
    draw = random.Random(seed)
    plants = []
    for _ in range(DRAWN_PLANTS):
        altitude_m = draw.uniform(0.0, 2_000.0)
        plants.append(
            {
                "atmosphere_pa": 101_325.0 * (1.0 - 2.25577e-5 * altitude_m) ** 5.2559,
                "filter_load": draw.uniform(1.0, 4.0),
                "pump_wear": draw.uniform(0.8, 1.0),
                "seal_leak": 0.002 * 15.0 ** draw.random(),  # 0.002 to 0.03
            }
        )
    return plants


def follow(device: Device, volume_m3: float, limit_pa: float) -> Trip:
    """A runaway from the fault to the release."""
    plant = device.plant
    peak_pa = 0.0
    crossed: Plant | None = None
    crossed_ms = 0
    for ms in range(_WAIT_MS):
        device.step()
        peak_pa = max(peak_pa, plant.skin_peak_pa)
        if crossed is None and plant.skin_pa >= limit_pa:
            crossed = copy.deepcopy(plant)
            crossed_ms = ms
        if plant.skin_pa >= SKIN_FREE_PA:
            continue
        if crossed is None:
            return Trip(volume_m3, peak_pa, 1, 1, limit_pa)  # let go before the limit
        return Trip(
            volume_m3,
            peak_pa,
            ms - crossed_ms,
            _release(copy.deepcopy(crossed), 0)[0],
            _release(crossed, _REFERENCE_DELAY_MS)[1],
        )
    raise RuntimeError("the runaway was never released")


def _release(plant: Plant, delay_ms: int) -> tuple[int, float]:
    """Outputs made safe after a delay: ms until the skin is free, and the peak."""
    peak_pa = plant.skin_pa
    ms = 0
    while plant.skin_pa >= SKIN_FREE_PA:
        if ms < delay_ms:
            plant.run(FULL_PERMILLE, 0, VENT_CLOSED)
        else:
            plant.run(0, 0, VENT_OPEN)
        peak_pa = max(peak_pa, plant.skin_peak_pa)
        ms += 1
    return ms, peak_pa
