"""The page of the report: what is said in words, and where the plots go.

Everything a reader must know stands in the page as text and tables, without
any script; the plots are drawn by the scripts from the recording. Every word
that comes from a result is escaped here, since names come from files that
people write. A content security policy holds twice over what the page
promises: only the two scripts written here run, and nothing is loaded.
"""

import json
import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from emery.simulator.analysis import IN_BAND_PA
from emery.simulator.comparison import Difference, figures_apart, names, set_apart
from emery.simulator.margins import DEVICE, SCENARIO, share_used
from emery.simulator.report.recording import RunRecord
from emery.simulator.report.views import Decision, View, around
from emery.simulator.wording import clock, grams, kpa, left_text, margin_text, share, words

__all__ = ["FORMAT", "NOT_CLINICAL", "packed", "page_html", "policy", "script_safe_json"]

# Raised when a report of before could not be read again.
FORMAT = "emery.report/1"

NOT_CLINICAL = (
    "This is a simulation of the control firmware on a modelled device; "
    "it makes no clinical claim."
)

# In this order they make one script.
_SCRIPTS = ("words.js", "recording.js", "timeline.js", "stroke.js", "report.js")

# A full bar is this much of its track, so that one past its limit still shows.
_LIMIT_AT_PERCENT = 80


def page_html(
    run: RunRecord,
    other: RunRecord | None,
    views: Sequence[View],
    decisions: Sequence[Decision],
    plotly_script: str,
) -> str:
    """The whole page as text.

    `other` is the run to compare with, if any; `views` are the windows of time
    that get a button, the whole session first; `plotly_script` is the source
    of plotly.js.
    """
    result = run.result
    script = "\n".join(_asset(name) for name in _SCRIPTS)
    return Template(_asset("report.html")).substitute(
        policy=policy(script, plotly_script),
        page_title=_text(f"{_verdict_word(result)}: {result['title']} - Emery"),
        style=_asset("report.css"),
        kicker=_text(_kicker(result)),
        title=_text(result["title"]),
        about=_text(result["about"]),
        not_clinical=_text(NOT_CLINICAL),
        verdict=_verdict(result),
        nearest=_nearest(result),
        provenance=_provenance(result),
        figures=_figures(result),
        margins=_margins(result["margins"]),
        comparison=_comparison(result, other.result) if other else "",
        zones=_zones(result["zones"]),
        incidents=_incidents(result),
        requirements=_requirements(result),
        decisions=_decisions(decisions),
        reproduce=_text(result["reproduce"]),
        views="".join(_jump(view) for view in views),
        fidelity=_text(_fidelity(run)),
        data=script_safe_json(_page_data([run, other] if other else [run])),
        recording=b64encode(run.recording.blob).decode(),
        compared=_compared(other),
        plotly=packed(plotly_script),
        script=script,
    )


# Words and numbers ---------------------------------------------------------------


def _asset(name: str) -> str:
    return files("emery.simulator.report").joinpath(name).read_text(encoding="utf-8")


def policy(*scripts: str) -> str:
    """The content security policy of a page that runs these scripts alone and loads
    nothing."""
    hashes = " ".join(
        f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def packed(script: str) -> str:
    """A script as a page carries it, to be unpacked there."""
    return b64encode(zlib.compress(script.encode())).decode()


def _text(value: object) -> str:
    return escape(str(value), quote=True)


def script_safe_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _moment(time_ms: int) -> str:
    """Minutes and seconds to the millisecond: 65250 -> 1:05.250."""
    return f"{clock(time_ms)}.{time_ms % 1000:03d}"


def _duration(time_ms: int | None) -> str:
    return "not reached" if time_ms is None else f"{time_ms} ms"


def _verdict_word(result: Mapping[str, Any]) -> str:
    return "PASSED" if result["passed"] else "FAILED"


def _count(number: int, singular: str) -> str:
    return f"{number} {singular}" if number == 1 else f"{number} {singular}s"


# Parts of the page ---------------------------------------------------------------


def _verdict(result: Mapping[str, Any]) -> str:
    requirements = result["requirements"]
    failed = [words(entry["key"]) for entry in requirements if not entry["passed"]]
    if failed:
        detail = f"{len(failed)} of {_count(len(requirements), 'requirement')} not met: "
        detail += ", ".join(failed)
    elif not requirements:
        detail = "the scenario states no requirement"
    elif len(requirements) == 1:
        detail = "its one requirement is met"
    else:
        detail = f"all {len(requirements)} requirements are met"
    word = _verdict_word(result)
    return (
        f'<p class="verdict {word.lower()}"><strong>{word}</strong>'
        f"<span>{_text(detail)}</span></p>"
    )


def _kicker(result: Mapping[str, Any]) -> str:
    return (
        f"Emery \u00b7 simulated treatment \u00b7 board {result['board']}, "
        f"protocol {result['protocol']}, seed {result['seed']}"
    )


def _nearest(result: Mapping[str, Any]) -> str:
    """Where the vacuum came nearest to its hard limit, as a sentence."""
    nearest = next((margin for margin in result["margins"] if margin["at_ms"] is not None), None)
    if nearest is None:
        return ""
    rest = left_text(nearest)
    place = f"{rest} to the {nearest['limit_name']}"
    if rest.endswith("over"):
        place = f"{rest} the {nearest['limit_name']}"
    at_ms = nearest["at_ms"]
    where = f" in {nearest['where']}" if nearest["where"] else ""
    return (
        f'<p class="nearest">Highest vacuum <b>{margin_text(nearest)}</b>, {_text(place)}, '
        f"{_jump(around(f'at {_moment(at_ms)}', at_ms))}{_text(where)}."
        + "".join(f" {_text(_ended(fault))}" for fault in result["faults"][:2])
        + "</p>"
    )


def _ended(fault: Mapping[str, Any]) -> str:
    return (
        f"{fault['code']} latched: outputs safe after {_duration(fault['to_safe_ms'])}, "
        f"skin released after {_duration(fault['release_ms'])}."
    )


def _provenance(result: Mapping[str, Any]) -> str:
    interpreter = f"{result['interpreter']}, {result['lane']} lane, {result['wall_s']:.1f} s"
    facts = (
        ("Scenario", result["scenario"]),
        ("Board", result["board"]),
        ("Protocol", result["protocol"]),
        ("Seed", result["seed"]),
        ("Interpreter", interpreter),
        ("Ticks", f"{result['ticks']} of {result['tick_ms']} ms"),
        ("CRC of the run", result["crc"]),
    )
    return "".join(f"<div><dt>{_text(k)}</dt><dd>{_text(v)}</dd></div>" for k, v in facts)


def _figures(result: Mapping[str, Any]) -> str:
    faults = len(result["faults"])
    figures = (
        (clock(result["duration_ms"]), "simulated, min:s", f"ended {result['final_state']}"),
        (
            f"{kpa(result['peak_pa'])} kPa",
            "highest vacuum at the skin",
            f"hard limit {kpa(result['hard_limit_pa'])} kPa",
        ),
        (
            clock(result["on_skin_ms"]),
            "on the skin, min:s",
            f"in {_count(result['strokes'], 'stroke')}",
        ),
        (
            share(result["in_band_ms"], result["on_skin_ms"]),
            "of that within 2 kPa of set",
            f"{clock(result['in_band_ms'])} of {clock(result['on_skin_ms'])}",
        ),
        (
            f"{grams(result['crystals_mg'])} g",
            "of crystals used",
            f"{grams(result['off_skin_mg'])} g off the skin",
        ),
        (
            str(faults) if faults else "none",
            "latched fault" if faults == 1 else "latched faults",
            ", ".join(entry["code"] for entry in result["faults"][:2]) or "no trip",
        ),
    )
    return "".join(
        f"<div><b>{_text(value)}</b><span>{_text(label)}</span><small>{_text(note)}</small></div>"
        for value, label, note in figures
    )


def _margin_row(margin: Mapping[str, Any]) -> str:
    used = share_used(margin)
    gauge = ""
    if used is not None:
        percent = min(used * _LIMIT_AT_PERCENT, 100)
        gauge = (
            f'<span class="gauge"><i style="width:{percent:.1f}%"></i>'
            f'<s style="left:{_LIMIT_AT_PERCENT}%"></s></span>'
        )
    where = _text(margin["where"])
    if margin["at_ms"] is not None:
        where += f", {_jump(around(_moment(margin['at_ms']), margin['at_ms']))}"
    cells = (_text(margin["limit_name"]), gauge, margin_text(margin), left_text(margin), where)
    return (
        f'<tr class="{"past" if used is not None and used > 1 else "kept"}">'
        f'<th scope="row">{_text(margin["what"])}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
    )


def _margins(margins: Sequence[Mapping[str, Any]]) -> str:
    groups = ""
    for origin, title in ((DEVICE, "Limits of the device"), (SCENARIO, "Bounds of the scenario")):
        rows = "".join(_margin_row(margin) for margin in margins if margin["origin"] == origin)
        groups += (
            f'<tbody><tr class="group"><th scope="rowgroup" colspan="6">{title}</th></tr>'
            f"{rows}</tbody>"
        )
    return (
        '<div class="wide"><table class="margins"><thead><tr><th scope="col">What</th>'
        '<th scope="col">against</th><th scope="col">Used up</th><th scope="col">Reached</th>'
        f'<th scope="col">Margin</th><th scope="col">Nearest in</th></tr></thead>{groups}'
        "</table></div>"
    )


def _difference_table(title: str, heads: Sequence[str], rows: Iterable[Difference]) -> str:
    wanted = len(heads)
    body = "".join(
        f'<tr><th scope="row">{_text(row.what)}</th>'
        + "".join(f"<td>{_text(cell)}</td>" for cell in (row.this, row.other, row.change)[:wanted])
        + "</tr>"
        for row in rows
    )
    columns = "".join(f'<th scope="col">{_text(head)}</th>' for head in heads)
    return (
        f'<div class="wide"><table class="apart"><thead><tr><th scope="col">{title}</th>'
        f"{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _comparison(result: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    heads = names(result, other)
    given = set_apart(result, other)
    came = figures_apart(result, other)
    parts = [
        _difference_table("What was set differently", heads, given) if given else
        '<p class="quiet">Nothing was set differently.</p>',
        _difference_table("What came out differently", (*heads, "change"), came) if came else
        '<p class="quiet">Every figure came out the same.</p>',
    ]
    return (
        '<section id="comparison"><h2>Compared with another run</h2>'
        f'<div class="pair">{"".join(parts)}</div></section>'
    )


def _compared(other: RunRecord | None) -> str:
    if other is None:
        return ""
    blob = b64encode(other.recording.blob).decode()
    return f'<script type="text/plain" id="recording-compared">{blob}</script>'


def _decisions(decisions: Sequence[Decision]) -> str:
    """Every change of what the device decided, for readers without the plots."""
    rows = "".join(
        f"<tr><td>{_jump(around(_moment(decision.at_ms), decision.at_ms))}</td>"
        f'<th scope="row">{_text(decision.state)}</th><td>{_text(decision.reason)}</td>'
        f"<td>{_text(decision.zone)}</td></tr>"
        for decision in decisions
    )
    return (
        '<div class="wide"><table class="decisions"><thead><tr><th scope="col">At</th>'
        '<th scope="col">State</th><th scope="col">Because</th><th scope="col">Zone, pass</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _zone_row(zone: Mapping[str, Any]) -> str:
    in_band_ms, on_skin_ms = zone["in_band_ms"], zone["on_skin_ms"]
    percent = 100 * in_band_ms // on_skin_ms if on_skin_ms else 0
    bar = f'<span class="share"><i style="width:{percent}%"></i></span>' if on_skin_ms else ""
    cells = (
        _text(zone["level"]),
        f"{kpa(zone['set_pa'])} kPa",
        _text(zone["passes_counted"]),
        _text(zone["passes_made"]),
        _text(zone["passes_allowed"]),
        _text(zone["strokes"]),
        clock(on_skin_ms),
        f'{bar}<span class="percent">{share(in_band_ms, on_skin_ms)}</span>',
        f"{kpa(zone['peak_pa'])} kPa",
        f"{grams(zone['crystals_mg'])} g",
    )
    return (
        f'<tr class="{"treated" if on_skin_ms else "untouched"}">'
        f'<th scope="row">{_text(zone["name"])}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
    )


def _zones(zones: Sequence[Mapping[str, Any]]) -> str:
    if not zones:
        return '<p class="quiet">No zone was treated.</p>'
    rows = "".join(_zone_row(zone) for zone in zones)
    return (
        '<div class="wide"><table class="zones"><thead><tr>'
        '<th scope="col" rowspan="2">Zone</th><th scope="col" rowspan="2">Level</th>'
        '<th scope="col" rowspan="2">Set</th>'
        '<th scope="colgroup" colspan="3" class="group">Passes</th>'
        '<th scope="col" rowspan="2">Strokes</th>'
        '<th scope="col" rowspan="2">On skin<br><small>min:s</small></th>'
        '<th scope="col" rowspan="2">Within<br>&plusmn;2 kPa</th>'
        '<th scope="col" rowspan="2">Peak</th><th scope="col" rowspan="2">Crystals</th></tr>'
        '<tr><th scope="col">counted</th><th scope="col">made</th>'
        '<th scope="col">allowed</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _jump(view: View) -> str:
    """A button that shows this window in the plots."""
    return (
        f'<button type="button" data-from="{view.from_ms}" data-to="{view.to_ms}">'
        f"{_text(view.label)}</button>"
    )


def _incidents(result: Mapping[str, Any]) -> str:
    """Faults and events, where there were any."""
    faults, events = result["faults"], result["events"]
    if not faults and not events:
        return ""
    return (
        "<section><h2>Faults and events</h2>"
        f'<div class="incidents">{_faults(faults)}{_events(events)}</div></section>'
    )


def _faults(faults: Sequence[Mapping[str, Any]]) -> str:
    cards = []
    for fault in faults:
        steps = "".join(f"<li>{_text(step)}</li>" for step in fault["fix"])
        cards.append(
            f'<article class="fault"><h3>{_text(fault["headline"])}</h3>'
            f'<p class="code">{_text(fault["code"])} <span>fault {_text(fault["number"])}</span>'
            f"{_jump(around('show', fault['at_ms']))}</p><dl>"
            f"<div><dt>at</dt><dd>{_moment(fault['at_ms'])}</dd></div>"
            f"<div><dt>outputs safe after</dt><dd>{_duration(fault['to_safe_ms'])}</dd></div>"
            f"<div><dt>skin released after</dt><dd>{_duration(fault['release_ms'])}</dd></div>"
            f"<div><dt>peak at the skin</dt><dd>{kpa(fault['peak_pa'])} kPa</dd></div></dl>"
            f"<h4>What to do</h4><ol>{steps}</ol></article>"
        )
    return "".join(cards)


def _events(events: Sequence[Mapping[str, Any]]) -> str:
    if not events:
        return ""
    items = "".join(
        f"<li>{_jump(around(_moment(event['at_ms']), event['at_ms']))}"
        f"<span>{_text(event['text'])}</span></li>"
        for event in events
    )
    return (
        '<div class="happened"><h3>What the scenario did</h3>'
        f'<ul class="events">{items}</ul></div>'
    )


def _requirements(result: Mapping[str, Any]) -> str:
    if not result["requirements"]:
        return '<p class="quiet">The scenario states no requirement.</p>'
    rows = "".join(
        f'<tr class="{"met" if entry["passed"] else "missed"}">'
        f'<th scope="row">{_text(words(entry["key"]))}</th>'
        f"<td>{_text(entry['expected'])}</td><td>{_text(entry['measured'])}</td>"
        f"<td><b>{'passed' if entry['passed'] else 'FAILED'}</b></td>"
        f"<td>{_text(entry['line'] or 'always')}</td></tr>"
        for entry in result["requirements"]
    )
    return (
        '<div class="wide"><table class="requirements"><thead><tr>'
        '<th scope="col">Requirement</th><th scope="col">Expected</th>'
        '<th scope="col">Measured</th><th scope="col">Verdict</th>'
        '<th scope="col">Line</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


# What the plots need -------------------------------------------------------------


def _fidelity(run: RunRecord) -> str:
    tick_ms = run.recording.directory["tick_ms"]
    stride = run.recording.directory["stride"]
    if stride == 1:
        return f"Every {tick_ms} ms tick of the session is in this file; zoom in to see it."
    return (
        f"Every peak is kept: lowest and highest value of each {stride * tick_ms} ms, and "
        f"every {tick_ms} ms tick near faults, events and the highest vacuum."
    )


def _page_data(runs: Sequence[RunRecord]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "in_band_pa": IN_BAND_PA,
        "runs": [
            {
                "result": run.result,
                "recording": run.recording.directory,
                "strokes": [astuple(stroke) for stroke in run.strokes],
                "state_words": [words(name) for name in run.result["state_names"]],
                "marks": [
                    *({"at_ms": fault["at_ms"], "kind": "fault", "text": fault["code"]}
                      for fault in run.result["faults"]),
                    *({"at_ms": event["at_ms"], "kind": "event", "text": event["text"]}
                      for event in run.result["events"]),
                ],
            }
            for run in runs
        ],
    }
