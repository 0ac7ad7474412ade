"""The modelled device: pump, line, handpiece, vent and crystal feed.

One lumped volume, isothermal. Air flows in through the feed nozzle and past
the tip's seal (both at the handpiece), and through the vent and a leak of the
hose (at the volume); the pump takes it out:

    dD/dt = (R T / volume) (pump - handpiece flow - vent flow - leak)

D is the vacuum in the volume, x the smaller one at the skin; between them lies
the loss of line and filter, a m + b m^2. Orifices follow the ISO 6358 ellipse
with critical ratio 0.528, in which the loss becomes one quadratic in x, with
the linear part frozen at the last step's flow. Against an isentropic solution
by bisection this is within 2 % (`host_tests/unit/test_plant.py`).

The pump is a straight line from its free flow to its ultimate vacuum, which
scales with the barometer; its speed follows the drive above a dead-band with a
lag. Crystals follow the valve with a lag and are carried to the tip by the air
that the vacuum draws: fully above 8 kPa, less below, and with an open tip not
at all, since the air is then slower than the 1.3 m/s that lift such grains.
What is in the hose stays there and arrives with the next contact.

The tip is in the air, on the skin, close above it, or on its parking cap. As
it settles on skin or cap it leaks in a short burst before the seal is made.

Pneumatic faults are parameters too, and any may change at any moment: a vent
that is blocked, sticky or leaking; a pump that is worn, stalled or welded on; a
crystal valve that leaks or does not open; a clogged nozzle or filter, a full
canister, a hose that is off.

Plain MicroPython, `+ - * / sqrt` only, so that every interpreter computes the
same bits: powers and exponentials (altitude, air properties) come in as
parameters. SI units, except vacuum and pressure in Pa and crystals in mg.
"""

from math import sqrt

from micropython import const

from firmware import limits

# Parameters are set by name; only a type checker has to be told. (A class that
# really defines __getattr__ makes CPython read every attribute the slow way.)
TYPE_CHECKING = False

# Where the tip is.
TIP_IN_AIR = const(0)
TIP_ON_SKIN = const(1)
TIP_ON_CAP = const(2)
TIP_HOVERING = const(3)  # so close to the skin that it draws some vacuum

_GAS = 287.05  # J/(kg K), dry air
_TEMPERATURE = 293.15  # K
_CRITICAL = 0.52828  # critical pressure ratio of air
_CHOKED = 0.0023606  # mass flow / (Cd area upstream pressure) when choked, s/m at 293 K
_QUARTER_PI = 0.25 * 3.141592653589793
_STEP_S = 0.001
_SEALED_LOWEST = 0.15  # share of the mean leak that is always there

# name, unit, lowest, highest, default, what it is and where it comes from
PARAMETERS = (
    ("atmosphere_pa", "Pa", limits.BAROMETER_LOW_PA, limits.BAROMETER_HIGH_PA, 101_325.0,
     "air pressure at the site"),
    ("pump_free_flow_m3_s", "m^3/s", 1e-4, 1e-3, 5.0e-4,
     "free flow at full drive: 30 L/min; hobby builds report 15 as too weak [E]"),
    ("pump_ultimate", "", 0.5, 0.95, 0.80,
     "ultimate vacuum over air pressure; 0.84 stated for a 35 L/min pump [E]"),
    ("pump_lag_s", "s", 0.01, 1.0, 0.15, "lag of the pump speed [E]"),
    ("pump_dead_band", "", 0.0, 0.4, 0.11,
     "drive below which the pump stands: 11 % in the autotune log of"
     " koendv/vacuum-pump-controller"),
    ("pump_wear", "", 0.0, 1.0, 1.0,
     "share of the flow that the pump still makes: 1 new, 0 stalled"),
    ("pump_welded", "", 0.0, 1.0, 0.0,
     "drive that reaches the pump past the board: 1 for a welded contactor"),
    ("supply", "", 0.5, 1.2, 1.0, "pump supply over its nominal 12 V"),
    ("volume_m3", "m^3", 1e-4, 3e-3, 0.65e-3, "canister, hose and filter: 0.65 L [E]"),
    ("canister_fill", "", 0.0, 1.0, 0.0,
     "spent crystals in the canister: full, they leave 40 % of the volume and lie"
     " on the filter, whose loss is then sixfold [E]"),
    ("hose_leak", "", 0.0, 1.0, 0.0,
     "share of a 6 mm hose that is open to the air: 1 for a hose that is off [E]"),
    ("nozzle_m", "m", 5e-4, 2e-3, 1.2e-3, "feed nozzle, Cd 0.8; sized for 40 kPa [E]"),
    ("nozzle_open", "", 0.0, 1.0, 1.0, "1 clean, 0 clogged"),
    ("tip_m", "m", 3e-3, 8e-3, 5e-3, "tip opening: 4 to 6 mm in The Dermatologist, 2003"),
    ("seal_leak", "", 0.0, 0.2, 0.01, "share of the tip area that leaks on skin [E]"),
    ("touch_leak", "", 0.0, 1.0, 0.1,
     "share of the tip area that leaks besides while the tip settles, falling to none [E]"),
    ("touch_s", "s", 0.001, 1.0, 0.04, "how long the tip takes to settle [E]"),
    ("hover_leak", "", 0.0, 1.0, 0.3, "share of the tip area that is open close to the skin [E]"),
    ("cap_leak", "", 0.0, 1.0, 0.0, "share of the tip area that leaks on the parking cap"),
    ("cap_nozzle", "", 0.0, 1.0, 1.0,
     "share of the nozzle's air that the parking cap leaves open: 0 for a cap that"
     " closes the crystals' way too"),
    ("filter_load", "", 1.0, 1000.0, 1.0, "line and filter loss over the clean one"),
    ("vent_m", "m", 1e-3, 6e-3, 4e-3, "normally-open vent, Cd 0.7 [E]"),
    ("vent_open", "", 0.0, 1.0, 1.0, "share of the vent that opens: 1 free, 0 blocked or stuck"),
    ("vent_leak", "", 0.0, 1.0, 0.0, "share of the vent that stays open when it is closed"),
    ("vent_lag_s", "s", 0.002, 5.0, 0.015, "lag of the vent; seconds when it sticks [E]"),
    ("feed_lag_s", "s", 0.02, 1.0, 0.25, "lag of the crystal valve [E]"),
    ("feed_delay_s", "s", 0.0, 1.0, 0.2, "transport from valve to tip: 1.5 m at 7.3 m/s [E]"),
    ("feed_full_mg_min", "mg/min", 0.0, 60_000.0, 20_000.0,
     "crystal flow with the valve fully open and enough vacuum [E]"),
    ("feed_open", "", 0.0, 1.0, 1.0,
     "share of the wanted opening that the valve makes: 0 stuck shut, or no crystals left"),
    ("feed_leak", "", 0.0, 1.0, 0.0, "opening of the shut valve: 1 stuck open"),
)

_LINE_LINEAR = 3.0e6  # Pa s/kg, clean filter: 1.8 kPa at 30 L/min [E]
_LINE_SQUARE = 2.0e9  # Pa s2/kg2: 0.7 kPa at 30 L/min [E]
_NOZZLE_CD = 0.8
_TIP_CD = 0.7
_VENT_CD = 0.7
_HOSE_M = 6e-3  # bore of the hose [E]
_HOSE_CD = 0.7
_CANISTER_SHARE = 0.6  # of the volume, that crystals can fill [E]
_CANISTER_LOSS = 5.0  # what crystals on the filter add to its clean loss [E]
_CARRY_PA = 8_000.0  # vacuum at the skin that carries the full crystal flow [E]
_STALL_PA = 1_000.0  # below it the grains lie still: a fifth of the air's speed [E]
_LOADING = 0.25 / 10_000.0  # nozzle air lost per mg/min of crystals: 25 % at 10 g/min [E]
_LEAK_LAG_S = 0.2  # how fast the seal's leak wanders while the tip moves
_LEAK_SPREAD = 0.3  # its standard deviation over its mean [E]
_STANDING = 1e-6  # a pump speed or a valve's opening this small is none
_SHUT = 1e-4  # so is this share of the vent
_LEAST_FLOW = 1e-9  # kg/s: an orifice is never quite shut
_LEAST_SHARE = 1e-6  # of the choked flow: the line's loss divides by it


class Plant:
    """State of the device. Parameters are attributes, named as in PARAMETERS,
    changed by `set`; `tip` is one of the TIP_ positions, set at any time."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> float: ...

    def __init__(self, parameters: dict, noise, tick_s: float) -> None:  # type: ignore[no-untyped-def]
        for row in PARAMETERS:
            setattr(self, row[0], parameters.get(row[0], row[4]))
        self._gauss = noise.gauss
        self._tick_s = tick_s
        self._tick_steps = int(tick_s / _STEP_S + 0.5)
        self.tip = TIP_IN_AIR
        self.skin_pa = 0.0  # vacuum at the skin at the end of the tick
        self.skin_peak_pa = 0.0  # highest within the tick
        self.crystals_mg_min = 0.0  # crystal flow at the tip
        self.fed_mg = 0.0  # crystals that have left the valve
        self.delivered_mg = 0.0  # and that have come out at the tip
        self.volume_pa = 0.0
        self._tip_before = TIP_IN_AIR
        self._settling_s = 0.0  # until the tip sits where it was put
        self._speed = 0.0
        self._vent = 1.0  # opening of the vent; it is open without power
        self._flow = _LEAST_SHARE  # at the handpiece in the last step, over the choked one
        self._valve = 0.0
        self._leak = 0.0  # wandering of the leak, standard deviation 1
        self._prepare()
        self._fill_hose()

    def set(self, name: str, value: float) -> None:
        """Change one parameter of PARAMETERS."""
        for row in PARAMETERS:
            if row[0] == name:
                setattr(self, name, value)
                self._prepare()
                if name == "feed_delay_s":
                    self._fill_hose()
                return
        raise KeyError(name)

    def _prepare(self) -> None:
        """Work out what stays the same until a parameter changes.

        Flows are the choked ones, in kg/s; in the steps of `_run_air` vacuum
        is counted in units of the knee, the vacuum at which an orifice chokes.
        """
        atmosphere = self.atmosphere_pa
        knee = atmosphere * (1.0 - _CRITICAL)
        volume = self.volume_m3 * (1.0 - _CANISTER_SHARE * self.canister_fill)
        loss = self.filter_load + _CANISTER_LOSS * self.canister_fill
        per_mass = _STEP_S * _GAS * _TEMPERATURE / (volume * knee)
        choked = _CHOKED * _QUARTER_PI * atmosphere  # for a square metre and Cd 1
        vent = _VENT_CD * choked * self.vent_m * self.vent_m * per_mass
        hose = _HOSE_CD * choked * _HOSE_M * _HOSE_M * per_mass
        free_flow = self.pump_free_flow_m3_s * atmosphere / (_GAS * _TEMPERATURE)
        self._nozzle_flow = _NOZZLE_CD * choked * self.nozzle_m * self.nozzle_m * self.nozzle_open
        self._tip_flow = _TIP_CD * choked * self.tip_m * self.tip_m
        self._per_drive = 0.001 / (1.0 - self.pump_dead_band)
        self._dead_drive = self.pump_dead_band / (1.0 - self.pump_dead_band)
        self._air = (
            _STEP_S / self.pump_lag_s,
            _STEP_S / self.vent_lag_s,
            free_flow * self.pump_wear * self.supply * per_mass,
            knee / (self.pump_ultimate * atmosphere),
            vent * self.vent_open,
            vent * self.vent_leak + hose * self.hose_leak,
            _LINE_SQUARE * loss / knee,
            _LINE_LINEAR * loss / knee,
            per_mass,
            knee,
        )
        self._leak_keeps = 1.0 - self._tick_s / _LEAK_LAG_S
        self._leak_kick = sqrt(2.0 * self._tick_s / _LEAK_LAG_S)
        self._valve_gain = self._tick_s / self.feed_lag_s
        self._per_carry = self.feed_full_mg_min * self.nozzle_open

    def _fill_hose(self) -> None:
        """An empty hose as long as the delay: the flow that left the valve in
        each tick until it reaches the tip."""
        self._hose = [0.0] * (int(self.feed_delay_s / self._tick_s + 0.5) + 1)
        self._hose_at = 0
        self._hose_ticks = 0  # until the hose is surely empty
        self.crystals_mg_min = 0.0

    def run(self, pump_permille: int, feed_permille: int, vent_closed: int, ms: int = 0) -> None:
        """Run one tick, or so many ms, with constant outputs."""
        if feed_permille or self._hose_ticks or self._valve or self.feed_leak:
            self._run_crystals(feed_permille)
        self._run_air(pump_permille, vent_closed, ms or self._tick_steps)

    def _run_crystals(self, feed_permille: int) -> None:
        valve = self._valve
        target = feed_permille * 0.001 * self.feed_open
        if target < self.feed_leak:
            target = self.feed_leak
        valve += (target - valve) * self._valve_gain
        if valve < _STANDING:
            valve = 0.0
        self._valve = valve
        skin_pa = self.skin_pa
        if skin_pa < _STALL_PA:
            self.crystals_mg_min = 0.0
            return
        flow = valve * self._per_carry
        if skin_pa < _CARRY_PA:
            flow *= skin_pa / _CARRY_PA
        hose = self._hose
        at = self._hose_at
        hose[at] = flow
        per_mg = self._tick_s / 60.0
        if flow:
            self.fed_mg += flow * per_mg
            self._hose_ticks = len(hose)
        else:
            self._hose_ticks -= 1
        at += 1
        if at == len(hose):
            at = 0
        self._hose_at = at
        arriving = hose[at]
        if arriving > 1.0:
            self.crystals_mg_min = arriving
            self.delivered_mg += arriving * per_mg
        else:
            self.crystals_mg_min = 0.0

    def _open_share(self) -> float:
        """Share of the tip's area through which air comes in, tip not in the air."""
        tip = self.tip
        if tip == TIP_HOVERING:
            self._tip_before = tip
            return self.hover_leak
        if tip == TIP_ON_SKIN:
            leak = self._leak * self._leak_keeps + self._leak_kick * self._gauss()
            self._leak = leak
            share = 1.0 + _LEAK_SPREAD * leak
            share = self.seal_leak * (share if share > _SEALED_LOWEST else _SEALED_LOWEST)
        else:
            share = self.cap_leak
        if tip != self._tip_before:
            self._tip_before = tip
            self._settling_s = self.touch_s
        settling_s = self._settling_s
        if settling_s > 0.0:
            share += self.touch_leak * settling_s / self.touch_s
            self._settling_s = settling_s - self._tick_s
        return share if share < 1.0 else 1.0

    def _run_air(self, pump_permille: int, vent_closed: int, steps: int) -> None:
        (
            speed_gain, vent_gain, pump_most, per_ultimate, vent_flow, leak_flow,
            square_loss, linear_loss, per_mass, knee,
        ) = self._air
        drive = pump_permille * self._per_drive - self._dead_drive
        if drive < self.pump_welded:
            drive = self.pump_welded
        drive *= pump_most
        speed = self._speed
        volume = self.volume_pa / knee
        vent = self._vent
        vent_target = 0.0 if vent_closed else 1.0
        vent_left = vent_target - vent
        vent_moves = vent_left > _SHUT or vent_left < -_SHUT
        if not vent_moves:
            vent = vent_target
        opening = vent * vent_flow + leak_flow

        if self.tip == TIP_IN_AIR:
            self._tip_before = TIP_IN_AIR
            share = 1.0
        else:
            share = self._open_share()
        if volume == 0.0 and speed == 0.0 and drive == 0.0:
            # At rest: nothing but the vent can move.
            for _ in range(steps):
                vent += vent_gain * (vent_target - vent)
            self._vent = vent
            self.skin_pa = 0.0
            self.skin_peak_pa = 0.0
            return
        nozzle = self._nozzle_flow
        if self.crystals_mg_min:
            loading = 1.0 - _LOADING * self.crystals_mg_min
            nozzle *= loading if loading > 0.5 else 0.5
        if self.tip == TIP_ON_CAP:
            nozzle *= self.cap_nozzle
        choked = nozzle + self._tip_flow * share + _LEAST_FLOW
        square = square_loss * choked * choked
        linear = linear_loss * choked
        # Twice the loss over the flow's own square, and 1: the quadratic's middle.
        middle_least = 1.0 + square + square
        middle_flow = linear + linear
        handpiece_flow = choked * per_mass
        flow = self._flow
        skin = 0.0
        peak = 0.0
        for _ in range(steps):
            speed += speed_gain * (drive - speed)
            gain = speed * (1.0 - volume * per_ultimate)
            if gain < 0.0:
                gain = 0.0
            if vent_moves:
                vent += vent_gain * (vent_target - vent)
                opening = vent * vent_flow + leak_flow
            if volume > 0.0:
                middle = middle_least + middle_flow / flow
                twice = volume + volume
                root = middle * middle - (middle - 1.0) * twice
                skin = twice / (middle + sqrt(root)) if root > 0.0 else 1.0
                if skin >= 1.0:
                    flow = 1.0
                    skin = volume - square - linear
                else:
                    flow = sqrt(skin * (2.0 - skin)) + _LEAST_SHARE
                if skin > peak:
                    peak = skin
                gain -= handpiece_flow * flow
                if opening:
                    gain -= opening if volume >= 1.0 else opening * sqrt(twice - volume * volume)
                volume += gain
                if volume < 0.0:
                    volume = 0.0
            else:
                skin = 0.0
                flow = _LEAST_SHARE
                volume = gain
        if drive <= 0.0 and speed < _STANDING * pump_most:
            speed = 0.0
        self._speed = speed
        self._vent = vent
        self._flow = flow
        self.volume_pa = volume * knee
        self.skin_pa = skin * knee
        self.skin_peak_pa = peak * knee
