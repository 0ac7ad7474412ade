"""The modelled device: pump, line, handpiece, vent and crystal feed.

One lumped volume, isothermal. Air flows in through the feed nozzle and past
the tip's seal (both at the handpiece), and through the vent (at the volume);
the pump takes it out:

    dD/dt = (R T / volume) (pump - handpiece flow - vent flow)

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

Plain MicroPython, `+ - * / sqrt` only, so that every interpreter computes the
same bits: powers and exponentials (altitude, air properties) come in as
parameters. SI units, except vacuum and pressure in Pa and crystals in mg/min.
"""

from math import sqrt

from firmware import limits

_GAS = 287.05  # J/(kg K), dry air
_TEMPERATURE = 293.15  # K
_CRITICAL = 0.52828  # critical pressure ratio of air
_CHOKED = 0.0023606  # mass flow / (Cd area upstream pressure) when choked, s/m at 293 K
_PI = 3.141592653589793
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
    ("pump_wear", "", 0.3, 1.0, 1.0, "share of the flow that a worn pump still makes"),
    ("supply", "", 0.5, 1.2, 1.0, "pump supply over its nominal 12 V"),
    ("volume_m3", "m^3", 1e-4, 3e-3, 0.65e-3, "canister, hose and filter: 0.65 L [E]"),
    ("nozzle_m", "m", 5e-4, 2e-3, 1.2e-3, "feed nozzle, Cd 0.8; sized for 40 kPa [E]"),
    ("nozzle_open", "", 0.0, 1.0, 1.0, "1 clean, 0 clogged"),
    ("tip_m", "m", 3e-3, 8e-3, 5e-3, "tip opening: 4 to 6 mm in The Dermatologist, 2003"),
    ("seal_leak", "", 0.0, 0.2, 0.01, "share of the tip area that leaks on skin [E]"),
    ("filter_load", "", 1.0, 10.0, 1.0, "line and filter loss over the clean one"),
    ("vent_m", "m", 1e-3, 6e-3, 4e-3, "normally-open vent, Cd 0.7 [E]"),
    ("vent_lag_s", "s", 0.002, 0.1, 0.015, "lag of the vent [E]"),
    ("feed_lag_s", "s", 0.02, 1.0, 0.25, "lag of the crystal valve [E]"),
    ("feed_delay_s", "s", 0.0, 1.0, 0.2, "transport from valve to tip: 1.5 m at 7.3 m/s [E]"),
    ("feed_full_mg_min", "mg/min", 0.0, 60_000.0, 20_000.0,
     "crystal flow with the valve fully open and enough vacuum [E]"),
)

_LINE_LINEAR = 3.0e6  # Pa s/kg, clean filter: 1.8 kPa at 30 L/min [E]
_LINE_SQUARE = 2.0e9  # Pa s2/kg2: 0.7 kPa at 30 L/min [E]
_NOZZLE_CD = 0.8
_TIP_CD = 0.7
_VENT_CD = 0.7
_CARRY_PA = 8_000.0  # vacuum at the skin that carries the full crystal flow [E]
_STALL_PA = 1_000.0  # below it the grains lie still: a fifth of the air's speed [E]
_LOADING = 0.25 / 10_000.0  # nozzle air lost per mg/min of crystals: 25 % at 10 g/min [E]
_LEAK_LAG_S = 0.2  # how fast the seal's leak wanders while the tip moves


class Plant:
    """State of the device. Parameters are attributes, named as in PARAMETERS;
    they may be changed at any time."""

    def __init__(self, parameters: dict, noise, tick_s: float) -> None:  # type: ignore[no-untyped-def]
        for row in PARAMETERS:
            setattr(self, row[0], parameters.get(row[0], row[4]))
        self._noise = noise
        self._steps = int(tick_s / _STEP_S + 0.5)
        self._tick_s = tick_s
        self.on_skin = 0  # 1: the tip is sealed on skin
        self.skin_pa = 0.0  # vacuum at the skin at the end of the tick
        self.skin_peak_pa = 0.0  # highest within the tick
        self.crystals_mg_min = 0.0  # crystal flow at the tip
        self.volume_pa = 0.0
        self._speed = 0.0
        self._vent = 1.0  # opening of the vent; it is open without power
        self._flow = 1e-5  # kg/s at the handpiece, in the last step
        self._valve = 0.0
        self._leak = 0.0  # wandering of the leak, standard deviation 1
        self._fill_hose()

    def __getattr__(self, name: str) -> float:
        # Parameters are set by name; this is reached only for a wrong one.
        raise AttributeError(name)

    def set(self, name: str, value: float) -> None:
        """Change one parameter of PARAMETERS."""
        for row in PARAMETERS:
            if row[0] == name:
                setattr(self, name, value)
                if name == "feed_delay_s":
                    self._fill_hose()
                return
        raise KeyError(name)

    def _fill_hose(self) -> None:
        """An empty hose as long as the delay: the flow that left the valve in
        each tick until it reaches the tip."""
        self._hose = [0.0] * (int(self.feed_delay_s / self._tick_s + 0.5) + 1)
        self._hose_at = 0

    def run(self, pump_permille: int, feed_permille: int, vent_closed: int) -> None:
        """Run one tick with constant outputs."""
        self._run_crystals(feed_permille)
        self._run_air(pump_permille, vent_closed)

    def _run_crystals(self, feed_permille: int) -> None:
        self._valve += (feed_permille * 0.001 - self._valve) * self._tick_s / self.feed_lag_s
        skin_pa = self.skin_pa
        if skin_pa < _STALL_PA:
            self.crystals_mg_min = 0.0
            return
        carried = skin_pa / _CARRY_PA if skin_pa < _CARRY_PA else 1.0
        hose = self._hose
        at = self._hose_at
        hose[at] = self._valve * self.feed_full_mg_min * carried
        at += 1
        if at == len(hose):
            at = 0
        self._hose_at = at
        arriving = hose[at]
        self.crystals_mg_min = arriving if arriving > 1.0 else 0.0

    def _run_air(self, pump_permille: int, vent_closed: int) -> None:
        atmosphere = self.atmosphere_pa
        loading = 1.0 - _LOADING * self.crystals_mg_min
        area = _NOZZLE_CD * 0.25 * _PI * self.nozzle_m * self.nozzle_m * self.nozzle_open
        area *= loading if loading > 0.5 else 0.5
        open_share = 1.0
        if self.on_skin:
            leak = self._leak
            leak += -leak * self._tick_s / _LEAK_LAG_S
            leak += sqrt(2.0 * self._tick_s / _LEAK_LAG_S) * self._noise.gauss()
            self._leak = leak
            share = 1.0 + 0.3 * leak
            open_share = self.seal_leak * (share if share > _SEALED_LOWEST else _SEALED_LOWEST)
        area += _TIP_CD * 0.25 * _PI * self.tip_m * self.tip_m * open_share

        choked = _CHOKED * area * atmosphere + 1e-12
        knee = atmosphere * (1.0 - _CRITICAL)  # vacuum at which an orifice chokes
        square = _LINE_SQUARE * self.filter_load
        linear = _LINE_LINEAR * self.filter_load
        vent_choked = (
            _CHOKED * _VENT_CD * 0.25 * _PI * self.vent_m * self.vent_m * atmosphere
        )
        pump_most = (
            self.pump_free_flow_m3_s * atmosphere / (_GAS * _TEMPERATURE)
            * self.pump_wear * self.supply
        )
        per_ultimate = 1.0 / (self.pump_ultimate * atmosphere)
        drive = (pump_permille * 0.001 - self.pump_dead_band) / (1.0 - self.pump_dead_band)
        if drive < 0.0:
            drive = 0.0
        speed_gain = _STEP_S / self.pump_lag_s
        vent_gain = _STEP_S / self.vent_lag_s
        per_mass = _STEP_S * _GAS * _TEMPERATURE / self.volume_m3
        vent_target = 0.0 if vent_closed else 1.0

        speed = self._speed
        vent = self._vent
        volume = self.volume_pa
        flow = self._flow
        skin = self.skin_pa
        peak = 0.0
        choked2 = choked * choked
        choked2_per_knee = choked2 / knee
        for _ in range(self._steps):
            speed += speed_gain * (drive - speed)
            if volume > 0.0:
                factor = (square + linear / flow) * choked2_per_knee
                q = 1.0 + 2.0 * factor
                root = q * q - 4.0 * factor * volume / knee
                skin = 2.0 * volume / (q + sqrt(root)) if root > 0.0 else knee
                if skin >= knee:
                    flow = choked
                    skin = volume - square * choked2 - linear * choked
                else:
                    flow = choked * sqrt(skin * (2.0 * knee - skin)) / knee + 1e-9
                if skin > peak:
                    peak = skin
            else:
                skin = 0.0
                flow = 1e-9
            mass = -flow
            left = 1.0 - volume * per_ultimate
            if left > 0.0:
                mass += speed * pump_most * left
            vent += vent_gain * (vent_target - vent)
            if vent > 1e-4:
                if volume < knee:
                    if volume > 0.0:
                        mass -= vent * vent_choked * sqrt(volume * (2.0 * knee - volume)) / knee
                else:
                    mass -= vent * vent_choked
            volume += per_mass * mass
            if volume < 0.0:
                volume = 0.0
        self._speed = speed
        self._vent = vent
        self.volume_pa = volume
        self._flow = flow
        self.skin_pa = skin
        self.skin_peak_pa = peak
