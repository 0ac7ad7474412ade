"""A sheet of SVG, and the symbols of a schematic that are drawn on it.

Coordinates are whole pixels, x to the right and y down. A part with two ends is
drawn from one to the other, its body in the middle. Nothing but lines, simple
shapes and text in a font that every reader has; on white, so that the page behind
may be dark.
"""

import math
from collections.abc import Iterable
from html import escape

Point = tuple[float, float]

INK = "#1b1f24"
QUIET = "#57606a"
POWER = "#b42318"  # what pump and valves are driven with
SAFETY = "#0550ae"  # what takes that away without the firmware
_PAPER = "#ffffff"

NAME_SIZE = 13
_THIN, _THICK = 1.6, 3.0


class Sheet:
    """One drawing. `svg()` gives its text."""

    def __init__(self, width: int, height: int, title: str, about: str) -> None:
        self._width = width
        self._height = height
        self._title = title
        self._about = about
        self._parts: list[str] = []

    def svg(self) -> str:
        """The file, the same for the same calls."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width} {self._height}" '
            f'width="{self._width}" height="{self._height}" role="img" '
            f'font-family="Helvetica, Arial, sans-serif" aria-labelledby="title about">\n'
            f'<title id="title">{escape(self._title)}</title>\n'
            f'<desc id="about">{escape(self._about)}</desc>\n'
            f'<rect width="{self._width}" height="{self._height}" fill="{_PAPER}"/>\n'
        )
        return head + "\n".join(self._parts) + "\n</svg>\n"

    # Lines and words -----------------------------------------------------------

    def wire(self, *points: Point, colour: str = INK, thick: bool = False) -> None:
        """A line through points."""
        self._polyline(points, colour, _THICK if thick else _THIN)

    def dashed(self, *points: Point, colour: str = QUIET) -> None:
        """A line that is no wire."""
        self._parts.append(
            f'<polyline points="{_points(points)}" fill="none" stroke="{colour}" '
            f'stroke-width="1.2" stroke-dasharray="6 4"/>'
        )

    def dot(self, x: float, y: float, colour: str = INK) -> None:
        """Where wires meet."""
        self._parts.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="3.4" fill="{colour}"/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: str = "start",
        size: int = NAME_SIZE,
        bold: bool = False,
        colour: str = INK,
    ) -> None:
        """Words; y is their baseline. Lines are parted by a line break."""
        for index, line in enumerate(words.split("\n")):
            weight = ' font-weight="bold"' if bold else ""
            where = "" if anchor == "start" else f' text-anchor="{anchor}"'
            self._parts.append(
                f'<text x="{_n(x)}" y="{_n(y + index * (size + 3))}" font-size="{size}"'
                f'{where}{weight} fill="{colour}">{escape(line)}</text>'
            )

    def frame(
        self, x: float, y: float, width: float, height: float, title: str, colour: str = QUIET
    ) -> None:
        """A dashed frame round what belongs together, with its title inside, top left."""
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="8" '
            f'fill="none" stroke="{colour}" stroke-width="1.2" stroke-dasharray="6 4"/>'
        )
        self.text(x + 10, y + 19, title, bold=True, colour=colour)

    def area(
        self, x: float, y: float, width: float, height: float, fill: str, stroke: str = "none"
    ) -> None:
        """A plain rectangle."""
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="4" '
            f'fill="{fill}" stroke="{stroke}" stroke-width="{_THIN}"/>'
        )

    def pipe(self, one: Point, other: Point, width: float, colour: str) -> None:
        """A pipe or a hose."""
        self._parts.append(
            f'<polyline points="{_points((one, other))}" fill="none" stroke="{colour}" '
            f'stroke-width="{_n(width)}"/>'
        )

    def valve(self, x: float, y: float, colour: str) -> None:
        """A valve in a pipe that runs up and down."""
        self._parts.append(
            f'<path d="M{_n(x - 14)} {_n(y - 18)}h28L{_n(x - 14)} {_n(y + 18)}h28Z" '
            f'fill="{_PAPER}" stroke="{colour}" stroke-width="2"/>'
        )

    # Parts with two ends ---------------------------------------------------------

    def resistor(self, one: Point, other: Point, label: str = "", side: str = "") -> None:
        """A resistor, labelled on a side: "above", "below", "left" or "right"."""
        self._body(one, other, 36, '<rect x="-18" y="-6" width="36" height="12" {fill}/>')
        self._label(one, other, label, side, 8)

    def fuse(self, one: Point, other: Point, label: str = "", side: str = "") -> None:
        """A fuse."""
        shape = '<rect x="-18" y="-6" width="36" height="12" {fill}/><path d="M-18 0H18"/>'
        self._body(one, other, 36, shape, POWER)
        self._label(one, other, label, side, 8)

    def capacitor(self, one: Point, other: Point, label: str = "", side: str = "") -> None:
        """A capacitor."""
        self._body(one, other, 8, '<path d="M-4 -13V13M4 -13V13" stroke-width="2.2"/>')
        self._label(one, other, label, side, 15)

    def diode(
        self, one: Point, other: Point, label: str = "", side: str = "", colour: str = INK
    ) -> None:
        """A diode that conducts from one to the other."""
        shape = '<path d="M-8 -8L8 0L-8 8Z" {fill}/><path d="M8 -9V9" stroke-width="2.2"/>'
        self._body(one, other, 16, shape, colour)
        self._label(one, other, label, side, 11)

    def zener(self, one: Point, other: Point, label: str = "", side: str = "") -> None:
        """A Zener diode, forward from one to the other."""
        shape = '<path d="M-8 -8L8 0L-8 8Z" {fill}/><path d="M4 -12L8 -9V9L12 12" fill="none"/>'
        self._body(one, other, 16, shape)
        self._label(one, other, label, side, 14)

    def led(self, one: Point, other: Point, label: str = "", side: str = "") -> None:
        """A light-emitting diode."""
        shape = (
            '<path d="M-8 -8L8 0L-8 8Z" {fill}/><path d="M8 -9V9" stroke-width="2.2"/>'
            '<path d="M-2 -11L4 -19M4 -19l-5 2M4 -19l0 5M5 -9L11 -17M11 -17l-5 2M11 -17l0 5" '
            'stroke-width="1.2"/>'
        )
        self._body(one, other, 16, shape)
        self._label(one, other, label, side, 12)

    def switch(self, one: Point, other: Point, label: str = "", side: str = "") -> None:
        """A push button, open at rest."""
        shape = (
            '<circle cx="-14" cy="0" r="3" {fill}/><circle cx="14" cy="0" r="3" {fill}/>'
            '<path d="M-15 -9H15M0 -9V-17M-6 -17H6"/>'
        )
        self._body(one, other, 34, shape)
        self._label(one, other, label, side, 20)

    def motor(self, one: Point, other: Point, letter: str, label: str, side: str = "") -> None:
        """A round machine with its letter."""
        self._body(one, other, 40, '<circle r="20" {fill}/>', POWER)
        x, y = _middle(one, other)
        self.text(x, y + 6, letter, anchor="middle", size=17, bold=True, colour=POWER)
        self._label(one, other, label, side, 24)

    def coil(self, one: Point, other: Point, label: str, side: str = "") -> None:
        """The coil of a valve."""
        shape = '<rect x="-16" y="-20" width="32" height="40" {fill}/><path d="M-16 20L16 -20"/>'
        self._body(one, other, 32, shape, POWER)
        self._label(one, other, label, side, 24)

    # Parts with three ends and more -----------------------------------------------

    def nfet(
        self, x: float, y: float, label: str = "", *, flipped: bool = False, side: str = "right"
    ) -> None:
        """An n-channel MOSFET: gate at (x - 30, y), or (x + 30, y) if flipped,
        drain at (x, y - 30), source at (x, y + 30)."""
        turn = "scale(-1 1)" if flipped else ""
        self._transistor(x, y, turn, '<path d="M-14 0l7 -4v8Z" fill="{ink}"/>')
        if label:
            at = x + 10 if side == "right" else x - 24
            self.text(at, y - 4, label, anchor="start" if side == "right" else "end")

    def pfet(self, x: float, y: float, label: str = "") -> None:
        """A p-channel MOSFET lying in a supply: source at (x - 30, y), drain at
        (x + 30, y), gate at (x, y + 30)."""
        self._transistor(
            x, y, "rotate(-90) scale(1 -1)", '<path d="M-1 0l-7 -4v8Z" fill="{ink}"/>', POWER
        )
        if label:
            self.text(x, y - 12, label, anchor="middle")

    def _transistor(self, x: float, y: float, turn: str, arrow: str, colour: str = INK) -> None:
        shape = (
            '<path d="M-30 0H-20M-20 -14V14M-14 -16V-8M-14 -4V4M-14 8V16'
            'M-14 -12H0V-30M-14 12H0V30M-14 0H0V12" fill="none"/>' + arrow
        )
        self._parts.append(
            f'<g transform="translate({_n(x)} {_n(y)}) {turn}" stroke="{colour}" '
            f'stroke-width="{_THIN}">{shape.format(ink=colour)}</g>'
        )

    def comparator(self, x: float, y: float, label: str, *, plus_above: bool = True) -> None:
        """A comparator: inputs at (x - 40, y - 20) and (x - 40, y + 20), output at
        (x + 40, y)."""
        corners = ((x - 30, y - 34), (x + 30, y), (x - 30, y + 34))
        self._parts.append(
            f'<polygon points="{_points(corners)}" fill="#f6f8fa" stroke="{INK}" '
            f'stroke-width="{_THIN}"/>'
        )
        for at in (y - 20, y + 20):
            self.wire((x - 40, at), (x - 30, at))
        self.wire((x + 30, y), (x + 40, y))
        plus, minus = (y - 20, y + 20) if plus_above else (y + 20, y - 20)
        self.text(x - 26, plus + 5, "+", size=16)
        self.text(x - 25, minus + 5, "\u2212", size=16)
        self.text(x - 9, y + 5, label, anchor="middle")

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        title: str,
        left: Iterable[tuple[float, str]] = (),
        right: Iterable[tuple[float, str]] = (),
        *,
        title_y: float = 20,
        fill: str = "#f6f8fa",
    ) -> None:
        """A chip or module: its title inside, and pins as (y, name) whose wires end
        20 outside of it."""
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="4" '
            f'fill="{fill}" stroke="{INK}" stroke-width="{_THIN}"/>'
        )
        lines = title.split("\n")
        self.text(x + width / 2, y + title_y, lines[0], anchor="middle", bold=True)
        if len(lines) > 1:
            self.text(x + width / 2, y + title_y + 16, "\n".join(lines[1:]), anchor="middle")
        for at, name in left:
            self.wire((x - 20, at), (x, at))
            self.text(x + 6, at + 5, name)
        for at, name in right:
            self.wire((x + width, at), (x + width + 20, at))
            self.text(x + width - 6, at + 5, name, anchor="end")

    # Ends of wires ---------------------------------------------------------------

    def ground(self, x: float, y: float) -> None:
        """Ground, hanging from (x, y)."""
        self._parts.append(
            f'<path d="M{_n(x)} {_n(y)}v8m-11 0h22m-18 5h14m-10 5h6" fill="none" '
            f'stroke="{INK}" stroke-width="{_THIN}"/>'
        )

    def supply(self, x: float, y: float, name: str, colour: str = INK) -> None:
        """A supply above (x, y)."""
        self._parts.append(
            f'<path d="M{_n(x)} {_n(y)}v-10m-10 0h20" fill="none" stroke="{colour}" '
            f'stroke-width="2"/>'
        )
        self.text(x, y - 15, name, anchor="middle", colour=colour)

    def port(
        self, x: float, y: float, name: str, *, into: str = "right", colour: str = INK
    ) -> None:
        """A signal of the controller, or of another sheet. The wire goes on from
        (x, y) to the right, or to the left."""
        width = 8 * len(name) + 18
        tip, edge = (x, x - 12) if into == "right" else (x, x + 12)
        far = x - 12 - width if into == "right" else x + 12 + width
        corners = ((tip, y), (edge, y - 11), (far, y - 11), (far, y + 11), (edge, y + 11))
        self._parts.append(
            f'<polygon points="{_points(corners)}" fill="#ddf4ff" stroke="{colour}" '
            f'stroke-width="{_THIN}"/>'
        )
        self.text((edge + far) / 2, y + 5, name, anchor="middle", colour=colour)

    # Inside ----------------------------------------------------------------------

    def _polyline(self, points: Iterable[Point], colour: str, width: float) -> None:
        self._parts.append(
            f'<polyline points="{_points(points)}" fill="none" stroke="{colour}" '
            f'stroke-width="{width}" stroke-linejoin="round"/>'
        )

    def _body(
        self, one: Point, other: Point, length: float, shape: str, colour: str = INK
    ) -> None:
        """Leads to a body of this length in the middle, turned from one to other."""
        angle = math.degrees(math.atan2(other[1] - one[1], other[0] - one[0]))
        reach = math.dist(one, other)
        share = (reach - length) / 2 / reach
        near = _along(one, other, share)
        far = _along(other, one, share)
        self.wire(one, near, colour=colour)
        self.wire(far, other, colour=colour)
        x, y = _middle(one, other)
        fill = f'fill="{_PAPER}"'
        self._parts.append(
            f'<g transform="translate({_n(x)} {_n(y)}) rotate({_n(angle)})" stroke="{colour}" '
            f'stroke-width="{_THIN}">{shape.format(fill=fill)}</g>'
        )

    def _label(self, one: Point, other: Point, label: str, side: str, reach: float) -> None:
        if not label:
            return
        x, y = _middle(one, other)
        lines = label.split("\n")
        side = side or ("right" if one[0] == other[0] else "above")
        height = (NAME_SIZE + 3) * (len(lines) - 1)
        if side in ("left", "right"):
            at = x + reach + 3 if side == "right" else x - reach - 3
            anchor = "start" if side == "right" else "end"
            self.text(at, y + 5 - height / 2, label, anchor=anchor)
        else:
            at = y - reach - 4 - height if side == "above" else y + reach + NAME_SIZE
            self.text(x, at, label, anchor="middle")


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _middle(one: Point, other: Point) -> Point:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


def _along(one: Point, other: Point, share: float) -> Point:
    return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])
