"""`hal/reference_hardware.svg`: everything round the controller but the protection path."""

from emery.hardware import parts
from emery.hardware.boards import pin_texts
from emery.hardware.pen import INK, POWER, QUIET, Sheet

# The controller.
_LEFT, _RIGHT = 500, 700
_TOP, _BOTTOM = 110, 890


def draw() -> str:
    """The drawing as SVG."""
    sheet = Sheet(
        1300,
        940,
        "Emery reference hardware: sensors, actuators and panel",
        "The controller, a Raspberry Pi Pico or an ESP32-DevKitC, with two vacuum sensors, the"
        " sense of their supply, barometer, footswitch and buttons on its left, and with the"
        " drives of pump, vent and crystal valve, the protection path, lights and buzzer on"
        " its right.",
    )
    _controller(sheet)
    _power(sheet)
    _sensors(sheet)
    _bus(sheet)
    _panel(sheet)
    _actuators(sheet)
    return sheet.svg()


def _controller(sheet: Sheet) -> None:
    left = {
        "vacuum_a": 185, "sensor_supply": 290, "vacuum_b": 405, "footswitch": 545,
        "i2c_sda": 645, "i2c_scl": 680,
        "button_start": 750, "button_pass": 785, "button_zone": 820, "button_end": 855,
    }  # fmt: skip
    right = {
        "pump": 265, "vent": 375, "feed": 485, "heartbeat": 610, "comparator_test": 645,
        "power_sense": 680, "led_ready": 755, "led_fault": 805, "buzzer": 855,
    }  # fmt: skip
    sheet.box(
        _LEFT, _TOP, _RIGHT - _LEFT, _BOTTOM - _TOP,
        "A1  controller\nPico  |  ESP32",
        left=[(y, role) for role, y in left.items()],
        right=[(y, role) for role, y in right.items()],
    )  # fmt: skip
    pins = pin_texts()
    for role, y in left.items():
        sheet.text(_LEFT - 6, y - 6, pins[role], anchor="end", size=11, colour=QUIET)
    for role, y in right.items():
        sheet.text(_RIGHT + 6, y - 6, pins[role], size=11, colour=QUIET)
    sheet.ground(600, _BOTTOM)


def _power(sheet: Sheet) -> None:
    sheet.box(30, 45, 80, 54, "PS1\n12 V", right=((75, ""),))
    sheet.fuse((130, 75), (190, 75), "F1 5 A")
    sheet.supply(208, 65, "12 V", POWER)
    sheet.wire((190, 75), (240, 75), colour=POWER)
    sheet.wire((208, 65), (208, 75), colour=POWER)
    sheet.dot(208, 75, POWER)
    sheet.box(250, 45, 120, 54, "U6\nTSR 1-2450", left=((75, ""),), right=((75, ""),))
    sheet.supply(410, 65, "5 V")
    sheet.wire((390, 75), (440, 75))
    sheet.wire((410, 65), (410, 75))
    sheet.dot(410, 75)
    sheet.diode((440, 75), (520, 75), "D9 SS14", side="below")
    sheet.wire((520, 75), (560, 75), (560, _TOP))
    sheet.text(568, 90, "VSYS | 5V", size=11, colour=QUIET)
    sheet.supply(660, 90, "3.3 V")
    sheet.wire((660, 90), (660, _TOP))


def _sensors(sheet: Sheet) -> None:
    channels = ((185, ("U4", "A", "R24", "R25", "C5")), (405, ("U5", "B", "R26", "R27", "C7")))
    for y, refs in channels:
        chip, channel, top, bottom, capacitor = refs
        sheet.box(40, y - 35, 130, 60, f"{chip}  sensor {channel}\nMPXV6115V", right=((y, ""),))
        sheet.supply(105, y - 35, "5 V")
        sheet.ground(105, y + 25)
        sheet.resistor((190, y), (270, y), f"{top} *")
        _to_adc(sheet, y, bottom + " *", capacitor)
    sheet.supply(160, 290, "5 V")
    sheet.wire((160, 290), (190, 290))
    sheet.resistor((190, 290), (270, 290), f"R28 {parts.SUPPLY_DIVIDER[0]:g} k")
    _to_adc(sheet, 290, f"R29\n{parts.SUPPLY_DIVIDER[1]:g} k", "C6")
    dividers = [parts.VACUUM_DIVIDER[chip] for chip in parts.CIRCUITS]
    sheet.text(
        40, 462,
        f"* R24, R26:  {dividers[0][0]:g} k | {dividers[1][0]:g} k\n"
        f"   R25, R27:  {dividers[0][1]:g} k | {dividers[1][1]:g} k",
        size=12, colour=QUIET,
    )  # fmt: skip


def _to_adc(sheet: Sheet, y: float, bottom: str, capacitor: str) -> None:
    sheet.wire((270, y), (480, y))
    sheet.dot(285, y)
    sheet.resistor((285, y), (285, y + 55), bottom, side="left")
    sheet.ground(285, y + 55)
    sheet.dot(345, y)
    sheet.capacitor((345, y), (345, y + 55), f"{capacitor}\n100 n")
    sheet.ground(345, y + 55)


def _bus(sheet: Sheet) -> None:
    sheet.switch((170, 545), (240, 545), "S1 footswitch", side="above")
    sheet.wire((170, 545), (150, 545))
    sheet.ground(150, 545)
    sheet.resistor((240, 545), (320, 545), "R33 1 k")
    sheet.wire((320, 545), (480, 545))
    sheet.dot(395, 545)
    sheet.supply(395, 500, "3.3 V")
    sheet.resistor((395, 500), (395, 545), "R32\n10 k", side="left")
    sheet.dot(345, 545)
    sheet.capacitor((345, 545), (345, 590), "C11 100 n")
    sheet.ground(345, 590)

    sheet.box(40, 610, 130, 90, "U7  BMP280", right=((645, "SDA"), (680, "SCL")))
    sheet.text(50, 660, "barometer\n3.3 V", size=11, colour=QUIET)
    for x, y, label in ((250, 645, "R30"), (305, 680, "R31")):
        sheet.resistor((x, 605), (x, 643), label, side="right")
        sheet.wire((x, 643), (x, y))
        sheet.dot(x, y)
    sheet.wire((250, 605), (305, 605))
    sheet.supply(278, 605, "3.3 V")
    sheet.text(224, 632, "4.7 k", anchor="middle")
    sheet.wire((190, 645), (480, 645))
    sheet.wire((190, 680), (480, 680))
    sheet.text(40, 720, "LIS3DH and ABP2 hang on the same bus", size=11, colour=QUIET)


def _panel(sheet: Sheet) -> None:
    rows = ((750, "S2 start"), (785, "S3 pass"), (820, "S4 zone"), (855, "S5 end"))
    for y, label in rows:
        sheet.switch((270, y), (330, y))
        sheet.wire((330, y), (480, y))
        sheet.wire((270, y), (250, y))
        sheet.text(236, y + 5, label, anchor="end")
        if y != rows[0][0]:
            sheet.dot(250, y)
    sheet.wire((250, rows[0][0]), (250, 862))
    sheet.ground(250, 862)
    for y, label in ((755, "H1 ready"), (805, "H2 fault")):
        sheet.wire((720, y), (800, y))
        sheet.resistor((800, y), (870, y), "1 k")
        sheet.led((870, y), (930, y))
        sheet.ground(930, y)
        sheet.text(952, y + 5, label)
    sheet.wire((720, 855), (800, 855))
    sheet.resistor((800, 855), (870, 855), "100")
    sheet.area(870, 838, 46, 34, "#f6f8fa", INK)
    sheet.text(893, 860, "B1", anchor="middle")
    sheet.wire((916, 855), (930, 855))
    sheet.ground(930, 855)
    sheet.text(952, 860, "piezo buzzer")

    sheet.box(
        900, 570, 250, 136, "Protection path",
        left=((610, "heartbeat"), (645, "comparator_test"), (680, "power_sense")),
    )  # fmt: skip
    for y in (610, 645, 680):
        sheet.wire((720, y), (880, y))
    sheet.wire((1150, 610), (1180, 610), colour=POWER)
    sheet.supply(1180, 610, "12 V", POWER)
    sheet.text(1144, 615, "12 V", anchor="end", colour=POWER)
    sheet.wire((1150, 645), (1210, 645), colour=POWER, thick=True)
    sheet.text(1144, 650, "actuator power", anchor="end", colour=POWER)
    sheet.text(1216, 650, "A", bold=True, colour=POWER)
    sheet.text(1144, 694, "protection_path.svg", anchor="end", size=11, colour=QUIET)
    sheet.text(
        1280, 925, "Drawn from a calculation. Never built.", anchor="end", bold=True, colour=POWER
    )


def _actuators(sheet: Sheet) -> None:
    sheet.frame(786, 20, 494, 538, "Actuators", POWER)
    sheet.text(866, 71, "A", bold=True, colour=POWER)
    sheet.wire((882, 66), (1200, 66), colour=POWER, thick=True)
    sheet.text(1040, 54, "actuator power", colour=POWER, anchor="middle", bold=True)
    # The pump, behind a diode of its own.
    sheet.dot(950, 66, POWER)
    sheet.diode((950, 66), (950, 124), "D3\nSS54", side="left", colour=POWER)
    sheet.motor((950, 124), (950, 206), "M", "M1\npump", side="left")
    sheet.wire((950, 124), (998, 124), (998, 136), colour=POWER)
    sheet.diode((998, 194), (998, 136), "D4\nSS54", side="right")
    sheet.wire((998, 194), (998, 206), (950, 206))
    sheet.dot(950, 124, POWER)
    sheet.dot(950, 206)
    sheet.wire((950, 206), (950, 235))
    _drive(sheet, 950, 265, "Q5", "R18", "R19")
    # The valves.
    for x, y, valve, diodes, refs in (
        (1080, 375, "Y1 vent", ("D5", "D6"), ("Q6", "R20", "R21")),
        (1190, 485, "Y2 crystals", ("D7", "D8"), ("Q7", "R22", "R23")),
    ):
        sheet.dot(x, 66, POWER)
        sheet.wire((x, 66), (x, 118), colour=POWER)
        sheet.coil((x, 118), (x, 206), "")
        beside = x + 40
        sheet.wire((x, 112), (beside, 112), (beside, 118), colour=POWER)
        sheet.dot(x, 112, POWER)
        sheet.zener((beside, 118), (beside, 158), diodes[1])
        sheet.diode((beside, 202), (beside, 158), diodes[0])
        sheet.wire((beside, 202), (beside, 212), (x, 212))
        sheet.dot(x, 212)
        sheet.text(x - 8, 246, valve, anchor="end")
        sheet.wire((x, 206), (x, y - 30))
        _drive(sheet, x, y, *refs)


def _drive(sheet: Sheet, x: float, y: float, fet: str, series: str, pull_down: str) -> None:
    """A low-side MOSFET with its gate wire from the controller."""
    sheet.wire((720, y), (796, y))
    sheet.resistor((796, y), (856, y), f"{series} 220", side="above")
    sheet.wire((856, y), (x - 30, y))
    sheet.dot(880, y)
    sheet.resistor((880, y), (880, y + 44), "")
    sheet.text(868, y + 28, f"{pull_down} 10 k", anchor="end")
    sheet.ground(880, y + 44)
    sheet.nfet(x, y, fet)
    sheet.ground(x, y + 30)
