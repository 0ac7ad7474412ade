"""A tuning for a terminal of 80 columns."""

import textwrap
from collections.abc import Iterator
from typing import Any

_WIDE = 79
TIMES = {
    "settle_mean": "vacuum within 2 kPa, first contact, mean",
    "settle": "vacuum within 2 kPa, first contact",
    "again": "vacuum within 2 kPa, next contact",
    "fine": "vacuum within 0.5 kPa, first contact",
    "fine_again": "vacuum within 0.5 kPa, next contact",
}
# Of each figure of the bench: what it is in words, and its unit.
WORDS = {
    "regulation.settle_ratio_within_1_1_pct": ("settled within 1.1 of the bound", "%"),
    "regulation.settle_ratio_worst": ("longest settling, times the bound", ""),
    "regulation.overshoot_worst_kpa": ("highest overshoot, first contact", "kPa"),
    "regulation.steady_error_worst_kpa": ("largest steady error", "kPa"),
    "regulation.ripple_worst_kpa": ("largest ripple", "kPa"),
    "regulation.recontact_worst_kpa": ("highest overshoot, next contact", "kPa"),
    "handpiece.contact_lift_right_pct": ("contact and lift told rightly", "%"),
    "handpiece.leak_clog_dead_head_right_pct": ("leak, clog, dead head told rightly", "%"),
    "handpiece.sealed_right_pct": ("sealed strokes told rightly", "%"),
    "handpiece.lift_latency_worst_ms": ("longest until a lift is told", "ms"),
    "handpiece.air_latency_p95_ms": ("until leak or clog is told, but 5 %", "ms"),
    "feed.command_shut_after_true_lift_worst_ms": ("crystals shut after a lift", "ms"),
    "feed.off_skin_mg_worst": ("crystals off the skin", "mg"),
    "trip.peak_worst_kpa": ("highest peak of a runaway", "kPa"),
    "trip.release_ratio_worst": ("longest release, times the shortest", ""),
}


def text(told: dict[str, Any]) -> str:
    """What `emery tune` prints."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(told))


def ending(told: dict[str, Any], report: object) -> str:
    """What was written, or how to; `report` is the page, None if there is none."""
    lines = []
    certificate = told["certificate"]
    # A push has told that of the device's own settings.
    if certificate is not None and certificate["passed"] and not told["pushed"]:
        lines.append(f"certificate: {certified(certificate)}")
    if told["backup"] is not None:
        lines += [f"written: {told['written']}", f"as it was: {told['backup']}"]
    elif told["written"] is not None:
        lines.append(f"nothing to write: {told['written']} has these settings")
    elif told["pushed"]:
        lines.append("The board file is as it was; --write puts them there.")
    elif certificate is not None and certificate["passed"] and told["is_changed"]:
        lines.append("Nothing was written. Into the board file: --write; onto the device: --push.")
    if report is not None:
        lines.append(f"report: {report}")
    return "".join(f"{line}\n" for line in lines)


def certified(certificate: dict[str, Any]) -> str:
    """What a certificate says."""
    return (
        f"{certificate['plants']} plants, worst peak {certificate['peak_pa'] / 1000:.1f} kPa, "
        f"settled within {certificate['settle_ms'] / 1000:.2f} s"
    )


def no_certificate(told: dict[str, Any]) -> str:
    """What is said if no settings got one."""
    certificate = told["certificate"]
    whose = "by the best settings" if told["uncertified"] else "by these settings"
    hint = (
        "Move the sliders less."
        if any(told["sliders"].values())
        else "The device itself is too far from what the firmware can do safely; `emery\n"
        "certify` tells how its present settings fare, `emery config docs` what each does."
    )
    return (
        f"error: no certificate, so nothing was written. Broken {whose}\n"
        f"on the scatter of {certificate['plants']} plants:\n{certificate['reasons']}\n{hint}"
    )


def _lines(told: dict[str, Any]) -> Iterator[str]:
    plant = ", ".join(f"{key} {value}" for key, value in told["plant"].items())
    yield from _wrapped(f'"{told["board"]}", measured: {plant}')
    yield from _wrapped(
        f"tried {told['tried']} settings; compared on {told['days']} days of this device "
        f"({told['cases']} strokes)"
    )
    lost = [str(row["level"]) for row in told["levels"] if not row["is_held"]]
    if lost:
        yield from _wrapped(
            f"This pump has nothing in hand at level {', '.join(lost)}: the proof before each "
            "treatment will offer what it reaches on the day."
        )
    proof = told["proof"]
    if proof["refused"]:
        yield from _wrapped(
            f"The proof before a treatment refuses this device on {proof['refused']} of "
            f"{proof['days']} days, mostly with {proof['code']}; no setting here changes that, "
            f"and it will hardly get a certificate. What to do: emery faults {proof['code']}"
        )
    yield ""
    yield f"{'setting':<36}{'before':>14}{'after':>14}"
    for row in told["settings"]:
        mark = "" if row["before"] == row["after"] else "  changed"
        yield f"{row['key']:<36}{row['before']:>14}{row['after']:>14}{mark}"
    yield ""
    yield f"{'median of all strokes, or mean':<40}{'before':>10}{'after':>10}{'':>4}"
    for name, words in TIMES.items():
        before, after = (told["times_s"][name][side] for side in ("before", "after"))
        yield f"{words:<40}{before:>8.2f} s{after:>8.2f} s{_share(before, after)}"
    before, after = (told["wander_pa"][side] / 1000 for side in ("before", "after"))
    words = "off the set vacuum, leak wandering, rms"
    yield f"{words:<40}{before:>6.2f} kPa{after:>6.2f} kPa{_share(before, after)}"
    yield ""
    yield f"{'figure of the bench, worst day':<38}{'defaults':>11}{'before':>11}{'after':>11}"
    for row in told["figures"]:
        words, unit = WORDS[row["key"]]
        values = "".join(
            f"{row[side]:>{10 - len(unit)}.{row['decimals']}f} {unit}"
            for side in ("defaults", "before", "after")
        )
        yield f"{words:<38}{values}"
    yield ""
    yield from _verdict(told)


def _share(before: float, after: float) -> str:
    if not before:
        return ""
    share = round(100 * (after / before - 1))
    return f"{share:>+6} %" if share else f"{'same':>8}"


def _verdict(told: dict[str, Any]) -> Iterator[str]:
    moved = [
        f"{name} {value:+}" for name, value in told["sliders"].items() if value
    ]
    if moved:
        yield from _wrapped(f"with the sliders {', '.join(moved)}, round what was tuned.")
    if told["unusable"] is not None:
        yield from _wrapped(
            "The present settings get no certificate on this device: "
            f"{broken(told['unusable'])}. These get one."
        )
    if not told["is_changed"]:
        yield "Nothing changes: no other settings are as good on every figure and quicker."
    elif not told["worse"]:
        if not told["within_chance"]:
            yield "No figure of the bench is worse than before."
        else:
            yield from _wrapped(
                "No figure of the bench is worse than before by more than chance makes it; worse "
                f"within that: {'; '.join(_apart(told, key) for key in told['within_chance'])}."
            )
    else:
        worse = "; ".join(
            f"{WORDS[one['key']][0]} {one['value']:g} for {one['wanted']:g}"
            for one in told["worse"]
        )
        yield from _wrapped(f"Worse than before: {worse}.")
    yield from _uncertified(told)
    refused = [one for one in told["refused"] if one["worse"]]
    if refused and not told["is_changed"]:
        keys = dict.fromkeys(figure["key"] for one in refused for figure in one["worse"])
        yield from _wrapped(
            f"{len(refused)} were quicker, and worse in: "
            + "; ".join(WORDS[key][0] for key in keys)
        )


def _uncertified(told: dict[str, Any]) -> Iterator[str]:
    """Which were refused a certificate and why, in order of merit."""
    for place, one in enumerate(told["uncertified"]):
        whose = "A gentler one" if one["is_gentler"] else "The next" if place else "The best"
        yield from _wrapped(f"{whose} was refused a certificate: {broken(one['reasons'])}.")
    if told["uncertified"] and told["certificate"]["passed"] and told["unusable"] is None:
        yield "These here are what came next, and have one."


def broken(reasons: str) -> str:
    """What was broken and what was expected; the plant and what to look at are for the
    engineer."""
    return "; ".join(line.split(";")[0] for line in reasons.splitlines())


def _apart(told: dict[str, Any], key: str) -> str:
    row = next(row for row in told["figures"] if row["key"] == key)
    words, unit = WORDS[key]
    before, after = (f"{row[side]:.{row['decimals']}f}" for side in ("before", "after"))
    return f"{words} {before} to {after} {unit} (+-{row['chance']:g})".replace("  ", " ")


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, _WIDE, subsequent_indent="  ")
