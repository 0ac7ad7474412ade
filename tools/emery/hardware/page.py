"""The tables of `hal/README.md` that are made from the configs and the parts.

Each stands between two comments of the page, `<!-- made: NAME -->` and
`<!-- end -->`; the rest of the page is written by hand.
"""

from emery.hardware import boards, parts
from firmware.limits import HARD_VACUUM_PA
from hal.contract import LEASE_MS
from hal.wiring import CHIPS, ROLES

# What the wire of a role goes to; the drawing shows it.
_WIRES = {
    "pump": "R18, gate of Q5", "feed": "R22, gate of Q7", "vent": "R20, gate of Q6",
    "heartbeat": "R3, one-shots U1", "power_sense": "R15, R16 behind Q1",
    "comparator_test": "D2, gate of Q4", "vacuum_a": "R24, R25 at U4",
    "vacuum_b": "R26, R27 at U5", "sensor_supply": "R28, R29 at 5 V",
    "footswitch": "R33, S1", "i2c_sda": "U7", "i2c_scl": "U7",
    "button_start": "S2", "button_pass": "S3", "button_zone": "S4", "button_end": "S5",
    "led_ready": "H1", "led_fault": "H2", "buzzer": "B1",
}  # fmt: skip


def renewed(page: str) -> str:
    """The page with all its tables made afresh. ValueError if one has no place."""
    for name, table in TABLES.items():
        begin, end = f"<!-- made: {name} -->\n", "<!-- end -->"
        if page.count(begin) != 1 or end not in page.split(begin)[1]:
            raise ValueError(f"the page has {page.count(begin)} places for {name}")
        before, after = page.split(begin)
        page = before + begin + table() + after[after.index(end) :]
    return page


def wiring_table() -> str:
    """Which pin serves which role on which board, and what hangs on it."""
    head = ["role", *(f"{boards.NAMES[chip]} (place)" for chip in CHIPS), "goes to", "what it is"]
    rows = []
    for role, _, required, purpose in ROLES:
        pins = [f"{boards.pin(chip, role)} ({boards.place(chip, role)})" for chip in CHIPS]
        name = f"`{role}`" if required else f"`{role}` (optional)"
        rows.append([name, *pins, _WIRES[role], purpose])
    return _table(head, rows)


def sums_table() -> str:
    """What the parts work out to, with the ends that their tolerances allow."""
    hard_kpa = HARD_VACUUM_PA / 1_000
    rows = []
    for chip, name in parts.CIRCUITS.items():
        drop_out, off = parts.drop_out_ms(chip), parts.power_off_ms(chip)
        rows.append(
            [
                f"drop-out of the one-shots, {name}",
                f"0.7 x {parts.ONE_SHOT_KOHM[chip]:g} kohm x {parts.ONE_SHOT_NANOFARAD:g} nF",
                f"{drop_out.nominal:.1f} ms ({drop_out.low:.1f} to {drop_out.high:.1f})",
                f"at most {parts.DROP_OUT_MS[chip]:g} ms; edges come every"
                f" {parts.EDGES_MS[chip]:g} ms",
            ]
        )
        rows.append(
            [
                f"power off after the last lease, {name}",
                f"{parts.TAIL_MS[chip]:g} ms of edges that still come, and the drop-out",
                f"{off.nominal:.1f} ms (at most {off.high:.1f})",
                f"the lease of {LEASE_MS} ms",
            ]
        )
    trips = parts.comparator_kpa()
    top, bottom = parts.COMPARATOR_DIVIDER
    rows.append(
        [
            "the comparator trips",
            f"{top:g} kohm over {bottom:g} kohm: {parts.share(parts.COMPARATOR_DIVIDER):.4f} ="
            f" {parts.SENSOR_AT_REST} - {parts.SENSOR_PER_KPA} P",
            f"{trips.nominal:.1f} kPa ({trips.low:.1f} to {trips.high:.1f})",
            f"above the {hard_kpa:g} kPa of the firmware and its overshoot, below the"
            f" {parts.RELIEF_KPA:g} kPa of the relief valve",
        ]
    )
    for chip, name in parts.CIRCUITS.items():
        divider = parts.VACUUM_DIVIDER[chip]
        part = parts.share(divider)
        rows.append(
            [
                f"vacuum channels, {name}",
                f"{divider[0]:g} kohm over {divider[1]:g} kohm: {part:.1%}",
                f"{parts.sensor_v(0) * part * 1_000:.0f} mV vented,"
                f" {parts.sensor_v(hard_kpa) * part * 1_000:.0f} mV at {hard_kpa:g} kPa",
                f"{parts.sensor_load_ma(divider):.3f} mA of the sensor's"
                f" {parts.SENSOR_OUTPUT_MA:g}; {parts.adc_lag_ms(divider):.1f} ms with"
                f" {parts.ADC_NANOFARAD:g} nF",
            ]
        )
    rows.append(
        [
            "the sensors' supply",
            f"{parts.SUPPLY_DIVIDER[0]:g} kohm over {parts.SUPPLY_DIVIDER[1]:g} kohm:"
            f" {parts.share(parts.SUPPLY_DIVIDER):.1%}",
            f"{parts.SENSOR_SUPPLY_V * parts.share(parts.SUPPLY_DIVIDER) * 1_000:.0f} mV at 5 V",
            f"{parts.adc_lag_ms(parts.SUPPLY_DIVIDER):.1f} ms with {parts.ADC_NANOFARAD:g} nF",
        ]
    )
    rows.append(
        [
            "power sense",
            f"{parts.POWER_SENSE_DIVIDER[0]:g} kohm over {parts.POWER_SENSE_DIVIDER[1]:g} kohm",
            f"{parts.power_sense_v(12):.2f} V ({parts.power_sense_v(10.8):.2f} to"
            f" {parts.power_sense_v(13.2):.2f} at 12 V +-10 %)",
            "high from 2.0 V on the RP2040, 2.5 V on the ESP32 and the ESP32-S3 (data sheets)",
        ]
    )
    return _table(["what", "from", "comes to", "held against"], rows)


def parts_table() -> str:
    """The parts list."""
    rows = [[part.refs, part.value, part.purpose, part.note] for part in parts.PARTS]
    return _table(["part", "value or type", "for", "source, remark"], rows)


TABLES = {"pins": wiring_table, "sums": sums_table, "parts": parts_table}


def _table(head: list[str], rows: list[list[str]]) -> str:
    # A bar would end the cell.
    lines = [head, ["---"] * len(head), *rows]
    cells = [[cell.replace("|", "/") for cell in line] for line in lines]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in cells) + "\n"
