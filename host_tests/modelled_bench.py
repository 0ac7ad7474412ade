"""The bench on a modelled device in this process: no board, no line, no waiting.

App, mock board, plant and sensors are joined as `emery.simulator.loop` does it. The
records are those of the black box, without its ring's end.
"""

from collections.abc import Sequence

from emery.blackbox.box import Record
from emery.device.problem import DeviceProblem
from emery.link.said import fault_name
from emery.service_bench.bench import LET_GO, REST_MS, TAIL_MS, Bench, Step, recorded
from emery.service_bench.recording import RUN_IN_MS, Recording
from emery.simulator.noise import Noise
from emery.simulator.plant import Plant
from emery.simulator.sensors import Sensors
from firmware import faults
from firmware.app import App
from firmware.controller import Controller
from firmware.settings import Settings, encode
from hal.mock import MockBoard, MockStorage

_MAIN_LOOP_MS = 20
_POLL_MS = 200
_START_MS = 500  # until the barometer is known and the core is in SERVICE
_WIRING = (
    "adc_reference_mv",
    "vacuum_a_divider_permille",
    "vacuum_b_divider_permille",
    "sensor_supply_divider_permille",
)


class ModelledBench(Bench):
    """A device with these parameters of `emery.simulator.plant` and `.sensors`.

    `plant` and `sensors` may be changed between runs, `tip` (TIP_) too. `settings` are
    those of the firmware; `adc` is a chip's name.
    """

    def __init__(
        self,
        settings: Settings,
        plant: dict[str, float] | None = None,
        sensors: dict[str, float] | None = None,
        *,
        adc: str = "rp2040",
        seed: int = 1,
    ) -> None:
        self.tick_ms = settings.tick_period_ms
        tick_s = self.tick_ms * 0.001
        self.plant = Plant(plant or {}, Noise(seed), tick_s)
        wiring = {name: getattr(settings, name) for name in _WIRING}
        self.sensors = Sensors(sensors or {}, wiring, adc, Noise(seed + 1), tick_s)
        self.board = MockBoard(MockStorage())
        self.board.barometer_pa = int(self.plant.atmosphere_pa)
        self.app = App(self.board, encode(settings), 1)
        if self.app.controller is None:
            raise ValueError(self.app.refusal)
        self._controller: Controller = self.app.controller
        self.black_box = self._controller.black_box
        self._kept: list[Record] | None = None
        self._ms = 0
        self.rest(_START_MS)

    @property
    def tip(self) -> int:
        """Where the tip is: TIP_ of the plant."""
        return self.plant.tip

    @tip.setter
    def tip(self, tip: int) -> None:
        self.plant.tip = tip

    def run(self, steps: Sequence[Step]) -> Recording:
        """See Bench.run."""
        self._check(steps)
        self._refuse_fault()
        self.rest(REST_MS)
        self._kept = []
        try:
            self.rest(RUN_IN_MS)
            for step in [*steps, LET_GO]:
                if not self.app.post(step.command, step.percent):
                    raise ValueError("the mailbox is full")
                self.rest(step.ms)
            self.rest(TAIL_MS)
            kept = self._kept
        finally:
            self._kept = None
        self._refuse_fault()
        recording = recorded(kept, steps)
        assert recording is not None  # nothing is overwritten here
        return recording

    def rest(self, ms: int) -> None:
        """Let time pass."""
        for _ in range(ms // self.tick_ms):
            self._tick()

    def _refuse_fault(self) -> None:
        fault = self._controller.protection.fault
        if fault != faults.NONE:
            raise DeviceProblem(
                f"the device has latched {fault_name(fault)}", "See `emery faults`."
            )

    def _tick(self) -> None:
        board = self.board
        plant = self.plant
        sensors = self.sensors
        plant.run(board.pump_permille, board.feed_permille, board.vent, self.tick_ms)
        sensors.step(plant.skin_pa)
        board.vacuum_a_raw = sensors.vacuum_a_raw
        board.vacuum_b_raw = sensors.vacuum_b_raw
        board.sensor_supply_raw = sensors.supply_raw
        board.advance(self.tick_ms)
        ticks = self.black_box.ticks
        self.app.tick()
        if self.app.error is not None:
            raise self.app.error
        if self._kept is not None and self.black_box.ticks != ticks:
            self._kept.append(Record(*self.black_box.record_at(ticks)))
        self._ms += self.tick_ms
        if self._ms % _POLL_MS == 0:
            board.barometer_pa = int(plant.atmosphere_pa)
            board.measure_barometer()
        if self._ms % _MAIN_LOOP_MS == 0:
            self.app.turn()
