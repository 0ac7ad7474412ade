"""The page of a tuning: before and after in one plot, the tables beneath it."""

from html import escape
from pathlib import Path
from typing import Any

from emery.plotted import Plot, page_html, place, table, write_page
from emery.simulator.report.page import NOT_CLINICAL
from emery.tune.table import TIMES, WORDS, broken, certified

_KIND = "settings tuned to a device, in simulation"
_LOOKS = {
    "before": {"color": "--other", "width": 2, "dash": "dash"},
    "after": {"color": "--accent", "width": 2},
}


def write(path: Path, told: dict[str, Any], drawn: dict[str, Any]) -> None:
    """Write the page of a document and of its courses. Raises ReportError."""
    write_page(path, html(told, drawn))


def html(told: dict[str, Any], drawn: dict[str, Any], plotly: str | None = None) -> str:
    """The whole page; `plotly` as `page_html` takes it."""
    strokes = _strokes(drawn)
    return page_html(_KIND, told["board"], _lead(told), _body(told, strokes), [strokes], plotly)


def _lead(told: dict[str, Any]) -> str:
    word, is_good, detail = _verdict(told)
    plant = ", ".join(f"{key} {value}" for key, value in told["plant"].items())
    certificate = told["certificate"]
    says = ""
    if certificate is not None and certificate["passed"]:
        says = f" Certificate: {certified(certificate)}."
    return (
        f'<p class="about">Measured on it: {escape(plant)}.{says} {escape(NOT_CLINICAL)}</p>'
        f'<p class="verdict {"passed" if is_good else "failed"}"><strong>{word}</strong>'
        f"<span>{escape(detail)}</span></p>"
    )


def _body(told: dict[str, Any], strokes: Plot) -> str:
    settings = table(
        ("Setting", "Before", "After", "What it is"),
        (
            (_key(row), escape(row["before"]), _after(row), escape(row["purpose"]))
            for row in told["settings"]
        ),
        words=(3,),
    )
    times = table(
        (
            f"Of {told['cases']} strokes on {told['days']} days, the median where not said",
            "Before", "After",
        ),
        (
            (words, *(f"{told['times_s'][name][side]:.2f} s" for side in ("before", "after")))
            for name, words in TIMES.items()
        ),
    )  # fmt: skip
    figures = table(("Figure", "Defaults", "Before", "After"), map(_figure, told["figures"]))
    return f"""<section><h2>Strokes on this device, before and after</h2>
<p class="quiet">The tip comes onto the skin, is lifted after three seconds and comes back a second
later, at three levels. Dotted: the set vacuum, and the band of 2 kPa round it.</p>
{place(strokes)}</section>
<section><h2>Settings</h2>{settings}</section>
<section><h2>How soon the vacuum is there</h2>{times}</section>
<section><h2>The figures of the bench</h2>
<p class="quiet">The worst of the same strokes. Where the settings before have a certificate, no
figure may be worse than before, or than the defaults, by more than chance makes it.</p>
{figures}</section>"""


def _strokes(drawn: dict[str, Any]) -> Plot:
    traces = [
        {
            "name": side, "x": stroke["t_s"], "y": stroke["kpa"], "mode": "lines", "line": look,
            "legendgroup": side, "showlegend": number == 0,
            "hovertemplate": f"%{{y:.2f}} kPa at %{{x:.2f}} s<extra>{side}</extra>",
        }
        for side, look in _LOOKS.items()
        for number, stroke in enumerate(drawn["strokes"][side])
    ]  # fmt: skip
    across = {"xref": "paper", "x0": 0, "x1": 1}
    shapes: list[dict[str, Any]] = []
    for stroke in drawn["strokes"]["after"]:
        set_kpa, band_kpa = stroke["set_kpa"], drawn["band_kpa"]
        shapes += [
            {
                "type": "rect", **across, "y0": set_kpa - band_kpa, "y1": set_kpa + band_kpa,
                "layer": "below", "line": {"width": 0}, "fillcolor": "--band",
            },
            {
                "type": "line", **across, "y0": set_kpa, "y1": set_kpa,
                "line": {"color": "--set", "width": 1, "dash": "dot"},
            },
        ]  # fmt: skip
    layout = {
        "height": 520,
        "shapes": shapes,
        "xaxis": {"title": {"text": "s since the tip is on the skin"}},
        "yaxis": {"title": {"text": "vacuum at the skin, kPa"}, "rangemode": "tozero"},
    }
    return Plot("strokes", "Vacuum over time, before and after", traces, layout)


def _verdict(told: dict[str, Any]) -> tuple[str, bool, str]:
    certificate = told["certificate"]
    if certificate is not None and not certificate["passed"]:
        return "NO CERTIFICATE", False, f"nothing was written: {broken(certificate['reasons'])}"
    if not told["is_changed"]:
        return "KEPT", True, "no other settings are as good on every figure and quicker"
    worse = ", ".join(WORDS[one["key"]][0] for one in told["worse"])
    if told["unusable"] is not None:
        price = f"; worse than before in: {worse}" if worse else ""
        return "ALLOWED", True, f"the settings before get no certificate, these get one{price}"
    if told["worse"]:
        return "AS WISHED", False, f"by the sliders, and worse than before in: {worse}"
    if told["within_chance"]:
        return "BETTER", True, "no figure of the bench is worse by more than chance makes it"
    return "BETTER", True, "no figure of the bench is worse than before"


def _key(row: dict[str, Any]) -> str:
    # On a narrow screen it is broken behind its table.
    return escape(row["key"]).replace(".", ".<wbr>")


def _after(row: dict[str, Any]) -> str:
    text = escape(row["after"])
    return text if row["after"] == row["before"] else f"<b>{text}</b>"


def _figure(row: dict[str, Any]) -> list[str]:
    words, unit = WORDS[row["key"]]
    values = (row[side] for side in ("defaults", "before", "after"))
    return [words, *(f"{value:.{row['decimals']}f} {unit}" for value in values)]
