"""The panel: what buttons ask for in each state, and what is shown and heard."""

from itertools import pairwise

import pytest

from firmware import faults, panel
from firmware.panel import Panel
from firmware.treatment import STATES
from hal.contract import (
    BUTTON_END,
    BUTTON_PASS,
    BUTTON_START,
    BUTTON_ZONE,
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_EXTEND,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_RESTART,
    COMMAND_SAME_PASS,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
)
from host_tests.bench import Bench
from host_tests.running_board import RunningMock

TURN_MS = 20
STEP_TURNS = 5


class Desk:
    """A bench, and a panel of a board of its own beside it."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.buttons = RunningMock()
        self.panel = Panel(self.bench.app, self.buttons, len(self.bench.settings.zones))

    def put(self, state: str, fault: int = faults.NONE, warning: int = faults.NONE) -> None:
        controller = self.bench.controller
        controller.treatment.state = STATES.index(state)
        controller.treatment.warning = warning
        controller.protection.fault = fault

    def press(self, button: int) -> tuple[int, int]:
        """What comes of one press; the mailbox is emptied."""
        self.buttons.buttons = button
        self.panel.turn()
        app = self.bench.app
        found = (app._posted, app._posted_argument)
        app._posted = COMMAND_NONE
        return found

    def shows(self, ms: int) -> list[tuple[int, int, int]]:
        """(ready, fault, tone) in each 100 ms from now on."""
        found = []
        for _ in range(ms // 100):
            for _ in range(STEP_TURNS):
                self.panel.turn()
            found.append(self.buttons.shown[-1])
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("state", "button", "command"),
    [
        ("STANDBY", BUTTON_START, COMMAND_START),
        ("COMPLETE", BUTTON_START, COMMAND_START),
        ("FAULT", BUTTON_START, COMMAND_ACKNOWLEDGE),
        ("SERVICE", BUTTON_START, COMMAND_ACKNOWLEDGE),
        ("PAUSED", BUTTON_START, COMMAND_EXTEND),
        ("TREATING", BUTTON_PASS, COMMAND_PASS_DONE),
        ("PAUSED", BUTTON_PASS, COMMAND_PASS_DONE),
        ("TREATING", BUTTON_END, COMMAND_END),
        ("CHECKLIST", BUTTON_END, COMMAND_END),
        ("SERVICE", BUTTON_END, COMMAND_RESTART),
    ],
)
def test_what_a_button_asks_for(state: str, button: int, command: int, desk: Desk) -> None:
    desk.put(state)
    assert desk.press(button) == (command, 0)


def test_the_checklist_is_confirmed_item_by_item_and_then_the_client(desk: Desk) -> None:
    bench = desk.bench
    bench.to_standby()
    bench.tick(*desk.press(BUTTON_START))
    assert bench.state == "CHECKLIST"
    pressed = []
    while bench.state == "CHECKLIST":
        command = desk.press(BUTTON_START)
        pressed.append(command)
        bench.tick(*command)
        bench.run(50)
    assert pressed == [
        (COMMAND_CONFIRM, 1), (COMMAND_CONFIRM, 2), (COMMAND_CONFIRM, 4), (COMMAND_CLIENT, 14),
    ]  # fmt: skip
    # Nobody has told who it is: treated as the one who bears least.
    assert bench.controller.plan.skin_type == 6
    assert bench.controller.plan.is_first_session == 1


def test_a_client_told_at_the_console_is_not_told_again(desk: Desk) -> None:
    bench = desk.bench
    bench.to_standby()
    bench.tick(COMMAND_START)
    bench.tick(COMMAND_CLIENT, 2)
    for _ in range(3):
        bench.tick(*desk.press(BUTTON_START))
    assert bench.state == "PROOF"
    assert bench.controller.plan.skin_type == 2


def test_pass_twice_takes_the_closing_back(desk: Desk) -> None:
    desk.put("PAUSED")
    assert desk.press(BUTTON_PASS)[0] == COMMAND_PASS_DONE
    for _ in range(10):
        desk.panel.turn()
    assert desk.press(BUTTON_PASS)[0] == COMMAND_SAME_PASS
    # A third press is a first one again.
    assert desk.press(BUTTON_PASS)[0] == COMMAND_PASS_DONE


def test_two_presses_far_apart_are_two_passes(desk: Desk) -> None:
    desk.put("PAUSED")
    assert desk.press(BUTTON_PASS)[0] == COMMAND_PASS_DONE
    for _ in range(1_000 // TURN_MS):
        desk.panel.turn()
    assert desk.press(BUTTON_PASS)[0] == COMMAND_PASS_DONE


def test_a_double_press_on_a_real_pass_reopens_it(desk: Desk) -> None:
    bench = desk.bench
    bench.to_skin()
    bench.stroke(1_000)
    bench.footswitch = 0
    bench.tick(*desk.press(BUTTON_PASS))
    bench.run(40)
    assert not bench.controller.passes.is_open
    bench.tick(*desk.press(BUTTON_PASS))
    assert bench.controller.passes.is_open


def test_zone_goes_to_the_next_and_from_the_last_to_the_first(desk: Desk) -> None:
    desk.put("READY")
    assert desk.press(BUTTON_ZONE) == (COMMAND_SELECT_ZONE, 1)
    desk.bench.controller.passes.zone = 1
    assert desk.press(BUTTON_ZONE) == (COMMAND_SELECT_ZONE, 0)


def test_end_goes_before_all_others(desk: Desk) -> None:
    desk.put("TREATING")
    everything = BUTTON_START | BUTTON_PASS | BUTTON_ZONE | BUTTON_END
    assert desk.press(everything)[0] == COMMAND_END


def test_a_press_waits_for_room_in_the_mailbox(desk: Desk) -> None:
    desk.put("STANDBY")
    assert desk.bench.app.post(COMMAND_END)
    desk.buttons.buttons = BUTTON_START
    desk.panel.turn()
    assert desk.bench.app._posted == COMMAND_END
    desk.bench.app._posted = COMMAND_NONE
    desk.panel.turn()
    assert desk.bench.app._posted == COMMAND_START
    desk.bench.app._posted = COMMAND_NONE
    desk.panel.turn()
    assert desk.bench.app._posted == COMMAND_NONE


# Lights and tones ---------------------------------------------------------------------


def test_there_is_a_light_for_every_state() -> None:
    assert len(panel._LIGHTS) == len(STATES)


def test_ready_is_lit_and_treating_blinks(desk: Desk) -> None:
    desk.put("READY")
    assert {ready for ready, _, _ in desk.shows(4_000)} == {1}
    desk.put("TREATING")
    lights = [ready for ready, _, _ in desk.shows(4_000)]
    changes = sum(a != b for a, b in pairwise(lights))
    assert 14 <= changes <= 18  # twice a second


def test_a_fault_is_lit_and_a_warning_blinks(desk: Desk) -> None:
    desk.put("FAULT", fault=faults.OVER_VACUUM)
    assert {fault for _, fault, _ in desk.shows(4_000)} == {1}
    desk.put("TREATING", warning=faults.DWELL_LONG)
    assert {fault for _, fault, _ in desk.shows(4_000)} == {0, 1}
    desk.put("READY")
    assert {fault for _, fault, _ in desk.shows(4_000)} == {0}


def pulses(desk: Desk, ms: int = 3_000) -> tuple[int, int]:
    """(how many, pitch) of the first burst."""
    tones = [tone for _, _, tone in desk.shows(ms)]
    starts = sum(b != 0 and a == 0 for a, b in pairwise([0, *tones]))
    return starts, max(tones)


def test_priorities_sound_different(desk: Desk) -> None:
    heard = {}
    for fault in (faults.OVER_VACUUM, faults.SOFT_OVER_VACUUM):
        desk.put("READY")
        desk.shows(500)
        desk.put("FAULT", fault=fault)
        heard[faults.CATALOGUE[fault][2]] = pulses(desk)
    desk.put("READY")
    desk.shows(500)
    desk.put("TREATING", warning=faults.DWELL_LONG)
    heard[faults.CATALOGUE[faults.DWELL_LONG][2]] = pulses(desk)
    # In the manner of IEC 60601-1-8: ten pulses, three, two.
    assert [heard[name][0] for name in ("high", "medium", "low")] == [10, 3, 2]
    assert heard["high"][1] > heard["medium"][1] > heard["low"][1] > 0


def test_a_fault_goes_on_sounding_and_a_press_of_start_silences_it(desk: Desk) -> None:
    desk.put("FAULT", fault=faults.VENT_FAILED)
    assert any(tone for _, _, tone in desk.shows(60_000)[500:])
    desk.press(BUTTON_START)
    assert not any(tone for _, _, tone in desk.shows(30_000))
    # Another one is not silent.
    desk.put("FAULT", fault=faults.PUMP_STUCK)
    assert any(tone for _, _, tone in desk.shows(3_000))
    # Nor the same one when it comes again.
    desk.put("READY")
    desk.shows(200)
    desk.put("FAULT", fault=faults.VENT_FAILED)
    assert any(tone for _, _, tone in desk.shows(3_000))


def test_the_closing_of_a_pass_is_heard(desk: Desk) -> None:
    desk.put("PAUSED")
    desk.bench.controller.passes.is_open = 1
    assert not any(tone for _, _, tone in desk.shows(1_000))
    desk.bench.controller.passes.is_open = 0
    tones = [tone for _, _, tone in desk.shows(1_000)]
    assert sum(tone > 0 for tone in tones) == 1


def test_every_tone_is_one_that_the_boards_can_make() -> None:
    for _, hz, burst, period in panel._BURSTS:
        assert 100 <= hz <= 10_000
        assert 0 < burst < 1 << 30
        assert period > burst.bit_length()


def test_pins_are_touched_only_when_something_changes(desk: Desk) -> None:
    desk.put("READY")
    desk.shows(4_000)
    assert len(desk.buttons.shown) == 1


def test_it_goes_on_when_no_tick_runs(desk: Desk) -> None:
    desk.put("FAULT", fault=faults.INTERNAL)
    desk.bench.app.error = ValueError("a bug")
    assert {tone > 0 for _, _, tone in desk.shows(10_000)} == {True, False}


def test_a_device_without_a_core_has_no_panel() -> None:
    bench = Bench()
    bench.app.controller = None
    Panel(bench.app, RunningMock(), 1).turn()
