"""`hal/air_path.svg`: the way of the air and the crystals, and what opens it."""

from emery.hardware import parts
from emery.hardware.pen import INK, POWER, QUIET, SAFETY, Sheet

_AIR = "#6e7781"


def draw() -> str:
    """The drawing as SVG."""
    sheet = Sheet(
        1200,
        340,
        "Emery reference hardware: the air path",
        "Air and crystals go from the canister through the pinch valve and the nozzle to the"
        " tip, and from there by the hose to the waste canister, the filter and the pump. Vent,"
        " relief valve and the three sensors sit on the hose, on the side of the handpiece.",
    )
    y = 180
    sheet.box(40, 30, 130, 60, "crystals", fill="#fff8e5")
    sheet.box(40, y - 40, 130, 80, "handpiece\ntip, and nozzle\nof 1.2 mm")
    sheet.pipe((105, 90), (105, y - 40), 8, _AIR)
    sheet.valve(105, 115, POWER)
    sheet.text(128, 120, "Y2 pinch valve, shut without power", colour=POWER)
    # The hose, with everything that belongs on the side of the person.
    sheet.pipe((170, y), (840, y), 8, _AIR)
    sheet.text(330, y + 22, "hose of the handpiece", anchor="middle", size=12, colour=QUIET)
    for x, name, colour in ((420, "U4\nsensor A", INK), (500, "U5\nsensor B", INK),
                            (580, "U3\nsensor C", SAFETY)):  # fmt: skip
        sheet.pipe((x, y), (x, y + 60), 4, _AIR)
        sheet.area(x - 34, y + 60, 68, 44, "#f6f8fa", colour)
        sheet.text(x, y + 79, name, anchor="middle", colour=colour)
    sheet.text(
        500, y + 124, "a port each, so that no crystal blocks two", anchor="middle", size=12,
        colour=QUIET,
    )  # fmt: skip
    for x, name, kind, colour in (
        (460, "Y1 vent, 4 mm", "open without power", POWER),
        (640, "V1 relief valve", f"opens by {parts.RELIEF_KPA:g} kPa, a spring", SAFETY),
    ):
        sheet.pipe((x, y), (x, y - 90), 8, _AIR)
        sheet.valve(x, y - 50, colour)
        sheet.text(x + 22, y - 52, name, bold=True, colour=colour)
        sheet.text(x + 22, y - 36, kind, size=12, colour=colour)
        sheet.text(x, y - 98, "room air", anchor="middle", size=12, colour=QUIET)
    sheet.dashed((840, 30), (840, 310))
    sheet.text(830, 44, "side of the person", anchor="end", size=12, colour=QUIET)
    sheet.text(850, 44, "may clog: then there is less suction", size=12, colour=QUIET)
    sheet.box(865, y - 30, 90, 60, "waste\ncanister")
    sheet.box(985, y - 30, 70, 60, "filter")
    sheet.motor((1080, y), (1140, y), "M", "M1 pump", side="below")
    sheet.pipe((840, y), (865, y), 8, _AIR)
    sheet.pipe((955, y), (985, y), 8, _AIR)
    sheet.pipe((1055, y), (1090, y), 8, _AIR)
    sheet.pipe((1130, y), (1176, y), 8, _AIR)
    sheet.text(1172, y - 12, "out", anchor="end", size=12, colour=QUIET)
    return sheet.svg()
