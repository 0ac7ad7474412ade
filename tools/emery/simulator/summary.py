"""What happened, for a person at a terminal 80 columns wide.

Verdict first, then the zones as the session's record would show them, then
faults, then the requirements with the failed ones on top and the command that
reproduces the run. Colour only repeats what a word already says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emery.simulator.batch import Outcome
from emery.simulator.comparison import Difference, figures_apart, names, set_apart
from emery.simulator.margins import DEVICE, share_used
from emery.simulator.wording import clock, grams, kpa, left_text, margin_text, share

# Wider lines are harder to read, not easier.
WIDEST_COLUMNS = 100

EVENTS_SHOWN = 4


def print_summary(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print one run in full, or many as a table with the failures in full."""
    width = min(console.width, WIDEST_COLUMNS)
    if len(outcomes) == 1 and outcomes[0].result is not None:
        console.print(_run(outcomes[0].result, outcomes[0].other), width=width, crop=False)
    else:
        console.print(_many(outcomes), width=width, crop=False)


def _run(result: dict[str, Any], other: Mapping[str, Any] | None) -> RenderableType:
    parts: list[RenderableType] = [
        _heading(result["title"], result["passed"]),
        Text(result["about"]),
        Text(_circumstances(result), style="dim"),
        _zones(result),
        _regulation(result),
        _nearest(result["margins"]),
        Text(),
        _faults(result["faults"]),
    ]
    if result["events"]:
        parts += [Text(), _events(result["events"])]
    if other is not None:
        parts += [Text(), _comparison(result, other)]
    parts += [Text(), _requirements(result)]
    return Group(*parts)


def _heading(title: str, passed: bool) -> RenderableType:
    line = Table.grid(expand=True, padding=(0, 2, 0, 0))
    line.add_column(ratio=1)
    line.add_column(justify="right")
    line.add_row(Text(title, style="bold"), _verdict(passed))
    return line


def _verdict(passed: bool) -> Text:
    return Text("PASSED", style="bold green") if passed else Text("FAILED", style="bold red")


def _circumstances(result: dict[str, Any]) -> str:
    return (
        f"{clock(result['duration_ms'])} of treatment in {result['wall_s']:.1f} s on "
        f"{result['interpreter']}; board {result['board']}, protocol {result['protocol']}, "
        f"seed {result['seed']}; ended in {result['final_state']}"
    )


def _zones(result: dict[str, Any]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, padding=(0, 1), pad_edge=False)
    zones = result["zones"]

    def total(key: str) -> int:
        return sum(zone[key] for zone in zones)

    for heading, footer in (
        ("zone", "total"),
        ("set\nkPa", ""),
        ("peak\nkPa", kpa(result["peak_pa"])),
        ("\npasses", f"{total('passes_counted')}/{total('passes_allowed')}"),
        ("\nstrokes", str(result["strokes"])),
        ("on\nskin", clock(result["on_skin_ms"])),
        ("within\n+-2 kPa", share(result["in_band_ms"], result["on_skin_ms"])),
        ("crystals\ng", grams(result["crystals_mg"])),
    ):
        is_name = heading == "zone"
        table.add_column(
            Text(("\n" if is_name else "") + heading),
            Text(footer),
            justify="left" if is_name else "right",
            no_wrap=not is_name,
        )
    for zone in zones:
        table.add_row(
            Text(zone["name"]),
            kpa(zone["set_pa"]),
            kpa(zone["peak_pa"]),
            f"{zone['passes_counted']}/{zone['passes_allowed']}",
            str(zone["strokes"]),
            clock(zone["on_skin_ms"]),
            share(zone["in_band_ms"], zone["on_skin_ms"]),
            grams(zone["crystals_mg"]),
        )
    notes = [
        f"{zone['name']}: the operator made {zone['passes_made']} passes, "
        f"{zone['passes_counted']} were counted"
        for zone in zones
        if zone["passes_made"] != zone["passes_counted"]
    ]
    if result["off_skin_mg"]:
        notes.append(f"{grams(result['off_skin_mg'])} g of crystals went off the skin")
    return Group(table, *(Text(note) for note in notes), *([Text()] if notes else []))


def _regulation(result: dict[str, Any]) -> RenderableType:
    """How the vacuum came up and held, over all strokes."""
    if result["rise_ms"] is None:
        return Text("no stroke reached its set vacuum")
    return Text(
        f"strokes reach +-2 kPa of set in {result['rise_ms']} ms (median), then hold it "
        f"{share(result['steady_ms'], result['after_rise_ms'])} of the time; "
        f"at most {kpa(result['overshoot_pa'])} kPa over set"
    )


def _nearest(margins: Sequence[dict[str, Any]]) -> RenderableType:
    """The vacuum against its hard limit, and the other limit most used up.

    Passes are left out there: to make all that are allowed is the purpose.
    """
    used = [
        (share_used(margin) or 0.0, margin)
        for margin in margins
        if margin["origin"] == DEVICE and margin["unit"]
    ]
    if not used:
        return Text()
    told = [used[0][1]]
    told += [max(used[1:], key=lambda entry: entry[0])[1]] if len(used) > 1 else []
    lines: list[RenderableType] = [Text("nearest to a limit", style="bold")]
    for margin in told:
        where = [margin["where"]] if margin["where"] else []
        if margin["at_ms"] is not None:
            where.append(clock(margin["at_ms"], tenths=True))
        place = f" ({', '.join(where)})" if where else ""
        lines.append(
            _indented(
                Text(
                    f"{margin['what']}: {margin_text(margin)} ({margin['limit_name']}), "
                    f"{left_text(margin)}{place}"
                )
            )
        )
    return Group(*lines)


def _comparison(result: dict[str, Any], other: Mapping[str, Any]) -> RenderableType:
    parts: list[RenderableType] = [Text("; ".join(names(result, other)), style="bold")]
    rows = [*set_apart(result, other), *figures_apart(result, other)]
    if not rows:
        return Group(*parts, _indented(Text("nothing is different")))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("  what", overflow="fold")
    for heading in ("this", "other", "change"):
        table.add_column(heading, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row)))
    return Group(*parts, table)


def _cells(row: Difference) -> tuple[str, ...]:
    return f"  {row.what}", row.this, row.other, row.change


def _faults(faults: Sequence[dict[str, Any]]) -> RenderableType:
    if not faults:
        return Text("faults: none")
    lines: list[RenderableType] = [Text("faults", style="bold")]
    for fault in faults:
        safe_ms, released_ms = fault["to_safe_ms"], fault["release_ms"]
        safe = "Time to safe not known" if safe_ms is None else f"Outputs safe after {safe_ms} ms"
        released = "not released" if released_ms is None else f"released after {released_ms} ms"
        lines.append(
            _indented(
                Text(f"{clock(fault['at_ms'], tenths=True)}  "),
                Text.assemble(
                    (fault["code"], "bold"),
                    f" ({fault['number']}): {fault['headline']}. {safe}, vacuum {released}, "
                    f"peak {kpa(fault['peak_pa'])} kPa.",
                ),
            )
        )
    return Group(*lines)


def _events(events: Sequence[dict[str, Any]]) -> RenderableType:
    lines: list[RenderableType] = [Text("events", style="bold")]
    lines += [
        _indented(Text(f"{clock(event['at_ms'], tenths=True)}  "), Text(event["text"]))
        for event in events[:EVENTS_SHOWN]
    ]
    if len(events) > EVENTS_SHOWN:
        lines.append(Text(f"  and {len(events) - EVENTS_SHOWN} more, in the report"))
    return Group(*lines)


def _requirements(result: dict[str, Any]) -> RenderableType:
    requirements = result["requirements"]
    failed = [item for item in requirements if not item["passed"]]
    held = len(requirements) - len(failed)
    parts: list[RenderableType] = [
        Text(f"requirements: {held} of {len(requirements)} hold", style="bold")
    ]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("expected")
    table.add_column("measured")
    for item in failed + [item for item in requirements if item["passed"]]:
        table.add_row(
            Text("  ok") if item["passed"] else Text("  FAILED", style="red"),
            Text(item["key"]),
            Text(str(item["expected"])),
            Text(str(item["measured"])),
        )
    if requirements:
        parts.append(table)
    if failed:
        parts.append(_reproduce(result["reproduce"]))
    return Group(*parts)


def _reproduce(command: str, indent: str = "") -> RenderableType:
    # Never wrapped, so that it can be copied whole.
    return Text(f"{indent}reproduce: {command}", style="bold", no_wrap=True, overflow="ignore")


def _many(outcomes: Sequence[Outcome]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("\nscenario", no_wrap=True)
    table.add_column("\nverdict", no_wrap=True)
    table.add_column("\npasses", justify="right", no_wrap=True)
    table.add_column("peak\nkPa", justify="right", no_wrap=True)
    table.add_column("\nended in", overflow="fold")
    details: list[RenderableType] = []
    for outcome in outcomes:
        result = outcome.result
        if result is None:
            table.add_row(Text(outcome.scenario), Text("ERROR", style="bold red"))
            details.append(_message(outcome))
            continue
        counted = sum(zone["passes_counted"] for zone in result["zones"])
        allowed = sum(zone["passes_allowed"] for zone in result["zones"])
        table.add_row(
            Text(outcome.scenario),
            _verdict(result["passed"]),
            f"{counted}/{allowed}",
            kpa(result["peak_pa"]),
            Text(_ending(result)),
        )
        if not result["passed"]:
            details.append(_failure(outcome.scenario, result))
        if outcome.message:
            details.append(_message(outcome))
    return Group(table, *details, Text(_tally(outcomes), style="bold"))


def _ending(result: dict[str, Any]) -> str:
    faults = ", ".join(fault["code"] for fault in result["faults"])
    return f"{result['final_state']} after {faults}" if faults else str(result["final_state"])


def _message(outcome: Outcome) -> RenderableType:
    return Group(
        Text(f"{outcome.scenario}:", style="bold"),
        Padding(Text(outcome.message), (0, 0, 1, 2)),
    )


def _failure(scenario: str, result: dict[str, Any]) -> RenderableType:
    lines: list[RenderableType] = [Text(f"{scenario}:", style="bold")]
    lines += [
        _indented(
            Text("FAILED ", style="red"),
            Text(
                f"{item['key']}: expected {item['expected']}, measured {item['measured']}"
            ),
        )
        for item in result["requirements"]
        if not item["passed"]
    ]
    return Group(*lines, _reproduce(result["reproduce"], "  "), Text())


def _tally(outcomes: Sequence[Outcome]) -> str:
    passed = sum(1 for o in outcomes if o.result is not None and o.result["passed"])
    errors = sum(1 for o in outcomes if o.result is None)
    parts = [f"{passed} passed", f"{len(outcomes) - passed - errors} failed"]
    if errors:
        parts.append(f"{errors} without a result")
    return f"{len(outcomes)} scenarios: {', '.join(parts)}"


def _indented(*cells: RenderableType) -> RenderableType:
    line = Table.grid()
    line.add_column(width=2)
    for _ in cells[:-1]:
        line.add_column(no_wrap=True)
    line.add_column()
    line.add_row("", *cells)
    return line
