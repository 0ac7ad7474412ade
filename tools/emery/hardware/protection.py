"""`hal/protection_path.svg`: what takes the actuators' power away without the firmware."""

from emery.hardware import parts
from emery.hardware.pen import POWER, QUIET, SAFETY, Sheet
from hal.contract import LEASE_MS

# From the comparator to the gate of Q2.
_OK = ((520, 570), (740, 570), (740, 480), (785, 480), (785, 270), (890, 270))


def draw() -> str:
    """The drawing as SVG."""
    sheet = Sheet(
        1200,
        880,
        "Emery reference hardware: the protection path",
        "A heartbeat keeps two one-shots running, a comparator with a sensor of its own watches"
        " the vacuum; only while both agree does the protection switch give the pump and the"
        " valves power.",
    )
    _heartbeat(sheet)
    _comparator(sheet)
    _switch(sheet)
    _sums(sheet)
    return sheet.svg()


def _heartbeat(sheet: Sheet) -> None:
    sheet.frame(20, 20, 660, 320, "1  Heartbeat: a level in either direction is no heartbeat")
    sheet.port(160, 230, "heartbeat")
    sheet.resistor((160, 230), (240, 230), "R3 1 k")
    sheet.wire((240, 230), (260, 230), (260, 210), (280, 210))
    sheet.wire((260, 230), (260, 250), (280, 250))
    sheet.dot(260, 230)
    sheet.box(
        300, 170, 160, 110, "U1  74HCT4538",
        left=((210, "+TR a"), (250, "\u2212TR b")),
        right=((210, "Q a"), (250, "Q b")),
    )  # fmt: skip
    sheet.text(
        380, 300, "\u2212TR a and resets to 5 V, +TR b to ground",
        anchor="middle", size=12, colour=QUIET,
    )  # fmt: skip
    for x, resistor, capacitor, towards in ((340, "R4", "C1", -1), (420, "R5", "C2", 1)):
        sheet.supply(x, 82, "5 V")
        sheet.resistor(
            (x, 82), (x, 140), f"{resistor} *", side="right" if towards > 0 else "left"
        )
        sheet.wire((x, 140), (x, 170))
        sheet.dot(x, 140)
        end = x + 60 * towards
        sheet.capacitor((x, 140), (end, 140))
        sheet.text(
            x + 47 * towards, 130, f"{capacitor} 470 n",
            anchor="start" if towards > 0 else "end",
        )  # fmt: skip
        sheet.ground(end, 140)
    sheet.diode((480, 210), (550, 210), "D1  BAT54C")
    sheet.diode((480, 250), (550, 250))
    sheet.wire((550, 210), (570, 210), (570, 250), (550, 250))
    sheet.wire((570, 230), (720, 230), colour=SAFETY)
    sheet.dot(570, 230, SAFETY)
    sheet.text(600, 222, "HB_OK", bold=True, colour=SAFETY)
    sheet.dot(620, 230, SAFETY)
    sheet.resistor((620, 230), (620, 290), "R6\n100 k", side="left")
    sheet.ground(620, 290)


def _comparator(sheet: Sheet) -> None:
    sheet.frame(20, 360, 732, 500, "2  Vacuum comparator: a sensor and a port of its own, a latch")
    # The reference.
    sheet.supply(330, 420, "5 V")
    sheet.resistor((330, 420), (330, 475), "R9 13 k\n0.1 %", side="left")
    sheet.resistor((330, 475), (330, 530), "R10 15 k\n0.1 %", side="left")
    sheet.ground(330, 530)
    sheet.dot(330, 475)
    sheet.wire((330, 475), (420, 475), (420, 550), (440, 550))
    volts = parts.sensor_v(parts.comparator_kpa().nominal)
    sheet.text(345, 466, f"REF  {volts:.2f} V", bold=True, colour=SAFETY)
    # Sensor C.
    sheet.box(60, 555, 130, 70, "U3  sensor C\nMPXV6115V", right=((590, ""),), title_y=30)
    sheet.supply(125, 555, "5 V")
    sheet.ground(125, 625)
    sheet.wire((210, 590), (240, 590))
    sheet.dot(240, 590)
    sheet.resistor((240, 590), (240, 655), "R7\n100 k", side="right")
    sheet.ground(240, 655)
    sheet.resistor((240, 590), (325, 590), "R8 10 k")
    sheet.wire((325, 590), (440, 590))
    sheet.dot(345, 590)
    sheet.capacitor((345, 590), (345, 655), "C3\n10 n", side="left")
    sheet.ground(345, 655)
    # What trips.
    sheet.comparator(480, 570, "U2a", plus_above=False)
    sheet.wire(*_OK, colour=SAFETY)
    sheet.dot(560, 570, SAFETY)
    sheet.supply(560, 490, "5 V")
    sheet.resistor((560, 490), (560, 570), "R11\n10 k")
    sheet.text(596, 562, "OK, low: tripped", bold=True, colour=SAFETY)
    # The latch.
    sheet.wire((580, 570), (580, 650), (600, 650))
    sheet.dot(580, 570, SAFETY)
    sheet.comparator(640, 670, "U2b", plus_above=False)
    sheet.wire((600, 690), (585, 690))
    sheet.text(582, 695, "REF", bold=True, colour=SAFETY, anchor="end")
    sheet.wire((680, 670), (710, 670), (710, 755))
    sheet.dot(710, 670)
    sheet.supply(710, 612, "HB_OK", SAFETY)
    sheet.resistor((710, 612), (710, 670), "R12\n22 k", side="right")
    sheet.diode((710, 755), (620, 755), "D2  BAT54C")
    sheet.wire((620, 755), (480, 755), (480, 700), (430, 700))
    # Q4 pulls the sensor's voltage down.
    sheet.dot(400, 590)
    sheet.resistor((400, 590), (400, 670), "R14\n1 k", side="right")
    sheet.nfet(400, 700, "Q4\nBSS138", flipped=True, side="left")
    sheet.ground(400, 730)
    sheet.port(290, 805, "comparator_test")
    sheet.diode((330, 805), (420, 805), "D2")
    sheet.wire((290, 805), (330, 805))
    sheet.wire((420, 805), (480, 805), (480, 755))
    sheet.dot(480, 755)
    sheet.dot(540, 755)
    sheet.resistor((540, 755), (540, 820), "R13\n100 k", side="right")
    sheet.ground(540, 820)


def _switch(sheet: Sheet) -> None:
    sheet.frame(768, 20, 412, 400, "3  Protection switch", POWER)
    sheet.supply(785, 88, "12 V", POWER)
    sheet.wire((785, 88), (785, 100), (890, 100), colour=POWER, thick=True)
    sheet.dot(860, 100, POWER)
    sheet.pfet(920, 100)
    sheet.text(920, 80, "Q1  Si4435DDY", anchor="middle")
    sheet.resistor((860, 100), (860, 160), "R1\n10 k", side="left")
    sheet.wire((860, 160), (920, 160), (920, 130))
    sheet.dot(920, 160)
    sheet.resistor((920, 160), (920, 222), "R2 1 k", side="right")
    sheet.wire((920, 222), (920, 240))
    sheet.nfet(920, 270, "Q2 BSS138\nno trip")
    sheet.wire((920, 300), (920, 310))
    sheet.nfet(920, 340, "Q3 BSS138\nheartbeat")
    sheet.wire((720, 230), (740, 230), (740, 340), (890, 340), colour=SAFETY)
    sheet.ground(920, 370)
    # The rail behind it.
    sheet.wire((950, 100), (1140, 100), colour=POWER, thick=True)
    sheet.text(1080, 80, "actuator power", colour=POWER, bold=True, anchor="middle")
    sheet.text(1150, 105, "A", colour=POWER, bold=True)
    sheet.dot(1000, 100, POWER)
    sheet.resistor((1000, 100), (1000, 160), "R17\n4.7 k", side="left")
    sheet.ground(1000, 160)
    sheet.dot(1060, 100, POWER)
    sheet.resistor((1060, 100), (1060, 170), "R15\n30 k", side="right")
    sheet.wire((1060, 170), (1060, 190))
    sheet.dot(1060, 180)
    sheet.wire((1060, 180), (1120, 180), (1120, 190))
    sheet.resistor((1060, 190), (1060, 250), "R16\n10 k", side="right")
    sheet.capacitor((1120, 190), (1120, 250), "C4\n10 n", side="right")
    sheet.ground(1060, 250)
    sheet.ground(1120, 250)
    sheet.wire((1060, 180), (1030, 180), (1030, 300), (1040, 300))
    sheet.port(1040, 300, "power_sense", into="left")


def _sums(sheet: Sheet) -> None:
    x, y = 805, 440
    lines = [("Drop-out: 0.7 R C after the last edge", True)]
    for chip, name in parts.CIRCUITS.items():
        span = parts.drop_out_ms(chip)
        off = parts.power_off_ms(chip)
        ohms = parts.ONE_SHOT_KOHM[chip]
        lines += [
            (
                f"{name}, * = {ohms:g} k:  {span.low:.1f}, {span.nominal:.1f},"
                f" at most {span.high:.1f} ms",
                False,
            ),
            (f"\u2192 power off {off.high:.1f} ms after the last lease, of {LEASE_MS}", False),
        ]
    trips = parts.comparator_kpa()
    lines += [
        ("", False),
        ("U2a trips when sensor C gives less than REF", True),
        (f"{trips.nominal:.1f} kPa; the parts allow {trips.low:.1f} to {trips.high:.1f}.", False),
        ("They share one supply, which does not count.", False),
        ("", False),
        ("The latch", True),
        ("Once tripped, U2b and Q4 hold it tripped as long as", False),
        ("HB_OK lasts, whatever the vacuum does then. When the", False),
        ("heartbeat has dropped out it is ready again.", False),
        ("", False),
        ("Without 5 V, a heartbeat, sensor C or its wire:", True),
        ("Q2 or Q3 opens, R1 holds Q1 off.", False),
        ("", False),
        ("Not drawn: 1 uF and 10 nF at U3, 100 nF at U1, U2.", False),
        ("A goes on in reference_hardware.svg.", False),
    ]
    for index, (words, bold) in enumerate(lines):
        sheet.text(x, y + 30 + index * 19, words, bold=bold)
    sheet.text(x, y + 420, "Drawn from a calculation. Never built.", colour=POWER, bold=True)
