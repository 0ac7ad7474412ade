"""The device's own pneumatics in a board file, as `emery identify` measured them.

    [plant]
    pump_free_flow = "28.4 L/min"
    volume = "700 mL"

They change nothing on the device. The simulator takes them in place of the
nominal plant's values, so that a treatment is tried on this device rather than
on any. Names and ranges come from `emery.simulator.plant`; a board states what
was measured, and the rest is as on the nominal device.

Compiled, they are a section of the device's config that the device keeps and
never looks into, so that whoever reads the config back has them again:
    u8 version | i32 for each row below, in this order; the least i32: not stated
"""

import struct
from dataclasses import dataclass
from fractions import Fraction

from emery.config.document import Document
from emery.simulator.plant import PARAMETERS

_VERSION = 1
_NOT_STATED = -(2**31)


@dataclass(frozen=True, slots=True)
class PlantRow:
    """One value of [plant].

    `name` is that of the simulator, which counts in SI; a file and the compiled
    section count in whole `unit`, of which `per_si` make one of the simulator's.
    `low`, `high` and `default` are in `unit`.
    """

    name: str
    key: str
    unit: str
    per_si: int
    low: int
    high: int
    default: int
    purpose: str

    def si(self, number: int) -> float:
        """A whole number of `unit` in the simulator's unit."""
        return number / self.per_si

    def whole(self, value: float) -> int:
        """A value in the simulator's unit as the nearest whole number of `unit`."""
        return round(Fraction(str(value)) * self.per_si)


# The simulator's name, key, unit kept, how many make one of the simulator's. The
# order is that of the compiled section: new rows go to the end.
_ROWS = (
    ("pump_free_flow_m3_s", "pump_free_flow", "mL/min", 60_000_000,
     "air that the pump moves at full drive, with nothing to hold it back"),
    ("pump_ultimate", "pump_ultimate", "ppm", 1_000_000,
     "deepest vacuum of the pump, as a part of the air pressure"),
    ("pump_lag_s", "pump_lag", "us", 1_000_000,
     "time in which the pump's speed follows its drive by two thirds"),
    ("pump_dead_band", "pump_dead_band", "ppm", 1_000_000,
     "drive below which the pump stands still"),
    ("volume_m3", "volume", "uL", 1_000_000_000,
     "air in canister, hose and filter"),
    ("hose_leak", "hose_leak", "ppm", 1_000_000,
     "leak of the line, as a part of an open 6 mm hose"),
    ("nozzle_m", "nozzle", "um", 1_000_000,
     "bore of the feed nozzle, as much as is open"),
    ("filter_load", "filter_load", "permille", 1_000,
     "loss of line and filter over that of clean ones"),
    ("vent_m", "vent", "um", 1_000_000,
     "bore of the vent"),
    ("tip_m", "tip", "um", 1_000_000,
     "opening of the tip"),
    ("vent_lag_s", "vent_lag", "us", 1_000_000,
     "time in which the vent follows by two thirds"),
)  # fmt: skip


def _plant_rows() -> tuple[PlantRow, ...]:
    parameters = {row[0]: row for row in PARAMETERS}
    rows = []
    for name, key, unit, per_si, purpose in _ROWS:
        low, high, default = (
            round(Fraction(str(value)) * per_si) for value in parameters[name][2:5]
        )
        rows.append(PlantRow(name, key, unit, per_si, low, high, default, purpose))
    return tuple(rows)


PLANT_ROWS = _plant_rows()


def read_plant(document: Document) -> dict[str, float]:
    """What [plant] states, in SI by the simulator's names. Problems are noted in
    the document."""
    table = document.table("plant")
    reason = "The simulator takes no other."
    return {
        row.name: row.si(
            table.whole_quantity(row.key, row.unit, low=row.low, high=row.high, reason=reason)
        )
        for row in PLANT_ROWS
        if table.has(row.key)
    }


def encode_plant(plant: dict[str, float]) -> bytes:
    """The section's payload; b"" for a plant that states nothing."""
    if not plant:
        return b""
    numbers = [
        row.whole(plant[row.name]) if row.name in plant else _NOT_STATED for row in PLANT_ROWS
    ]
    return struct.pack(f"<B{len(numbers)}i", _VERSION, *numbers)


def decode_plant(payload: bytes) -> dict[str, float]:
    """What was encoded. ValueError, which says why, if it is none of this version."""
    if not payload:
        return {}
    if payload[0] != _VERSION:
        raise ValueError(f"its plant is of version {payload[0]}; this tool reads {_VERSION}")
    # An older tool knew fewer rows.
    count = (len(payload) - 1) // 4
    if len(payload) != 1 + 4 * count or count > len(PLANT_ROWS):
        raise ValueError(f"its plant has {len(payload)} bytes, which no plant has")
    plant = {}
    for row, number in zip(PLANT_ROWS, struct.unpack_from(f"<{count}i", payload, 1), strict=False):
        if number == _NOT_STATED:
            continue
        if not row.low <= number <= row.high:
            raise ValueError(f"its plant.{row.key} is out of range")
        plant[row.name] = row.si(number)
    return plant
