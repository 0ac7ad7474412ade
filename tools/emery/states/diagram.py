"""The states as a picture: `firmware/states.svg`.

Where the boxes stand, how the arrows run and what is written on them is set by
hand below. Which arrows there are is not: that is what the exploration found.
A way that the tables do not show, or show although the code does not have it,
gives an error and no picture.
"""

from dataclasses import dataclass
from html import escape

from emery.states.exploration import Ways

WIDTH, HEIGHT = 1190, 830
_HALF_WIDTH, _HALF_HEIGHT = 76, 27
_LINE = 15


class OutOfDate(Exception):
    """The tables and the code disagree; the text says in what."""


@dataclass(frozen=True)
class Place:
    """A state's box: its centre, what its outputs do, and the colour of that."""

    x: int
    y: int
    outputs: str = "outputs safe"
    kind: str = "safe"


@dataclass(frozen=True)
class Route:
    """An arrow: the points it goes through, its words and where they stand."""

    points: tuple[tuple[int, int], ...]
    words: str
    x: int
    y: int
    anchor: str = "middle"
    is_restart: bool = False


PLACES = {
    "SERVICE": Place(106, 130, "one at a time, for 2 s", "service"),
    "BOOT": Place(336, 130),
    "SELF_TEST": Place(566, 130),
    "FAULT": Place(1040, 130, "outputs safe, latched", "fault"),
    "STANDBY": Place(336, 310),
    "CHECKLIST": Place(566, 310),
    "PROOF": Place(816, 310, "pump and vent, capped", "proof"),
    "RESTING": Place(566, 500),
    "READY": Place(816, 500),
    "TREATING": Place(1040, 500, "suction, crystals", "suction"),
    "COMPLETE": Place(336, 720),
    "ZONE_DONE": Place(816, 720),
    "PAUSED": Place(1040, 720),
}

# The frame of the session: from each state in it, and from no other, one way
# leads to COMPLETE. It is drawn once, from the frame.
SESSION = ("READY", "RESTING", "TREATING", "PAUSED", "ZONE_DONE")
_FRAME = (470, 430, 700, 345)  # x, y, width, height
_TO_COMPLETE = Route(((470, 720), (412, 720)), "END,\n90 min", 441, 693)
# A fault is drawn once, too, with the states that it does not leave.
_TO_FAULT = Route(((1040, 222), (1040, 157)), "a fault", 1050, 194, "start")
_POWER_ON = Route(((206, 222), (268, 160)), "power on", 203, 246)

ROUTES = {
    ("BOOT", "SELF_TEST"): Route(((412, 130), (490, 130)), "", 0, 0),
    ("BOOT", "SERVICE"): Route(((260, 120), (182, 120)), "", 0, 0, is_restart=True),
    ("SERVICE", "BOOT"): Route(((182, 140), (260, 140)), "RESTART", 221, 157, is_restart=True),
    ("STANDBY", "BOOT"): Route(((336, 283), (336, 157)), "SERVICE", 326, 240, "end",
                               is_restart=True),
    ("FAULT", "BOOT"): Route(((1040, 103), (1040, 62), (336, 62), (336, 103)), "SERVICE",
                             690, 54, is_restart=True),
    ("FAULT", "SELF_TEST"): Route(((964, 130), (642, 130)),
                                  "foot off, ACKNOWLEDGE;\nnot for a fault kept for SERVICE",
                                  803, 105),
    ("SELF_TEST", "STANDBY"): Route(((520, 157), (390, 283)), "passed", 432, 214, "end"),
    ("SELF_TEST", "CHECKLIST"): Route(((566, 157), (566, 283)), "passed,\nafter a fault",
                                      576, 212, "start"),
    ("STANDBY", "CHECKLIST"): Route(((412, 300), (490, 300)), "START", 451, 292),
    ("CHECKLIST", "STANDBY"): Route(((490, 320), (412, 320)), "END", 451, 336),
    ("CHECKLIST", "PROOF"): Route(((642, 310), (740, 310)), "confirmed,\nclient told", 691, 287),
    ("PROOF", "STANDBY"): Route(((776, 337), (776, 378), (366, 378), (366, 337)), "END",
                                571, 372),
    ("PROOF", "READY"): Route(((816, 337), (816, 473)), "proved", 826, 400, "start"),
    ("READY", "RESTING"): Route(((740, 490), (642, 490)), "rest is due", 691, 481),
    ("RESTING", "READY"): Route(((642, 510), (740, 510)), "after 5 min", 691, 528),
    ("TREATING", "RESTING"): Route(((1010, 473), (1010, 463), (620, 463), (620, 473)),
                                   "40 min of running", 745, 459),
    ("PAUSED", "RESTING"): Route(((1040, 747), (1040, 766), (530, 766), (530, 527)),
                                 "rest is due, no pass open", 640, 761),
    ("ZONE_DONE", "RESTING"): Route(((740, 720), (590, 720), (590, 527)),
                                    "press,\nrest is due", 598, 670, "start"),
    ("READY", "TREATING"): Route(((892, 500), (964, 500)), "press", 928, 492),
    ("READY", "ZONE_DONE"): Route(((780, 527), (780, 693)), "press, but\nno pass left",
                                  770, 604, "end"),
    ("ZONE_DONE", "READY"): Route(((802, 693), (802, 527)), "zone", 810, 566, "start"),
    ("TREATING", "ZONE_DONE"): Route(((990, 527), (872, 693)), "last pass\nclosed",
                                     852, 640),
    ("PAUSED", "READY"): Route(((990, 693), (872, 527)), "zone", 972, 640, "start"),
    ("TREATING", "PAUSED"): Route(((1064, 527), (1064, 693)),
                                  "release,\npass closed,\n10 s on a spot,\n"
                                  "60 s in the air,\nsession time", 1072, 578, "start"),
    ("PAUSED", "TREATING"): Route(((1030, 693), (1030, 527)), "press", 1022, 584, "end"),
    ("PAUSED", "ZONE_DONE"): Route(((964, 712), (892, 712)), "spent", 928, 704),
    ("ZONE_DONE", "PAUSED"): Route(((892, 730), (964, 730)), "SAME\nPASS", 928, 747),
    ("COMPLETE", "STANDBY"): Route(((336, 693), (336, 337)), "START", 326, 510, "end"),
}

_STYLE = """
text { font: 13px "DejaVu Sans", Verdana, sans-serif; fill: #24303c; }
.name { font-size: 15px; font-weight: bold; }
.outputs { font-size: 11px; fill: #51606f; }
.words { font-size: 12px; fill: #33414e; paint-order: stroke; stroke: #fff; stroke-width: 4px; }
.note { font-size: 12px; fill: #51606f; }
.box { stroke-width: 1.6; }
.safe { fill: #eaf3ee; stroke: #4f8568; }
.proof { fill: #fff3d1; stroke: #b08513; }
.suction { fill: #fde2d2; stroke: #c2571a; stroke-width: 2.6; }
.service { fill: #e9e6f8; stroke: #6a5bbf; }
.fault { fill: #fadfdf; stroke: #b3332b; }
.session { fill: #f6f8fa; stroke: #a9b6c2; stroke-width: 1.2; }
.way { fill: none; stroke: #51606f; stroke-width: 1.5; marker-end: url(#arrow); }
.restart { stroke-dasharray: 6 4; }
"""


def check(ways: Ways) -> None:
    """Raise OutOfDate unless the tables show these ways and no other."""
    shown = set(ROUTES) | {(name, "COMPLETE") for name in SESSION}
    found = {way for way in ways if way[1] != "FAULT"}
    problems = [
        *(f"the code leads from {a} to {b}; show it" for a, b in sorted(found - shown)),
        *(f"no way of the code leads from {a} to {b}" for a, b in sorted(shown - found)),
        *(f"there is no box for {name}"
          for name in sorted({name for way in ways for name in way} - set(PLACES))),
    ]
    if problems:
        raise OutOfDate(
            "the tables of emery/states/diagram.py are out of date:\n  " + "\n  ".join(problems)
        )


def draw(ways: Ways) -> str:
    """The picture, as SVG. Raises OutOfDate."""
    check(ways)
    x, y, width, height = _FRAME
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="States of the firmware">',
        "<!-- Drawn from the code; do not edit. `emery states` makes it anew. -->",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
        'markerHeight="8" orient="auto-start-reverse">'
        '<path d="M0 0 L10 5 L0 10 z" fill="#51606f"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#fff"/>',
        f'<rect class="session" x="{x}" y="{y}" width="{width}" height="{height}" rx="14"/>',
        f'<text class="note" x="{x + 16}" y="{y + 22}">a session: passes are counted</text>',
        '<circle cx="203" cy="225" r="5" fill="#51606f"/>',
        *(_arrow(route) for route in (_POWER_ON, _TO_COMPLETE, _TO_FAULT, *ROUTES.values())),
        _text("note", 1040, 240, _leaving(ways)),
        *(_box(name, place) for name, place in PLACES.items()),
        *(_words(route) for route in (_POWER_ON, _TO_COMPLETE, _TO_FAULT, *ROUTES.values())),
        '<path class="way restart" d="M30 802 L82 802"/>',
        '<text class="note" x="92" y="806">by a restart. Power loss leads from everywhere'
        " to BOOT. Capitals without a box are commands.</text>",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _leaving(ways: Ways) -> str:
    """From which states a fault leads to FAULT, in words."""
    others = sorted(set(PLACES) - {a for a, b in ways if b == "FAULT"} - {"FAULT"})
    return "from every other state" + (f" but {' and '.join(others)}" if others else "")


def _arrow(route: Route) -> str:
    kind = "way restart" if route.is_restart else "way"
    path = "M" + " L".join(f"{x} {y}" for x, y in route.points)
    return f'<path class="{kind}" d="{path}"/>'


def _words(route: Route) -> str:
    lines = route.words.split("\n") if route.words else []
    return "\n".join(
        _text("words", route.x, route.y + _LINE * n, line, route.anchor)
        for n, line in enumerate(lines)
    )


def _box(name: str, place: Place) -> str:
    left, top = place.x - _HALF_WIDTH, place.y - _HALF_HEIGHT
    return (
        f'<rect class="box {place.kind}" x="{left}" y="{top}" width="{2 * _HALF_WIDTH}" '
        f'height="{2 * _HALF_HEIGHT}" rx="9"/>\n'
        + _text("name", place.x, place.y - 3, name.replace("_", " "))
        + "\n"
        + _text("outputs", place.x, place.y + 15, place.outputs)
    )


def _text(kind: str, x: int, y: int, words: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
