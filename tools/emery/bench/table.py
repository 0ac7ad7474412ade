"""The bench for a person at a terminal 80 columns wide.

One line for each figure: whether it reaches its goal, its value and what is
wanted; below it the same figure of what one would use instead. At the end what
could not be measured and why, and what the check found. Colour only repeats a word.
"""

from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from emery.bench.keys import GROUPS, KEYS, Key, Value

_WIDTH = 80
_INDENT = 10  # of the references below a figure
_TITLES = {
    "trip": "trip: pump stuck full and nozzle clogged in mid-stroke at level 10",
    "regulation": "regulation: to the set vacuum and back to it after a lift",
    "handpiece": "handpiece: open, sealed, leaking, clogged or a dead head",
    "feed": "feed: crystals after a lift, every level, 0.2 to 1.2 L",
    "tick": "tick: the whole firmware, every 5 ms",
    "simulate": "simulate: firmware, device and operator on this machine",
    "firmware": "firmware: its flash and its RAM",
}


def print_table(console: Console, document: dict[str, Any]) -> None:
    """Print the document of a run."""
    console.print(_render(document), width=_WIDTH, crop=False)


def _render(document: dict[str, Any]) -> RenderableType:
    figures = document["figures"]
    machine = document["machine"]
    interpreters = " and ".join(
        name for name in (machine["python"], machine["micropython"]) if name
    )
    parts: list[RenderableType] = [
        Text("Emery bench", style="bold"),
        Text(
            f"seed {document['seed']}, {document['wall_s']:.0f} s on {interpreters}; "
            f"{machine['system']}, {machine['processors']} processors",
            style="dim",
        ),
        Text(f"{'value':>51}{'goal':>11}{'stretch':>9}", style="dim"),
    ]
    for group in GROUPS:
        if any(name.startswith(f"{group}.") for name in figures):
            parts += _lines(group, figures)
    parts.append(Text())
    unmeasured: dict[str, list[str]] = {}
    for name, row in figures.items():
        if row["value"] is None:
            unmeasured.setdefault(row["reason"] or "no reason given", []).append(name)
    for reason, names in unmeasured.items():
        what = names[0] if len(names) == 1 else f"{len(names)} of {names[0].split('.')[0]}"
        parts.append(Text(f"not measured: {what}: {reason}"))
    if any(row["quoted"] for row in figures.values()):
        parts.append(Text("* measured elsewhere, not in this run", style="dim"))
    if "check" in document:
        parts.append(_check(document["check"]))
    return Group(*parts)


def _lines(group: str, figures: dict[str, dict[str, Any]]) -> Iterator[Text]:
    """One group: its title, and one or two lines for each figure."""
    yield Text()
    yield Text(_TITLES[group], style="bold")
    for key in KEYS:
        if key.group != group or key.name not in figures:
            continue
        row = figures[key.name]
        sign = "" if isinstance(key.goal, bool) else "<= " if key.most else ">= "
        line = Text("  ")
        line.append_text(_verdict(key, row["value"]))
        line.align("left", 8)
        line.append(f"{key.name.removeprefix(group + '.'):34}")
        line.append(f"{_shown(key, row['value']):>9}", style="bold")
        line.append(f"{'' if key.goal is None else sign + _wanted(key.goal):>11}")
        line.append(f"{'' if key.stretch is None else _wanted(key.stretch):>9}")
        yield line
        references = ", ".join(
            f"{name.replace('_', ' ')} {_shown(key, value)}{star}"
            for values, star in ((row["references"], ""), (row["quoted"], "*"))
            for name, value in values.items()
        )
        for part in wrap(references, _WIDTH - _INDENT):
            yield Text(" " * _INDENT + part, style="dim")
        if "confusion" in row["detail"]:
            yield from _confusion(row["detail"])


def _confusion(detail: dict[str, Any]) -> Iterator[Text]:
    """What was told (across) of what was true (down), and how long it took."""
    names = list(detail["confusion"])
    head = "".join(f"{name:>10}" for name in names)
    yield Text(f"{'true, told':>20}{head}{'p95, ms':>9}", style="dim")
    for name, told in detail["confusion"].items():
        counts = "".join(f"{told[other]:>10}" for other in names)
        times = detail["latency_s"].get(name)
        p95 = f"{1000 * times['p95']:.0f}" if times else "-"
        yield Text(f"{name:>20}{counts}{p95:>9}", style="dim")


def _verdict(key: Key, value: Value) -> Text:
    if value is None or key.goal is None:
        return Text("")
    if key.reaches(value, key.stretch):
        return Text("great", style="green")
    if key.reaches(value, key.goal):
        return Text("good", style="green")
    return Text("short", style="red")


def _shown(key: Key, value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.{key.decimals}f}"


def _wanted(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}"


def _check(check: dict[str, Any]) -> RenderableType:
    lines = []
    for what in ("worsened", "improved"):
        for row in check[what]:
            lines.append(
                Text(
                    f"{what}: {row['key']} {row['value']:g}, baseline {row['baseline']:g} "
                    f"+- {row['noise']:g}",
                    style="bold red" if what == "worsened" else "",
                )
            )
    for name in check["not_measured"]:
        lines.append(Text(f"in the baseline, but not measured: {name}", style="bold red"))
    if not check["worsened"] and not check["not_measured"]:
        lines.append(Text("check: nothing has worsened"))
    return Group(*lines)
