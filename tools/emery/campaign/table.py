"""A campaign for a terminal of 80 columns."""

import textwrap
from collections.abc import Iterator
from typing import Any

_HEAD = ("operators", "equal", "over", "UNDER", "passes", "worst: counted / made (seed)")
_WIDE = 78


def text(document: dict[str, Any]) -> str:
    """What `emery campaign` prints."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    told = document["told"]
    first, last = document["seed"], document["seed"] + document["operators"] - 1
    yield (
        f"{document['operators']} operators (seeds {first} to {last}),"
        f" {document['simulated_s'] / 3600:.1f} hours simulated"
    )
    yield ""
    yield _row("", _HEAD)
    for group in document["groups"]:
        if group["told"]:
            yield _group(group)
    yield ""
    yield "cannot be counted exactly:"
    for group in document["groups"]:
        if not group["told"]:
            yield _group(group)
            yield from textwrap.wrap(
                group["why_not"], _WIDE, initial_indent="    ", subsequent_indent="    "
            )
    yield ""
    if told["operators"]:
        share = 1000 * told["equal"] // told["operators"] / 10
        yield (
            f"counted exactly: {told['equal']} of {told['operators']} who tell the device the"
            f" truth ({share:.1f} %, goal {document['goal_permille'] / 10:.0f} %)"
        )
    for fault in document["faults"]:
        yield f"fault on a sound device: {', '.join(fault['codes'])} (seed {fault['seed']})"
    if not document["violations"]:
        yield "requirements of every scenario: all hold"
    for violation in document["violations"]:
        yield f"FAILED  {violation['group']}, seed {violation['seed']}"
        for what in violation["what"]:
            yield from textwrap.wrap(
                what, _WIDE, initial_indent="        ", subsequent_indent="        "
            )
    yield "one operator again: emery campaign --operators 1 --seed SEED"


def _group(group: dict[str, Any]) -> str:
    worst = group["worst"]
    return _row(
        group["name"],
        (
            str(group["operators"]),
            str(group["equal"]),
            str(group["over"]),
            str(group["under"]),
            str(group["passes_made"]),
            "" if worst is None
            else f"{worst['counted']} / {worst['made']} ({worst['seed']})",
        ),
    )


def _row(name: str, cells: tuple[str, ...]) -> str:
    """One line; as wide as its heading, a column needs no ruler."""
    parts = [f"{cell:>{max(5, len(head))}}" for cell, head in zip(cells, _HEAD, strict=True)]
    return f" {name:<14}" + " ".join(parts)
