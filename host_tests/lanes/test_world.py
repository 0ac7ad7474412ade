"""The modelled world computes the same bits on MicroPython: every kind of operator,
late ticks, and faults of air and wires."""

import json
from typing import Any

import pytest

from emery.simulator import lanes
from emery.simulator.operator import STYLES
from emery.simulator.run import prepare
from hal.mock import FAULTS

# What fails when, in a treatment of 23 s.
AIR = [
    (12_000, 0, 0, "plant", "vent_open", 0.3),
    (13_500, 0, 0, "plant", "canister_fill", 0.7),
    (15_000, 0, 0, "plant", "hose_leak", 0.01),
    (16_500, 0, 0, "plant", "nozzle_open", 0.4),
    (18_000, 0, 0, "sensors", "port_b_open", 0.5),
    (19_500, 0, 0, "plant", "pump_welded", 0.2),
]
WIRES = [
    (12_000 + 250 * index, 0, 0, action, row[0], 0.0)
    for index, row in enumerate(FAULTS)
    for action in ("inject", "clear")
]


def ran(job: dict[str, Any], lane: str) -> tuple[bytes, str]:
    try:
        done = lanes.run(job, lane, None)
    except lanes.LaneMissing as missing:
        pytest.skip(str(missing))
    return bytes(done.rows), json.dumps(done.facts, sort_keys=True)


@pytest.mark.parametrize(
    ("styles", "events", "jitter_ms"),
    [(("hovering", "pressing_wrong"), AIR, 0), (("stamping", "hurried"), WIRES, 3)],
    ids=["air", "wires"],
)
def test_the_world_is_the_same_there(
    styles: tuple[str, ...], events: list[tuple[Any, ...]], jitter_ms: int
) -> None:
    for style in styles:
        assert style in STYLES
        job, _, _ = prepare("fourth_pass", seed=11)
        job |= {
            "operator": {"style": style, "pass_on_skin_ms": 5_000, "on_fault": "acknowledge"},
            "timing": {"tick_jitter_ms": jitter_ms},
            "events": events,
            "duration_ms": 23_000,
        }
        here, there = ran(job, "cpython"), ran(job, "micropython")
        assert here[1] == there[1]
        assert here[0] == there[0]
        assert len(json.loads(here[1])["events"]) > 5
