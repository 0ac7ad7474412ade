"""What the monitor shows: a page of text for any terminal from 80 by 24 on, and a line.

Every fact is in words or figures; bold and reverse only help the eye. The vacuum bar
has the limits marked on it by letters, with a legend beneath.
"""

from dataclasses import dataclass, field
from textwrap import wrap

from emery.link.said import (
    Hello,
    Status,
    barrier_words,
    cause_words,
    fault_name,
    reason_words,
    sensor_words,
    state_name,
)
from emery.monitor.orders import CHECKLIST_ITEMS, Order
from firmware import faults
from firmware.certificate import VALID
from firmware.settings import Settings, soft_margin_pa
from firmware.treatment import CHECKLIST, SERVICE
from hal.contract import BARRIERS_FINE, VENT_CLOSED

NARROWEST = 60
_DIGEST_SHOWN = 8
_BAR_PA = 50_000  # full scale: the comparator of the reference hardware trips there
_PLAIN, BOLD, REVERSE, DIM = "", "bold", "reverse", "dim"

Line = tuple[str, str]


@dataclass(slots=True)
class View:
    """Everything there is to show. `ascii_only` for a terminal that has no other."""

    port: str = ""
    hello: Hello | None = None
    status: Status | None = None
    settings: Settings | None = None
    settings_note: str = ""
    certificate: str = ""  # what it says, or why there is none that is valid
    trouble: str = ""
    rate: float = 0.0
    lost: int = 0
    connections: int = 1
    console: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    question: str = ""
    answer: str = ""
    ascii_only: bool = False


def page(view: View, width: int, height: int) -> list[Line]:
    """Exactly `height` lines of at most `width` characters, each with its style."""
    width = max(width, NARROWEST)
    head = _head(view, width)
    foot = _foot(view, width)
    body: list[Line] = []
    if view.status is not None:
        body = _body(view, view.status, width)
    room = max(height - len(head) - len(foot), 0)
    if len(body) > room:
        # What cannot be shown is the end of the fix steps, and it says where they are.
        body = body[: max(room - 1, 0)] + [_more(view, width)] * (room > 0)
    body += [("", _PLAIN)] * (room - len(body))
    lines = (head + body + foot)[:height]
    return [(text[:width], style) for text, style in lines]


def one_line(view: View) -> str:
    """The device in one line, for where there is no terminal."""
    status = view.status
    if view.trouble or status is None:
        return f"no connection: {view.trouble or 'nothing has come yet'}"
    parts = [
        state_name(status.state),
        f"{_kpa(status.vacuum_pa)} kPa" + (f" (set {_kpa(status.set_pa)})" * (status.set_pa > 0)),
        f"{_zone_name(view, status.zone)} {_passes(view, status, status.zone)}",
        f"session {_clock(status.session_ms)} of {_clock(status.session_limit_ms)}",
    ]
    if status.fault:
        parts.append(f"FAULT {fault_name(status.fault)}")
    elif status.warning:
        parts.append(f"warning {fault_name(status.warning)}")
    if status.is_stopped:
        parts.append("the core has stopped")
    parts.append(reason_words(status.reason))
    return "; ".join(parts)


# Head and foot -------------------------------------------------------------------


def _head(view: View, width: int) -> list[Line]:
    hello = view.hello
    left = " Emery"
    if hello is not None:
        slot = f", slot {hello.slot}" if hello.slot else ""
        left = f" Emery {hello.version}   {hello.board}   {hello.chip}{slot}"
    right = f"{view.port} "
    space = width - len(left) - len(right)
    if space < 1:
        right = ""
        space = max(width - len(left), 0)
    return [(left + " " * space + right, REVERSE)]


def _foot(view: View, width: int) -> list[Line]:
    lines: list[Line] = []
    if view.console:
        lines.append((_cut(f" console: {_plain(view.console[-1])}", width), DIM))
    if view.trouble:
        for line in wrap(f"no connection: {view.trouble}. It is tried again.", width - 2):
            lines.append((f" {line}", BOLD))
    elif view.status is not None:
        status = view.status
        parts = [
            f"link {view.rate:.0f}/s",
            f"{view.lost} lost",
            f"{status.lines_dropped} dropped by the device",
            f"{status.ticks} ticks",
            f"{status.overruns} late",
            f"heap {status.heap_free // 1024} KiB free",
        ]
        lines.append((_cut(" " + "  ".join(parts), width), DIM))
    if view.question:
        lines.append((_cut(f" {view.question}  any other key: no", width), REVERSE))
    elif view.answer:
        lines.append((_cut(f" {view.answer}", width), BOLD))
    else:
        lines += [(line, _PLAIN) for line in _key_lines(view.orders, width)]
    return lines


def _key_lines(orders: list[Order], width: int) -> list[str]:
    lines = [" q quit"]
    for order in orders:
        if not order.label:
            continue
        told = f"{order.key}{'' if order.label.startswith('-') else ' '}{order.label}"
        if len(lines[-1]) + 2 + len(told) > width:
            lines.append(f" {told}")
        else:
            lines[-1] += f"  {told}"
    return lines


# The body ------------------------------------------------------------------------


def _body(view: View, status: Status, width: int) -> list[Line]:
    lines = [("", _PLAIN), (f" {_headline(view, status)}", BOLD)]
    lines += [(f" {line}", _PLAIN) for line in wrap(_sentence(status), width - 2)]
    lines += [(f" {line}", BOLD) for line in _notes(view, status, width)]
    lines.append(("", _PLAIN))
    lines += _vacuum(view, status, width)
    lines += _drives(status)
    lines += _session(view, status)
    lines += _config(view)
    lines.append(("", _PLAIN))
    lines += _zones(view, status, width)
    lines += _troubles(status, width)
    return lines


def _headline(view: View, status: Status) -> str:
    text = state_name(status.state)
    if status.pass_number:
        passes = _passes_allowed(view, status.zone)
        of = f" of {passes}" if passes else ""
        text += f"   pass {status.pass_number}{of}, {_zone_name(view, status.zone)}"
    return text


def _sentence(status: Status) -> str:
    words = reason_words(status.reason)
    if status.state == CHECKLIST:
        items = [
            f"[{'x' if status.confirmed & item else ' '}] {words_of}"
            for item, words_of in CHECKLIST_ITEMS
        ]
        skin = str(status.skin_type) if status.skin_type else "not told"
        words += ":  " + "  ".join(items) + f"  skin type: {skin}"
    return words


def _notes(view: View, status: Status, width: int) -> list[str]:
    """What is out of the ordinary, and no fault of the catalogue."""
    hello = view.hello
    notes = []
    if status.is_stopped:
        notes.append("The core has stopped and all outputs are off: emery log pull, then restart.")
    if status.sensor_fault:
        notes.append(f"Sensors: {sensor_words(status.sensor_fault)}.")
    if status.kept_fault:
        notes.append(f"Kept until SERVICE forgets it: {fault_name(status.kept_fault)}.")
    if hello is not None:
        if hello.barrier != BARRIERS_FINE:
            notes.append(f"Barriers: {barrier_words(hello.barrier)}.")
        if hello.on_trial:
            notes.append("This version is on trial: it has not proved itself yet.")
        if hello.unmarked > 1:
            notes.append(f"{hello.unmarked} starts in a row went badly; the last was by "
                         f"{cause_words(hello.cause)}.")
        if hello.is_bench:
            notes.append("A bench rig by its board file: it treats nobody, and stays in SERVICE.")
        elif view.certificate and hello.certificate != VALID:
            notes.append(f"Certificate: {view.certificate}. It stays in SERVICE until a config "
                         "with a valid one is put on: emery config push BOARD.")
    if view.settings_note:
        notes.append(view.settings_note)
    return [line for note in notes for line in wrap(note, width - 2)]


def _vacuum(view: View, status: Status, width: int) -> list[Line]:
    """The bar, and its legend."""
    bar_width = width - 24
    full, empty = ("#", ".") if view.ascii_only else ("\u2588", "\u00b7")
    cells = [empty] * bar_width
    for place in range(_place(status.vacuum_pa, bar_width)):
        cells[place] = full
    marks = []
    if status.set_pa:
        marks.append(("S", "set", status.set_pa))
    if view.settings is not None:
        if status.set_pa:
            soft_pa = status.set_pa + soft_margin_pa(view.settings, status.set_pa)
            marks.append(("!", "soft limit", soft_pa))
        marks.append(("X", "hard limit", view.settings.hard_limit_pa))
    for letter, _, pa in marks:
        cells[min(_place(pa, bar_width), bar_width - 1)] = letter
    legend = "  ".join(f"{letter} {name} {_kpa(pa)}" for letter, name, pa in marks)
    sensors = f"A {_kpa(status.vacuum_a_pa)}  B {_kpa(status.vacuum_b_pa)}"
    return [
        (f" vacuum {_kpa(status.vacuum_pa):>5} kPa  [{''.join(cells)}]", BOLD),
        (f"        {sensors}   {legend}".rstrip(), _PLAIN),
    ]


def _place(pa: int, cells: int) -> int:
    return min(max(pa, 0) * cells // _BAR_PA, cells)


def _drives(status: Status) -> list[Line]:
    vent = "closed" if status.vent == VENT_CLOSED else "open"
    foot = "held" if status.footswitch else "up"
    return [
        (
            f" pump {status.pump_permille / 10:5.1f} %    crystals "
            f"{status.feed_permille / 10:5.1f} %  {status.flow_mg_min / 1000:g} g/min    "
            f"vent {vent}    footswitch {foot}",
            _PLAIN,
        )
    ]


def _session(view: View, status: Status) -> list[Line]:
    if status.state == SERVICE:
        return []
    level = f" level {status.level}"
    if status.available_level:
        level += f" (proved up to {status.available_level})"
    return [
        (
            f"{level}    session {_clock(status.session_ms)} of "
            f"{_clock(status.session_limit_ms)}    air {status.barometer_pa / 1000:.1f} kPa",
            _PLAIN,
        )
    ]


def _config(view: View) -> list[Line]:
    """Which config, and what its certificate says; a note tells of one that is not valid."""
    hello = view.hello
    if hello is None or not hello.config:
        return []
    text = f" config {hello.config[:_DIGEST_SHOWN]}"
    if hello.certificate == VALID and not hello.is_bench:
        text += f"   certificate: {view.certificate}"
    return [(text, _PLAIN)]


def _zones(view: View, status: Status, width: int) -> list[Line]:
    """Every zone with its passes, three or more to a line; the chosen one is marked."""
    column = 26
    columns = max(width // column, 1)
    cells = []
    for zone in range(len(status.opened)):
        mark = ">" if zone == status.zone else " "
        name = _zone_name(view, zone)
        cells.append(f" {mark} {name:16} {_passes(view, status, zone)}".ljust(column))
    return [
        ("".join(cells[at : at + columns]).rstrip(), _PLAIN)
        for at in range(0, len(cells), columns)
    ]


def _troubles(status: Status, width: int) -> list[Line]:
    """The fault and the warning, each with what to do, in order."""
    lines: list[Line] = []
    for number, kind in ((status.fault, "FAULT"), (status.warning, "Warning")):
        if not number:
            continue
        lines.append(("", _PLAIN))
        if not 0 < number < len(faults.CATALOGUE):
            lines.append((f" {kind} {number}: unknown to this emery", BOLD))
            continue
        _, code, priority, _, headline, steps = faults.CATALOGUE[number]
        title = f"{kind} {code} ({number}), {priority} priority: {headline}."
        lines += [(f" {line}", BOLD) for line in wrap(title, width - 2)]
        for place, step in enumerate(steps, 1):
            lines += [
                (f" {line}", _PLAIN)
                for line in wrap(
                    step, width - 2, initial_indent=f"{place}. ", subsequent_indent="   "
                )
            ]
    return lines


def _more(view: View, width: int) -> Line:
    status = view.status
    number = 0 if status is None else status.shown_fault
    if number:
        return (_cut(f" ... the rest: emery faults {fault_name(number)}", width), BOLD)
    return (" ... a taller window shows the rest", _PLAIN)


# Words ---------------------------------------------------------------------------


def _zone_name(view: View, zone: int) -> str:
    if view.settings is not None and 0 <= zone < len(view.settings.zones):
        name: str = view.settings.zones[zone].name
        return name
    return f"zone {zone + 1}"


def _passes_allowed(view: View, zone: int) -> int:
    if view.settings is not None and 0 <= zone < len(view.settings.zones):
        passes: int = view.settings.zones[zone].passes
        return passes
    return 0


def _passes(view: View, status: Status, zone: int) -> str:
    opened = status.opened[zone] if 0 <= zone < len(status.opened) else 0
    allowed = _passes_allowed(view, zone)
    return f"{opened}/{allowed}" if allowed else str(opened)


def _kpa(pa: int) -> str:
    return f"{pa / 1000:.1f}"


def _clock(ms: int) -> str:
    seconds = ms // 1000
    return f"{seconds // 60}:{seconds % 60:02}"


def _plain(text: str) -> str:
    """Without what a terminal would act on."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
