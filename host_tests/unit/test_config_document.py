"""Strict TOML documents: positions, getters, and files that are none."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from emery.config.document import LARGEST_FILE_BYTES, LONGEST_LINE, Document
from emery.config.problem import ConfigError, Problem
from emery.config.table import MOST_PROBLEMS, Table


def document(text: str) -> Document:
    return Document.from_bytes(text.encode(), "file.toml")


def refusal(content: bytes) -> Problem:
    with pytest.raises(ConfigError) as caught:
        Document.from_bytes(content, "file.toml")
    (problem,) = caught.value.problems
    return problem


def told(finished: Document) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        finished.finish()
    return list(caught.value.problems)


# Positions -------------------------------------------------------------------

PLACES = """\
top = 1
a.b."c.d" = 2
[plain] # comment
  key = 3 # comment
"quo\\u0074ed" = 4
tab\t=\t5
inline = { one = 6, two.three = 7 } # é
"é" = 8
list = [ # comment
  9,
  { deep = 10 },
]
[plain.inner]
key = 11
[[many]]
key = 12
[[many]]
key = 13
[many.under]
key = 14
[[many.again]]
key = 15
[implied.table]
key = 16
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (["top"], (1, 7)),
        (["a", "b", "c.d"], (2, 13)),
        (["plain", "key"], (4, 9)),
        (["plain", "quoted"], (5, 17)),
        (["plain", "tab"], (6, 7)),
        (["plain", "inline", "one"], (7, 18)),
        (["plain", "inline", "two", "three"], (7, 33)),
        (["plain", "é"], (8, 7)),
        (["plain", "list"], (9, 8)),
        (["plain", "inner", "key"], (14, 7)),
        (["many", 0, "key"], (16, 7)),
        (["many", 1, "key"], (18, 7)),
        (["many", 1, "under", "key"], (20, 7)),
        (["many", 1, "again", 0, "key"], (22, 7)),
        (["implied", "table", "key"], (24, 7)),
    ],
)
def test_every_value_has_its_position(path: list[str | int], place: tuple[int, int]) -> None:
    read = document(PLACES)
    table: Table = read
    for index, step in enumerate(path[:-1]):
        following = path[index + 1]
        if isinstance(step, str):
            if isinstance(following, int):
                table = table.tables(step)[following]
            else:
                table = table.table(step)
    key = str(path[-1])
    assert table.value(key) is not None
    table.problem(key, "is marked", "x", "Y.")
    marked = [problem for problem in told(read) if problem.what == "is marked"]
    assert [(problem.line, problem.column) for problem in marked] == [place]
    assert table.line(key) == place[0]


def test_windows_line_ends_and_mark_do_not_move_positions() -> None:
    content = b"\xef\xbb\xbf" + b'first = 1\r\nsecond = "x"\r\n'
    read = Document.from_bytes(content, "file.toml")
    assert read.text("second") == "x"
    (problem,) = told(read)
    assert (problem.line, problem.column, problem.key) == (1, 1, "first")


# Getters ---------------------------------------------------------------------


def test_values_are_read() -> None:
    read = document(
        'text = "x"\ntexts = ["a", "b"]\nchoice = "one"\ninteger = -3\n'
        'vacuum = "12 inHg"\n[[event]]\nat = "1 min"\n[[event]]\nat = "90 s"\n'
    )
    assert read.text("text") == "x"
    assert read.texts("texts") == ["a", "b"]
    assert read.choice("choice", ("two", "one")) == "one"
    assert read.integer("integer") == -3
    assert read.whole_quantity("vacuum", "Pa") == 40_637
    assert read.quantity("vacuum", "Pa") == pytest.approx(40_636.66, abs=0.01)
    assert [event.quantity("at", "ms") for event in read.tables("event")] == [60_000, 90_000]
    assert [event.name for event in read.tables("event")] == ["event 1", "event 2"]
    read.finish()


def test_defaults_stand_in_for_absent_keys() -> None:
    read = document("# nothing\n")
    assert read.text("a", default="x") == "x"
    assert read.texts("b", default=["y"]) == ["y"]
    assert read.choice("c", ("one", "two"), default="two") == "two"
    assert read.integer("e", default=7) == 7
    assert read.quantity("g", "Pa", default=12.5) == 12.5
    assert read.whole_quantity("h", "Pa", default=12) == 12
    assert not read.table("i").present
    assert read.tables("j") == []
    read.finish()


@pytest.mark.parametrize(
    "ask",
    [
        lambda table: table.text("key"),
        lambda table: table.texts("key"),
        lambda table: table.choice("key", ("one", "two")),
        lambda table: table.integer("key", low=2),
        lambda table: table.quantity("key", "Pa", low=2),
        lambda table: table.whole_quantity("key", "Pa", low=2),
    ],
)
def test_a_required_key_must_be_there_and_of_its_type(ask: Callable[[Table], object]) -> None:
    for text, line, column, what in (
        ("[table]\n", 1, 2, "is missing"),
        ("[table]\nkey = 2020-01-02\n", 2, 7, "is the date or time 2020-01-02"),
        ("[table]\nkey = 10:11:12\n", 2, 7, "is the date or time 10:11:12"),
        ("[table]\nkey.inner = 1\n", 2, 1, "is a table"),
        (
            "[table]\nkey = 1979-05-27T07:32:00Z\n",
            2,
            7,
            "is the date or time 1979-05-27 07:32:00+00:00",
        ),
    ):
        read = document(text)
        ask(read.table("table"))
        (problem,) = told(read)
        assert (problem.line, problem.column) == (line, column)
        assert (problem.key, problem.what) == ("table.key", what)


@pytest.mark.parametrize(
    "written",
    [
        "nan",
        "-inf",
        "inf",
        "1.5",
        "1e400",
        "1" + "0" * 400,
        "0x" + "f" * 400,
        "true",
        '"1"',
        "[1]",
    ],
)
def test_an_integer_is_a_bare_whole_number(written: str) -> None:
    read = document(f"key = {written}\n")
    assert read.integer("key", low=3, high=9) == 3
    (problem,) = told(read)
    assert (problem.line, problem.column) == (1, 7)
    assert len(problem.what) < 80


def test_texts_name_the_item_that_is_none() -> None:
    read = document('key = [\n  "a",\n  3,\n]\n')
    read.texts("key")
    (problem,) = told(read)
    assert (problem.line, problem.column, problem.what) == (3, 3, "holds the bare number 3")


def test_bounds_hold_at_both_ends() -> None:
    read = document('low = "20 kPa"\nhigh = "45 kPa"\nbelow = "19999 Pa"\nabove = "45001 Pa"\n')
    for key in read.keys():  # noqa: SIM118 - a table is no mapping
        read.whole_quantity(key, "Pa", low=20_000, high=45_000)
    assert [problem.key for problem in told(read)] == ["below", "above"]


def test_one_sided_bounds_are_said() -> None:
    read = document('one = "1 kPa"\ntwo = 3\n')
    read.quantity("one", "Pa", low=2000)
    read.integer("two", high=2)
    assert [problem.what for problem in told(read)] == [
        '"1 kPa" is not at least 2 kPa',
        "3 is not at most 2",
    ]


def test_free_keys_can_be_walked() -> None:
    read = document('[require]\npeak = "47 kPa"\n\nfaults = ["A"]\n')
    require = read.table("require")
    assert require.keys() == ["peak", "faults"]
    assert [require.line(key) for key in require.keys()] == [2, 4]  # noqa: SIM118
    assert require.quantity("peak", "Pa") == 47_000
    (problem,) = told(read)
    assert problem.key == "require.faults"
    assert problem.expected == "peak"


def test_asking_whether_a_key_is_there_makes_it_known_but_not_read() -> None:
    read = document("aa = 1\n")
    assert read.has("aa")
    assert not read.has("bb")
    (problem,) = told(read)
    assert problem.expected == "aa or bb"


def test_the_number_of_tables_is_held() -> None:
    read = document("[[zone]]\n[[zone]]\n[[zone]]\n")
    read.tables("zone", at_most=2)
    (problem,) = told(read)
    assert (problem.line, problem.column, problem.key) == (3, 3, "zone 3")
    read = document("[[zone]]\n")
    read.tables("zone", at_least=2)
    assert told(read)[0].expected == "at least 2 [[zone]]"


def test_control_characters_never_reach_the_terminal() -> None:
    read = document('"k\\u001b[31m" = "x\\u001b[2J\\n"\n')
    for key in read.keys():  # noqa: SIM118
        read.quantity(key, "Pa")
    with pytest.raises(ConfigError) as caught:
        read.finish()
    assert caught.value.render().replace("\n", "").isprintable()


def test_a_hopeless_file_is_told_about_briefly() -> None:
    read = document("".join(f"key_{number} = 1\n" for number in range(20_000)))
    assert len(told(read)) == MOST_PROBLEMS


def test_the_error_survives_being_sent_between_processes() -> None:
    read = document("x = 1\n")
    with pytest.raises(ConfigError) as caught:
        read.finish()
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems
    assert str(again) == str(caught.value)


# Syntax ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("a = 1\nb = 45 kPa\n", (2, 8), "double quotes"),
        ("a = kPa\n", (1, 5), "double quotes"),
        ("a = True\n", (1, 5), "double quotes"),
        ("a =\n", (1, 4), "double quotes"),
        ("a = 1 b = 2\n", (1, 7), "own line"),
        ("a = 01\n", (1, 6), "double quotes"),
        ("a\n", (1, 2), 'key = "value"'),
        ("\n[a\n", (2, 3), "[name]"),
        ('a = "x\n', (1, 7), "same quotes"),
        ("a = 'x\n", (1, 7), "same quotes"),
        ('a = """x\n', (1, 9), "same quotes"),
        ('a = "\\q"\n', (1, 8), "backslash"),
        ("é = 1\n", (1, 1), "Correct this line"),
        ("= 1\n", (1, 1), "Correct this line"),
    ],
)
def test_text_that_is_no_toml(text: str, place: tuple[int, int], remedy: str) -> None:
    problem = refusal(text.encode())
    assert (problem.line, problem.column) == place
    assert "is not TOML here" in problem.what
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("text", "place", "key", "first"),
    [
        ('a = 1\nb = 2\na = "x"\nc = 3\n', (3, 1), "a", 1),
        ("[t]\na = 1\n[u]\n[t]\n", (4, 2), "t", 1),
        ("[t]\na = 1\n  a = 2\n", (3, 3), "t.a", 2),
        ("[t]\na = { b = 1, b = 2 }\n", (2, 14), "t.a.b", 2),
        ("[[t]]\n[t]\n", (2, 2), "t", 1),
        ("a = 1\n[a]\n", (2, 2), "a", 1),
        ("[t]\n[[t]]\n", (2, 3), "t", 1),
    ],
)
def test_what_is_set_twice(text: str, place: tuple[int, int], key: str, first: int) -> None:
    problem = refusal(text.encode())
    assert (problem.line, problem.column, problem.key) == (*place, key)
    assert problem.what == f"is set a second time; first on line {first}"


# Files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "place", "what"),
    [
        (b"", (0, 0), "is empty"),
        (b" \n\n", (0, 0), "is empty"),
        (b"\xef\xbb\xbf", (0, 0), "is empty"),
        (b"\x7fELF\x00\x01", (0, 0), "binary"),
        (b"\xff\xfea\x00=\x001\x00", (0, 0), "UTF-16"),
        (b"a = 1\nb = '\xe9'\n", (2, 6), "0xe9 is not UTF-8"),
        ("é = 1\n".encode("latin-1"), (1, 1), "0xe9 is not UTF-8"),
        (b"a" * (LARGEST_FILE_BYTES + 1), (0, 0), "too large"),
        (b"b = 1\na." + b"a." * LONGEST_LINE, (2, LONGEST_LINE + 1), "a line of"),
        (b"a = " + b"[\n" * 20_000, (0, 0), "too deeply"),
    ],
)
def test_content_that_is_no_config(content: bytes, place: tuple[int, int], what: str) -> None:
    problem = refusal(content)
    assert (problem.line, problem.column) == place
    assert what in problem.what
    assert problem.remedy


def file_refusal(path: Path | str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        Document.read(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert problem.line == 0
    return problem


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text("x = 1\n", encoding="utf-8")
    missing = file_refusal(tmp_path / "bord.toml")
    assert missing.what == "does not exist"
    assert missing.remedy == f"Did you mean {tmp_path / 'board.toml'}?"
    assert file_refusal(tmp_path / "no" / "such").remedy == "Check the path."
    assert file_refusal(tmp_path).what == "is a directory"
    assert "cannot be read" in file_refusal(tmp_path / "board.toml" / "x").what
    assert "cannot be read" in file_refusal("nul\x00byte").what
    assert "cannot be read" in file_refusal("x" * 5000).what


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert file_refusal(tmp_path / "pipe").what == "is not a file"


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "board.toml"
    path.write_text("x = 1\n", encoding="utf-8")
    monkeypatch.setattr(Path, "open", refuse)
    assert file_refusal(path).what == "may not be read"
