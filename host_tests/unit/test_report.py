"""The HTML report: complete, exact, self-contained, and deaf to what names say."""

import json
import random
import re
import shutil
import subprocess
import sys
import zlib
from array import array
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

import emery.simulator.report as report
from emery.simulator.report import ReportError, run_record, write_report
from emery.simulator.report.recording import COMPARED, QUANTITIES, STATES, Recording, record
from emery.simulator.report.views import AROUND_MS, decisions, views
from firmware import treatment

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"


class Trace:
    """A trace of `rows` ticks of 5 ms: strokes that change every column."""

    def __init__(self, rows: int, seed: int = 1) -> None:
        noise = random.Random(seed).randbytes
        self.tick_ms = 5
        on_skin = bytes(row % 400 > 100 for row in range(rows))
        self.columns: dict[str, array[int]] = {
            "t_ms": array("i", range(5, 5 * rows + 5, 5)),
            "set_pa": array("i", [27_000] * rows),
            "on_skin": array("B", on_skin),
            "zone": array("B", [row // 4000 % 3 for row in range(rows)]),
            "pass_number": array("B", [1 + row // 1500 % 3 for row in range(rows)]),
            "state": array("B", [row // 700 % 2 for row in range(rows)]),
        }
        for name in ("skin_pa", "vacuum_a_pa", "vacuum_b_pa"):
            steps = zip(on_skin, noise(rows), strict=True)
            self.columns[name] = array("i", [27_000 * skin + step for skin, step in steps])
        for name in ("pump_permille", "feed_permille", "crystals_mg_min"):
            self.columns[name] = array("h", [2 * step for step in noise(rows)])
        for name in ("vent", "contact", "footswitch"):
            self.columns[name] = array("B", on_skin)
        for name in ("reason", "fault"):
            self.columns[name] = array("B", bytes(rows))


class Page(HTMLParser):
    """A written report as a browser takes it apart."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text(encoding="utf-8")
        self.scripts: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._script: str | None = None
        self.feed(self.source)
        self.close()
        self.data = json.loads(self.scripts["data"])
        self.run = self.data["runs"][0]
        blob = b64decode(self.scripts["recording"])
        self.recording = Recording(blob, self.run["recording"])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._script = dict(attrs).get("id") or "main"
            assert self._script not in self.scripts
            self.scripts[self._script] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text += data
        else:
            self.scripts[self._script] += data


def unpacked(recording: Recording, place: list[int]) -> list[int]:
    """A list of a recording, read as the script of the page reads it."""
    offset, count = place
    planes = zlib.decompress(recording.blob)[offset : offset + 4 * count]
    folded = array("I", bytes(4 * count))
    raw = memoryview(folded).cast("B")
    for plane in range(4):
        raw[plane::4] = planes[plane * count : (plane + 1) * count]
    if sys.byteorder == "big":
        folded.byteswap()
    return list(accumulate((step >> 1) ^ -(step & 1) for step in folded))


def column(recording: Recording, name: str) -> list[tuple[int, int]]:
    """(row, value) of what was kept of a column."""
    directory = recording.directory
    place = {**directory["quantities"], **directory["states"]}[name]
    values = unpacked(recording, place["values"])
    rows = range(len(values)) if place["rows"] is None else unpacked(recording, place["rows"])
    return list(zip(rows, values, strict=True))


def changes(values: "array[int]") -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for row, value in enumerate(values):
        if not kept or kept[-1][1] != value:
            kept.append((row, value))
    return kept


def written(path: Path, result: dict[str, Any], trace: Trace) -> Page:
    write_report(path, result, trace)
    return Page(path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def test_a_half_hour_treatment_fits_with_every_tick(place: Path, result: dict[str, Any]) -> None:
    trace = Trace(360_000)
    trace.columns["skin_pa"][123_456] = 45_678
    page = written(place, result, trace)
    assert place.stat().st_size <= report.LARGEST_BYTES
    assert page.run["recording"]["stride"] == 1
    skin = column(page.recording, "skin_pa")
    assert [value for _, value in skin] == list(trace.columns["skin_pa"])
    assert max(value for _, value in skin) == 45_678


def test_every_column_is_stored_exactly(place: Path, result: dict[str, Any]) -> None:
    trace = Trace(3_000)
    page = written(place, result, trace)
    for name in QUANTITIES:
        assert column(page.recording, name) == list(enumerate(trace.columns[name]))
    for name in STATES:
        assert column(page.recording, name) == changes(trace.columns[name])


def test_a_gap_in_time_is_kept(place: Path, result: dict[str, Any]) -> None:
    trace = Trace(4)
    trace.columns["t_ms"] = array("i", [5, 10, 400, 405])
    page = written(place, result, trace)
    assert column(page.recording, "clock") == [(0, 5), (2, 390)]


def test_what_does_not_fit_is_thinned_with_every_peak(result: dict[str, Any]) -> None:
    trace = Trace(60_000)
    skin = trace.columns["skin_pa"]
    skin[40_123] = 45_678
    skin[40_124] = -300
    whole = record(trace, [])
    budget = len(whole.blob) // 3
    recording = record(trace, [100_000], budget)
    stride = recording.directory["stride"]
    assert len(recording.blob) <= budget
    assert stride > 1
    kept = dict(column(recording, "skin_pa"))
    assert all(skin[row] == value for row, value in kept.items())
    assert max(kept.values()) == 45_678
    assert min(kept.values()) == -300
    for start in range(0, len(skin), stride):
        bucket = skin[start : start + stride]
        in_bucket = [kept[row] for row in range(start, start + len(bucket)) if row in kept]
        assert (min(in_bucket), max(in_bucket)) == (min(bucket), max(bucket))
    # Around the event at 100 s and around the highest vacuum: every tick.
    for middle in (19_999, 40_123):
        assert set(range(middle - 399, middle + 400)) <= kept.keys()
    for name in STATES:
        assert column(recording, name) == changes(trace.columns[name])


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_trace_of_hardly_any_row(place: Path, result: dict[str, Any], rows: int) -> None:
    page = written(place, result, Trace(rows))
    assert page.run["recording"]["rows"] == rows
    assert len(column(page.recording, "skin_pa")) == rows
    assert "Nominal facial" in page.text


def test_nothing_is_loaded_from_anywhere(place: Path, result: dict[str, Any]) -> None:
    page = written(place, result, Trace(10))
    links = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "href", "action", "data", "poster", "background")
    ]
    assert links == []
    # The packed parts are base64 and hold neither of these.
    assert "://" not in page.source
    assert not re.search(r"@import|url\(|<link|<iframe", page.source)
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "img", "iframe", "object", "base"})


def test_only_the_scripts_written_here_may_run(place: Path, result: dict[str, Any]) -> None:
    page = written(place, result, Trace(10))
    policy = next(
        attributes["content"] or ""
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    plotly = zlib.decompress(b64decode(page.scripts["plotly"]))
    hashes = {
        f"'sha256-{b64encode(sha256(source).digest()).decode()}'"
        for source in (page.scripts["main"].encode(), plotly)
    }
    assert directives["default-src"] == "'none'"
    assert set(directives["script-src"].split()) == hashes
    assert b"plotly.js v" in plotly[:200]


def test_names_stay_names(place: Path, result: dict[str, Any]) -> None:
    for key in ("title", "about", "scenario", "board", "protocol", "interpreter", "crc"):
        result[key] = HOSTILE
    result |= {"reproduce": HOSTILE, "final_state": HOSTILE, "lane": HOSTILE}
    result["zones"][0]["name"] = HOSTILE
    for key in ("state_names", "reason_names", "fault_names"):
        result[key] = [HOSTILE]
    result["faults"] = [fault(code=HOSTILE, headline=HOSTILE, fix=[HOSTILE])]
    result["events"] = [{"at_ms": 30, "text": HOSTILE}]
    for key in ("key", "expected", "measured"):
        result["requirements"][0][key] = HOSTILE
    for key in ("what", "limit_name", "where"):
        result["margins"][0][key] = HOSTILE
    page = written(place, result, Trace(10))
    assert list(page.scripts) == ["data", "recording", "plotly", "main"]
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
    assert page.text.count(HOSTILE) >= 17
    assert page.run["result"]["zones"][0]["name"] == HOSTILE
    assert page.run["marks"][1]["text"] == HOSTILE


def fault(**fields: Any) -> dict[str, Any]:
    return {
        "code": "OVER_VACUUM",
        "number": 1,
        "headline": "Vacuum at the hard limit",
        "fix": ["Lift the tip.", "Check the nozzle."],
        "at_ms": 61_230,
        "to_safe_ms": 10,
        "release_ms": 240,
        "peak_pa": 45_700,
        **fields,
    }


def test_the_verdict_is_said_in_words(place: Path, result: dict[str, Any]) -> None:
    page = written(place, result, Trace(10))
    assert "PASSED" in page.text
    assert "FAILED" not in page.text
    assert "all 2 requirements are met" in page.text
    result["passed"] = result["requirements"][0]["passed"] = False
    page = written(place, result, Trace(10))
    assert "PASSED" not in page.text
    assert "1 of 2 requirements not met: peak vacuum" in page.text


def test_what_happened_is_said_without_any_script(place: Path, result: dict[str, Any]) -> None:
    result["faults"] = [fault(), fault(to_safe_ms=None, release_ms=None)]
    result["events"] = [{"at_ms": 61_000, "text": "pump_pwm_stuck: driven at 1000 permille"}]
    text = written(place, result, Trace(10)).text
    for said in (
        "no clinical claim",
        "emery simulate nominal_facial --seed 1",
        "CPython 3.11.7, cpython lane",
        "360000 of 5 ms",
        "1a2b3c4d",
        "chin and mouth 1",
        "Vacuum at the hard limit",
        "1:01.230",
        "10 ms",
        "240 ms",
        "not reached",
        "45.7 kPa",
        "Check the nozzle.",
        "pump_pwm_stuck: driven at 1000 permille",
        "at most 40 kPa",
        "28.4 kPa",
    ):
        assert said in text


def test_views_lead_to_what_is_looked_for(result: dict[str, Any]) -> None:
    trace = Trace(20_000)
    trace.columns["skin_pa"][6_000] = 44_000
    result["faults"] = [fault(at_ms=61_230)]
    found = {view.label: (view.from_ms, view.to_ms) for view in views(result, trace)}
    assert found["Whole session"] == (0, 100_005)
    # The first stroke is rows 101 to 399, at 510 to 2000 ms.
    assert found["First stroke"] == (10, 3_005)
    assert found["Highest vacuum"] == (30_005 - AROUND_MS, 30_005 + AROUND_MS)
    assert found["Fault 1: OVER_VACUUM"] == (61_230 - AROUND_MS, 61_230 + AROUND_MS)


def test_contact_without_suction_is_no_stroke(result: dict[str, Any]) -> None:
    trace = Trace(2_000)
    trace.columns["set_pa"] = array("i", [0] * 1_000 + [27_000] * 1_000)
    found = {view.label: (view.from_ms, view.to_ms) for view in views(result, trace)}
    # On the skin in rows 901 to 1199, with suction from row 1000 on.
    assert found["First stroke"] == (4_505, 7_005)


def test_a_session_without_stroke_has_no_such_view(result: dict[str, Any]) -> None:
    assert [view.label for view in views(result, Trace(50))] == ["Whole session", "Highest vacuum"]


def test_a_peak_within_a_fault_needs_no_view_of_its_own(result: dict[str, Any]) -> None:
    trace = Trace(20_000)
    trace.columns["skin_pa"][6_000] = 44_000
    result["faults"] = [fault(at_ms=30_100)]
    assert "Highest vacuum" not in [view.label for view in views(result, trace)]


def test_every_change_of_what_was_decided_is_listed(result: dict[str, Any]) -> None:
    result["state_names"] = ["ZONE_DONE", "TREATING"]
    result["reason_names"] = ["because", "hence"]
    result["fault_names"] = ["NONE", "OVER_VACUUM"]
    trace = Trace(8)
    trace.columns |= {
        "state": array("B", [0, 1, 1, 1, 1, 1, 1, 1]),
        "reason": array("B", [0, 0, 0, 1, 1, 1, 1, 1]),
        "fault": array("B", [0, 0, 0, 0, 0, 1, 1, 1]),
        "pass_number": array("B", [1, 1, 1, 1, 1, 1, 0, 0]),
    }
    told = [(d.at_ms, d.state, d.reason, d.zone) for d in decisions(result, trace)]
    assert told == [
        (5, "zone done", "because", "forehead, 1"),
        (10, "treating", "because", "forehead, 1"),
        (20, "treating", "hence", "forehead, 1"),
        (30, "treating", "hence: OVER_VACUUM", "forehead, 1"),
        (35, "treating", "hence: OVER_VACUUM", "forehead"),
    ]


def test_the_page_says_how_near_each_limit_was_come_to(
    place: Path, result: dict[str, Any]
) -> None:
    result["margins"][1] |= {"reached": 1_900_000}
    page = written(place, result, Trace(10))
    assert "Highest vacuum 28.4 of 45.1 kPa, 16.7 kPa left to the hard limit" in page.text
    for said in ("left cheek, pass 2", "12:34.321", "1:40 min over", "28.4 of 40.0 kPa"):
        assert said in page.text
    # 28.4 of 45.1 kPa, on a track whose limit stands at 80 %.
    assert '<i style="width:50.4%">' in page.source
    assert page.source.count('<tr class="past">') == 1


def test_a_compared_run_travels_in_the_page(place: Path, result: dict[str, Any]) -> None:
    hostile = result | {"board": HOSTILE, "peak_pa": 31_400}
    other = run_record(hostile, Trace(2_000, seed=2))
    write_report(place, result, Trace(3_000), other)
    page = Page(place)
    assert list(page.scripts) == ["data", "recording", "recording-compared", "plotly", "main"]
    assert page.text.count(HOSTILE) >= 3
    for said in ("What came out differently", "31.4 kPa", "-3.0 kPa"):
        assert said in page.text
    blob = b64decode(page.scripts["recording-compared"])
    drawn = Recording(blob, page.data["runs"][1]["recording"])
    assert set(drawn.directory["quantities"]) == set(COMPARED)
    for name in COMPARED:
        assert column(drawn, name) == column(other.recording, name)
    for name in STATES:
        assert column(drawn, name) == column(other.recording, name)


def test_without_plotly_it_says_what_to_install(
    place: Path, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ReportError, match=re.escape("pip install 'emery[report]'")):
        write_report(place, result, Trace(10))
    assert not place.exists()


def test_a_report_too_large_is_not_written(
    place: Path, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "LARGEST_BYTES", 1_000_000)
    with pytest.raises(ReportError, match=r"2\.\d MB, more than 1 MB"):
        write_report(place, result, Trace(10))
    assert list(place.parent.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path, result: dict[str, Any]) -> None:
    place = tmp_path / "nowhere" / "report.html"
    with pytest.raises(ReportError, match=re.escape(f"no folder {place.parent}")):
        write_report(place, result, Trace(10))


def test_a_folder_in_its_place_is_named_and_left_alone(
    place: Path, result: dict[str, Any]
) -> None:
    place.mkdir()
    with pytest.raises(ReportError, match="that is a folder"):
        write_report(place, result, Trace(10))
    assert list(place.parent.iterdir()) == [place]
    assert list(place.iterdir()) == []


def test_a_report_takes_the_place_of_an_older_one(place: Path, result: dict[str, Any]) -> None:
    place.write_text("older")
    assert "Nominal facial" in written(place, result, Trace(10)).text
    assert list(place.parent.iterdir()) == [place]


def test_an_older_report_outlives_a_write_that_fails(
    place: Path, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write_text("older")

    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ReportError, match="No space left on device"):
        write_report(place, result, Trace(10))
    assert place.read_text() == "older"
    assert list(place.parent.iterdir()) == [place]


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def treating(rows: int, seed: int = 1) -> Trace:
    """The same, with strokes made while the device treats."""
    trace = Trace(rows, seed)
    trace.columns["state"] = array("B", [treatment.TREATING] * rows)
    return trace


def named(result: dict[str, Any]) -> dict[str, Any]:
    return result | {"state_names": list(treatment.STATES)}


def shown(place: Path) -> str:
    """The page as a browser has it after its scripts have run."""
    drawn = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--virtual-time-budget=20000"),
            *(f"--user-data-dir={place.parent / 'profile'}", "--dump-dom", place.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout
    if "<main>" not in drawn:
        pytest.skip("this browser does not start here")
    return drawn


@pytest.mark.optional
@pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome")
def test_a_browser_draws_the_true_peak(place: Path, result: dict[str, Any]) -> None:
    trace = treating(12_000)
    trace.columns["skin_pa"][7_334] = 45_678
    write_report(place, named(result) | {"title": HOSTILE}, trace)
    drawn = shown(place)
    session, stroke = (
        next(tag for tag in re.findall(r"<div [^>]*>", drawn) if f'id="{name}"' in tag)
        for name in ("stage", "stroke-stage")
    )
    assert 'data-drawn-peak-pa="45678"' in session
    # The stroke that went highest is the one that is looked at first.
    assert 'data-drawn-peak-pa="45678"' in stroke
    assert 'data-drawn-runs="1"' in stroke
    assert drawn.count('class="main-svg"') >= 2


@pytest.mark.optional
@pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome")
def test_a_browser_draws_both_runs(place: Path, result: dict[str, Any]) -> None:
    other = run_record(named(result) | {"seed": 2}, treating(9_000, seed=2))
    write_report(place, named(result), treating(12_000), other)
    drawn = shown(place)
    assert 'data-drawn-runs="2"' in drawn
    assert "compared: state" in drawn
