"""The summary at a terminal: complete, and never wider than it."""

import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from emery.exit_codes import ExitCode
from emery.simulator.batch import Outcome
from emery.simulator.summary import EVENTS_SHOWN, print_summary
from emery.simulator.wording import clock, grams, kpa, share


def outcome(result: dict[str, Any]) -> Outcome:
    code = ExitCode.PASS if result["passed"] else ExitCode.REQUIREMENT_FAILED
    return Outcome(result["scenario"], code, result)


def printed(*outcomes: Outcome, width: int = 80) -> list[str]:
    text = io.StringIO()
    print_summary(Console(file=text, width=width, markup=False, highlight=False), outcomes)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def with_trouble(result: dict[str, Any]) -> dict[str, Any]:
    result |= {
        "scenario": "footswitch_released_in_mid_stroke",
        "title": "The footswitch is released in mid-stroke while the nozzle is half clogged [3]",
        "about": "Words " * 40,
        "final_state": "FAULT",
        "off_skin_mg": 260,
        "passed": False,
        "faults": [
            {
                "code": "SENSOR_DISAGREEMENT",
                "number": 6,
                "headline": "The two vacuum sensors do not agree with each other",
                "fix": ["Lift the tip."],
                "at_ms": 61_230,
                "to_safe_ms": 10,
                "release_ms": 240,
                "peak_pa": 45_700,
            },
            {
                "code": "OVER_VACUUM",
                "number": 1,
                "headline": "Vacuum at the hard limit",
                "fix": ["Lift the tip."],
                "at_ms": 3_661_230,
                "to_safe_ms": None,
                "release_ms": None,
                "peak_pa": 46_000,
            },
        ],
        "events": [
            {"at_ms": 1000 * number, "text": f"pump_pwm_stuck: {'the pump is driven ' * 5}"}
            for number in range(EVENTS_SHOWN + 3)
        ],
        "reproduce": "emery simulate footswitch_released_in_mid_stroke --seed 123456789 --board "
        "a/rather/long/path/to/a/board/file.toml",
    }
    result["zones"][1] |= {"passes_made": 4, "on_skin_ms": 0, "in_band_ms": 0}
    result["requirements"] += [
        {
            "key": "vacuum_released_below_5_kpa_after_the_trip",
            "expected": "at most 400 ms after the hard limit was first reached",
            "measured": "1234 ms",
            "passed": False,
            "line": 40,
        }
    ]
    return result


def test_the_whole_of_a_good_treatment(result: dict[str, Any]) -> None:
    lines = printed(outcome(result))
    assert lines[0].startswith("Nominal facial ")
    assert lines[0].endswith(" PASSED")
    (row,) = (line.split() for line in lines if line.startswith(" forehead"))
    assert row == ["forehead", "20.1", "21.4", "3/3", "57", "2:10", "99", "%", "12.3"]
    (row,) = (line.split() for line in lines if line.startswith(" total"))
    assert row == ["total", "28.4", "9/9", "171", "6:30", "99", "%", "37.0"]
    assert "faults: none" in lines
    assert "requirements: 2 of 2 hold" in lines
    assert not any("reproduce" in line for line in lines)


def test_what_went_wrong_is_all_there(result: dict[str, Any]) -> None:
    lines = printed(outcome(with_trouble(result)))
    text = " ".join(" ".join(lines).split())
    assert "1:01.2 SENSOR_DISAGREEMENT (6): The two vacuum sensors do not agree" in text
    assert "Outputs safe after 10 ms, vacuum released after 240 ms, peak 45.7 kPa." in text
    assert "Time to safe not known, vacuum not released, peak 46.0 kPa." in text
    assert "left cheek: the operator made 4 passes, 3 were counted" in lines
    assert "0.3 g of crystals went off the skin" in lines
    assert "  and 3 more, in the report" in lines
    marks = [line.split()[0] for line in lines if line.startswith(("  ok ", "  FAILED "))]
    assert marks == ["FAILED", "ok", "ok"]
    # Whole on one line, however long: it is there to be copied.
    assert f"reproduce: {result['reproduce']}" in lines


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_nothing_is_wider_than_the_terminal(result: dict[str, Any], width: int) -> None:
    good, bad = outcome(dict(result)), outcome(with_trouble(result))
    error = Outcome("a_file_with_a_long_name.toml", ExitCode.BAD_INPUT, None, "error: " * 30)
    for lines in (printed(bad, width=width), printed(good, bad, error, width=width)):
        for line in lines:
            if "reproduce:" not in line:
                assert len(line) <= min(width, 100)


def test_the_nearest_limits_are_told(result: dict[str, Any]) -> None:
    text = " ".join(" ".join(printed(outcome(result))).split())
    assert "strokes reach +-2 kPa of set in 840 ms (median), then hold it 99 %" in text
    assert "at most 1.3 kPa over set" in text
    assert "vacuum at the skin: 28.4 of 45.1 kPa (hard limit), 16.7 kPa left" in text
    assert "(left cheek, pass 2, 12:34.3)" in text
    assert "session time: 28:20 of 30:00 min (length of a session), 1:40 min left" in text
    result["rise_ms"] = None
    assert "no stroke reached its set vacuum" in printed(outcome(result))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_compared_run_is_told_in_the_same_width(result: dict[str, Any], width: int) -> None:
    other = result | {
        "board": "another_board_with_quite_a_long_name", "peak_pa": 31_400, "rise_ms": 900,
    }
    lines = printed(replace(outcome(result), other=other), width=width)
    assert all(len(line) <= width for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "this run: board pico_reference; compared: board another_board" in text
    assert "peak vacuum 28.4 kPa 31.4 kPa -3.0 kPa" in text
    assert "rise time 840 ms 900 ms -60 ms" in text
    assert "strokes 171" not in text
    same = printed(replace(outcome(result), other=dict(result)))
    assert "  nothing is different" in same


def test_many_runs_are_a_line_each(result: dict[str, Any]) -> None:
    good = outcome(dict(result))
    bad = outcome(with_trouble(result))
    error = Outcome("mine.toml", ExitCode.BAD_INPUT, None, "mine.toml:3:1  seed: is text.")
    lines = printed(good, bad, error)
    assert [line.split()[:2] for line in lines if "/9" in line or "ERROR" in line] == [
        ["nominal_facial", "PASSED"],
        ["footswitch_released_in_mid_stroke", "FAILED"],
        ["mine.toml", "ERROR"],
    ]
    assert "  mine.toml:3:1  seed: is text." in lines
    assert f"  reproduce: {result['reproduce']}" in lines
    assert lines[-1] == "3 scenarios: 1 passed, 1 failed, 1 without a result"


def test_a_terminal_without_unicode_gets_plain_lines(result: dict[str, Any]) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_summary(Console(file=file, width=80), [outcome(result)])
    file.flush()


@given(st.integers(0, 10**8))
def test_clock_reads_back(time_ms: int) -> None:
    minutes, seconds = clock(time_ms, tenths=True).split(":")
    assert int(minutes) * 600 + round(float(seconds) * 10) == time_ms // 100
    assert float(seconds) < 60
    assert clock(time_ms) == f"{minutes}:{seconds[:-2]}"


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_share_of_100_percent_is_the_whole(part: int, rest: int) -> None:
    whole = part + rest
    if whole == 0:
        assert share(part, whole) == "-"
    else:
        assert (share(part, whole) == "100 %") == (rest == 0)


def test_units() -> None:
    assert (kpa(45_049), kpa(-120), grams(12_345)) == ("45.0", "-0.1", "12.3")
