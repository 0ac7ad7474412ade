"""Tuning: formulas against the model, the gate, the sliders, and what may be written."""

import json
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from emery import slot
from emery.bench import references, regulation
from emery.bench.regulation import Case, Figures
from emery.certificate import make
from emery.certificate.known import Certified
from emery.cli import app
from emery.config.compiled import decompile
from emery.config.load import load_board
from emery.config.rows import SETTING_ROWS
from emery.plotted import plotly_script
from emery.simulator.plant import TIP_IN_AIR, Plant
from emery.transfer import bring, wish
from emery.tune import command, figures, formulas, page, search, table
from emery.tune import document as document_module
from emery.tune.document import document
from emery.tune.formulas import TUNED, fitted, holds, proposal, with_values
from emery.tune.sliders import FIRMNESS, Sliders, slid
from firmware import limits, treatment
from firmware.settings import Settings, broken_rules
from hal import wiring
from host_tests import configs, tuned_devices
from host_tests.plotted_page import checked

_ROWS = {row.name: row for row in SETTING_ROWS}
_HELD_WITHIN_PA = 3_000
BOARD = """extends = "pico_reference"

[board]
name = "Clinic 2"

[plant]
pump_lag = "260 ms"    # measured
pump_free_flow = "36 L/min"
nozzle = "1 mm"
"""


# The formulas ------------------------------------------------------------------------


def test_the_nominal_plant_gives_nearly_the_defaults() -> None:
    found = proposal({})
    usual = Settings()
    assert found["pump_lag_ms"] == usual.pump_lag_ms
    assert found["hold_low_permille"] == pytest.approx(usual.hold_low_permille, abs=15)
    assert found["hold_high_permille"] == pytest.approx(usual.hold_high_permille, abs=15)
    assert found["pump_start_permille"] == usual.pump_start_permille + 10
    assert found["proof_share_permille"] == pytest.approx(usual.proof_share_permille, abs=10)


@pytest.mark.parametrize("seed", range(3))
def test_the_hold_line_holds_each_level_that_the_pump_can(seed: int) -> None:
    plant = tuned_devices.device(seed)
    found = proposal(plant)
    low, high = found["hold_low_permille"], found["hold_high_permille"]
    first_pa, last_pa = limits.LEVEL_VACUUM_PA[0], limits.LEVEL_VACUUM_PA[-1]
    sealed = {**plant, "seal_leak": formulas._SEAL}
    held = [hold for hold in holds(plant) if hold.is_held]
    assert held
    for hold in held:
        share = (hold.set_pa - first_pa) / (last_pa - first_pa)
        drive = round(low + (high - low) * share)
        reached_pa = references.full_drive(sealed, 12.0, 0.02, drive)[-1]
        assert abs(reached_pa - hold.set_pa) < _HELD_WITHIN_PA, (seed, hold)


@pytest.mark.parametrize("flow_l_min", [18, 45])
def test_the_search_leaves_an_open_tip_below_what_seals(flow_l_min: int) -> None:
    plant = {"pump_free_flow_m3_s": flow_l_min / 60_000}
    device = Plant(dict(plant), references.Silence(), 0.02)
    device.tip = TIP_IN_AIR
    permille = proposal(plant)["search_permille"]
    for _ in range(150):
        device.run(permille, 0, 1)
    assert device.skin_pa < 1_000  # _SEALING_PA of the regulator


def test_a_narrower_nozzle_holds_with_less_and_a_slower_pump_gets_its_lag() -> None:
    wide, narrow = proposal({}), proposal({"nozzle_m": 1.0e-3, "pump_lag_s": 0.3})
    assert narrow["hold_high_permille"] < wide["hold_high_permille"]
    assert narrow["pump_lag_ms"] == 300


@given(
    st.fixed_dictionaries(
        {name: st.floats(-5_000, 5_000, allow_nan=False) for name in TUNED}
    )
)
def test_whatever_comes_out_is_in_range_and_within_the_rules(values: dict[str, float]) -> None:
    found = fitted(values)
    assert all(_ROWS[name].low <= value <= _ROWS[name].high for name, value in found.items())
    assert broken_rules(with_values(Settings(), found)) == []


# The gate ------------------------------------------------------------------------------


class Fake:
    """Answers of a device on which only the pump's lag matters: `worst_kpa` is its
    overshoot with another lag than the default, `settle_s` how soon it settles."""

    def __init__(self, worst_kpa: float, settle_s: float, **others: float) -> None:
        self.worst_kpa = worst_kpa
        self.settle_s = settle_s
        self.others = others

    def run(self, tasks: Iterable[search.Task]) -> list[search.Answer]:
        return [self._answer(task) for task in tasks]

    def is_other(self, settings: Settings) -> bool:
        return settings.pump_lag_ms != Settings().pump_lag_ms

    def _answer(self, task: search.Task) -> search.Answer:
        is_other = self.is_other(task.settings)
        if task.group == "wander":
            return {"wander_pa": 300.0}
        if task.group == "regulation":
            over_pa = 1_000 * self.worst_kpa if is_other else 500.0
            settle_s = self.settle_s if is_other else 0.6
            return [
                figures.Stroke(
                    case, Figures(settle_s, over_pa, 100.0, 50.0, 400.0), settle_s, settle_s,
                    settle_s,
                )
                for case in task.cases
            ]
        told = {
            key: 90.0 if "pct" in key else 100.0
            for key in figures.BOUNDS
            if key.startswith(task.group + ".")
        }
        if is_other:
            told |= {key: value for key, value in self.others.items() if key in told}
        return told


def tune_fake(
    monkeypatch: pytest.MonkeyPatch, fake: Fake, settings: Settings | None = None,
    proposed: dict[str, int] | None = None, certify: search.Certify | None = None,
    sliders: Sliders | None = None,
) -> search.Tuned:
    monkeypatch.setattr(
        figures, "days",
        lambda plant, count, seed: [{}] * 3 if seed == search._DAYS_SEED else [{"other": 1.0}] * 3,
    )
    monkeypatch.setattr(
        regulation, "cases_on",
        lambda plants, *_: [Case(n, plants[0], 24_000, 0.5) for n in range(3)],
    )
    tries = search.Tries(settings or Settings(), "rp2040", fake.run)
    usual = {name: getattr(Settings(), name) for name in TUNED}
    return search.tuned(
        {}, tries, sliders or Sliders(), lambda part, title: None,
        proposed or usual | {"pump_lag_ms": 250}, certify,
    )  # fmt: skip


def test_what_is_as_good_only_on_the_days_it_was_chosen_by_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of twenty devices one got settings of which a few strokes less settled in time on
    days that nobody had tuned for: the best of many candidates is partly the luckiest."""
    fake = Fake(0.5, 0.4)
    answer = fake._answer

    def lucky(task: search.Task) -> search.Answer:
        is_other_day = bool(task.cases) and bool(task.cases[0].parameters)
        fake.worst_kpa = 0.9 if is_other_day else 0.5
        return answer(task)

    monkeypatch.setattr(fake, "_answer", lucky)
    made = tune_fake(monkeypatch, fake)
    assert made.changed == {}
    assert {worse.key for _, row in made.refused for worse in row} == {
        "regulation.overshoot_worst_kpa"
    }


def test_a_candidate_that_is_quicker_and_no_worse_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = tune_fake(monkeypatch, Fake(0.5, 0.4))
    assert "pump_lag_ms" in made.changed
    assert made.refused == []
    assert made.worse == []


@pytest.mark.parametrize(
    ("fake", "key"),
    [
        (Fake(0.8, 0.4), "regulation.overshoot_worst_kpa"),
        (Fake(0.5, 0.4, **{"handpiece.contact_lift_right_pct": 88.0}),
         "handpiece.contact_lift_right_pct"),
        (Fake(0.5, 0.4, **{"trip.peak_worst_kpa": 100.3}), "trip.peak_worst_kpa"),
        (Fake(0.5, 0.4, **{"feed.off_skin_mg_worst": 110.0}), "feed.off_skin_mg_worst"),
    ],
)
def test_one_that_is_worse_on_any_figure_leaves_the_present_settings(
    monkeypatch: pytest.MonkeyPatch, fake: Fake, key: str
) -> None:
    made = tune_fake(monkeypatch, fake)
    assert made.changed == {}
    assert {worse.key for _, figures_worse in made.refused for worse in figures_worse} == {key}
    assert "Nothing changes" in table.text(document("Clinic", made, Sliders()))


def test_one_that_is_slower_leaves_the_present_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tune_fake(monkeypatch, Fake(0.5, 0.7)).changed == {}


def test_a_proof_that_is_wrong_for_the_pump_is_mended_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = Fake(0.8, 0.4)
    answer = fake._answer

    def refused(task: search.Task) -> search.Answer:
        told = answer(task)
        if task.group == "handpiece" and task.settings.proof_share_permille == 460:
            assert isinstance(told, dict)
            return {key: 0.0 if "pct" in key else 3_000.0 for key in told}
        return told

    monkeypatch.setattr(fake, "_answer", refused)
    usual = {name: getattr(Settings(), name) for name in TUNED}
    proposed = usual | {"pump_lag_ms": 250, "proof_share_permille": 310}
    made = tune_fake(monkeypatch, fake, proposed=proposed)
    assert made.changed == {"proof_share_permille": 310}


def test_noise_is_no_worse_and_the_smallest_more_than_noise_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = figures.BOUNDS["regulation.overshoot_worst_kpa"].noise
    assert tune_fake(monkeypatch, Fake(0.5 + noise, 0.4)).changed
    assert not tune_fake(monkeypatch, Fake(0.502 + noise, 0.4)).changed


def test_a_figure_where_more_is_better_is_worse_when_it_is_less() -> None:
    key = "handpiece.sealed_right_pct"
    low, high = ({key: value} for value in (80.0, 95.0))
    measured = search.Measured({}, low, {}, 1.0)
    (worse,) = search.gate(measured, {"present": replace(measured, figures=high)})
    assert (worse.key, worse.value, worse.wanted) == (key, 80.0, 95.0)
    assert search.gate(replace(measured, figures=high), {"present": measured}) == []


def test_a_retune_must_match_the_present_settings_and_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = with_values(Settings(), {"search_permille": 700})
    made = tune_fake(monkeypatch, Fake(0.8, 0.4), own)
    assert made.changed == {}
    assert {worse.than for _, row in made.refused for worse in row} == {"present", "defaults"}


def test_a_plant_that_reaches_nothing_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regulation, "cases_on", lambda plants, *_: [])
    tries = search.Tries(Settings(), "rp2040", Fake(0.5, 0.4).run)
    with pytest.raises(search.CannotTune, match="Look for a leak"):
        search.tuned({}, tries, Sliders(), lambda part, title: None, proposal({}))


# The certificate -----------------------------------------------------------------------

TOO_MUCH = "peak over the set vacuum: 2.88 kPa, expected at most 2.80 kPa; worst on plant 128"
TOO_LATE = "contact found: 405 ms, expected at most 400 ms; worst on plant 28"


class Certifier:
    """Refuses the first so many settings, for these reasons; `asked` are all it saw."""

    def __init__(self, refusals: int, reasons: str = TOO_MUCH) -> None:
        self.refusals = refusals
        self.reasons = reasons
        self.asked: list[dict[str, int]] = []

    def __call__(self, values: dict[str, int]) -> Certified:
        self.asked.append(values)
        if len(self.asked) > self.refusals:
            return Certified(b"x", "", 240, 45_000, 1_200)
        return Certified(b"", f"{self.reasons}; refused as number {len(self.asked)}", 240, 0, 0)


def test_if_the_best_is_refused_a_certificate_the_next_is_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certify = Certifier(1)
    made = tune_fake(monkeypatch, Fake(0.5, 0.4), certify=certify)
    first, second = certify.asked
    assert first != second
    assert made.after.values == second
    assert made.certified is not None
    assert made.certified.passed
    assert [one.values for one in made.uncertified] == [first]
    told = " ".join(table.text(document("Clinic", made, Sliders())).split())
    assert (
        "The best was refused a certificate: peak over the set vacuum: 2.88 kPa, expected at "
        "most 2.80 kPa." in told
    )
    assert "what came next, and have one" in told


def test_if_all_are_refused_for_too_much_suction_gentler_ones_are_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finalists = Certifier(99, TOO_LATE)
    made = tune_fake(monkeypatch, Fake(0.5, 0.4), certify=finalists)
    assert not any(one.is_gentler for one in made.uncertified)
    certify = Certifier(len(made.uncertified))
    made = tune_fake(monkeypatch, Fake(0.5, 0.4), certify=certify)
    best, *_, offered = certify.asked
    assert made.after.values == offered
    assert offered["hold_high_permille"] < best["hold_high_permille"]
    assert offered["search_permille"] < best["search_permille"]


def test_gentler_ones_that_do_not_pass_the_gate_are_not_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "GENTLER", ({"pump_lag_ms": 2.0},))
    fake, refuses = Fake(0.5, 0.4), Certifier(99)
    answer = fake._answer
    present = {name: getattr(Settings(), name) for name in TUNED}
    passes = Certified(b"x", "", 240, 45_000, 1_200)

    def certify(values: dict[str, int]) -> Certified:
        return passes if values == present else refuses(values)

    def slow(task: search.Task) -> search.Answer:
        fake.worst_kpa = 0.9 if task.settings.pump_lag_ms > 350 else 0.5
        return answer(task)

    monkeypatch.setattr(fake, "_answer", slow)
    made = tune_fake(monkeypatch, fake, certify=certify)
    assert made.uncertified
    assert not any(one.is_gentler for one in made.uncertified)
    assert max(one["pump_lag_ms"] for one in refuses.asked) <= 350


PRESENT = {"pump_lag_ms": 250}


def kind(values: dict[str, int]) -> str:
    """Whose settings these are: the "defaults", the "present" ones of a device that had
    another lag, or "others"."""
    usual = {name: getattr(Settings(), name) for name in TUNED}
    return {
        tuple(usual.values()): "defaults", tuple((usual | PRESENT).values()): "present",
    }.get(tuple(values[name] for name in TUNED), "others")


def only(*passing: str) -> search.Certify:
    """Gives a certificate to these kinds."""

    def certify(values: dict[str, int]) -> Certified:
        passed = kind(values) in passing
        return Certified(b"x" if passed else b"", "" if passed else TOO_MUCH, 240, 45_000, 1_200)

    return certify


class Worse(Fake):
    """A device on which all but the present settings and the defaults overshoot."""

    def is_other(self, settings: Settings) -> bool:
        return kind(dict(vars(settings))) == "others"


def test_a_device_that_may_not_run_as_it_is_gets_what_is_worse_and_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gate kept settings with a certificate away from a device whose own had none, and
    left it in SERVICE for good: they were not as good as what it may not run with."""
    own = with_values(Settings(), PRESENT)
    made = tune_fake(monkeypatch, Worse(0.9, 0.7), own, certify=only("others"))
    assert made.certified is not None
    assert made.certified.passed
    assert kind(made.after.values) == "others"
    assert made.unusable is not None
    told = " ".join(table.text(document("Clinic", made, Sliders())).split())
    assert "The present settings get no certificate on this device: peak over" in told
    assert "highest overshoot, first contact 0.9 for 0.5" in told
    assert set(made.after.figures) == set(made.before.figures)


def test_if_it_may_run_with_the_defaults_it_gets_these(monkeypatch: pytest.MonkeyPatch) -> None:
    own = with_values(Settings(), PRESENT)
    made = tune_fake(monkeypatch, Worse(0.9, 0.4), own, certify=only("defaults", "others"))
    assert kind(made.after.values) == "defaults"
    assert made.unusable is not None


def test_a_device_that_may_run_as_it_is_gets_nothing_that_is_worse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = with_values(Settings(), PRESENT)
    made = tune_fake(monkeypatch, Worse(0.9, 0.4), own, certify=only("present", "others"))
    assert made.changed == {}
    assert made.unusable is None


def test_sliders_that_ask_too_much_are_no_reason_for_worse_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are to be moved less."""
    own = with_values(Settings(), PRESENT)
    made = tune_fake(
        monkeypatch, Worse(0.9, 0.4), own, certify=only("defaults"), sliders=Sliders(quicker=3)
    )
    assert made.certified is not None
    assert not made.certified.passed
    assert made.unusable is None


# The sliders ---------------------------------------------------------------------------


@pytest.mark.parametrize("firmer", [None, -3, -1, 0, 2, 3])
@pytest.mark.parametrize("quicker", [-3, 0, 3])
def test_sliders_stay_in_range_and_within_the_rules(firmer: int | None, quicker: int) -> None:
    for seed in range(3):
        values = dict.fromkeys(TUNED, 0) | {
            "hold_high_permille": 1_000 - 300 * seed, "hold_low_permille": 50 + 100 * seed,
            "pump_start_permille": 300, "pump_lag_ms": 50 + 170 * seed, "search_permille": 900,
        }
        found = slid(fitted(values), Sliders(firmer, quicker))
        assert all(_ROWS[name].low <= value <= _ROWS[name].high for name, value in found.items())
        assert broken_rules(with_values(Settings(), found)) == []
        assert (set(FIRMNESS) <= set(found)) == (firmer is not None)


def test_a_slider_counts_from_what_was_tuned_and_not_from_where_it_stood() -> None:
    usual = {name: getattr(Settings(), name) for name in TUNED}
    moved = slid(usual, Sliders(firmer=2, quicker=1))
    own = with_values(Settings(), moved)
    again = slid({name: usual[name] for name in TUNED}, Sliders(firmer=2, quicker=1))
    assert again == moved
    assert own.gain_permille_per_kpa == round(250 * 1.15**2)


@pytest.fixture(scope="module")
def some_cases() -> list[Case]:
    plants: list[dict[str, float]] = [
        {"pump_lag_s": 0.22, "nozzle_m": 1.1e-3}, {"volume_m3": 0.5e-3}
    ]
    return regulation.cases_on(plants, [13_000, 24_000, 33_000])


def test_firmer_holds_nearer_while_the_seal_changes(some_cases: list[Case]) -> None:
    values = proposal({})
    off = [
        figures.wander_pa(
            with_values(Settings(), slid(values, Sliders(firmer=firmer))), "rp2040", some_cases, 3
        )
        for firmer in (-3, 0, 3)
    ]
    assert off[0] > 1.05 * off[1] > 1.05 * off[2]


def test_quicker_comes_sooner_and_slower_later(some_cases: list[Case]) -> None:
    values = proposal({})
    again = []
    for quicker in (-3, 0, 3):
        settings = with_values(Settings(), slid(values, Sliders(quicker=quicker)))
        strokes = figures.strokes(settings, "rp2040", some_cases, 3, is_short=True)
        again.append(sum(stroke.again_s for stroke in strokes))
    assert again[0] > again[1] >= again[2]


# The command ---------------------------------------------------------------------------


@pytest.fixture
def board_file(tmp_path: Path) -> Path:
    file = tmp_path / "clinic.toml"
    file.write_text(BOARD, encoding="utf-8")
    return file


@pytest.fixture
def tuned_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tuning in no time, which finds another lag."""

    def tune_it(*told: object) -> search.Tuned:
        _, settings, _, _, _, _, certify = told
        with monkeypatch.context() as patch:
            return tune_fake(patch, Fake(0.5, 0.4), settings, certify=certify)  # type: ignore[arg-type]

    monkeypatch.setattr(search, "tune", tune_it)
    monkeypatch.setattr(document_module, "holds", lambda plant: [])


def certify_as(monkeypatch: pytest.MonkeyPatch, *, passes: bool) -> None:
    made = Certified(b"x" if passes else b"", "settle: 9 s on plant 17", 240, 45_000, 1_200)
    monkeypatch.setattr(make, "certify", lambda *_, **_kept: made)


def run(*arguments: object) -> SimpleNamespace:
    done = CliRunner().invoke(app, ["tune", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return SimpleNamespace(code=done.exit_code, out=done.stdout, err=done.stderr)


@pytest.mark.usefixtures("tuned_by_hand")
def test_without_a_certificate_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, board_file: Path
) -> None:
    certify_as(monkeypatch, passes=False)
    monkeypatch.setattr(command, "_push", lambda *_: pytest.fail("it was pushed"))
    done = run(board_file, "--write", "--push")
    assert done.code == 1
    assert "no certificate, so nothing was written" in done.err
    assert "settle: 9 s on plant 17" in done.err
    assert board_file.read_text(encoding="utf-8") == BOARD
    assert [file.name for file in board_file.parent.iterdir()] == ["clinic.toml"]


@pytest.mark.usefixtures("tuned_by_hand")
def test_if_all_are_refused_nothing_is_written_and_the_reasons_of_the_best_are_told(
    monkeypatch: pytest.MonkeyPatch, board_file: Path
) -> None:
    certify = Certifier(99)
    monkeypatch.setattr(
        make, "certify", lambda settings, *_, **_kept: certify(dict(vars(settings)))
    )
    done = run(board_file, "--write")
    assert done.code == 1
    assert len(certify.asked) > 1
    assert "refused as number 1" in done.err
    assert "refused as number 2" not in done.err
    # Besides, the present settings were asked for; they are the defaults.
    assert done.out.count("refused a certificate") == len(certify.asked) - 2
    assert board_file.read_text(encoding="utf-8") == BOARD
    assert [file.name for file in board_file.parent.iterdir()] == ["clinic.toml"]


@pytest.mark.usefixtures("tuned_by_hand")
def test_with_one_the_file_gets_the_settings_and_keeps_the_rest(
    monkeypatch: pytest.MonkeyPatch, board_file: Path
) -> None:
    certify_as(monkeypatch, passes=True)
    done = run(board_file, "--write")
    assert done.code == 0, done.err
    assert "certificate: 240 plants" in done.out
    written = board_file.read_text(encoding="utf-8")
    assert "# measured" in written
    assert load_board(board_file).settings.pump_lag_ms != Settings().pump_lag_ms
    (backup,) = (file for file in board_file.parent.iterdir() if file.suffix == ".bak")
    assert backup.read_text(encoding="utf-8") == BOARD
    assert str(backup) in done.out


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, dict[str, object]]]:
    """What is put on the device "Clinic 2", which strokes from 400 ms on."""
    on_device = of_clinic_2()
    hello = SimpleNamespace(state=treatment.STANDBY, device_id="e6")
    found: list[tuple[bytes, dict[str, object]]] = []

    @contextmanager
    def reached(*_: object) -> Iterator[tuple[None, SimpleNamespace, bytes]]:
        yield None, hello, on_device

    configs.certify_without_simulation(monkeypatch)
    certify_as(monkeypatch, passes=True)
    monkeypatch.setattr(wish, "reached", reached)
    monkeypatch.setattr(bring, "bring", lambda blob, port, **told: found.append((blob, told)))
    return found


def of_clinic_2() -> bytes:
    blob = configs.blob(stroke_ms=400)
    wired = wiring.decode(blob)
    wired.board_name = "Clinic 2"
    return wiring.encode(wired) + blob[wiring.LENGTH :]


@pytest.mark.usefixtures("tuned_by_hand")
def test_a_push_changes_the_tuned_settings_and_the_plant_and_nothing_else(
    pushed: list[tuple[bytes, dict[str, object]]], board_file: Path
) -> None:
    done = run(board_file, "--push", "--why", "slow pump")
    assert done.code == 0, done.err
    ((blob, told),) = pushed
    before, after = decompile(of_clinic_2()), decompile(blob)
    changed = [
        row.name for row in SETTING_ROWS
        if getattr(before.settings, row.name) != getattr(after.settings, row.name)
    ]
    assert changed
    assert set(changed) <= set(TUNED)
    assert [zone.name for zone in after.settings.zones] == [
        zone.name for zone in before.settings.zones
    ]
    assert configs.standing(blob) == "ok"
    assert (told["what"], told["why"], told["device_id"]) == ("tune", "slow pump", "e6")
    assert board_file.read_text(encoding="utf-8") == BOARD


@pytest.mark.usefixtures("tuned_by_hand")
def test_a_port_alone_is_no_push(
    pushed: list[tuple[bytes, dict[str, object]]], board_file: Path
) -> None:
    """Whoever named the port got the device written, though only --push says so."""
    assert run(board_file, "--port", "/dev/any").code == 0
    assert not pushed


@pytest.mark.usefixtures("tuned_by_hand")
def test_another_device_is_not_tuned_by_this_file(
    pushed: list[tuple[bytes, dict[str, object]]], board_file: Path
) -> None:
    named = board_file.read_text(encoding="utf-8").replace("Clinic 2", "Clinic 3")
    board_file.write_text(named, encoding="utf-8")
    done = run(board_file, "--push", "--write")
    assert done.code == 2
    told = " ".join(done.err.split())
    assert f'"Clinic 2", and {board_file} is that of "Clinic 3"' in told
    assert not pushed
    assert board_file.read_text(encoding="utf-8") == named


@pytest.mark.usefixtures("tuned_by_hand")
def test_unasked_it_writes_nothing_and_says_how_to(
    monkeypatch: pytest.MonkeyPatch, board_file: Path
) -> None:
    certify_as(monkeypatch, passes=True)
    done = run(board_file)
    assert done.code == 0
    assert "Nothing was written" in done.out
    assert board_file.read_text(encoding="utf-8") == BOARD
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.usefixtures("tuned_by_hand")
def test_json_is_alone_on_stdout(
    monkeypatch: pytest.MonkeyPatch, board_file: Path
) -> None:
    certify_as(monkeypatch, passes=True)
    done = run(board_file, "--json")
    told = json.loads(done.out)
    assert told["schema"] == "emery.tune/1"
    assert told["is_changed"] is True
    assert [row["key"] for row in told["figures"]] == list(table.WORDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--softer", 1, "--firmer", 1), "two ends of one slider"),
        (("--slower", 1, "--quicker", 1), "two ends of one slider"),
        (("--quicker", 4), "equal to 3"),
    ],
)
def test_what_cannot_be_wished_for_is_refused(
    board_file: Path, arguments: tuple[object, ...], words: str
) -> None:
    done = run(board_file, *arguments)
    assert done.code == 2
    assert words in done.err


def test_a_board_that_was_not_measured_is_told_how(tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text(BOARD.split("[plant]")[0], encoding="utf-8")
    done = run(file)
    assert done.code == 2
    assert "has no [plant]" in done.err
    assert f"emery identify {file} --write" in done.err


@pytest.mark.parametrize(
    "named", ["pico_reference", str(slot.ROOT / "board_configs" / "esp32_devkitc.toml")]
)
def test_nothing_is_written_into_a_board_that_comes_with_emery(named: str) -> None:
    done = run(named, "--write")
    assert done.code == 2
    assert "among the files that come with Emery" in " ".join(done.err.split())
    assert f'`extends = "{Path(named).stem}"`' in " ".join(done.err.split())


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch, board_file: Path
) -> None:
    monkeypatch.setattr(search, "tune", lambda *_: pytest.fail("it was tuned"))
    done = run(board_file, "--report", board_file / "page.html")
    assert done.code == 2
    assert "page.html" in done.err


def test_a_bench_rig_is_refused() -> None:
    done = run("bench_rig")
    assert done.code == 2
    assert "wiring.purpose" in done.err


def test_from_board_to_page_with_the_real_search(
    monkeypatch: pytest.MonkeyPatch, board_file: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(search, "GATE_DAYS", 2)
    monkeypatch.setattr(search, "_ROUNDS", 0)
    monkeypatch.setattr(search, "_FINALISTS", 1)
    certify_as(monkeypatch, passes=True)
    report = tmp_path / "tune.html"
    done = run(board_file, "--write", "--report", report, "-j", 1)
    assert done.code == 0, done.err
    assert "proof.proof_share" in done.out
    html = report.read_text(encoding="utf-8")
    ((strokes,), words) = checked(html, plotly_script())
    assert {trace["name"] for trace in strokes["traces"]} == {"before", "after"}
    assert "Clinic 2" in words
    assert "proof.proof_share" in words
    assert 'class="words">What it is' in html


NOTHING_DRAWN: dict[str, object] = {"strokes": {"before": [], "after": []}}


@pytest.mark.parametrize(("refusals", "word"), [(99, "NO CERTIFICATE"), (0, "BETTER")])
def test_the_page_says_first_whether_there_is_a_certificate(
    monkeypatch: pytest.MonkeyPatch, refusals: int, word: str
) -> None:
    """It said BETTER of settings that were refused one."""
    made = tune_fake(monkeypatch, Fake(0.5, 0.4), certify=Certifier(refusals))
    html = page.html(document("Clinic", made, Sliders()), NOTHING_DRAWN, "plotly")
    assert f"<strong>{word}</strong>" in html
    assert ("Certificate: 240 plants, worst peak 45.0 kPa" in html) == (not refusals)


def test_the_page_escapes_what_people_write(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tune_fake(monkeypatch, Fake(0.5, 0.4))
    html = page.html(document("<b>me</b>", made, Sliders()), NOTHING_DRAWN, "plotly")
    assert "<b>me</b>" not in html
    assert "&lt;b&gt;me&lt;/b&gt;" in html


# Does it keep its promise? ---------------------------------------------------------------


def test_off_is_said_by_the_device_and_not_by_what_tuning_makes_of_it() -> None:
    assert not tuned_devices.is_off({"pump_lag_s": 0.15, "pump_dead_band": 0.11})
    slow = {"pump_lag_s": 0.3, "pump_dead_band": 0.11}
    assert not tuned_devices.is_off(slow)
    assert tuned_devices.is_off({**slow, "nozzle_m": 0.9e-3})
    assert random.Random("device 1").random() == random.Random("device 1").random()


@pytest.mark.long
def test_devices_that_the_defaults_are_off_for_settle_sooner_and_nothing_gets_worse() -> None:
    """20 devices, about a minute each. The figures of README.md come from here.

    The aim of 15 % is held for the next contact, with which every stroke but the first
    begins. At the first one the defaults rise as fast as can be, and little is gained."""
    found = [tuned_devices.compare(case) for case in tuned_devices.off_devices(20, 1_000)]
    for one in found:
        print(one.seed, {what: round(one.better(what), 2) for what in one.tuned_s}, one.worse)  # noqa: T201
    middle = tuned_devices.medians(found)
    print({what: round(100 * share, 1) for what, share in middle.items()})  # noqa: T201
    assert middle["again"] >= 0.15
    assert middle["settle"] >= 0.0
    assert not [one for one in found if one.worse]
