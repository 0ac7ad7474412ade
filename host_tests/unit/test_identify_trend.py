"""The trend over months: synthetic devices that wear, and one that was serviced."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emery.cli import app
from emery.identify import trend_page
from emery.identify.parameters import FITTED
from emery.identify.result import CURVE_PA, Found, Identified
from emery.identify.trend import Course, Says, courses
from emery.ledger import book
from emery.plotted import plotly_script
from host_tests.plotted_page import PLOTLY, checked

_DEVICE = "e6605838ab12cd34"
_MONTH_S = 30 * 86_400
_BEGUN = book.epoch_of("2026-01-15T10:00:00Z")

Change = Callable[[int], dict[str, float]]


def _result(values: dict[str, float]) -> Identified:
    """A nominal device with some values: `pump` is its share of the nominal flow. Intervals
    are those of a real fit: 4 % of litres, 2 % of the nozzle, 5 % of the filter and more."""
    values = dict(values)
    share = values.pop("pump", 1.0)
    found = []
    for row in FITTED:
        value = values.get(row.name, row.start)
        if row.name == "pump_free_flow_m3_s":
            value *= share
        half = {"nozzle_m": 0.02, "filter_load": 0.05}.get(row.name, 0.04) * value
        half += {"filter_load": 0.3, "hose_leak": 1e-4}.get(row.name, 0.0)
        found.append(Found(row.name, value, value - half, value + half, True))
    flows = [share * 5e-4 * (1.0 - pa / 80_000.0) for pa in CURVE_PA]
    curve = tuple(
        (pa, flow, 0.96 * flow, 1.04 * flow) for pa, flow in zip(CURVE_PA, flows, strict=True)
    )
    return Identified(tuple(found), curve, 1.0, 1.5e-3, 101_325.0)


def _courses(months: int, change: Change) -> dict[str, Course]:
    history = [
        (_BEGUN + month * _MONTH_S, _result(change(month))) for month in range(months)
    ]
    return {course.quantity.name: course for course in courses(history)}


def _due(found: dict[str, Course]) -> list[str]:
    return [name for name, course in found.items() if course.says is Says.SERVICE]


def test_a_device_that_stays_as_it_is_needs_nothing() -> None:
    # It comes out a little different each month, within the doubt of one measurement.
    found = _courses(7, lambda month: {
        "pump": 1.0 + 0.02 * (month % 3 - 1), "nozzle_m": 1.2e-3 * (1.0 - 0.01 * (month % 2)),
        "hose_leak": 3e-4 + 5e-5 * (month % 2), "filter_load": 1.2 + 0.2 * (month % 3),
    })  # fmt: skip
    assert _due(found) == []
    assert all(course.says is Says.FINE for course in found.values())
    text = trend_page.text(_DEVICE, list(found.values()))
    assert "Nothing needs a service." in text


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (lambda month: {"pump": 1.0 - 0.035 * month}, "pump", "the pump is worn"),
        (lambda month: {"filter_load": 1.0 + 1.5 * month}, "filter_load", "the filter clogs"),
        (lambda month: {"nozzle_m": 1.2e-3 * (1 + 0.015 * month)}, "nozzle_m", "worn the nozzle"),
        (lambda month: {"nozzle_m": 1.2e-3 * (1 - 0.02 * month)}, "nozzle_m", "nozzle clogs"),
        (lambda month: {"hose_leak": 1e-4 + 5e-4 * month}, "hose_leak", "the line leaks"),
    ],
)  # fmt: skip
def test_what_wears_is_named_and_nothing_else(change: Change, name: str, words: str) -> None:
    found = _courses(7, change)
    assert _due(found) == [name]
    assert words in found[name].words
    # Half a year before it was not so: one measurement alone says nothing.
    assert _due(_courses(1, change)) == []
    text = trend_page.text(_DEVICE, list(found.values()))
    assert f"Service: {found[name].quantity.words}" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_change_within_the_doubt_of_both_is_none() -> None:
    # 5 % less nozzle twice, each known to 4 %: it may as well be none.
    found = _courses(2, lambda month: {"pump": 1.0 - 0.05 * month})
    assert found["pump"].says is Says.FINE
    assert abs(found["pump"].change) < found["pump"].doubt


def test_a_slow_pace_is_told_in_weeks_before_it_is_due() -> None:
    found = _courses(6, lambda month: {"filter_load": 1.0 + 0.7 * month})
    course = found["filter_load"]
    assert course.says is Says.WATCH
    # 3.5 of 5 are gone in five months.
    assert course.weeks == pytest.approx(1.5 / 0.7 * 30 / 7, abs=1.5)
    assert "in about" in course.words
    assert "change it and empty the canister" in course.words


def test_a_service_begins_a_new_count() -> None:
    # The filter was changed after the fifth month, and wears on.
    found = _courses(8, lambda month: {"filter_load": 1.0 + 1.6 * (month % 5)})
    course = found["filter_load"]
    assert course.since == 5
    assert course.says is not Says.SERVICE
    assert course.change == pytest.approx(3.2, abs=0.1)


def test_a_leak_that_was_large_from_the_first_is_told_at_once() -> None:
    found = _courses(1, lambda month: {"hose_leak": 8e-3})
    assert _due(found) == ["hose_leak"]


def test_a_worn_nozzle_that_was_changed_is_no_clogged_one() -> None:
    found = _courses(8, lambda month: {"nozzle_m": 1.2e-3 * (1 + 0.03 * (month % 6))})
    assert found["nozzle_m"].since == 6
    assert found["nozzle_m"].says is not Says.SERVICE


# The command -------------------------------------------------------------------------


def _write(folder: Path, months: int, change: Change) -> None:
    for month in range(months):
        day = datetime.fromtimestamp(_BEGUN + month * _MONTH_S, UTC)
        book.append(
            _DEVICE, what="identify", before=b"", after=b"", who="Ada", why="monthly",
            extra={"identify": _result(change(month)).document()},
            at=day.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMERY_LEDGER", str(tmp_path))
    return tmp_path


def test_the_command_reads_the_ledger_and_ends_with_1_if_a_service_is_due(ledger: Path) -> None:
    _write(ledger, 7, lambda month: {"pump": 1.0 - 0.035 * month})
    page = ledger / "trend.html"
    ended = CliRunner().invoke(
        app, ["identify", "--trend", "--device", _DEVICE, "--report", str(page)]
    )
    assert ended.exit_code == 1
    assert "identified 7 times since 2026-01-15" in ended.stdout
    assert "Service: pump at 20 kPa: the pump is worn" in ended.stdout
    plots, words = checked(page.read_text(), plotly_script())
    assert len(plots) == 4
    assert "SERVICE pump at 20 kPa" in words
    # Every measurement, without any script.
    assert words.count(" +-0.02 ") >= 7
    assert "2026-07-14 10:00" in words


@pytest.mark.parametrize(
    ("at_s", "heads"),
    [
        ([0], ["2026-01-15"]),
        # Of several on a day the times are told.
        ([0, 600, 7_200], ["01-15 10:00", "01-15 10:10", "01-15 12:00"]),
        ([0, 600, 90 * 86_400], ["01-15 10:00", "01-15 10:10", "04-15 10:00"]),
        ([0, _MONTH_S, 2 * _MONTH_S], ["2026-01-15", "2026-02-14", "2026-03-16"]),
    ],
)
def test_measurements_stand_apart_whenever_they_were_made(
    at_s: list[int], heads: list[str]
) -> None:
    found = courses([(_BEGUN + after, _result({})) for after in at_s])
    assert trend_page.text(_DEVICE, found).splitlines()[2].split("  ")[-1] == " change"
    assert all(head in trend_page.text(_DEVICE, found).splitlines()[2] for head in heads)
    plots, words = checked(trend_page.html(_DEVICE, found, PLOTLY))
    for plot in plots:
        axis, (trace,) = plot["layout"]["xaxis"], plot["traces"]
        assert axis["type"] == "date"
        assert len(set(trace["x"])) == len(at_s)
        assert axis["range"][0] < min(trace["x"])
        assert max(trace["x"]) < axis["range"][1]
        assert all(time in words for time in trace["x"])


def test_a_plot_shows_where_a_service_is_due_and_from_when_it_is_counted() -> None:
    found = _courses(8, lambda month: {"filter_load": 1.0 + 1.6 * (month % 5)})
    plots, _ = checked(trend_page.html(_DEVICE, list(found.values()), PLOTLY))
    filter_ = next(plot for plot in plots if plot["name"] == "course-filter_load")
    before, since = filter_["traces"]
    assert (len(before["x"]), len(since["x"])) == (5, 3)
    assert [shape["y0"] for shape in filter_["layout"]["shapes"]] == [pytest.approx(6.0)]
    # Too wide and too narrow; and all of it can be seen.
    nozzle = next(plot for plot in plots if plot["name"] == "course-nozzle_m")
    due = [shape["y0"] for shape in nozzle["layout"]["shapes"]]
    low, high = nozzle["layout"]["yaxis"]["range"]
    assert due == [pytest.approx(1.06 * 1.2), pytest.approx(0.94 * 1.2)]
    assert all(low < value < high for value in due)


def test_a_value_and_its_doubt_have_as_many_places_in_every_column() -> None:
    found = _courses(3, lambda month: {"pump": 1.0 - 0.2 * month, "hose_leak": 1e-3 * month})
    for course in found.values():
        numbers = [
            number.strip() for text in trend_page._values(course) for number in text.split("+-")
        ]
        assert len({len(number.partition(".")[2]) for number in numbers}) == 1, numbers


def test_a_report_without_plotly_is_told_how_to_get_it(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(ledger, 1, lambda month: {})
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    page = ledger / "trend.html"
    ended = CliRunner().invoke(
        app, ["identify", "--trend", "--device", _DEVICE, "--report", str(page)]
    )
    assert ended.exit_code == 2
    assert "pip install 'emery[report]'" in ended.stderr
    assert not page.exists()


def test_the_command_in_json(ledger: Path) -> None:
    _write(ledger, 3, lambda month: {})
    ended = CliRunner().invoke(app, ["identify", "--trend", "--device", _DEVICE, "--json"])
    assert ended.exit_code == 0
    document = json.loads(ended.stdout)
    assert document["schema"] == "emery.identify.trend/1"
    assert len(document["quantities"]["pump"]["points"]) == 3


def test_other_entries_and_ones_that_cannot_be_read_are_left_out(ledger: Path) -> None:
    _write(ledger, 2, lambda month: {})
    book.append(_DEVICE, what="set", before=b"", after=b"")
    book.append(_DEVICE, what="identify", before=b"", after=b"",
                extra={"identify": {"schema": "emery.identify/9"}})  # fmt: skip
    ended = CliRunner().invoke(app, ["identify", "--trend", "--device", _DEVICE])
    assert ended.exit_code == 0
    assert "identified 2 times" in ended.stdout
    assert "entry 4 of the ledger is left out" in " ".join(ended.stderr.split())


def test_a_device_that_was_never_identified_is_told_what_to_do(ledger: Path) -> None:
    book.append(_DEVICE, what="set", before=b"", after=b"")
    ended = CliRunner().invoke(app, ["identify", "--trend", "--device", _DEVICE])
    assert ended.exit_code == 2
    assert "was never identified" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--write"], "--write needs the board file"),
        (["--device", _DEVICE], "give --trend too"),
        (["--orifice", "1.5"], "unit"),
        (["--orifice", "5 mm"], "is not between 0.7 and 3 mm"),
        (["--orifice", "1.5 kPa"], "a pressure"),
        (["nowhere.toml"], "nowhere.toml  does not exist"),
        (["--yes", "--hands", "pipe"], "name one of them"),
    ],
)
def test_bad_input_is_told_before_any_device_is_touched(options: list[str], words: str) -> None:
    ended = CliRunner().invoke(app, ["identify", *options, "--port", "/nowhere"])
    assert ended.exit_code == 2
    assert words in ended.stderr
