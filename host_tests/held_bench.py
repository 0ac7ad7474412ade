"""A modelled device that can be held, and the hands at it, for tests of calibrations.

Time is the model's: an answer comes as soon as it is asked for, once the device is steady.
"""

from collections.abc import Callable

from emery.calibrate.holding import (
    ASK_AGAIN_MS,
    HELD_LOOK_MS,
    Deed,
    Held,
    HoldingBench,
    Seen,
    refuse_long,
    until_let_go,
)
from emery.calibrate.technician import Technician
from emery.service_bench.bench import LET_GO, TAIL_MS, Step
from emery.service_bench.recording import Recording
from emery.virtual_board.hands import Hands
from firmware.black_box import RECORDS
from firmware.settings import Settings
from hal.contract import COMMAND_RUN_PUMP
from host_tests.modelled_bench import ModelledBench

# Of `emery.simulator.sensors`, and the setting that says what a divider is.
_DIVIDERS = {
    "_divider_a": "vacuum_a_divider_permille",
    "_divider_b": "vacuum_b_divider_permille",
    "_supply_divider": "sensor_supply_divider_permille",
}


class Around:
    """What `Hands` needs of a virtual board's world."""

    def __init__(self, bench: "HeldModel") -> None:
        self._bench = bench
        self.footswitch = 0
        self.now_us = 0

    @property
    def plant(self):  # type: ignore[no-untyped-def]
        return self._bench.plant

    @property
    def sensors(self):  # type: ignore[no-untyped-def]
        return self._bench.sensors

    @property
    def tip(self) -> int:
        return self._bench.tip

    @tip.setter
    def tip(self, tip: int) -> None:
        self._bench.tip = tip

    pump_permille = feed_permille = vent = 0


class HeldModel(ModelledBench, HoldingBench):
    """See ModelledBench. `built`: with the dividers of these settings, whatever those of the
    firmware say. `most_percent` is the most that the pump was asked for."""

    def __init__(
        self,
        settings: Settings,
        plant: dict[str, float] | None = None,
        sensors: dict[str, float] | None = None,
        *,
        built: Settings | None = None,
        adc: str = "rp2040",
        seed: int = 1,
    ) -> None:
        super().__init__(settings, plant, sensors, adc=adc, seed=seed)
        if built is not None:
            for name, key in _DIVIDERS.items():
                setattr(self.sensors, name, getattr(built, key) * 0.001)
            # A parameter that is set works out anew what follows from the dividers.
            self.sensors.set("noise", self.sensors.noise)
        self.around = Around(self)
        self.hands = Hands(self.around)  # type: ignore[arg-type]
        self.most_percent = 0

    def hold(self, deed: Deed) -> Held:
        self._refuse_fault()
        self._kept = []
        seen: list[Seen] = []
        begun_ms = self._ms
        step = next(deed)
        asked: Step | None = None
        asked_ms = 0
        try:
            while True:
                now_ms = self._ms - begun_ms
                if step != asked or now_ms - asked_ms >= ASK_AGAIN_MS:
                    assert self.app.post(step.command, step.percent)
                    asked, asked_ms = step, now_ms
                    if step.command == COMMAND_RUN_PUMP:
                        self.most_percent = max(self.most_percent, step.percent)
                self.rest(HELD_LOOK_MS)
                sensing = self._controller.sensing
                seen.append(
                    Seen(
                        self._ms - begun_ms, sensing.a.vacuum_pa, sensing.b.vacuum_pa,
                        self.app.readings.barometer_pa, self.app.outputs.pump_permille,
                        self.app.outputs.feed_permille, self.app.outputs.vent,
                    )
                )  # fmt: skip
                self._refuse_fault()
                refuse_long(seen[-1].t_ms)
                try:
                    step = deed.send(seen[-1])
                except StopIteration:
                    break
            self.app.post(LET_GO.command, LET_GO.percent)
            self.rest(TAIL_MS)
            kept = self._kept[-RECORDS:]
        finally:
            self._kept = None
        self.rest(1_000)
        return Held(tuple(seen), until_let_go(kept))

    def at_rest(self, ms: int) -> Recording:
        self._kept = []
        self.rest(ms)
        kept, self._kept = self._kept, None
        return Recording.of(kept, 0, 0)


class Scripted(Technician):
    """Does with the model's hands what is asked for; `reads` may change an answer:
    it gets the deed and what the hands found."""

    def __init__(
        self, bench: HeldModel, reads: Callable[[str, str], str] = lambda deed, found: found
    ) -> None:
        self._bench = bench
        self._reads = reads
        self._answer = ""
        self.asked: list[str] = []

    def begin(self, words: str, deed: str) -> None:
        self.asked.append(words)
        found = ""
        for one in filter(None, map(str.strip, deed.split(";"))):
            found = self._bench.hands.do(one)
        self._answer = self._reads(deed, found)

    def poll(self) -> str | None:
        return self._answer

    def tell(self, words: str) -> None:
        self.asked.append(words)
