"""`make guards` itself: only a test that noticed counts."""

from pathlib import Path

import pytest

from host_tests import guards

DEVICE = """\
LIMIT = 45


def trips(vacuum):
    if vacuum >= LIMIT:
        return True
    return False


def unused(vacuum):
    return False
"""

TESTS = """\
import pytest
import device


def test_trip():
    assert device.trips(45)


def test_blind():
    assert not device.trips(1)


@pytest.mark.skip(reason="not today")
def test_skipped():
    pass


def test_raises():
    with pytest.raises(TypeError):
        device.trips("45")
"""

CONFTEST = """\
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "host_tests").mkdir(parents=True)
    (root / "device.py").write_text(DEVICE)
    (root / "test_device.py").write_text(TESTS)
    (root / "conftest.py").write_text(CONFTEST)
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return root


FILES = ["device.py", "test_device.py", "conftest.py", "pyproject.toml"]
TRIP = "    if vacuum >= LIMIT:"


def judged(
    tree: Path, find: str, replace: str, test: str, file: str = "device.py"
) -> guards.Verdict:
    guard = guards.Guard("trip", "harm", file, find, replace, (test,))
    verdict = guards.judge(guard, tree, FILES)
    assert (tree / "device.py").read_text() == DEVICE
    return verdict


def test_a_guard_that_a_test_misses_is_red(tree: Path) -> None:
    verdict = judged(tree, TRIP, "    if False:", "test_device.py::test_trip")
    assert verdict.word == "red"
    assert "trips(45)" in verdict.detail or "False" in verdict.detail


def test_a_guard_that_no_test_misses_is_green(tree: Path) -> None:
    assert judged(tree, TRIP, "    if False:", "test_device.py::test_blind").word == "GREEN"


@pytest.mark.parametrize(
    ("find", "replace", "test", "said"),
    [
        (TRIP, "    if nonsense:", "test_trip", "not by an assertion: NameError"),
        (TRIP, "    if (:", "test_trip", "pytest 4"),
        (TRIP, "    if False:", "test_gone", "pytest 4"),
        ("LIMIT", "0", "test_trip", "occurs 2 times"),
        ("limit", "0", "test_trip", "occurs 0 times"),
    ],
)
def test_what_proves_nothing_is_broken(
    tree: Path, find: str, replace: str, test: str, said: str
) -> None:
    verdict = judged(tree, find, replace, f"test_device.py::{test}")
    assert verdict.word == "BROKEN"
    assert said in verdict.detail


def test_a_file_that_is_gone_is_broken(tree: Path) -> None:
    assert judged(tree, "a", "b", "test_device.py", file="gone.py").word == "BROKEN"


def test_a_test_that_never_ends_is_stopped(tree: Path) -> None:
    (tree / "test_device.py").write_text("import time\ndef test_it(): time.sleep(60)\n")
    run = guards.run_tests(tree, ["test_device.py"], longest_s=2)
    assert run.code == -1
    assert "did not end" in run.text


def test_a_tree_that_imports_other_code_is_refused(tree: Path) -> None:
    # This one has no package emery, so the installed one would be imported.
    with pytest.raises(guards.GuardsError, match="would not test its own code"):
        guards.check_imports(tree)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("[[guard]]\nname = 'a'", "missing or unknown: file, find, hazard, replace, test"),
        (
            "[[guard]]\nname='a'\nhazard='h'\nfile='f'\nfind='x'\nreplace='x'\ntest='t'",
            "find and replace are the same",
        ),
        (
            "[[guard]]\nname='a'\nhazard='h'\nfile='f'\nfind='x'\nreplace='y'\ntest=[]",
            "node id of a test",
        ),
        (
            "[[guard]]\nname='a'\nhazard=1\nfile='f'\nfind='x'\nreplace='y'\ntest='t'",
            "must be text",
        ),
        (
            "[[guard]]\nname='a'\nhazard='h'\nfile='f'\nfind='x'\nreplace='y'\ntest='t'\n" * 2,
            "two guards are called a",
        ),
    ],
)
def test_a_wrong_guards_file_is_refused(tree: Path, text: str, said: str) -> None:
    (tree / guards.GUARDS_FILE).write_text(text)
    with pytest.raises(guards.GuardsError, match=said):
        guards.read_guards(tree)


def test_every_guard_of_this_checkout_still_fits_its_file() -> None:
    found = guards.read_guards(guards.ROOT)
    assert found
    for guard in found:
        text = (guards.ROOT / guard.file).read_text(encoding="utf-8")
        assert text.count(guard.find) == 1, guard.name
        for test in guard.tests:
            assert (guards.ROOT / test.split("::")[0]).is_file(), guard.name
