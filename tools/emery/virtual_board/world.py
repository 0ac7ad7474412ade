"""Everything around the chip: plant, sensors, operator and the hardware barriers.

The pins of a wiring meet what hangs on them. What pins say and what the actuators get
are two things: their power comes through the protection switch, which is closed only
while the heartbeat keeps its one-shot up and the vacuum comparator has not tripped.
The comparator has a sensor of its own, trips at 50 kPa or when `comparator_test` is
high, and stays tripped until the heartbeat has dropped out. The vent's spring opens
it without power; the relief valve opens at 55 kPa whatever the power does.

A test sets `tip` and `footswitch` itself; with an operator's parameters a modelled
operator does (see `panel`).
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from emery.simulator import loop
from emery.simulator.noise import Noise
from emery.simulator.operator import Operator
from emery.simulator.plant import TIP_ON_SKIN, Plant
from emery.simulator.sensors import Sensors
from emery.virtual_board import i2c
from emery.virtual_board.chips import STEP_US
from emery.virtual_board.pins import HIGH, Pin
from firmware.settings import Settings
from hal.contract import COMMAND_NONE, RAW_FULL_SCALE
from hal.mock import DRIFT_PER_S, TOO_LITTLE_PA
from hal.wiring import NO_PIN, PULLED_UP, ROLES, Wiring

if TYPE_CHECKING:
    from emery.virtual_board.mcu import Mcu

# Thresholds and lag of the hardware in hal/README.md.
COMPARATOR_PA = 50_000.0
RELIEF_PA = 55_000.0
_COMPARATOR_LAG_US = 20_000
_STEP_S = 0.001
# The operator looks at the panel as often as in the simulator.
_OPERATOR_US = 5_000
_TIMED_OUT = 110  # errno ETIMEDOUT
_CLEARING_CLOCKS = 9
_NEVER_US = -(1 << 62)
# As the mock's faults of the same names do.
_SAG = 0.8

# name, what it does. Those that the mock has too do the same here; what happens in
# the air path is a parameter of `plant`, what the sensors do one of `sensors`.
WORLD_FAULTS = (
    ("vacuum_a_open", "sensor A reads 0 V"),
    ("vacuum_a_short", "sensor A reads full scale"),
    ("vacuum_a_frozen", "sensor A repeats its last count"),
    ("vacuum_a_drifting", "sensor A reads 0.5 kPa less vacuum with every second"),
    ("vacuum_b_open", "sensor B reads 0 V"),
    ("vacuum_b_short", "sensor B reads full scale"),
    ("vacuum_b_frozen", "sensor B repeats its last count"),
    ("vacuum_b_drifting", "sensor B reads 0.5 kPa less vacuum with every second"),
    ("vacuum_swapped", "the wires of sensors A and B are exchanged"),
    ("sensor_supply_open", "the sense of the sensors' supply reads 0 V"),
    ("sensor_supply_sags", "the sensors' supply falls to 80 %, and with it all their counts"),
    ("barometer_silent", "the barometer does not answer"),
    ("barometer_wrong", "the barometer reads 20 kPa too little"),
    ("footswitch_stuck_pressed", "the footswitch reads pressed"),
    ("footswitch_stuck_released", "the footswitch reads released"),
    ("pump_stuck_full", "the pump runs fully while it has power"),
    ("pump_dead", "the pump gets no drive"),
    ("feed_stuck_open", "the crystal valve is open while it has power"),
    ("feed_stuck_shut", "the crystal valve gets no drive"),
    ("vent_stuck_closed", "the vent stays closed, power or not"),
    ("vent_stuck_open", "the vent stays open"),
    ("switch_stuck_on", "the protection switch is shorted: power for good"),
    ("switch_stuck_off", "the protection switch never closes"),
    ("one_shot_slow", "the heartbeat's one-shot drops out three times as late"),
    ("comparator_dead", "the vacuum comparator never trips"),
    ("power_sense_open", "the sense of the actuators' power reads low"),
    ("bus_stuck", "SDA is held low for good"),
    ("bus_stuck_once", "SDA is held low until the clock has toggled nine times"),
    *(
        (f"{device}_{kind}", f"the {device} on the bus is {kind}")
        for device in ("barometer", "motion", "gauge")
        for kind in i2c.KINDS
    ),
)
_NAMES = {name for name, _ in WORLD_FAULTS}


class UnknownFault(ValueError):
    """There is no fault of this `name` in WORLD_FAULTS."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is no fault of a virtual board's world; it has {', '.join(sorted(_NAMES))}"
        )
        self.name = name


class Applied(NamedTuple):
    """What the actuators get since `us`: drive in permille, 1 for a closed vent, 1 for
    power."""

    us: int
    pump_permille: int
    feed_permille: int
    vent_closed: int
    power: int


class World:
    """What is around one chip. Without a wiring nothing hangs on its pins.

    `settings` tell the sensors' dividers; `plant`, `sensors` and `operator` are
    parameters as in a scenario, and `events` have the form of `loop.run`.
    ValueError for an event with a fault that is none of WORLD_FAULTS.
    """

    def __init__(
        self,
        wiring: Wiring | None = None,
        *,
        settings: Settings | None = None,
        plant: dict[str, float] | None = None,
        sensors: dict[str, float] | None = None,
        operator: dict[str, Any] | None = None,
        events: Sequence[tuple[int, int, int, str, str, float]] = (),
        seed: int = 1,
    ) -> None:
        self.wiring = wiring
        self._settings = settings if settings is not None else Settings()
        self.plant = Plant(plant or {}, Noise(seed), _STEP_S)
        self._sensor_parameters = sensors or {}
        self._noise = Noise(seed + 1)
        self.sensors: Sensors | None = None
        self.operator: Operator | None = None
        if operator is not None:
            self.operator = Operator(operator, len(self._settings.zones), Noise(seed + 2))
        # What the operator sees: (state, reason, zone) of the device, None while it
        # says nothing. What the operator presses waits in `operator_commands` for
        # whoever gives it to the device.
        self.panel: Callable[[], tuple[int, int, int] | None] = lambda: None
        self.operator_commands: deque[tuple[int, int]] = deque()
        self.look: Callable[[int], None] = lambda us: None  # the operator looks there
        for event in events:
            if event[3] in (loop.INJECT, loop.CLEAR):
                self._check(event[4])
        self._agenda = loop.Agenda(list(events))
        self._strokes = 0
        self._deeds: list[tuple[int, Callable[[World], None]]] = []
        self.cut_power: Callable[[], None] = lambda: None  # for a moment; the board's own
        self.faults: set[str] = set()
        self._footswitch = 0
        self._buttons: set[str] = set()
        self.moves = False  # the hand moves though its tip is not on skin
        # The actuators' power and what they get.
        self.power = 0
        self.tripped = False
        self.pump_permille = 0
        self.feed_permille = 0
        self.vent = 0
        self.applied: list[Applied] = [Applied(0, 0, 0, 0, 0)]
        self.peak_pa = 0.0
        self._comparator_pa = 0.0
        self._last_edge_us = _NEVER_US
        self._heartbeat = 0
        self._clocks = 0
        self._held: dict[int, int] = {}
        self._drift_began_us = 0
        self._operator_us = 0
        self._roles: dict[int, str] = {}
        self._pins: dict[str, int] = {}
        self.devices: dict[int, i2c.Device] = {}
        self._buses: dict[int, tuple[int, int, int]] = {}

    def attach(self, mcu: "Mcu") -> None:
        """This is the chip."""
        self._mcu = mcu
        wiring = self.wiring
        if wiring is None:
            return
        for name, asks, _, _ in ROLES:
            pin = getattr(wiring, name)
            if pin != NO_PIN:
                self._roles[pin] = name
                self._pins[name] = pin
                # A footswitch's wire is good and its contact open.
                if asks != PULLED_UP and name in ("power_sense",):
                    mcu.pins.outside(pin, 0)
        dividers = {
            name: getattr(self._settings, name)
            for name in (
                "adc_reference_mv",
                "vacuum_a_divider_permille",
                "vacuum_b_divider_permille",
                "sensor_supply_divider_permille",
            )
        }
        self.sensors = Sensors(
            self._sensor_parameters, dividers, mcu.chip.name, self._noise, _STEP_S
        )
        self.sensors.step(0.0)
        if "heartbeat" in self._pins:
            mcu.pins.not_traced.add(self._pins["heartbeat"])
        mcu.pins.on_change = self._pin_changed
        self._add(i2c.Bmp280(self._air_pa))
        if wiring.motion_sensor:
            self._add(i2c.Lis3dh(self._hand_moves, self._noise.gauss))
        if wiring.digital_vacuum == 1:
            self._add(i2c.Abp2(lambda: self.plant.skin_pa))
        elif wiring.digital_vacuum == 2:
            self._add(i2c.Xgzp6897d(lambda: self.plant.skin_pa))

    def _add(self, device: i2c.Device) -> None:
        self.devices[device.address] = device

    # What people do

    @property
    def tip(self) -> int:
        """Where the tip is: one of TIP_ of the plant."""
        return self.plant.tip

    @tip.setter
    def tip(self, tip: int) -> None:
        self.plant.tip = tip

    @property
    def footswitch(self) -> int:
        """1 while a foot presses it."""
        return self._footswitch

    @footswitch.setter
    def footswitch(self, pressed: int) -> None:
        self._footswitch = 1 if pressed else 0
        self._show_footswitch()

    def press(self, button: str) -> None:
        """Hold a button down, by its role: "button_start" and so on."""
        self._set_button(button, 0)

    def release(self, button: str) -> None:
        """Let a button go."""
        self._set_button(button, None)

    def _set_button(self, button: str, level: int | None) -> None:
        if button not in self._pins:
            raise ValueError(f"{button} has no pin in this wiring")
        self._mcu.pins.outside(self._pins[button], level)

    @property
    def skin_pa(self) -> float:
        """Vacuum at the skin now, Pa."""
        return self.plant.skin_pa

    @property
    def now_us(self) -> int:
        """The chip's time."""
        return self._mcu.now_us

    def inject(self, name: str) -> None:
        """Turn one of WORLD_FAULTS on. ValueError for any other name."""
        self._check(name)
        self.faults.add(name)
        self._drift_began_us = self._mcu.now_us
        self._faults_changed()

    def clear(self, name: str) -> None:
        """Turn it off again."""
        self._check(name)
        self.faults.discard(name)
        self._faults_changed()

    def _check(self, name: str) -> None:
        if name not in _NAMES:
            raise UnknownFault(name)

    def _faults_changed(self) -> None:
        for device in self.devices.values():
            device.faults = {
                kind for kind in i2c.KINDS if f"{device.name}_{kind}" in self.faults
            }
            if device.name == "barometer" and "barometer_silent" in self.faults:
                device.faults.add(i2c.MISSING)
        if "bus_stuck_once" in self.faults:
            self._clocks = 0
        self._show_bus()
        self._show_footswitch()
        if self.wiring is not None:
            self._judge_power(self._mcu.now_us)
            self._apply(self._mcu.now_us)

    def at(self, us: int, deed: "Callable[[World], None]") -> None:
        """Do something at a time of the board, to the millisecond."""
        self._deeds.append((us, deed))
        self._deeds.sort(key=lambda one: one[0])

    def _follow_agenda(self, us: int) -> None:
        """The events of a scenario that have fallen due."""
        operator = self.operator
        if operator is not None and operator.strokes != self._strokes:
            self._strokes = operator.strokes
            self._agenda.stroke(self._strokes, us // 1_000)
        while self._agenda.next_ms * 1_000 <= us:
            _, _, _, action, argument, value = self._agenda.take()
            if action == loop.INJECT:
                self.inject(argument)
            elif action == loop.CLEAR:
                self.clear(argument)
            elif action == loop.SET_PLANT:
                self.plant.set(argument, value)
            elif action == loop.SET_SENSORS and self.sensors is not None:
                self.sensors.set(argument, value)
            elif action == loop.SLIP and operator is not None:
                operator.slip_off_footswitch()
            elif action == loop.POWER_CUT:
                self.cut_power()

    # Time

    def step(self, us: int) -> None:
        """A millisecond has passed, until `us`."""
        while self._deeds and self._deeds[0][0] <= us:
            self._deeds.pop(0)[1](self)
        if self._agenda.next_ms * 1_000 <= us or self.operator is not None:
            self._follow_agenda(us)
        if self.wiring is None:
            return
        self._judge_power(us)
        plant = self.plant
        plant.run(self.pump_permille, self.feed_permille, self.vent, 1)
        if plant.volume_pa > RELIEF_PA:
            plant.volume_pa = RELIEF_PA
            plant.skin_pa = min(plant.skin_pa, RELIEF_PA)
        if plant.skin_peak_pa > self.peak_pa:
            self.peak_pa = min(plant.skin_peak_pa, RELIEF_PA)
        self._comparator_pa += (
            (plant.skin_pa - self._comparator_pa) * STEP_US / _COMPARATOR_LAG_US
        )
        if self._comparator_pa > COMPARATOR_PA:
            self._trip(us)
        assert self.sensors is not None
        self.sensors.step(plant.skin_pa)
        if self.operator is not None and us - self._operator_us >= _OPERATOR_US:
            self._let_operate(self.operator, us - self._operator_us)
            self._operator_us = us

    def _let_operate(self, operator: Operator, passed_us: int) -> None:
        self.look(self._mcu.now_us)
        seen = self.panel()
        if seen is None:
            return
        state, reason, zone = seen
        operator.step(state, reason, zone, passed_us // 1_000)
        if operator.command != COMMAND_NONE:
            self.operator_commands.append((operator.command, operator.argument))
            operator.command = COMMAND_NONE
        self.tip = operator.tip
        if operator.footswitch != self._footswitch:
            self.footswitch = operator.footswitch
        operator.account(state, zone, passed_us // 1_000, int(self.plant.crystals_mg_min))

    # Pins to actuators

    def _pin_changed(self, us: int, pin: Pin) -> None:
        role = self._roles.get(pin.number)
        if role == "heartbeat":
            level = 1 if pin.permille >= HIGH // 2 else 0
            if level != self._heartbeat:
                self._heartbeat = level
                # An edge after the drop-out begins anew, with the latch ready.
                self._judge_power(us)
                self._last_edge_us = us
                self._judge_power(us)
        elif role == "comparator_test":
            self._judge_power(us)
        elif role == "i2c_scl":
            self._clocked(pin)
        if role in ("pump", "feed", "vent"):
            self._apply(us)

    def _is_test_high(self) -> bool:
        pin = self._pins.get("comparator_test")
        return pin is not None and self._mcu.pins.level(pin) == 1

    def _trip(self, us: int) -> None:
        if "comparator_dead" not in self.faults and not self.tripped:
            self.tripped = True
            self._judge_power(us)

    def _judge_power(self, us: int) -> None:
        """The protection switch, as heartbeat and comparator have it."""
        drop_out_us = self._mcu.chip.drop_out_us * (3 if "one_shot_slow" in self.faults else 1)
        since = us
        beats = us - self._last_edge_us < drop_out_us
        if not beats:
            # Without a heartbeat the latch is ready again.
            if self.tripped and self._comparator_pa < COMPARATOR_PA:
                self.tripped = False
            since = min(us, max(self._last_edge_us + drop_out_us, self.applied[-1].us))
        if self._is_test_high() and "comparator_dead" not in self.faults:
            self.tripped = True
        power = 1 if beats and not self.tripped else 0
        if "switch_stuck_on" in self.faults:
            power = 1
        elif "switch_stuck_off" in self.faults:
            power = 0
        if power != self.power:
            self.power = power
            self._apply(since)
        sense = self._pins.get("power_sense")
        if sense is not None:
            level = 0 if "power_sense_open" in self.faults else self.power
            self._mcu.pins.outside(sense, level)

    def _apply(self, us: int) -> None:
        """What the actuators get, from their pins and their power."""
        power = self.power
        pump = self._driven("pump") if power else 0
        feed = self._driven("feed") if power else 0
        vent = 1 if power and self._driven("vent") >= HIGH // 2 else 0
        faults = self.faults
        if faults:
            if power and "pump_stuck_full" in faults:
                pump = HIGH
            if "pump_dead" in faults:
                pump = 0
            if power and "feed_stuck_open" in faults:
                feed = HIGH
            if "feed_stuck_shut" in faults:
                feed = 0
            if "vent_stuck_closed" in faults:
                vent = 1
            if "vent_stuck_open" in faults:
                vent = 0
        now = Applied(us, pump, feed, vent, power)
        if now[1:] != self.applied[-1][1:]:
            self.applied.append(now)
            self.pump_permille = pump
            self.feed_permille = feed
            self.vent = vent

    def _driven(self, role: str) -> int:
        """What a gate gets, permille; its pull-down holds it low otherwise."""
        pin = self._mcu.pins[self._pins[role]]
        return pin.permille if pin.drives else 0

    # Sensors to pins

    def _show_footswitch(self) -> None:
        pin = self._pins.get("footswitch")
        if pin is None:
            return
        pressed = self._footswitch
        if "footswitch_stuck_pressed" in self.faults:
            pressed = 1
        elif "footswitch_stuck_released" in self.faults:
            pressed = 0
        # Closed to ground while pressed; else nothing, and the pull-up holds it.
        self._mcu.pins.outside(pin, 0 if pressed else None)

    def adc_counts(self, pin: int) -> int:
        """Counts of the converter at a pin, 0 to 65535."""
        role = self._roles.get(pin, "")
        sensors = self.sensors
        if sensors is None or role not in ("vacuum_a", "vacuum_b", "sensor_supply"):
            return 0
        faults = self.faults
        if not faults:
            return self._well(role)
        if "vacuum_swapped" in faults and role != "sensor_supply":
            role = "vacuum_b" if role == "vacuum_a" else "vacuum_a"
        counts = self._well(role)
        if "sensor_supply_sags" in faults:
            counts = int(counts * _SAG)
        if f"{role}_open" in faults:
            counts = 0
        elif f"{role}_short" in faults:
            counts = RAW_FULL_SCALE
        elif f"{role}_frozen" in faults:
            counts = self._held.setdefault(pin, counts)
        elif f"{role}_drifting" in faults:
            passed_us = self._mcu.now_us - self._drift_began_us
            counts = min(RAW_FULL_SCALE, counts + DRIFT_PER_S * passed_us // 1_000_000)
        if f"{role}_frozen" not in faults:
            self._held.pop(pin, None)
        return counts

    def _well(self, role: str) -> int:
        sensors = self.sensors
        assert sensors is not None
        if role == "vacuum_a":
            return sensors.vacuum_a_raw
        if role == "vacuum_b":
            return sensors.vacuum_b_raw
        return sensors.supply_raw

    def adc_uv(self, pin: int) -> int:
        """The same as voltage, in uV: whole mV, as the ESP32's calibration gives."""
        reference_mv = self._settings.adc_reference_mv
        return round(self.adc_counts(pin) * reference_mv / RAW_FULL_SCALE) * 1_000

    def _air_pa(self) -> float:
        less = TOO_LITTLE_PA if "barometer_wrong" in self.faults else 0
        return self.plant.atmosphere_pa - less

    def _hand_moves(self) -> bool:
        return self.moves or self.plant.tip == TIP_ON_SKIN

    # The bus

    def connect_bus(self, bus: int, scl: int, sda: int, hz: int, timeout_us: int) -> None:
        """A bus of the chip is on these pins."""
        old = self._buses.get(bus, (255, 255, 0))
        scl = old[0] if scl == 255 else scl
        sda = old[1] if sda == 255 else sda
        self._buses[bus] = (scl, sda, timeout_us)
        self._hz = hz
        self._show_bus()

    def transfer(
        self, bus: int, address: int, data: bytes, length: int, scan: bool
    ) -> tuple[int, int, bytes]:
        """One transaction: errno or 0, the us it takes, and what was read."""
        bits = 9 * (len(data) + 1) + (9 * (length + 1) if length else 0)
        took_us = bits * 1_000_000 // max(self._hz, 1)
        scl, sda, timeout_us = self._buses.get(bus, (255, 255, 50_000))
        missing = self._mcu.chip.no_answer_errno
        is_wired = (
            self.wiring is not None
            and scl == self._pins.get("i2c_scl")
            and sda == self._pins.get("i2c_sda")
        )
        if not is_wired:
            return (0, 112 * 30, bytes(length)) if scan else (missing, took_us, b"")
        if self._is_bus_stuck():
            if bus >= 16:
                # Bit-banged, a low SDA looks like an acknowledge, and every bit is 0.
                return (0, took_us, bytes(length))
            return (_TIMED_OUT, timeout_us, b"")
        if scan:
            found = bytes(
                one for one, device in self.devices.items() if i2c.MISSING not in device.faults
            )
            return (0, 112 * 30, found.ljust(length, b"\0"))
        device = self.devices.get(address)
        answer = None if device is None else device.transfer(self._mcu.now_us, data, length)
        if answer is None:
            return (missing, took_us, b"")
        return (0, took_us, answer)

    _hz = 400_000

    def _is_bus_stuck(self) -> bool:
        return "bus_stuck" in self.faults or "bus_stuck_once" in self.faults

    def _show_bus(self) -> None:
        sda = self._pins.get("i2c_sda")
        if sda is not None:
            self._mcu.pins.outside(sda, 0 if self._is_bus_stuck() else None)

    def _clocked(self, pin: Pin) -> None:
        """Somebody toggles SCL by hand, to free a device that holds SDA."""
        if "bus_stuck_once" in self.faults and pin.drives:
            self._clocks += 1
            if self._clocks >= _CLEARING_CLOCKS:
                self.clear("bus_stuck_once")
