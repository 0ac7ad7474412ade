"""Identification: the fit on devices nobody has seen, refusals, the board file, the page.

The thirty devices of the long test, with all their figures, are the requirement; the
fast one does two of them with looser bounds.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NoReturn

import pytest
from typer.testing import CliRunner, Result

from emery import terminal
from emery.calibrate.technician import Technician
from emery.calibrate.verdict import Implausible
from emery.cli import app
from emery.config import edit
from emery.config.compiled import decompile
from emery.config.load import load, load_board
from emery.config.plant import PLANT_ROWS
from emery.config.write import board_toml
from emery.device.problem import DeviceProblem
from emery.identify import command, guide, page, plausible, report, result, store, verdict
from emery.identify.excitation import AIR, CLOSED, NOZZLE, ORIFICE, PHASES, RUNS, Run
from emery.identify.fit import Fit, concluded, fit, pump_flow
from emery.identify.model import Model
from emery.identify.parameters import FITTED, NAMES
from emery.identify.result import Identified
from emery.ledger import book
from emery.link.client import Client
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP
from emery.slot import ROOT
from emery.transfer import serviced
from firmware.settings import Settings
from host_tests.linked import LinkedDevice, serviced_at_every_port, serviced_device
from host_tests.modelled_bench import ModelledBench
from host_tests.plotted_page import PLOTLY, checked
from host_tests.unseen_plants import ORIFICE_M, Unseen, draw, measured, put

BOARDS = ROOT / "board_configs"
PROTOCOL = BOARDS / "protocols" / "face.toml"
_SEEDS = range(1, 31)
_CURVE_PA = (0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0)
_PUMP = ("pump_free_flow_m3_s", "pump_ultimate", "pump_lag_s", "pump_dead_band")


def _settings(board: str = "pico_reference") -> Settings:
    return load(BOARDS / f"{board}.toml", PROTOCOL)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return measured(draw(7), _settings(), "rp2040")


@pytest.fixture(scope="module")
def fitted(runs: list[Run]) -> Fit:
    return fit(runs, _settings(), "rp2040", ORIFICE_M)


# The fit -----------------------------------------------------------------------------


class _Score:
    """How estimates lie to the truth: error and half-width over the truth, and whether
    the truth is inside."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[float, float, bool]]] = {}

    def add(self, name: str, value: float, low: float, high: float, truth: float) -> None:
        self.rows.setdefault(name, []).append(
            (abs(value / truth - 1.0), 0.5 * (high - low) / truth, low <= truth <= high)
        )

    def add_device(self, device: Unseen, found: Fit) -> None:
        plant = device.plant
        for name, one in found.estimates.items():
            self.add(name, one.value, one.low, one.high, plant[name])
        atmosphere = plant["atmosphere_pa"]
        for vacuum_pa in _CURVE_PA:
            for drive in (0.5, 1.0):
                dead = plant["pump_dead_band"]
                flow = (
                    plant["pump_free_flow_m3_s"]
                    * (drive - dead) / (1.0 - dead)
                    * (1.0 - vacuum_pa / (plant["pump_ultimate"] * atmosphere))
                )  # fmt: skip
                self.add("curve", *pump_flow(found, vacuum_pa, drive, atmosphere), flow)

    def error(self, name: str) -> float:
        return median(row[0] for row in self.rows[name])

    def width(self, name: str) -> float:
        return median(row[1] for row in self.rows[name])

    def inside(self, *names: str) -> float:
        rows = [row for name in names for row in self.rows[name]]
        return sum(row[2] for row in rows) / len(rows)

    def table(self) -> str:
        lines = [f"{'':22}{'median error':>14}{'median +-':>12}{'inside':>10}"]
        for name in self.rows:
            lines.append(
                f"{name:22}{100 * self.error(name):12.2f} %{100 * self.width(name):10.2f} %"
                f"{100 * self.inside(name):8.0f} %"
            )
        return "\n".join(lines)


def test_two_devices_are_found_again(fitted: Fit) -> None:
    score = _Score()
    score.add_device(draw(7), fitted)
    device = draw(8)
    found = fit(measured(device, _settings(), "rp2040"), _settings(), "rp2040", ORIFICE_M)
    score.add_device(device, found)
    assert score.inside(*NAMES, "curve") >= 0.8, score.table()
    for name in ("volume_m3", *_PUMP, "curve"):
        assert score.error(name) < 0.06, score.table()
        assert score.width(name) < 0.15, score.table()


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_thirty_devices_nobody_has_seen() -> None:
    score = _Score()
    for seed in _SEEDS:
        device = draw(seed)
        found = fit(measured(device, _settings(), "rp2040"), _settings(), "rp2040", ORIFICE_M)
        score.add_device(device, found)
    table = score.table()
    print(f"\n{table}")  # noqa: T201 - the table is what this test is for
    assert score.inside(*NAMES) >= 0.9, table
    assert score.inside("volume_m3") >= 0.9, table
    assert score.inside(*_PUMP) >= 0.9, table
    assert score.inside("curve") >= 0.9, table
    assert median(width for rows in score.rows.values() for _, width, _ in rows) <= 0.15, table
    for name in ("volume_m3", *_PUMP, "curve"):
        assert score.error(name) <= 0.05, table
        assert score.width(name) <= 0.15, table


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_a_chip_with_a_coarse_converter_and_a_slow_tick_is_as_honest() -> None:
    settings = _settings("esp32_devkitc")
    score = _Score()
    for seed in range(31, 61):
        device = draw(seed)
        found = fit(measured(device, settings, "esp32"), settings, "esp32", ORIFICE_M)
        score.add_device(device, found)
    table = score.table()
    print(f"\n{table}")  # noqa: T201
    assert score.inside(*NAMES) >= 0.9, table
    # With the interval that was a third too narrow, of two it was 80 % and 83 %.
    for name in (*NAMES, "curve"):
        assert score.inside(name) >= 0.87, table
    for name in ("volume_m3", *_PUMP, "curve"):
        assert score.error(name) <= 0.05, table
        assert score.width(name) <= 0.15, table


@pytest.mark.long
def test_the_hole_is_what_all_litres_hang_on(runs: list[Run], fitted: Fit) -> None:
    # Told a hole that is 4 % wider, everything comes out larger by its area.
    wider = fit(runs, _settings(), "rp2040", 1.04 * ORIFICE_M)
    for name, power in (("volume_m3", 2), ("pump_free_flow_m3_s", 2), ("nozzle_m", 1)):
        ratio = wider.estimates[name].value / fitted.estimates[name].value
        assert ratio == pytest.approx(1.04**power, rel=0.01)
    # What is a time or a share does not.
    for name in ("pump_lag_s", "pump_dead_band", "pump_ultimate"):
        ratio = wider.estimates[name].value / fitted.estimates[name].value
        assert ratio == pytest.approx(1.0, rel=0.02)


def test_a_hole_that_is_known_better_makes_the_intervals_narrower(fitted: Fit) -> None:
    sure = concluded(fitted.model, fitted.fitted, orifice_spread=0.001)
    for name in ("volume_m3", "pump_free_flow_m3_s"):
        here, there = fitted.estimates[name], sure.estimates[name]
        assert there.value == here.value
        assert there.high - there.low < 0.5 * (here.high - here.low)


def test_what_the_runs_do_not_tell_is_said_to_be_unknown(fitted: Fit) -> None:
    # Without the phases that tell them, nozzle and tip keep the doubt from before.
    closed = measured(draw(7), _settings(), "rp2040", (CLOSED, ORIFICE))
    found = Identified.of(fit(closed, _settings(), "rp2040", ORIFICE_M), ORIFICE_M)
    told = {one.name: one.is_told for one in found.found}
    assert told["volume_m3"]
    assert not told["nozzle_m"]
    assert not told["tip_m"]
    assert "plant.nozzle" not in found.board_values()
    text = page.text(found)
    assert "not told" in text
    assert "crystal nozzle, as open as it is; tip" in " ".join(text.split())
    assert all(one.is_told for one in Identified.of(fitted, ORIFICE_M).found)


def test_a_device_that_the_model_cannot_do_gets_wider_intervals(
    runs: list[Run], fitted: Fit
) -> None:
    # In the runs of the orifice phase the tip was moved: it let in more air.
    spoiled = []
    for run in runs:
        recording = run.recording
        if run.phase == ORIFICE:
            raw = tuple(
                count + (250 if 100 < place < 300 else 0)
                for place, count in enumerate(recording.vacuum_a_raw)
            )
            recording = replace(recording, vacuum_a_raw=raw)
        spoiled.append(Run(run.phase, recording))
    model = Model(spoiled, _settings(), "rp2040", ORIFICE_M)
    found = concluded(model, fitted.fitted)
    assert found.misfit > 5.0 * fitted.misfit
    widths = [one.high - one.low for one in (
        fitted.estimates["hose_leak"], found.estimates["hose_leak"]
    )]  # fmt: skip
    assert widths[1] > 1.3 * widths[0]
    said = page.text(replace(Identified.of(found, ORIFICE_M), misfit=3.0))
    assert "differs from the model" in said


# The measurement ---------------------------------------------------------------------


class _Hand(Technician):
    """Does to a modelled device what is asked, or something else the first times."""

    def __init__(self, bench: ModelledBench, device: Unseen, wrong: int = 0) -> None:
        self.bench = bench
        self.device = device
        self.wrong = wrong
        self.asked: list[str] = []
        self.told: list[str] = []
        self.can_be_asked_again = True

    def begin(self, words: str, deed: str) -> None:
        self.asked.append(words)
        phase = PHASES[int(words.removeprefix("Step ")[0]) - 1]
        put(self.bench, self.device, phase)
        if self.wrong > 0 and phase == CLOSED:
            self.wrong -= 1
            self.bench.tip = TIP_IN_AIR

    def poll(self) -> str | None:
        return ""

    def tell(self, words: str) -> None:
        self.told.append(words)


def _bench(device: Unseen) -> ModelledBench:
    return ModelledBench(_settings(), device.plant, device.sensors, seed=device.seed)


def test_all_phases_are_asked_for_and_run(monkeypatch: pytest.MonkeyPatch) -> None:
    device = draw(7)
    bench = _bench(device)
    hand = _Hand(bench, device)
    shown: list[float] = []
    is_open = False

    @contextmanager
    def progress(title: str) -> Iterator[Callable[[float, str], None]]:
        nonlocal is_open
        is_open = True
        yield lambda part, title: shown.append(part)
        is_open = False

    begin = hand.begin

    def asked(words: str, deed: str) -> None:
        assert not is_open  # nothing is drawn where somebody types
        begin(words, deed)

    monkeypatch.setattr(hand, "begin", asked)
    runs = guide.measure(bench, _settings(), hand, ORIFICE_M, progress)
    assert len(hand.asked) == len(PHASES)
    assert "orifice tip (1.5 mm)" in hand.asked[1]
    assert len(runs) == RUNS
    assert shown[-1] == 1.0
    assert max(max(run.recording.pump_permille) for run in runs) <= 600
    # Some 35 s of outputs, under two minutes with pulling and resting.
    assert 25_000 < sum(run.recording.active_ms for run in runs) < 40_000


def test_a_step_that_went_wrong_is_done_again() -> None:
    device = draw(7)
    bench = _bench(device)
    hand = _Hand(bench, device, wrong=1)
    guide.measure(bench, _settings(), hand, ORIFICE_M, terminal.progress)
    assert [words[:6] for words in hand.asked] == [
        "Step 1", "Step 1", "Step 2", "Step 3", "Step 4",
    ]  # fmt: skip
    assert "closed cap" in hand.told[0]


def test_it_is_refused_if_nobody_can_be_asked_or_it_stays_wrong() -> None:
    for can, tries in ((False, 1), (True, 3)):
        device = draw(7)
        bench = _bench(device)
        hand = _Hand(bench, device, wrong=9)
        hand.can_be_asked_again = can
        with pytest.raises(Implausible):
            guide.measure(bench, _settings(), hand, ORIFICE_M, terminal.progress)
        assert len(hand.asked) == tries


def _phase(phase: str, change: Callable[[ModelledBench], None]) -> None:
    """Do all phases up to one as they should be, and this one with a change."""
    from emery.identify.excitation import Excitation

    device = draw(7)
    bench = _bench(device)
    excitation = Excitation(bench, _settings())
    runs: list[Run] = []
    for name in PHASES[: PHASES.index(phase) + 1]:
        put(bench, device, name)
        if name == phase:
            change(bench)
        runs += excitation.runs(name)
        plausible.check(runs, _settings(), name)


def _open_nozzle(bench: ModelledBench) -> None:
    bench.plant.set("cap_nozzle", 1.0)


def _closed(bench: ModelledBench) -> None:
    bench.plant.set("cap_leak", 0.0)
    bench.plant.set("cap_nozzle", 0.0)
    bench.tip = TIP_ON_CAP


def _in_air(bench: ModelledBench) -> None:
    bench.tip = TIP_IN_AIR


def _stalled(bench: ModelledBench) -> None:
    bench.plant.set("pump_wear", 0.0)


def _hose_off(bench: ModelledBench) -> None:
    bench.plant.set("hose_leak", 0.1)


def _clogged(bench: ModelledBench) -> None:
    bench.plant.set("filter_load", 200.0)


def _gauges_apart(bench: ModelledBench) -> None:
    bench.sensors.set("gain_a", 1.18)


@pytest.mark.parametrize(
    ("phase", "change", "words"),
    [
        (CLOSED, _in_air, "came up on the closed cap"),
        (CLOSED, _stalled, "Does the pump turn"),
        (CLOSED, _open_nozzle, "too much air comes in"),
        (CLOSED, _hose_off, "Clamp the crystal hose tightly"),
        (CLOSED, _gauges_apart, "sensors differ by"),
        (ORIFICE, _in_air, "Put the orifice tip on"),
        (ORIFICE, _closed, "held as on the closed cap"),
        (ORIFICE, _clogged, "change the filter"),
        (NOZZLE, _closed, "Open the clamp"),
        (NOZZLE, _in_air, "Put the cap on"),
        (AIR, _closed, "Take the cap off"),
    ],
)
def test_runs_that_cannot_be_are_refused_with_the_step_to_repeat(
    phase: str, change: Callable[[ModelledBench], None], words: str
) -> None:
    with pytest.raises(Implausible, match=words):
        _phase(phase, change)


@pytest.mark.parametrize("seed", [4, 5, 15, 23])
def test_sound_devices_of_any_size_are_not_refused(seed: int) -> None:
    device = draw(seed)
    runs = measured(device, _settings(), "rp2040")
    for phase in PHASES:
        plausible.check(runs, _settings(), phase)


def _with(
    found: Identified, name: str, value: float, low: float = 0.0, high: float = 1.0
) -> Identified:
    rows = tuple(
        replace(one, value=value, low=low, high=high) if one.name == name else one
        for one in found.found
    )
    return replace(found, found=rows)


def test_results_that_cannot_be_are_refused(fitted: Fit) -> None:
    found = Identified.of(fitted, ORIFICE_M)
    verdict.judge(found)
    for bad, words in (
        (_with(found, "hose_leak", value=0.04), "leaks 4.0 % of an open hose"),
        (_with(found, "volume_m3", low=3.5e-3, value=4e-3, high=5e-3), "a volume of 4000 mL"),
        (replace(found, misfit=60.0), "none that the model can do"),
        (_with(found, "nozzle_m", value=4e-4, low=3e-4, high=5e-4), "as little as 0.4 mm"),
    ):
        with pytest.raises(Implausible, match=words):
            verdict.judge(bad)


# What is made of it ------------------------------------------------------------------


def test_the_page_has_every_value_in_eighty_columns(fitted: Fit) -> None:
    text = page.text(Identified.of(fitted, ORIFICE_M))
    assert max(map(len, text.splitlines())) <= 80
    for row in FITTED:
        assert row.words in text
    assert "95 % interval" in text
    assert "1.5 mm" in text


def test_the_board_file_takes_what_was_told_with_its_doubt(fitted: Fit, tmp_path: Path) -> None:
    board = tmp_path / "mine.toml"
    content = (BOARDS / "pico_reference.toml").read_text()
    board.write_text(content)
    found = Identified.of(fitted, ORIFICE_M)
    edit.replace_file(board, store.content_with(board, found))
    plant = load_board(board).plant
    for one in found.found:
        assert plant[one.name] == pytest.approx(one.value, abs=0.05 * (one.high - one.low))
        assert one.low <= plant[one.name] <= one.high
    text = board.read_text()
    assert text.startswith(content.splitlines()[0])
    volume = next(line for line in text.splitlines() if line.startswith("volume"))
    assert "95 %: " in volume
    # Again: the same keys, with today's values, and no second table.
    edit.replace_file(board, store.content_with(board, found))
    assert board.read_text() == text
    assert len(list(tmp_path.glob("*.bak"))) == 2


def test_the_report_has_all_phases_and_asks_nobody(fitted: Fit) -> None:
    found = Identified.of(fitted, ORIFICE_M)
    html = report.html("<b>Clinic", fitted, found, PLOTLY)
    plots, words = checked(html)
    assert [plot["name"] for plot in plots] == ["pump", *(f"phase-{one}" for one in PHASES)]
    assert "&lt;b&gt;Clinic" in html
    assert "<b>" not in html
    # All of it stands there without any script.
    for cell in (cell for one in found.found for cell in page.cells(one)):
        assert cell in words
    for row in page.curve(found):
        assert " ".join(row) in words
    assert all(remark in words for remark in page.remarks(found))
    assert len(html) < 500_000


def test_a_value_and_its_interval_end_at_the_same_decimal_place(fitted: Fit) -> None:
    rows = Identified.of(fitted, ORIFICE_M).found
    pump_lag = next(one for one in rows if one.name == "pump_lag_s")
    odd = replace(pump_lag, value=0.151, low=0.147, high=0.15509)
    assert result.texts(odd) == ("151.0 ms", "147.0 to 155.1 ms")
    # In one unit, though a second alone would be one; and no more than the simulator takes.
    wide = replace(pump_lag, value=0.99, low=0.9784, high=1.06)
    assert result.texts(wide) == ("990 ms", "978 to 1000 ms")
    for one in (odd, wide, *rows):
        value, interval = result.texts(one)
        low, _, high = interval.partition(" to ")
        numbers = [text.split()[0] for text in (value, low, high)]
        assert len({len(number.partition(".")[2]) for number in numbers}) == 1, numbers
        low_number, number, high_number = (float(numbers[at]) for at in (1, 0, 2))
        assert low_number <= number <= high_number


def test_the_ledger_keeps_all_of_it(
    fitted: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMERY_LEDGER", str(tmp_path))
    found = Identified.of(fitted, ORIFICE_M)
    store.keep("ab12cd34", b"", found, who="Ada", why="May", board="mine.toml")
    (entry,) = book.entries("ab12cd34")
    assert (entry.what, entry.who, entry.why) == ("identify", "Ada", "May")
    assert result.read(json.loads(json.dumps(entry.extra["identify"]))) == found


@pytest.mark.parametrize("spoil", ["schema", "plant", "pump_curve", "misfit"])
def test_an_entry_that_is_no_result_is_told(fitted: Fit, spoil: str) -> None:
    document = Identified.of(fitted, ORIFICE_M).document()
    del document[spoil]
    with pytest.raises(ValueError, match=r"expected|lacks"):
        result.read(document)


# The command -------------------------------------------------------------------------


@pytest.fixture
def at_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fitted: Fit
) -> Iterator[tuple[LinkedDevice, _Hand, Path]]:
    """A device in SERVICE that the command finds, with its board file; what it measures is
    the modelled device's, and its fit is made already."""
    monkeypatch.setenv("EMERY_LEDGER", str(tmp_path / "ledger"))
    unseen = draw(7)
    bench = _bench(unseen)
    hand = _Hand(bench, unseen)
    hand.can_be_asked_again = False
    with serviced_device() as device:
        serviced_at_every_port(device, monkeypatch)
        monkeypatch.setattr("emery.service_bench.linked.ServiceBench", lambda client, hello: bench)
        monkeypatch.setattr(command, "_technician", lambda yes, hands: hand)
        monkeypatch.setattr("emery.identify.fit.fit", lambda *given, **others: fitted)
        board = tmp_path / "mine.toml"
        board.write_text(board_toml(decompile(device.blob)))
        yield device, hand, board


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, ["identify", *words])


def test_the_command_writes_the_file_and_keeps_an_entry(
    at_hand: tuple[LinkedDevice, _Hand, Path], tmp_path: Path
) -> None:
    device, _, board = at_hand
    page_file = tmp_path / "page.html"
    ended = _run(str(board), "--write", "--who", "Ada", "--report", str(page_file))
    assert ended.exit_code == 0, ended.stderr
    assert "volume of canister" in ended.stdout
    assert f"emery tune {board}" in ended.stdout
    assert load_board(board).plant["volume_m3"] == pytest.approx(
        draw(7).plant["volume_m3"], rel=0.05
    )
    assert page_file.is_file()
    hello = Client(device).hello()
    entry = book.entries(hello.device_id)[-1]
    assert (entry.what, entry.who) == ("identify", "Ada")
    assert entry.before == entry.after == device.blob
    # And the trend finds it.
    assert "identified once" in _run("--trend", "--device", hello.device_id).stdout


def test_the_command_in_json_writes_nothing_unless_asked(
    at_hand: tuple[LinkedDevice, _Hand, Path],
) -> None:
    _, _, board = at_hand
    before = board.read_text()
    ended = _run(str(board), "--json")
    assert ended.exit_code == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["schema"] == "emery.identify/1"
    assert document["written"] is None
    assert set(document["plant"]) == {row.key for row in PLANT_ROWS}
    assert board.read_text() == before


def test_a_refused_measurement_changes_nothing(
    at_hand: tuple[LinkedDevice, _Hand, Path],
) -> None:
    device, hand, board = at_hand
    before = board.read_text()
    hand.wrong = 9
    ended = _run(str(board), "--write")
    assert ended.exit_code == 1
    assert "refused: " in ended.stderr
    assert "Nothing was changed" in " ".join(ended.stderr.split())
    assert max(map(len, ended.stderr.splitlines())) <= 80
    assert board.read_text() == before
    assert all(
        entry.what != "identify" for entry in book.entries(Client(device).hello().device_id)
    )


def test_the_file_of_another_device_is_refused_before_anything_runs(
    at_hand: tuple[LinkedDevice, _Hand, Path], tmp_path: Path
) -> None:
    _, hand, _ = at_hand
    other = tmp_path / "other.toml"
    other.write_text((BOARDS / "esp32_devkitc.toml").read_text())
    ended = _run(str(other), "--write")
    assert ended.exit_code == 2
    assert "is that of" in " ".join(ended.stderr.split())
    assert hand.asked == []


@pytest.mark.parametrize("named", ["pico_reference", str(BOARDS / "esp32_devkitc.toml")])
def test_nothing_is_written_into_a_board_that_comes_with_emery(
    at_hand: tuple[LinkedDevice, _Hand, Path], named: str
) -> None:
    _, hand, _ = at_hand
    ended = _run(named, "--write")
    assert ended.exit_code == 2
    assert "among the files that come with Emery" in " ".join(ended.stderr.split())
    assert hand.asked == []


@pytest.mark.parametrize("lacks", ["scipy", "numpy"])
@pytest.mark.parametrize("words", [(), ("--trend",)])
def test_a_library_that_is_missing_is_told_before_anything_runs(
    at_hand: tuple[LinkedDevice, _Hand, Path],
    monkeypatch: pytest.MonkeyPatch,
    lacks: str,
    words: tuple[str, ...],
) -> None:
    _, hand, _ = at_hand
    monkeypatch.setitem(sys.modules, lacks, None)
    ended = _run(*words)
    assert ended.exit_code == 2
    assert "pip install 'emery[identify]'" in ended.stderr
    assert hand.asked == []


@pytest.mark.parametrize("words", [(), ("--trend",)])
def test_a_report_without_plotly_is_refused_before_anything_runs(
    at_hand: tuple[LinkedDevice, _Hand, Path],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    _, hand, board = at_hand
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    page_file = board.with_name("page.html")
    ended = _run(*words, "--report", str(page_file))
    assert ended.exit_code == 2
    assert "pip install 'emery[report]'" in ended.stderr
    assert hand.asked == []
    assert not page_file.exists()


@pytest.mark.parametrize("place", ["file", "report"])
def test_a_folder_that_takes_no_files_is_told_before_anything_runs(
    at_hand: tuple[LinkedDevice, _Hand, Path], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    _, hand, board = at_hand

    def full(**_: object) -> object:
        raise OSError(28, "No space left on device")

    if place == "file":
        monkeypatch.setattr("emery.config.edit.tempfile.TemporaryFile", full)
        ended = _run(str(board), "--write")
    else:
        ended = _run("--report", str(board.parent / "nowhere" / "page.html"))
    assert ended.exit_code == 2
    assert "cannot be written (No s" in " ".join(ended.stderr.split())
    assert hand.asked == []


def test_a_device_that_is_lost_after_the_last_run_costs_no_measurement(
    at_hand: tuple[LinkedDevice, _Hand, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    device, hand, board = at_hand

    def lost(*_: object) -> NoReturn:
        raise DeviceProblem("the connection was lost", "Plug the device in again.")

    @contextmanager
    def found(*_: object) -> Iterator[serviced.Serviced]:
        client = Client(device)
        yield serviced.Serviced(client, client.hello())
        lost()

    monkeypatch.setattr(serviced, "serviced", found)
    ended = _run(str(board), "--write")
    assert ended.exit_code == 4
    assert "the connection was lost" in ended.stderr
    assert "volume of canister" in ended.stdout
    assert "volume_m3" in load_board(board).plant
    # In the midst of them it costs all of it.
    entries = len(book.entries(Client(device).hello().device_id))
    before = board.read_text()
    monkeypatch.setattr(hand, "begin", lost)
    ended = _run(str(board), "--write")
    assert ended.exit_code == 4
    assert ended.stdout == ""
    assert board.read_text() == before
    assert len(book.entries(Client(device).hello().device_id)) == entries


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_a_file_that_cannot_be_written_in_the_end_costs_no_measurement(
    at_hand: tuple[LinkedDevice, _Hand, Path],
    monkeypatch: pytest.MonkeyPatch,
    json_too: tuple[str, ...],
) -> None:
    device, _, board = at_hand
    before = board.read_text()

    def full(path: Path, content: bytes, **_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emery.config.edit.whole_file.write", full)
    ended = _run(str(board), "--write", *json_too)
    assert ended.exit_code == 2
    assert "No space left" in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
    assert board.read_text() == before
    assert [path.name for path in board.parent.glob("*.toml*")] == [board.name]
    entry = book.entries(Client(device).hello().device_id)[-1]
    assert entry.what == "identify"
    assert f"kept: entry {entry.number} " in (ended.stderr if json_too else ended.stdout)
