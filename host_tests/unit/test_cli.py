"""The command line: what it prints where, and the exit code of every end.

The simulation itself is replaced; scenarios of the real one are elsewhere.
"""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from emery import __version__, cli
from emery.config.problem import ConfigError, Problem
from emery.exit_codes import ExitCode
from emery.simulator.batch import Outcome, Request, run_all
from emery.simulator.lanes import LaneMissing
from emery.simulator.report import ReportError

SHIPPED = ["body_high", "clogged_runaway", "fourth_pass", "nominal_facial"]


@dataclass
class Done:
    result: dict[str, Any]
    trace: object


class FakeSimulation:
    """Takes the place of the simulator; ends as the test wants it to."""

    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result
        self.errors: dict[str, BaseException] = {}
        self.failing: set[str] = set()
        self.calls: list[dict[str, Any]] = []

    def simulate(self, scenario: str, **how: Any) -> Done:
        self.calls.append({"scenario": scenario, **how})
        if scenario in self.errors:
            raise self.errors[scenario]
        how["progress"](1.0)
        result = self.result | {
            "scenario": Path(scenario).stem,
            "reproduce": f"emery simulate {scenario} --seed 7",
        }
        if scenario in self.failing:
            broken = result["requirements"][1] | {"passed": False, "measured": "4"}
            result |= {"passed": False, "requirements": [result["requirements"][0], broken]}
        return Done(result, object())


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]) -> FakeSimulation:
    fake = FakeSimulation(result)
    monkeypatch.setattr("emery.simulator.run.simulate", fake.simulate)
    monkeypatch.setattr("emery.simulator.run.scenario_names", lambda: SHIPPED)
    monkeypatch.setattr("emery.simulator.report.write_report", write_report)
    # A run in this process: what is replaced here is not replaced in another.
    monkeypatch.setattr("emery.simulator.batch.run_all", run_all_here)
    return fake


def write_report(
    path: Path, result: dict[str, Any], trace: object, other: object = None
) -> None:
    if path.name == "refused.html":
        raise ReportError(f"cannot write report {path}: the disk is full")
    path.write_text(result["title"])


def run_all_here(
    requests: list[Request], workers: int, finished: Callable[[Outcome], None]
) -> list[Outcome]:
    from emery.simulator import batch

    assert workers >= 1
    outcomes = []
    for request in requests:
        outcomes.append(batch.run(request, lambda part: None))
        finished(outcomes[-1])
    return outcomes


@pytest.fixture
def emery(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run the command; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["emery", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return int(ended.value.code or 0), printed.out, printed.err

    return run


Emery = Callable[..., tuple[int, str, str]]


def test_version(emery: Emery) -> None:
    assert emery("--version") == (0, f"emery {__version__}\n", "")


def test_the_default_scenario_passes_and_is_quiet_on_stderr(
    emery: Emery, simulation: FakeSimulation
) -> None:
    code, out, err = emery("simulate")
    assert code == ExitCode.PASS
    assert [call["scenario"] for call in simulation.calls] == ["nominal_facial"]
    assert out.startswith("Nominal facial")
    assert "PASSED" in out
    assert err == ""


def test_every_option_reaches_the_simulation(
    emery: Emery, simulation: FakeSimulation, tmp_path: Path
) -> None:
    for name in ("board.toml", "face.toml"):
        (tmp_path / name).write_text("")
    options = "--seed 5 --lane micropython --board board.toml --protocol face.toml".split()
    assert emery("simulate", "fourth_pass", *options)[0] == ExitCode.PASS
    (call,) = simulation.calls
    assert callable(call.pop("progress"))
    assert call == {
        "scenario": "fourth_pass",
        "seed": 5,
        "lane": "micropython",
        "board": Path("board.toml"),
        "protocol": Path("face.toml"),
    }


def test_a_failed_requirement_is_exit_1_and_can_be_reproduced(
    emery: Emery, simulation: FakeSimulation
) -> None:
    simulation.failing = {"clogged_runaway"}
    code, out, _ = emery("simulate", "clogged_runaway")
    assert code == ExitCode.REQUIREMENT_FAILED
    assert "reproduce: emery simulate clogged_runaway --seed 7\n" in out
    assert out.index("FAILED  passes") < out.index("ok      peak_vacuum")


def test_json_is_alone_on_stdout_and_of_one_shape(
    emery: Emery, simulation: FakeSimulation
) -> None:
    code, out, err = emery("simulate", "--json")
    assert (code, err) == (ExitCode.PASS, "")
    document = json.loads(out)
    assert document["schema"] == "emery.simulate/1"
    assert [run["scenario"] for run in document["runs"]] == ["nominal_facial"]
    assert document["errors"] == []

    simulation.failing = {"body_high"}
    simulation.errors = {"fourth_pass": LaneMissing("there is no MicroPython")}
    code, out, err = emery("simulate", "--all", "--json")
    assert code == ExitCode.BAD_INPUT
    document = json.loads(out)
    assert [run["scenario"] for run in document["runs"]] == [
        "body_high",
        "clogged_runaway",
        "nominal_facial",
    ]
    assert document["errors"] == [
        {"scenario": "fourth_pass", "exit_code": 2, "message": "error: there is no MicroPython"}
    ]
    assert err == "error: there is no MicroPython\n"


def test_all_prints_one_line_each_and_the_failures_in_full(
    emery: Emery, simulation: FakeSimulation
) -> None:
    simulation.failing = {"clogged_runaway"}
    code, out, _ = emery("simulate", "--all", "-j", "3")
    assert code == ExitCode.REQUIREMENT_FAILED
    for name in SHIPPED:
        verdict = "FAILED" if name == "clogged_runaway" else "PASSED"
        assert re.search(rf"^ *{name} +{verdict} +9/9 +28.4 +COMPLETE", out, re.MULTILINE)
    assert "passes: expected 9, measured 4" in out
    assert "reproduce: emery simulate clogged_runaway --seed 7" in out
    assert "4 scenarios: 3 passed, 1 failed" in out


def test_the_worst_outcome_decides_the_exit_code(
    emery: Emery, simulation: FakeSimulation
) -> None:
    simulation.failing = {"body_high"}
    simulation.errors = {"fourth_pass": RuntimeError("lost count")}
    code, out, _ = emery("simulate", "--all")
    assert code == ExitCode.INTERNAL
    assert "2 passed, 1 failed, 1 without a result" in out
    assert "internal error: RuntimeError: lost count" in re.sub(r"\s+", " ", out)


def test_list_names_the_shipped_scenarios(emery: Emery, simulation: FakeSimulation) -> None:
    assert emery("simulate", "--list") == (0, "".join(f"{name}\n" for name in SHIPPED), "")
    assert json.loads(emery("simulate", "--list", "--json")[1])["scenarios"] == SHIPPED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["clogged_runway"], "did you mean clogged_runaway?"),
        (["xyzzy"], "Shipped are: body_high, clogged_runaway, fourth_pass, nominal_facial."),
        (["missing.toml"], "there is no scenario file missing.toml"),
        (["some/where"], "there is no scenario file some/where"),
        (["fourth_pass", "--all"], "not both"),
        (["-j", "2"], "give --all too"),
        (["--report", "."], "is a folder"),
        (["--all", "--compare", "fourth_pass"], "leave --all out"),
        (["--compare", "forth_pass"], "did you mean fourth_pass?"),
        (["--compare", "a_file"], "a_file is empty"),
        (["--all", "--report", "report.html"], "names a folder"),
        (["--junit", "a_file/junit.xml"], "cannot write a_file/junit.xml"),
        (["--report", "a_file/report.html"], "cannot make the folder a_file"),
        (["--report", "refused.html"], "the disk is full"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "one"], "--seed"),
        (["--lane", "pypy"], "--lane"),
        (["--board", "none.toml"], "does not exist"),
        (["--protocol", "."], "is a directory"),
        (["--colour"], "No such option"),
        (["one", "two"], "unexpected extra argument"),
    ],
)
def test_bad_input_is_exit_2_and_says_what_to_do(
    emery: Emery, simulation: FakeSimulation, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "a_file").write_text("")
    code, _, err = emery("simulate", *arguments)
    assert code == ExitCode.BAD_INPUT
    # Messages about options come in a frame of Typer's.
    assert said in re.sub(r"[\s│]+", " ", err)


def test_a_report_that_failed_does_not_hide_the_result(
    emery: Emery, simulation: FakeSimulation
) -> None:
    code, out, err = emery("simulate", "--report", "refused.html")
    assert code == ExitCode.BAD_INPUT
    assert "PASSED" in out
    assert err == "error: cannot write report refused.html: the disk is full\n"


def test_a_scenario_file_is_run_by_its_path(
    emery: Emery, simulation: FakeSimulation, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text("")
    assert emery("simulate", "mine.toml")[0] == ExitCode.PASS
    assert simulation.calls[0]["scenario"] == "mine.toml"


def test_shipped_boards_and_protocols_go_by_their_names(
    emery: Emery, simulation: FakeSimulation
) -> None:
    assert emery("simulate", "--board", "pico_w", "--protocol", "neck")[0] == ExitCode.PASS
    (call,) = simulation.calls
    assert call["board"].name == "pico_w.toml"
    assert call["board"].is_file()
    assert call["protocol"].name == "neck.toml"
    code, _, err = emery("simulate", "--board", "pico_v")
    assert code == ExitCode.BAD_INPUT
    told = " ".join(err.split())
    assert "pico_v does not exist" in told
    assert "such as pico_w" in told


def test_problems_of_a_scenario_are_shown_as_they_are(
    emery: Emery, simulation: FakeSimulation
) -> None:
    problem = Problem("mine.toml", 3, 9, "seed", "is text", "a whole number", "Drop the quotes.")
    simulation.errors = {"nominal_facial": ConfigError([problem])}
    code, out, err = emery("simulate")
    assert (code, out) == (ExitCode.BAD_INPUT, "")
    assert err == problem.render() + "\n"
    assert err.startswith("mine.toml:3:9 ")


def test_a_lane_this_machine_lacks_is_bad_input(emery: Emery, simulation: FakeSimulation) -> None:
    simulation.errors = {"nominal_facial": LaneMissing("install MicroPython")}
    assert emery("simulate", "--lane", "micropython") == (2, "", "error: install MicroPython\n")


def test_an_internal_error_is_one_line_and_a_file(
    emery: Emery, simulation: FakeSimulation, tmp_path: Path
) -> None:
    simulation.errors = {"nominal_facial": ZeroDivisionError("division\nby zero")}
    code, out, err = emery("simulate")
    assert (code, out) == (ExitCode.INTERNAL, "")
    assert err.count("\n") == 1
    assert err.startswith("internal error: ZeroDivisionError: division; this is a fault in Emery")
    (crash,) = tmp_path.glob("emery-crash-*.txt")
    assert str(crash) in err
    text = crash.read_text()
    assert "Traceback" in text
    assert f"emery {__version__}" in text
    assert "['emery', 'simulate']" in text


def test_an_error_outside_a_run_is_caught_as_well(
    emery: Emery, simulation: FakeSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[str]:
        raise LookupError("lost")

    monkeypatch.setattr("emery.simulator.run.scenario_names", broken)
    code, out, err = emery("simulate", "--list")
    assert (code, out) == (ExitCode.INTERNAL, "")
    assert err.startswith("internal error: LookupError: lost;")


def test_ctrl_c_is_exit_130(emery: Emery, simulation: FakeSimulation) -> None:
    simulation.errors = {"nominal_facial": KeyboardInterrupt()}
    assert emery("simulate") == (ExitCode.INTERRUPTED, "", "")


def test_report_and_junit_are_written(
    emery: Emery, simulation: FakeSimulation, tmp_path: Path
) -> None:
    simulation.failing = {"fourth_pass"}
    simulation.errors = {"body_high": LaneMissing("no \x00 lane")}
    code, out, _ = emery("simulate", "--report", "new/report.html", "--junit", "new/junit.xml")
    assert code == ExitCode.PASS
    assert out.endswith("report: new/report.html\n")
    assert (tmp_path / "new/report.html").read_text() == "Nominal facial"

    assert emery("simulate", "--all", "--report", "pages", "--junit", "all.xml")[0] == 2
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == [
        "clogged_runaway.html",
        "fourth_pass.html",
        "nominal_facial.html",
    ]
    root = ElementTree.parse(tmp_path / "all.xml").getroot()
    assert root.attrib == {
        "name": "emery simulate",
        "tests": "7",
        "failures": "1",
        "errors": "1",
    }
    (failure,) = root.iter("failure")
    assert failure.get("message") == "expected 9, measured 4"
    assert "reproduce: emery simulate fourth_pass --seed 7" in (failure.text or "")
    (error,) = root.iter("error")
    assert error.get("message") == "error: no ? lane"


def test_config_check_prints_its_lines(
    emery: Emery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @dataclass
    class Checked:
        lines: tuple[str, ...]
        kind: str = "board"

    problem = Problem("board.toml", 0, 0, "", "is empty", "a TOML file", "Start from another.")

    def check(path: Path) -> Checked:
        if path.name == "bad.toml":
            raise ConfigError([problem])
        return Checked((f"{path}: a board", "all is well"))

    monkeypatch.setattr("emery.config.check.check", check)
    assert emery("config", "check", "good.toml") == (0, "good.toml: a board\nall is well\n", "")
    assert emery("config", "check", "bad.toml") == (2, "", problem.render() + "\n")
    assert emery("config", "check")[0] == ExitCode.BAD_INPUT


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "emery", *arguments]


def test_a_reader_that_leaves_is_no_error() -> None:
    process = subprocess.Popen(
        command("--version"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == ExitCode.PASS
    process.stderr.close()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['emery', '--help']\nfrom emery import cli\n"
        "try:\n    cli.main()\nfinally:\n    print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "typer" in loaded
    heavy = {"pint", "tree_sitter", "plotly", "multiprocessing", "firmware.settings"}
    assert loaded & heavy == set()


def work_in_another_process(request: Request) -> Outcome:
    """Stands in for a run; at top level, so that a new process can import it."""
    if request.scenario == "dies":
        os._exit(1)
    if request.scenario == "endless":
        time.sleep(30)
    # The later ones end sooner, to see whether order survives.
    time.sleep(0.3 if request.scenario == "first" else 0)
    return Outcome(request.scenario, ExitCode.PASS, {"process": os.getpid()})


WORK = work_in_another_process


def test_runs_side_by_side_keep_their_order() -> None:
    seen: list[str] = []
    requests = [Request(name) for name in ("first", "second", "third")]
    outcomes = run_all(requests, 2, lambda outcome: seen.append(outcome.scenario), WORK)
    assert [outcome.scenario for outcome in outcomes] == ["first", "second", "third"]
    assert sorted(seen) == ["first", "second", "third"]
    processes = {outcome.result["process"] for outcome in outcomes if outcome.result}
    assert os.getpid() not in processes
    assert len(processes) <= 2


def test_a_run_that_kills_its_process_is_reported() -> None:
    outcomes = run_all([Request("dies")], 1, lambda outcome: None, WORK)
    assert outcomes[0].exit_code == ExitCode.INTERNAL
    assert "was killed" in outcomes[0].message


def test_an_interrupt_ends_the_other_processes_at_once() -> None:
    def interrupted(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all([Request("first"), Request("endless")], 2, interrupted, WORK)
    latest = time.monotonic() + 15
    while multiprocessing.active_children() and time.monotonic() < latest:
        time.sleep(0.05)
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_from_outside_is_exit_130(tmp_path: Path) -> None:
    program = tmp_path / "interrupted.py"
    program.write_text(
        "import os, signal, sys\n"
        "from emery import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # may be inherited ignored
        "cli._list_scenarios = lambda as_json: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['emery', 'simulate', '--list']\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")
