"""The wiring in a board file: which pin serves what, and what hangs on the pins.

    [pins]
    pump = "GP2"
    vacuum_a = "GP26"

    [wiring]
    pump_pwm = "20 kHz"
    motion_sensor = "LIS3DH"
    purpose = "treatment"

A role without a pin is left out, or says "none", so that a file that extends another
can take a pin away. A bench rig (`purpose = "bench"`) may lack vacuum sensor B.

Every role, rule, range and default comes from `hal.wiring`, where the board
takes them from as well. A file without [pins] can be simulated; a board that is
built states the pin of every role that it cannot do without.
"""

import copy
import re
from dataclasses import dataclass

from emery.config import quantity
from emery.config.document import Document
from emery.config.problem import listed, quoted
from emery.config.table import Table, described
from hal.wiring import (
    ANALOG,
    BUS,
    CHIPS,
    CHOICES,
    DRIVE,
    FACTS,
    NO_PIN,
    PULLED_UP,
    ROLES,
    SENSE,
    SIGNAL,
    Wiring,
    broken_rules,
)

# How the pins of a chip are written on its board.
_PREFIXES = {"rp2040": "GP", "esp32": "GPIO", "esp32s3": "GPIO"}
# A pin of each that may be proposed to anyone.
_EXAMPLES = {"rp2040": 2, "esp32": 25, "esp32s3": 12}
# How a role is written that has no pin.
NO_PIN_TEXT = "none"

_KINDS = {
    DRIVE: "an output that is quiet while the chip starts",
    SIGNAL: "an output",
    PULLED_UP: "an input with a pull-up",
    SENSE: "a digital input",
    ANALOG: "an analog input",
    BUS: "a pin of an I2C bus",
}

_UNIT_ENDINGS = {"Hz": "_hz", "ms": "_ms", "": ""}
_CHOICES = dict(CHOICES)
_DIGITAL_KEY = "digital_vacuum"

# More pins than this are not proposed, nor is one with a higher number looked for.
_MOST_PROPOSED = 4
HIGHEST_GPIO = 48


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of `hal.wiring.FACTS` with its key in the file."""

    name: str
    key: str
    unit: str
    low: int
    high: int
    default: int
    purpose: str

    @property
    def choices(self) -> tuple[str, ...]:
        """What may be written for it, in the order of its numbers; () for a quantity."""
        return _CHOICES.get(self.name, ())

    def text(self, number: int) -> str:
        """A value as a file would have it."""
        return self.choices[number] if self.choices else quantity.text(number, self.unit)


FACT_ROWS = tuple(
    Fact(name, name.removesuffix(_UNIT_ENDINGS[unit]), unit, low, high, default, purpose)
    for name, unit, low, high, default, purpose in FACTS
)


def pin_text(chip: str, gpio: int) -> str:
    """A GPIO as the board of this chip calls it: "GP2", "GPIO25"."""
    return f"{_PREFIXES[chip]}{gpio}"


def read_wiring(document: Document, chip: str, board_name: str, *, required: bool) -> Wiring:
    """The wiring in `document`; without [pins], one that has none.

    Problems are noted in the document, not raised; [pins] is one if it is
    `required` and missing. `chip` is "" if the file names no chip that there is:
    then nothing can be said about its pins.
    """
    wiring = Wiring(CHIPS.index(chip) if chip else 0, board_name)
    facts = document.table("wiring")
    for fact in FACT_ROWS:
        setattr(wiring, fact.name, _fact(facts, fact))
    pins = document.table("pins", required=required)
    if chip and _of_another_chip(document, pins, chip):
        return wiring
    unread = {role for role, *_ in ROLES if not _read_pin(pins, role, chip, wiring)}
    if pins.present and chip:
        for role, rule in broken_rules(wiring):
            if role not in unread:
                _note_rule(pins, role, rule, chip, wiring)
    return wiring


def _of_another_chip(document: Document, pins: Table, chip: str) -> bool:
    """True, and noted, if the file changes the chip and keeps the pins of the board that it
    extends: told pin by pin, each would seem to be a mistake of its own."""
    head = document.table("board")
    written = [(role, pins.value(role)) for role, *_ in ROLES if pins.has(role)]
    below = [text for role, text in written if not pins.states(role) and text != NO_PIN_TEXT]
    prefix = re.compile(rf"{_PREFIXES[chip]}[0-9]")
    if not head.states("chip") or not below or any(prefix.match(str(text)) for text in below):
        return False
    head.problem(
        "chip",
        f"the {chip} has no pins such as {quoted(below[0])}, and those of the board that this "
        "file extends are called so",
        "the chip of the board that is extended",
        "Extend a board with this chip, or take the line out.",
    )
    return True


def _fact(table: Table, fact: Fact) -> int:
    if fact.choices:
        default = fact.choices[fact.default]
        return fact.choices.index(table.choice(fact.key, fact.choices, default=default))
    return table.whole_quantity(
        fact.key, fact.unit, low=fact.low, high=fact.high, default=fact.default
    )


def _read_pin(table: Table, role: str, chip: str, wiring: Wiring) -> bool:
    """Put the pin of a role into `wiring`. False if what is written is no pin."""
    written = table.value(role)
    if written is None or written == NO_PIN_TEXT or not chip:
        return True
    example = pin_text(chip, _EXAMPLES[chip])
    expected = f"a pin of the {chip}, such as {quoted(example)}"
    if not isinstance(written, str):
        remedy = f"Write it as text, as in {quoted(example)}."
        if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
            remedy = f"Write it as text: {quoted(pin_text(chip, written))}."
        table.problem(role, f"is {described(written)}", expected, remedy)
        return False
    if written in _CHOICES[_DIGITAL_KEY]:
        # Such a sensor hangs on the bus, which the main loop polls now and then.
        what = f"{quoted(written)} is a sensor on the bus, too slow to protect anybody"
        remedy = f"Wire an analog sensor; this one goes under [wiring]: {_DIGITAL_KEY}."
        table.problem(role, what, f"a pin of the {chip} with an ADC", remedy)
        return False
    match = re.fullmatch(r"([A-Za-z]*)[ _]?([0-9]{1,3})", written.strip())
    if match is None:
        remedy = f"Write it as it is printed on the board: {quoted(example)}."
        table.problem(role, f"{quoted(written)} is no pin", expected, remedy)
        return False
    meant = pin_text(chip, int(match[2]))
    if written != meant:
        what = f"{quoted(written)} is no pin of the {chip}"
        table.problem(role, what, expected, f"Did you mean {quoted(meant)}?")
        return False
    if int(match[2]) >= NO_PIN:
        what = f"{quoted(written)} is no pin of the {chip}"
        table.problem(role, what, expected, "Write one that the board has.")
        return False
    setattr(wiring, role, int(match[2]))
    return True


def _note_rule(table: Table, role: str, rule: str, chip: str, wiring: Wiring) -> None:
    (asks, purpose) = next((row[1], row[3]) for row in ROLES if row[0] == role)
    fit = [pin_text(chip, gpio) for gpio in _fitting(wiring, role)]
    if getattr(wiring, role) == NO_PIN:
        example = quoted(fit[0] if fit else "...")
        what, remedy = "is missing", f"Add {role} = {example} under [pins]."
        if table.has(role):
            what, remedy = "has no pin", f"Write {example} for it, or another pin that fits."
        if role == "vacuum_b":
            remedy += ' A rig that never treats says purpose = "bench" under [wiring] instead.'
        table.problem(role, what, f"a pin for it ({purpose})", remedy)
        return
    remedy = "No free pin fits; move another role first."
    if fit:
        proposed = listed(fit[:_MOST_PROPOSED])
        remedy = f"Free and fit for it: {proposed}."
        if len(fit) > _MOST_PROPOSED:
            remedy = f"Free and fit for it: {', '.join(fit[:_MOST_PROPOSED])} and others."
    what = re.sub(r"GPIO ([0-9]+)", lambda match: pin_text(chip, int(match[1])), rule)
    taken = re.search(r"is taken by (\w+)", rule)
    table.problem(role, what, _KINDS[asks], remedy, (table, taken[1]) if taken else None)


def _fitting(wiring: Wiring, role: str) -> list[int]:
    """Pins that would break fewer rules if `role` had them, and none of its own."""
    broken = len(broken_rules(wiring))
    fit = []
    for gpio in range(HIGHEST_GPIO + 1):
        other = copy.copy(wiring)
        setattr(other, role, gpio)
        rules = broken_rules(other)
        if len(rules) < broken and role not in [name for name, _ in rules]:
            fit.append(gpio)
    return fit
