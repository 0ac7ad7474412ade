"""Does the firmware know what the handpiece does, and are crystals shut in time?

An episode is one stroke on one plant: vented, sealed on the skin, then, from
the start or in mid-stroke, one of five conditions that last for three seconds.
Before it the plant has gone through the proof, as before each treatment. Plants
are drawn from the seed by Latin-hypercube sampling, PER_PLANT episodes on each.
Sensors have their lag and noise, the seal's leak wanders as in the simulator.

A condition is right when it is the one told at the end of its three seconds;
its latency is how long the firmware takes to tell it. Contact and lift are
right when OPEN is told just when the tip is in the air. Only cases that the
plant can reach count: full drive on the tip sealed as drawn must end 0.5 kPa or
more above the set vacuum.

    measure(seed, progress) -> the figures of the group `handpiece`
    measure_feed(seed, progress) -> the figures of the group `feed`

`feed` lifts the tip at each of 10 levels with the crystals on, at 0.2, 0.65 and
1.2 L, slow leaks and filters besides, and looks when the firmware's command
shuts the valve after the true lift.
"""

import random
from dataclasses import dataclass

from emery.bench import references
from emery.bench.keys import Figure
from emery.bench.regulation import (
    REACH_MARGIN_PA,
    Emery,
    Progress,
    Varied,
    plants,
    settings_for,
)
from emery.simulator.noise import Noise
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN, Plant
from firmware import faults, handpiece, limits, proof
from firmware.crystal_feed import CrystalFeed
from firmware.handpiece import CONDITIONS, Handpiece
from firmware.proof import Proof
from firmware.settings import Settings
from hal.contract import VENT_CLOSED

EPISODES = 2_000
PER_PLANT = 10  # two of each condition
CONDITION_S = 3.0
BEFORE_S = 1.0  # sealed, for what arises in mid-stroke
_VENTED_S = 0.5
_REACH_S = 4.0
_TICK_S = 0.005

VARIED: tuple[Varied, ...] = (
    ("filter_load", 1.0, 4.0, False),
    ("altitude_m", 0.0, 2_000.0, False),
    ("pump_wear", 0.8, 1.0, False),
    ("volume_m3", 0.2e-3, 1.2e-3, False),
)
# What the tip and the nozzle do in each condition: lowest and highest.
_SEALED_LEAK = (0.002, 0.03)
_LEAKING_LEAK = (0.06, 0.2)
_CLOGGED_OPEN = (0.1, 0.35)
_DEAD_LEAK = (0.0, 0.001)

FLOWS_MG_MIN = (0, 5_000, 10_000, 20_000)

FEED_VOLUMES_M3 = (0.2e-3, 0.65e-3, 1.2e-3)
FEED_FLOWS_MG_MIN = (2_000, 10_000, 20_000)
_FEED_STROKE_S = 2.5
_FEED_LIFT_S = 1.0


class Rig(Emery):
    """Regulation with the classifier and the crystals, as the controller steps them."""

    def __init__(self, settings: Settings, seed: int) -> None:
        super().__init__(settings, "rp2040", seed)
        self.handpiece = Handpiece(settings)
        self.feed = CrystalFeed(settings)
        self._proof = Proof(settings)
        self._pump = 0
        self.valve_permille = 0
        self.heeds_blocks = True  # no crystals while they would not come through

    def prove(self, plant: Plant) -> int:
        """Run the proof with the tip on its cap: a fault, or NONE."""
        test, readings = self._proof, self._readings
        readings.barometer_pa = round(plant.atmosphere_pa)
        plant.tip = TIP_ON_CAP
        pressed = 1
        while True:
            self._sense(plant.skin_pa)
            readings.main_turns += 1
            found: int = test.step(readings, self.sensing, 1, pressed)
            pressed = 0
            self._watch(0, 0)
            self.handpiece.learn(
                test.phase, readings.barometer_pa, self.sensing.vacuum_pa, self.tick_ms
            )
            if found != proof.RUNNING:
                return found
            is_let = test.test.fault == faults.NONE and test.vent == VENT_CLOSED
            self._pump = test.drive_permille if is_let else 0
            plant.run(self._pump, 0, int(is_let))

    def _watch(self, flow_mg_min: int, set_pa: int) -> None:
        self.handpiece.step(
            self._pump, flow_mg_min, set_pa, self.sensing.vacuum_pa, self.contact.on_skin,
            self.regulator.rise, self.tick_ms,
        )

    def rest(self, plant: Plant) -> None:
        """One tick with safe outputs, the tip in the air."""
        plant.tip = TIP_IN_AIR
        self._pump = 0
        self.drive(0, plant.skin_pa)
        self._watch(0, 0)
        plant.run(0, 0, 0)

    def run(self, plant: Plant, set_pa: int, flow_mg_min: int) -> None:
        """One tick of treatment on this plant."""
        flow = self.feed.flow_mg_min
        drive = self.drive(set_pa, plant.skin_pa)
        on_skin = self.contact.on_skin
        self._watch(flow, set_pa)
        if self.heeds_blocks and self.handpiece.blocked_ms:
            flow_mg_min = 0
        self.feed.step(flow_mg_min, set_pa, self.sensing.vacuum_pa, on_skin)
        self._pump = drive
        self.valve_permille = self.feed.valve_permille if on_skin else 0
        plant.run(drive, self.valve_permille, 1)


@dataclass(frozen=True, slots=True)
class Episode:
    """One condition on one plant. `told` is the condition at its end,
    `latency_s` how long it took, None if it was not told."""

    plant: int
    level: int
    condition: int
    from_start: bool
    told: int
    latency_s: float | None


def _parameters(condition: int, chance: random.Random, leak: float) -> dict[str, float]:
    if condition == handpiece.LEAKING:
        return {"seal_leak": chance.uniform(*_LEAKING_LEAK)}
    if condition == handpiece.CLOGGED:
        return {"nozzle_open": chance.uniform(*_CLOGGED_OPEN)}
    if condition == handpiece.DEAD_HEAD:
        return {"nozzle_open": 0.0, "seal_leak": chance.uniform(*_DEAD_LEAK)}
    return {"seal_leak": leak}


def run_episode(
    rig: Rig, plant: Plant, number: int, level: int, condition: int, chance: random.Random
) -> Episode:
    """One stroke: the plant is vented first and left as it was found."""
    set_pa = limits.LEVEL_VACUUM_PA[level - 1]
    leak = chance.uniform(*_SEALED_LEAK)
    flow = chance.choice(FLOWS_MG_MIN)
    from_start = chance.random() < 0.5
    changed = _parameters(condition, chance, leak)
    plant.set("seal_leak", leak)
    for _ in range(round(_VENTED_S / _TICK_S)):
        rig.rest(plant)
    if not from_start or condition == handpiece.OPEN_TIP:
        plant.tip = TIP_ON_SKIN
        for _ in range(round(BEFORE_S / _TICK_S)):
            rig.run(plant, set_pa, flow)
    for name, value in changed.items():
        plant.set(name, value)
    plant.tip = TIP_IN_AIR if condition == handpiece.OPEN_TIP else TIP_ON_SKIN
    since = None
    for tick in range(round(CONDITION_S / _TICK_S)):
        rig.run(plant, set_pa, flow)
        if rig.handpiece.condition != condition:
            since = None
        elif since is None:
            since = tick
    episode = Episode(
        number, level, condition, from_start, rig.handpiece.condition,
        None if since is None else (since + 1) * _TICK_S,
    )
    for name in changed:
        plant.set(name, 1.0 if name == "nozzle_open" else leak)
    return episode


def episodes(seed: int, count: int = EPISODES, progress: Progress | None = None) -> list[Episode]:
    """`count` episodes on unseen plants; those that a plant cannot reach are left out."""
    chance = random.Random(seed)
    found: list[Episode] = []
    drawn = plants(seed, VARIED, -(-count // PER_PLANT))[1:]
    for number, parameters in enumerate(drawn):
        settings = settings_for("rp2040")
        noise = 1_000 * seed + 2 * number
        rig = Rig(settings, noise)
        plant = Plant(parameters, Noise(noise + 1), _TICK_S)
        if rig.prove(plant) == faults.NONE:
            reached_pa = references.full_drive(
                {**parameters, "seal_leak": _SEALED_LEAK[1]}, _REACH_S, _TICK_S
            )[-1]
            levels = [
                level
                for level in range(1, 11)
                if reached_pa >= limits.LEVEL_VACUUM_PA[level - 1] + REACH_MARGIN_PA
            ]
            for place in range(PER_PLANT):
                found.append(
                    run_episode(
                        rig, plant, number, chance.choice(levels), place % len(CONDITIONS), chance
                    )
                )
        if progress is not None:
            progress((number + 1) / len(drawn))
    return found


def _right_pct(rows: list[tuple[bool, bool]]) -> float | None:
    """Percent of equal pairs."""
    if not rows:
        return None
    return round(100.0 * sum(told == true for told, true in rows) / len(rows), 2)


def measure(seed: int, progress: Progress) -> dict[str, Figure]:
    """The group `handpiece` of the bench; well over half a minute."""
    found = episodes(seed, EPISODES, progress)
    confusion = {
        name: {
            other: sum(
                episode.condition == place and episode.told == told for episode in found
            )
            for told, other in enumerate(CONDITIONS)
        }
        for place, name in enumerate(CONDITIONS)
    }
    latencies = {
        name: sorted(
            episode.latency_s
            for episode in found
            if episode.condition == place and episode.latency_s is not None
        )
        for place, name in enumerate(CONDITIONS)
    }
    latency_s = {
        name: {
            "median": round(times[len(times) // 2], 3),
            "p95": round(times[len(times) * 95 // 100], 3),
            "worst": round(times[-1], 3),
        }
        for name, times in latencies.items()
        if times
    }
    contact = [
        (episode.told == handpiece.OPEN_TIP, episode.condition == handpiece.OPEN_TIP)
        for episode in found
    ]
    air = [
        episode for episode in found
        if episode.condition in (handpiece.LEAKING, handpiece.CLOGGED, handpiece.DEAD_HEAD)
    ]
    slow = sorted(episode.latency_s for episode in air if episode.latency_s is not None)
    detail: dict[str, object] = {
        "episodes": len(found), "confusion": confusion, "latency_s": latency_s,
    }
    return {
        "handpiece.contact_lift_right_pct": Figure(_right_pct(contact), detail=detail),
        "handpiece.leak_clog_dead_head_right_pct": Figure(
            _right_pct([(episode.told == episode.condition, True) for episode in air])
        ),
        "handpiece.sealed_right_pct": Figure(
            _right_pct(
                [(episode.told == handpiece.SEALED, True) for episode in found
                 if episode.condition == handpiece.SEALED]
            )
        ),
        "handpiece.lift_latency_worst_ms": Figure(
            round(1000 * max(latencies["OPEN"])) if latencies["OPEN"] else None
        ),
        "handpiece.air_latency_p95_ms": Figure(
            round(1000 * slow[len(slow) * 95 // 100]) if slow else None
        ),
    }


def run_lift(
    parameters: dict[str, float],
    level: int,
    flow: int,
    seed: int,
    settings: Settings | None = None,
    *,
    heeds_blocks: bool = True,
) -> tuple[int, float]:
    """Ms from the true lift until the command shuts the crystals, and the
    crystals in mg that still come out at the open tip; with the default settings
    unless others are given. Without `heeds_blocks` the crystals flow even if the
    firmware takes the nozzle for clogged."""
    rig = Rig(settings or settings_for("rp2040"), seed)
    rig.heeds_blocks = heeds_blocks
    plant = Plant(parameters, Noise(seed + 1), _TICK_S)
    set_pa = limits.LEVEL_VACUUM_PA[level - 1]
    plant.tip = TIP_ON_SKIN
    for _ in range(round(_FEED_STROKE_S / _TICK_S)):
        rig.run(plant, set_pa, flow)
    plant.tip = TIP_IN_AIR
    delivered_mg = plant.delivered_mg
    shut_ms = 0
    for tick in range(round(_FEED_LIFT_S / _TICK_S)):
        rig.run(plant, set_pa, flow)
        if rig.valve_permille:
            shut_ms = (tick + 1) * rig.tick_ms
    return shut_ms, plant.delivered_mg - delivered_mg


def measure_feed(seed: int, progress: Progress) -> dict[str, Figure]:
    """The group `feed` of the bench; some seconds."""
    shut_ms: dict[str, int] = {}
    off_skin_mg: dict[str, float] = {}
    done = 0
    for volume in FEED_VOLUMES_M3:
        name = f"{volume * 1000:g} L"
        for level in range(1, 11):
            for flow in FEED_FLOWS_MG_MIN:
                for number, filter_load in enumerate((1.0, 4.0)):
                    ms, mg = run_lift(
                        {"volume_m3": volume, "filter_load": filter_load},
                        level, flow, 10_000 * seed + 100 * done + number,
                    )
                    shut_ms[name] = max(ms, shut_ms.get(name, 0))
                    off_skin_mg[name] = max(round(mg, 3), off_skin_mg.get(name, 0.0))
            done += 1
            progress(done / (10 * len(FEED_VOLUMES_M3)))
    return {
        "feed.command_shut_after_true_lift_worst_ms": Figure(
            max(shut_ms.values()), detail={"by_volume": shut_ms}
        ),
        "feed.off_skin_mg_worst": Figure(
            max(off_skin_mg.values()), detail={"by_volume": off_skin_mg}
        ),
    }
