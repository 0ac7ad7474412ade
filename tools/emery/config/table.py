"""One table of a TOML document, read key by key with bounds at the point of use.

A getter that cannot answer notes a problem with its position and reading goes
on: it returns its default or, without one, its lowest value. That is good
enough to read on with and never used, since `Document.finish` raises what was
noted, together with every key that nobody asked for.
"""

import difflib
from collections.abc import Sequence
from fractions import Fraction

from emery.config import quantity
from emery.config.places import Place
from emery.config.problem import Problem, listed, quoted

# More than this many problems means that the file is something else.
MOST_PROBLEMS = 100

# Where a key stands that belongs to no table.
TOP_OF_FILE = "at the top of the file"


class Table:
    """A table of a document.

    `name` is its path, such as "protection" or "zone 2" (counted from 1), and
    "" for the document itself. `header` is how the file writes it, such as
    "[protection]". `present` is False for a table that the file does not
    have: it reads as an empty one.
    """

    def __init__(
        self,
        file: str,
        problems: list[Problem],
        values: dict[str, object],
        place: Place,
        name: str = "",
        header: str = "",
        present: bool = True,
    ) -> None:
        self.name = name
        self.header = header
        self.present = present
        self._file = file
        self._problems = problems
        self._values = values
        self._place = place
        self._known: dict[str, str] = {}  # key -> how the file writes it
        self._read: set[str] = set()
        self._inner: dict[str, list[Table]] = {}

    # Free keys ---------------------------------------------------------------

    def keys(self) -> list[str]:
        """All keys of this table, in the order of the file."""
        return list(self._values)

    def has(self, key: str) -> bool:
        """True if the file has `key`. It counts as known, not as read."""
        self._known.setdefault(key, key)
        return key in self._values

    def states(self, key: str) -> bool:
        """True if `key` stands in the file that is read, not in one it extends."""
        place = self._place.members.get(key) if key in self._values else None
        return place is not None and not place.file

    def line(self, key: str) -> int:
        """The line of `key`, from 1; of this table's header if it is absent."""
        return self._place.member(key).line

    def places(self, key: str) -> list[tuple[str, int]]:
        """File and line of `key`, and behind it of every `key` in extended files whose
        place it takes. None if no file has it."""
        found = []
        place = self._place.members.get(key) if key in self._values else None
        while place is not None:
            found.append((place.file or self._file, place.line))
            place = place.under
        return found

    def file_of(self, key: str) -> str:
        """The file in which `key` stands: another one if this extends it."""
        return self._place.member(key).file or self._file

    def value(self, key: str) -> object:
        """The value of `key` as TOML gives it, None if absent. The caller
        judges it, and notes what is wrong through `problem`."""
        self._known.setdefault(key, key)
        self._read.add(key)
        return self._values.get(key)

    def problem(
        self,
        key: str,
        what: str,
        expected: str,
        remedy: str,
        beside: "tuple[Table, str] | None" = None,
    ) -> None:
        """Note that the value of `key` is wrong (or absent). `what` follows the
        key in a sentence; `remedy` is a sentence with its full stop. `beside` is
        a key, with its table, that this value does not go with: where the file at
        hand states that one and extends the file of this one, it is named, too."""
        place = self._place.member(key)
        if place.file and key in self._place.members:
            remedy += f" Or state another in {self._file}"
            if beside is not None and beside[0].states(beside[1]):
                remedy += f", or change {beside[1]} there, on line {beside[0].line(beside[1])}"
            remedy += "."
        self._note(place, key, what, expected, remedy)

    def key_problem(self, key: str, what: str, expected: str, remedy: str) -> None:
        """As `problem`, for a key that should not be there at all, whatever its value."""
        self._known.setdefault(key, key)
        self._read.add(key)
        self._note(self._place.member(key), key, what, expected, remedy, at_key=True)

    def path(self, key: str) -> str:
        """The full name of `key`, such as "protection.hard_limit"."""
        return f"{self.name}.{key}" if self.name else key

    # Values ------------------------------------------------------------------

    def text(self, key: str, *, default: str | None = None) -> str:
        """Text that is not blank. Required unless there is a default."""
        fallback = default or ""
        expected = "text in double quotes"
        value = self._get(key, default is None, expected, '"..."')
        if value is None:
            return fallback
        if not isinstance(value, str):
            self._wrong_type(key, value, expected, 'Put it in double quotes: "...".')
            return fallback
        if not value.strip():
            self.problem(key, "is empty", expected, "Write at least one character.")
            return fallback
        return value

    def texts(self, key: str, *, default: Sequence[str] | None = None) -> list[str]:
        """An array of texts, such as ["a", "b"]."""
        fallback = list(default or ())
        expected = "an array of texts"
        value = self._get(key, default is None, expected, '["..."]')
        if value is None:
            return fallback
        if not isinstance(value, list):
            self._wrong_type(key, value, expected, 'Write it as ["...", "..."].')
            return fallback
        found = []
        for index, item in enumerate(value):
            if isinstance(item, str) and item.strip():
                found.append(item)
                continue
            place = self._place.member(key).item(index)
            what = "holds an empty text" if isinstance(item, str) else f"holds {described(item)}"
            remedy = "Write each item as text in double quotes."
            self._note(place, key, what, expected, remedy)
            return fallback
        return found

    def choice(self, key: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """One of `choices`, written as text."""
        fallback = choices[0] if default is None else default
        expected = listed(quoted(choice) for choice in choices)
        value = self._get(key, default is None, expected, quoted(choices[0]))
        if value is None:
            return fallback
        if not isinstance(value, str):
            self._wrong_type(key, value, expected, "Write one of these, in double quotes.")
            return fallback
        if value not in choices:
            by_case = {choice.casefold(): choice for choice in choices}
            near = difflib.get_close_matches(value.casefold(), by_case, 1)
            remedy = f"Did you mean {quoted(by_case[near[0]])}?" if near else "Write one of these."
            self.problem(key, f"{quoted(value)} is not known here", expected, remedy)
            return fallback
        return value

    def integer(
        self,
        key: str,
        *,
        low: int | None = None,
        high: int | None = None,
        default: int | None = None,
        reason: str = "",
    ) -> int:
        """A bare whole number from `low` to `high`; `reason` is a sentence that
        tells why the bounds are what they are."""
        fallback = default if default is not None else low or 0
        expected = _bounds(low, high, "") or "a whole number"
        value = self._get(key, default is None, expected, str(fallback))
        if value is None:
            return fallback
        if isinstance(value, bool) or not isinstance(value, int):
            remedy = "Write a whole number, without quotes, unit or decimal point."
            self._wrong_type(key, value, expected, remedy)
            return fallback
        if not self._within(key, value, Fraction(value), low, high, "", reason):
            return fallback
        return value

    def quantity(
        self,
        key: str,
        unit: str,
        *,
        low: float | None = None,
        high: float | None = None,
        default: float | None = None,
        reason: str = "",
    ) -> float:
        """A quantity written as text, in `unit`: "45 kPa" is 45000.0 Pa.

        `low`, `high` and `default` are in `unit`; the bounds hold exactly, and
        `reason` is a sentence that tells why they are what they are.
        """
        fallback = default if default is not None else low or 0.0
        written = self._quantity_text(key, unit, low, high, default is None, reason)
        return fallback if written is None else quantity.parse(written, unit)

    def whole_quantity(
        self,
        key: str,
        unit: str,
        *,
        low: int | None = None,
        high: int | None = None,
        default: int | None = None,
        reason: str = "",
    ) -> int:
        """As `quantity`, to the nearest whole `unit`, an exact half to the even
        one. The bounds hold before rounding, and what is not zero never
        becomes zero."""
        fallback = default if default is not None else low or 0
        written = self._quantity_text(key, unit, low, high, default is None, reason)
        if written is None:
            return fallback
        try:
            return quantity.parse_whole(written, unit)
        except quantity.QuantityError as error:
            self.problem(key, error.what, error.expected, error.remedy)
            return fallback

    # Tables inside -----------------------------------------------------------

    def table(self, key: str, *, required: bool = False) -> "Table":
        """The table [key], the same one whenever asked. If absent: an empty
        one, and a problem if required."""
        if key in self._inner:
            return self._inner[key][0]
        header = f"[{self.path(key)}]"
        self._known[key] = header
        self._read.add(key)
        value = self._values.get(key)
        present = isinstance(value, dict)
        if value is not None and not present:
            what = f"is {described(value)}"
            self.problem(key, what, f"one table {header}", f"Write {header}, once.")
        elif required and not present:
            self.problem(key, "is missing", f"a table {header}", f"Add {header} and its keys.")
        values = value if isinstance(value, dict) else {}
        table = self._new(values, self._place.member(key), self.path(key), header, present)
        self._inner[key] = [table]
        return table

    def tables(self, key: str, *, at_least: int = 0, at_most: int | None = None) -> "list[Table]":
        """The tables [[key]] in order, named "key 1", "key 2" and so on; the
        same ones whenever asked."""
        if key in self._inner:
            return self._inner[key]
        header = f"[[{self.path(key)}]]"
        self._known[key] = header
        self._read.add(key)
        value = self._values.get(key, [])
        place = self._place.member(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            remedy = f"Write {header}, once for each."
            self.problem(key, f"is {described(value)}", f"tables {header}", remedy)
            return []
        found = [
            self._new(item, place.item(index), f"{self.path(key)} {index + 1}", header, True)
            for index, item in enumerate(value)
        ]
        self._inner[key] = found
        if len(found) < at_least:
            what = f"is there {len(found)} times" if found else "is missing"
            expected = f"at least {at_least} {header}"
            self.problem(key, what, expected, f"Add {header} and its keys.")
        if at_most is not None and len(found) > at_most:
            surplus = place.item(at_most)
            what = f"is one of {len(found)} {header}"
            expected = f"at most {at_most} {header}"
            remedy = f"Remove {len(found) - at_most} of them."
            self._note(surplus, f"{key} {at_most + 1}", what, expected, remedy)
        return found

    # For the document --------------------------------------------------------

    def note_unknown(self, homes: dict[str, list[str]]) -> None:
        """Note every key that nobody asked for, here and in the tables inside.

        `homes` tells for each known key the headers of the tables it is in.
        """
        known = list(self._known)
        for key in self._values:
            if key in self._read:
                continue
            if len(self._problems) >= MOST_PROBLEMS:
                return
            place = self._place.member(key)
            near = difflib.get_close_matches(key, known, 1)
            kind = "table" if isinstance(self._values[key], dict) else "key"
            if homes.get(key):
                remedy = f"It belongs {listed(_in(header) for header in homes[key])}."
            elif near:
                remedy = f"Did you mean {self._known[near[0]]}?"
            else:
                remedy = "Remove it."
            written = [self._known[name] for name in known]
            expected = listed(written) if written else "no key at all"
            here: Place | None = place
            while here is not None:
                self._note(here, key, f"is no known {kind}", expected, remedy, at_key=True)
                here = here.under
        for tables in self._inner.values():
            for table in tables:
                table.note_unknown(homes)

    def add_homes(self, homes: dict[str, list[str]]) -> None:
        """Add this table's known keys, and those of the tables inside."""
        for key, written in self._known.items():
            headers = homes.setdefault(key, [])
            # A table at the top of the file is proposed by its name instead.
            header = self.header or (TOP_OF_FILE if written == key else "")
            if header and header not in headers:
                headers.append(header)
        for tables in self._inner.values():
            for table in tables:
                table.add_homes(homes)

    # Inside ------------------------------------------------------------------

    def _new(
        self,
        values: dict[str, object],
        place: Place,
        name: str,
        header: str,
        present: bool,
    ) -> "Table":
        return Table(self._file, self._problems, values, place, name, header, present)

    def _note(
        self,
        place: Place,
        key: str,
        what: str,
        expected: str,
        remedy: str,
        *,
        at_key: bool = False,
    ) -> None:
        line, column = place.value_line, place.value_column
        if at_key:
            line, column = place.line, place.column
        file = place.file or self._file
        problem = Problem(file, line, column, self.path(key), what, expected, remedy)
        if problem not in self._problems and len(self._problems) < MOST_PROBLEMS:
            self._problems.append(problem)

    def _get(self, key: str, required: bool, expected: str, example: str) -> object:
        """The value of `key`; None, with a problem noted, if it must be there."""
        value = self.value(key)
        if value is None and required:
            where = f" under {self.header}" if self.header else " at the top of the file"
            self.problem(key, "is missing", expected, f"Add {key} = {example}{where}.")
        return value

    def _wrong_type(self, key: str, value: object, expected: str, remedy: str) -> None:
        self.problem(key, f"is {described(value)}", expected, remedy)

    def _quantity_text(
        self,
        key: str,
        unit: str,
        low: float | None,
        high: float | None,
        required: bool,
        reason: str,
    ) -> str | None:
        """The text of a quantity of the right kind and within its bounds, or
        None (with a problem noted, unless it is absent and may be)."""
        expected = quantity.expected(unit)
        # The low end: whoever copies the example gets the milder value.
        example = quoted(quantity.text(1 if low is None else low, unit))
        value = self._get(key, required, expected, example)
        if value is None:
            return None
        if not isinstance(value, str):
            remedy = f"Write it with its unit in double quotes, as in {example}."
            self._wrong_type(key, value, expected, remedy)
            return None
        try:
            exact = quantity.parse_exact(value, unit)
        except quantity.QuantityError as error:
            self.problem(key, error.what, error.expected, error.remedy)
            return None
        return value if self._within(key, value, exact, low, high, unit, reason) else None

    def _within(
        self,
        key: str,
        value: object,
        exact: Fraction,
        low: float | None,
        high: float | None,
        unit: str,
        reason: str,
    ) -> bool:
        # By its decimal digits: a limit of 0.001 is a thousandth, not its float.
        if (low is None or exact >= Fraction(str(low))) and (
            high is None or exact <= Fraction(str(high))
        ):
            return True
        bounds = _bounds(low, high, unit)
        verb = "is outside" if low is not None and high is not None else "is not"
        remedy = f"Write a value in that range. {reason}".rstrip()
        if exact < 0 and unit and low is not None and low >= 0:
            remedy = "Write it without the minus sign."
            if unit == "Pa":
                remedy = "Vacuum is a positive number here; write it without the minus sign."
        self.problem(key, f"{quoted(value)} {verb} {bounds}", bounds, remedy)
        return False


def _in(header: str) -> str:
    return header if header == TOP_OF_FILE else f"in {header}"


def _bounds(low: float | None, high: float | None, unit: str) -> str:
    """Bounds in words: "20 to 45 kPa", "at least 20 kPa", "at most 45 kPa" or nothing."""
    if low is not None and high is not None:
        return quantity.range_text((low, high), unit)
    if low is not None:
        return f"at least {quantity.text(low, unit)}"
    if high is not None:
        return f"at most {quantity.text(high, unit)}"
    return ""


def described(value: object) -> str:
    """What a TOML value is, for someone who expected another type."""
    if isinstance(value, bool):
        return f"the flag {quoted(value)}"
    if isinstance(value, int | float):
        return f"the bare number {quoted(value)}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        holds_tables = value and all(isinstance(item, dict) for item in value)
        return "an array of tables" if holds_tables else "an array"
    return f"the date or time {quoted(value)}"
