"""What the handpiece does: open, sealed, leaking, clogged, or a dead head.

Air comes to the pump through the crystal nozzle and past the tip's seal. What
the pump takes, less what goes into changing the vacuum, is what comes in:

    share = (speed * left - rate / rise) / what the clean nozzle lets in

1000 permille is the clean nozzle and a tight seal; more is a leak, less a clog,
nothing a dead head. Both flows are seen through one low-pass that starts empty
with the contact, so that neither lags behind the other. `left` and the law of
the nozzle (ISO 6358, an ellipse) scale with the air pressure.

How much the clean nozzle lets in, as a part of what the pump takes, the proof
shows: the tip is tight on its cap then. Over BLEED and over PULL the vacuum
changes by what the pump took less what the nozzle let in; two such sums tell
both, the nozzle and the rise, with the pump and the filter of today. Until then
they are what the settings say and what the regulator has learnt.

The speed of the pump and the lift are followed in every tick; what comes in is
worked out each `_EVERY_MS` only, since the low-pass lets nothing faster through
and a tick has better things to do.

A condition lasts at least `_LEAST_MS` before it is told, and once told, its
bounds are wider by `_STAYS`.
"""

from micropython import const

from firmware import limits, proof
from firmware.settings import Settings
from hal.contract import FULL_PERMILLE

OPEN_TIP = const(0)
SEALED = const(1)
LEAKING = const(2)
CLOGGED = const(3)
DEAD_HEAD = const(4)
CONDITIONS = ("OPEN", "SEALED", "LEAKING", "CLOGGED", "DEAD_HEAD")

# Bounds between the conditions, in permille of the clean nozzle's air. A tip
# that leaks 3 % of its area lets in 1460, one that leaks 6 % 1900. [E]
_LEAKS_ABOVE = const(1_680)
_CLOGGED_BELOW = const(900)
_DEAD_BELOW = const(75)
_STAYS = const(30)  # permille of the bound
_SHARE_HIGHEST = const(8_000)
_LEAST_MS = const(300)
# The low-pass; noise and the regulator's ripple are faster. [E]
_SLOW_MS = const(150)
# An eighth of the low-pass: the filtered values move little meanwhile. [E]
_EVERY_MS = const(20)
# The sensor's tube and filter lag by 5 to 10 ms; the median adds a tick. [E]
_SENSED_MS = const(8)
_BITS = const(6)
# An orifice chokes at this permille of the air pressure (ISO 6358, 0.528).
_KNEE_PERMILLE = const(472)
# Where the pump has nothing left, as a part of the air pressure. [E]
_ULTIMATE_PERMILLE = const(800)
_SEA_LEVEL_PA = const(101_325)
_TAKES_LEAST = const(100)
# What crystals take of the nozzle's air: 25 permille for each g/min, half of it
# at most; they come and go with valve and hose. [E]
_MG_MIN_PER_PERMILLE = const(40)
_LOADED_MOST = const(500)
_LOADED_MS = const(350)
# The nozzle lets in between these parts of what the pump takes, in permille. [E]
_NOZZLE_LEAST = const(100)
_NOZZLE_MOST = const(1_000)
# And full speed makes a vacuum between these, in 1/16 Pa/ms: half and twice what
# the slowest and the fastest plant make. [E]
_RISE_LEAST = const(13 << 4)
_RISE_MOST = const(500 << 4)


class Handpiece:
    """`condition`, and the `share` it is from; `blocked_ms`: how long too little
    air has come in (CLOGGED or DEAD_HEAD), `low_ms`: how long the pump has given
    all it has without reaching the set vacuum."""

    STATE = (
        "condition",
        "share",
        "blocked_ms",
        "low_ms",
        "nozzle",
        "proved_rise",
        "_nothing_left_pa",
        "_knee_pa",
        "_speed",
        "_seen",
        "_given",
        "_needed",
        "_slow_pa",
        "_loaded",
        "_likely",
        "_likely_ms",
        "_since_ms",
        "_phase",
        "_before_pa",
        "_taken",
        "_let_in",
        "_bleed_pa",
        "_bleed_taken",
        "_bleed_let_in",
    )

    def __init__(self, settings: Settings) -> None:
        self._start = settings.pump_start_permille
        self._range = FULL_PERMILLE - self._start
        self._lag_ms = settings.pump_lag_ms
        self._breathe(_SEA_LEVEL_PA)
        high_pa = limits.LEVEL_VACUUM_PA[9]
        speed = (settings.hold_high_permille - self._start) * 1000 // self._range
        # What the clean nozzle lets in when choked, in permille of the pump's flow.
        self.nozzle = speed * self._left(high_pa) // self._open(high_pa)
        self.proved_rise = 0  # what full speed makes, as the proof showed; 0: not yet
        self.condition = OPEN_TIP
        self.share = 1000
        self.blocked_ms = 0
        self.low_ms = 0
        self._speed = 0  # of the pump, in 1/64 permille
        self._seen = 0  # the speed that made the vacuum now read
        self._given = 0  # what the pump takes, in 1/64 permille, behind the low-pass
        self._needed = 0  # what a clean nozzle would let in, the same
        self._slow_pa = 0  # the vacuum behind it, in 1/16 Pa
        self._loaded = 0  # the nozzle's air that crystals take, in 1/64 permille
        self._likely = SEALED
        self._likely_ms = 0
        self._since_ms = 0  # since what comes in was last worked out
        self._phase = proof.WAITING
        self._before_pa = 0  # vacuum at the start of the phase
        self._taken = 0  # by the pump since, in 1/64 ms
        self._let_in = 0  # by a nozzle of 1000, the same
        self._bleed_pa = 0  # what BLEED changed, and its two sums
        self._bleed_taken = 0
        self._bleed_let_in = 0

    def step(
        self,
        pump_permille: int,
        flow_mg_min: int,
        set_pa: int,
        vacuum_pa: int,
        on_skin: int,
        rise: int,
        dt_ms: int,
    ) -> None:
        """One tick: what pump and crystals were told in the tick before, the set
        vacuum and the vacuum now, and `rise`, the vacuum that full speed makes,
        in 1/16 Pa/ms (20 << 4 to 400 << 4), used until the proof has told it."""
        target = pump_permille - self._start
        target = (target * 1000 << _BITS) // self._range if target > 0 else 0
        self._speed += (target - self._speed) * dt_ms // (self._lag_ms + dt_ms)
        self._seen += (self._speed - self._seen) * dt_ms // (_SENSED_MS + dt_ms)
        loaded = flow_mg_min // _MG_MIN_PER_PERMILLE
        if loaded > _LOADED_MOST:
            loaded = _LOADED_MOST
        self._loaded += ((loaded << _BITS) - self._loaded) * dt_ms // (_LOADED_MS + dt_ms)
        if not on_skin:
            if self.condition != OPEN_TIP:
                self.condition = OPEN_TIP
                self.share = 1000
                self.blocked_ms = 0
                self.low_ms = 0
                self._given = 0
                self._needed = 0
                self._likely = SEALED
                self._likely_ms = 0
                self._since_ms = 0
            self._slow_pa = vacuum_pa << 4 if vacuum_pa > 0 else 0
            return
        self._since_ms += dt_ms
        if self._since_ms < _EVERY_MS:
            return
        dt_ms = self._since_ms
        self._since_ms = 0
        if vacuum_pa < 0:
            vacuum_pa = 0
        elif vacuum_pa > limits.HARD_VACUUM_PA:
            vacuum_pa = limits.HARD_VACUUM_PA
        if self.proved_rise:
            rise = self.proved_rise
        given = self._given
        given += (self._seen * self._left(vacuum_pa) // 1000 - given) * dt_ms // (
            _SLOW_MS + dt_ms
        )
        self._given = given
        needed = self._needed
        let_in = self.nozzle * self._open(vacuum_pa) // 1000
        let_in = let_in * ((1000 << _BITS) - self._loaded) // 1000  # 1000 * 64,000
        needed += (let_in - needed) * dt_ms // (_SLOW_MS + dt_ms)
        self._needed = needed
        slow_pa = self._slow_pa
        slow_pa += ((vacuum_pa << 4) - slow_pa) * dt_ms // (_SLOW_MS + dt_ms)
        self._slow_pa = slow_pa
        # In 1/64 permille: 720,000 * 1280 / 3.
        moved = ((vacuum_pa << 4) - slow_pa) * 1280 // (rise * _SLOW_MS // 50 + 1)
        share = (given - moved) * 1000 // (needed + 1)
        if share > _SHARE_HIGHEST:
            share = _SHARE_HIGHEST
        self.share = share
        self._judge(share, dt_ms)
        if pump_permille < FULL_PERMILLE or vacuum_pa > set_pa - limits.VACUUM_LOW_PA:
            self.low_ms = 0
        elif self.low_ms < limits.VACUUM_LOW_MS:
            self.low_ms += dt_ms

    def _judge(self, share: int, dt_ms: int) -> None:
        condition = self.condition
        if condition == OPEN_TIP:
            condition = self.condition = SEALED
        if share < self._bound(_DEAD_BELOW, condition == DEAD_HEAD):
            likely = DEAD_HEAD
        elif share < self._bound(_CLOGGED_BELOW, condition == CLOGGED or condition == DEAD_HEAD):
            likely = CLOGGED
        elif share < self._bound(_LEAKS_ABOVE, condition != LEAKING):
            likely = SEALED
        else:
            likely = LEAKING
        if likely != self._likely:
            self._likely = likely
            self._likely_ms = 0
        if self._likely_ms < _LEAST_MS:
            self._likely_ms += dt_ms
        if likely != condition and self._likely_ms >= _LEAST_MS:
            condition = self.condition = likely
        if condition < CLOGGED:
            self.blocked_ms = 0
        elif self.blocked_ms < limits.BLOCKED_STOP_MS:
            self.blocked_ms += dt_ms

    def learn(self, phase: int, barometer_pa: int, vacuum_pa: int, dt_ms: int) -> None:
        """One tick of the proof, in this of its phases."""
        if phase != self._phase:
            changed_pa = vacuum_pa - self._before_pa
            if self._phase == proof.BLEED:
                self._bleed_pa = changed_pa
                self._bleed_taken = self._taken
                self._bleed_let_in = self._let_in
            elif self._phase == proof.PULL and phase == proof.VENTED:
                self._compare(changed_pa)
            if phase == proof.STILL:
                self._breathe(barometer_pa)
            self._phase = phase
            self._before_pa = vacuum_pa
            self._taken = 0
            self._let_in = 0
        if phase == proof.BLEED or phase == proof.PULL:
            if vacuum_pa < 0:
                vacuum_pa = 0
            self._taken += (self._seen >> _BITS) * self._left(vacuum_pa) // 1000 * dt_ms
            self._let_in += self._open(vacuum_pa) * dt_ms

    def _compare(self, pull_pa: int) -> None:
        """BLEED and PULL are two equations for rise and nozzle. Pressures of
        10 Pa, sums of 1000 ms / 1000: 4500 * 6700, and as much again."""
        bleed_pa = self._bleed_pa // 10
        pull_pa //= 10
        above = bleed_pa * (self._taken // 1000) - pull_pa * (self._bleed_taken // 1000)
        below = bleed_pa * (self._let_in // 1000) - pull_pa * (self._bleed_let_in // 1000)
        if below < -1000:
            nozzle = above // (below // 1000)
            if nozzle < _NOZZLE_LEAST:
                nozzle = _NOZZLE_LEAST
            elif nozzle > _NOZZLE_MOST:
                nozzle = _NOZZLE_MOST
            self.nozzle = nozzle
            # What full speed makes, from both: 8700 * 160.
            push_ms = (
                self._taken - self._bleed_taken
                - nozzle * (self._let_in // 1000) + nozzle * (self._bleed_let_in // 1000)
            ) // 1000
            if push_ms > 0:
                rise = (pull_pa - bleed_pa) * 160 // push_ms
                if rise < _RISE_LEAST:
                    rise = _RISE_LEAST
                elif rise > _RISE_MOST:
                    rise = _RISE_MOST
                self.proved_rise = rise

    def _bound(self, permille: int, stays: int) -> int:
        return permille + permille * _STAYS // 1000 if stays else permille - (
            permille * _STAYS // 1000
        )

    def _breathe(self, barometer_pa: int) -> None:
        """Take this as the air pressure of today."""
        if barometer_pa < limits.BAROMETER_LOW_PA:
            barometer_pa = limits.BAROMETER_LOW_PA
        elif barometer_pa > limits.BAROMETER_HIGH_PA:
            barometer_pa = limits.BAROMETER_HIGH_PA
        self._knee_pa = barometer_pa * _KNEE_PERMILLE // 1000
        self._nothing_left_pa = barometer_pa * _ULTIMATE_PERMILLE // 1000

    def _left(self, vacuum_pa: int) -> int:
        """Permille of its flow that the pump has left at this vacuum."""
        left = 1000 - vacuum_pa * 1000 // self._nothing_left_pa
        return left if left > _TAKES_LEAST else _TAKES_LEAST

    def _open(self, vacuum_pa: int) -> int:
        """Permille of its choked flow that an orifice lets in at this vacuum."""
        x = vacuum_pa * 1000 // self._knee_pa
        if x >= 1000:
            return 1000
        square = x * (2000 - x)
        root = 300 + square * 7 // 10_000  # a straight line, then a step of Newton's
        return (root + square // root) // 2
