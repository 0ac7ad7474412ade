"""Every kind of mistake in a board or protocol file: the position, the key and
the remedy of its message, and nothing but that message.

The table is in `host_tests/config_mistakes.py`.
"""

import re
from pathlib import Path

import pytest

from emery.config.document import Document
from emery.config.load import finished_board, finished_protocol
from emery.config.problem import ConfigError
from firmware.settings import Settings
from host_tests import config_mistakes
from host_tests.config_mistakes import (
    BOARD,
    MESSAGES,
    VARIANTS,
    ZONE,
    Mistake,
    esp32,
    every,
    page,
    pico,
    told,
)


@pytest.mark.parametrize("mistake", every(), ids=lambda mistake: mistake.label)
def test_a_mistake_is_told_where_it_is_with_what_to_do(mistake: Mistake, tmp_path: Path) -> None:
    problems = told(mistake, tmp_path)
    assert len(problems) == 1, [problem.what for problem in problems]
    problem = problems[0]
    assert problem.file == mistake.told_in
    assert (problem.line, problem.column) == (mistake.line, mistake.column)
    assert problem.key == mistake.key
    assert mistake.what in problem.what
    assert mistake.remedy in problem.remedy
    assert problem.remedy.endswith((".", "?"))
    rendered = problem.render()
    place = f"{mistake.told_in}:{mistake.line}:{mistake.column}"
    assert rendered.startswith(place if mistake.line else mistake.told_in)
    assert max(map(len, rendered.split("\n"))) <= 80
    assert rendered.replace("\n", "").isprintable()


def test_there_are_many_kinds_of_mistakes() -> None:
    labels = [mistake.label for mistake in every()]
    assert len(set(labels)) == len(labels)
    assert set(labels) >= VARIANTS
    assert len(set(labels) - VARIANTS) >= 100


def test_the_page_shows_the_messages() -> None:
    module = config_mistakes.__name__
    written = MESSAGES.read_text(encoding="utf-8")
    assert written == "\n".join([*page(), ""]).lstrip(), f"python -m {module}"
    assert max(map(len, written.split("\n"))) <= 80


def test_one_pin_for_two_roles_is_told_with_the_first() -> None:
    text = pico('feed = "GP2"')
    with pytest.raises(ConfigError) as caught:
        finished_board(Document.from_bytes(text.encode(), "file.toml"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.key) == (6, 8, "pins.feed")
    assert problem.what == "GP2 is taken by pump"
    assert problem.expected == "an output that is quiet while the chip starts"
    assert problem.remedy == "Free and fit for it: GP0, GP1, GP3, GP4 and others."


def test_every_pin_that_is_proposed_fits() -> None:
    for base in (pico('pump = "GP25"'), esp32('pump = "GPIO2"')):
        with pytest.raises(ConfigError) as caught:
            finished_board(Document.from_bytes(base.encode(), "file.toml"))
        remedies = [found for found in caught.value.problems if found.key == "pins.pump"]
        proposed = re.findall(r"GP(?:IO)?[0-9]+", remedies[-1].remedy)
        assert len(proposed) == 4
        for pin in proposed:
            text = base.replace('pump = "GP25"', f'pump = "{pin}"')
            text = text.replace('pump = "GPIO2"', f'pump = "{pin}"')
            finished_board(Document.from_bytes(text.encode(), "file.toml"))


def test_all_wrong_pins_are_told_at_once() -> None:
    text = pico('buzzer = "GP3"').replace("GP5", "GP6").replace('"GP18"', "18")
    with pytest.raises(ConfigError) as caught:
        finished_board(Document.from_bytes(text.encode(), "file.toml"))
    assert [problem.key for problem in caught.value.problems] == [
        "pins.buzzer", "pins.vent", "pins.power_sense"
    ]  # fmt: skip


def test_pins_of_an_unknown_chip_are_not_judged() -> None:
    text = pico('pump = "GPIO99"').replace("rp2040", "rp2350")
    with pytest.raises(ConfigError) as caught:
        finished_board(Document.from_bytes(text.encode(), "file.toml"))
    assert [problem.key for problem in caught.value.problems] == ["board.chip"]


def test_the_bases_are_good() -> None:
    finished_board(Document.from_bytes(BOARD.encode(), "file.toml"))
    for base in (pico('pump = "GP2"'), esp32('pump = "GPIO25"')):
        assert finished_board(Document.from_bytes(base.encode(), "file.toml")).has_pins
    finished_protocol(Document.from_bytes(ZONE.encode(), "file.toml"))


def test_all_mistakes_are_told_at_once_in_order() -> None:
    text = (
        '[board]\nname = ""\nchip = "rp2040"\n[protection]\nhard_limt = "1 kPa"\n'
        'soft_time = "1 s"\nhard_limit = 3\n[treatment]\npass_gap = "4 kPa"\n[sensor]\n'
    )
    with pytest.raises(ConfigError) as caught:
        finished_board(Document.from_bytes(text.encode(), "file.toml"))
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (2, "board.name"),
        (5, "protection.hard_limt"),
        (6, "protection.soft_time"),
        (7, "protection.hard_limit"),
        (9, "treatment.pass_gap"),
        (10, "sensor"),
    ]
    rendered = caught.value.render()
    assert str(caught.value).split() == rendered.split()
    assert sum(line.startswith("file.toml:") for line in rendered.split("\n")) == 6
    assert max(map(len, rendered.split("\n"))) <= 80


def test_an_error_says_the_same_wherever_the_file_stands() -> None:
    """What an error says was once broken at 80 columns before anybody told it, so that a
    longer path put a line break into its words, and CI failed where nobody else did."""
    for length in range(90):
        with pytest.raises(ConfigError) as caught:
            finished_board(Document.from_bytes(b"[board]\n", f"{'d' * length}/file.toml"))
        assert all(str(problem).count("\n") == 0 for problem in caught.value.problems)
        assert "board.chip: is missing." in str(caught.value)


def test_no_rule_is_judged_on_a_value_that_could_not_be_read() -> None:
    text = BOARD + '[contact]\ncontact_on_vacuum = "2 kPa"\ncontact_off_vacuum = "1,5 kPa"\n'
    with pytest.raises(ConfigError) as caught:
        finished_board(Document.from_bytes(text.encode(), "file.toml"))
    assert [problem.key for problem in caught.value.problems] == ["contact.contact_off_vacuum"]


def test_a_protocol_alone_is_judged_against_the_default_board(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No level is too high for the defaults of today, so the hard limit is lowered.
    original_init = Settings.__init__

    def with_a_low_limit(settings: Settings) -> None:
        original_init(settings)
        setattr(settings, "hard_limit_pa", 25_000)  # noqa: B010 - a field of the table

    monkeypatch.setattr(Settings, "__init__", with_a_low_limit)
    with pytest.raises(ConfigError) as caught:
        finished_protocol(Document.from_bytes(ZONE.encode(), "file.toml"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.key) == (5, 9, "zone 1.level")
    assert "5 sets 24 kPa" in problem.what
