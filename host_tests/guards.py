"""Proof that the tests see each safety guard: take it out, and a test turns red.

    python host_tests/guards.py [--only NAME] [--workers N] [--list]

`guards.toml` names every guard that keeps a person from harm, the text that is
that guard, what to put in its place, and the tests that must notice. This
program copies the checkout, checks that the tests are green there, then patches
one guard at a time in a fresh copy and runs its tests. Only a failed assertion
counts as red: a patch that merely breaks the code, a test that cannot be found
or is skipped, and a text that has changed are errors of the guard itself. The
format is described in README.md beside this file.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
GUARDS_FILE = "host_tests/guards.toml"
LONGEST_RUN_S = 300.0

# How pytest's report of a failure begins when an expectation was not met, as
# opposed to code that broke: assert, pytest.raises, pytest.fail.
ASSERTIONS = ("AssertionError", "assert ", "Failed: ")


class GuardsError(Exception):
    """guards.toml, or the tree it speaks of, cannot be used."""


@dataclass(frozen=True)
class Guard:
    """One entry of guards.toml."""

    name: str
    hazard: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What became of one guard. `word` is red, GREEN or BROKEN."""

    guard: Guard
    word: str
    detail: str
    seconds: float


@dataclass(frozen=True)
class PytestRun:
    """One run of pytest: its exit code (-1 if it had to be stopped), the first
    line of each failure, and all it printed."""

    code: int
    failures: tuple[str, ...]
    text: str


def read_guards(root: Path) -> list[Guard]:
    """The guards of the tree at `root`; GuardsError says what is wrong."""
    path = root / GUARDS_FILE
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["guard"]
    except (OSError, ValueError, KeyError) as error:
        raise GuardsError(f"{GUARDS_FILE}: cannot be read: {error}") from error
    guards = [_guard(entry, f"{GUARDS_FILE}, guard {n}") for n, entry in enumerate(entries, 1)]
    names = [guard.name for guard in guards]
    for name in names:
        if names.count(name) > 1:
            raise GuardsError(f"{GUARDS_FILE}: two guards are called {name}")
    return guards


def _guard(entry: dict[str, object], where: str) -> Guard:
    wanted = {"name", "hazard", "file", "find", "replace", "test"}
    if set(entry) != wanted:
        odd = ", ".join(sorted(set(entry) ^ wanted))
        raise GuardsError(f"{where}: missing or unknown: {odd}")
    tests = entry.pop("test")
    tests = [tests] if isinstance(tests, str) else tests
    if not isinstance(tests, list) or not tests or not all(isinstance(t, str) for t in tests):
        raise GuardsError(f"{where}: test must be the node id of a test, or a list of them")
    texts = {key: value for key, value in entry.items() if isinstance(value, str)}
    if set(texts) != wanted - {"test"} or not texts["name"] or not texts["hazard"]:
        raise GuardsError(f"{where}: name, hazard, file, find and replace must be text")
    if texts["find"] == texts["replace"]:
        raise GuardsError(f"{where}: find and replace are the same")
    return Guard(**texts, tests=tuple(tests))


def tree_files(root: Path) -> list[str]:
    """What git would commit of the tree: tracked or new, and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise GuardsError(f"git cannot list the files of {root}: {error}") from error
    names = sorted(set(listed.decode().split("\0")) - {""})
    return [name for name in names if (root / name).is_file()]


def copy_tree(root: Path, files: Iterable[str], target: Path) -> None:
    """Copy `files` of `root` to `target`."""
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target / name)


def environment(tree: Path) -> dict[str, str]:
    """Environment in which the code of `tree` is imported, not what is
    installed, and in which a skipped test is a failed one."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return kept | {
        "PYTHONPATH": str(tree / "tools"),
        # A patch can leave size and time of a file as they were.
        "PYTHONDONTWRITEBYTECODE": "1",
        "CI": "true",
    }


def check_imports(tree: Path) -> None:
    """Prove that tests in `tree` import the code of `tree` and no other."""
    code = (
        "import emery, firmware.settings, hal.contract\n"
        "print(emery.__file__, firmware.settings.__file__, hal.contract.__file__, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree,
        env=environment(tree),
        capture_output=True,
        text=True,
    )
    files = [Path(line).resolve() for line in done.stdout.splitlines()]
    if len(files) != 3 or not all(file.is_relative_to(tree.resolve()) for file in files):
        raise GuardsError(
            f"the copy in {tree} would not test its own code but "
            f"{done.stdout}{done.stderr}".rstrip()
        )


def run_tests(tree: Path, tests: Sequence[str], longest_s: float = LONGEST_RUN_S) -> PytestRun:
    """Run `tests` in `tree`."""
    report = tree / "build" / "guard.xml"
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-x"),
        *("-p", "no:cacheprovider", "-p", "no:xdist", "-m", "", f"--junit-xml={report}"),
        *tests,
    ]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment(tree),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=longest_s,
        )
    except subprocess.TimeoutExpired:
        return PytestRun(-1, (), f"did not end within {longest_s:.0f} s")
    failures = []
    if report.is_file():
        for case in ElementTree.parse(report).iter("testcase"):
            failures += [_first_line(element) for element in case.iter("failure")]
            failures += [f"error: {_first_line(element)}" for element in case.iter("error")]
    return PytestRun(done.returncode, tuple(failures), done.stdout)


def _first_line(element: ElementTree.Element) -> str:
    lines = (element.get("message") or "").strip().splitlines()
    return lines[0] if lines else "no message"


def judge(guard: Guard, root: Path, files: Sequence[str]) -> Verdict:
    """Patch `guard` out in a copy of its own and run its tests there."""
    start = time.monotonic()

    def verdict(word: str, detail: str) -> Verdict:
        return Verdict(guard, word, detail, time.monotonic() - start)

    if guard.file not in files:
        return verdict("BROKEN", f"there is no file {guard.file}")
    with tempfile.TemporaryDirectory(prefix="emery-guard-") as folder:
        tree = Path(folder)
        copy_tree(root, files, tree)
        patched = tree / guard.file
        text = patched.read_text(encoding="utf-8")
        if text.count(guard.find) != 1:
            return verdict(
                "BROKEN",
                f"its text occurs {text.count(guard.find)} times in {guard.file}, not once",
            )
        patched.write_text(text.replace(guard.find, guard.replace), encoding="utf-8")
        run = run_tests(tree, guard.tests)
    if run.code == 0:
        return verdict("GREEN", "no test noticed that the guard is gone")
    if run.code != 1 or not run.failures:
        last = run.text.strip().splitlines()[-1:] or ["no output"]
        return verdict("BROKEN", f"the tests could not be run (pytest {run.code}): {last[0]}")
    for failure in run.failures:
        if not failure.startswith(ASSERTIONS):
            return verdict("BROKEN", f"red, but not by an assertion: {failure}")
    return verdict("red", run.failures[0])


def check_green(guards: Sequence[Guard], root: Path, files: Sequence[str]) -> None:
    """Raise GuardsError unless every named test passes while nothing is patched."""
    tests = sorted({test for guard in guards for test in guard.tests})
    with tempfile.TemporaryDirectory(prefix="emery-guard-") as folder:
        tree = Path(folder)
        copy_tree(root, files, tree)
        check_imports(tree)
        run = run_tests(tree, tests, LONGEST_RUN_S * 4)
    if run.code != 0:
        raise GuardsError(f"the tests are not green while nothing is patched:\n{run.text}")


def main() -> int:
    """Walk the guards; 0 if every one of them is red."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="NAME", help="this guard only")
    parser.add_argument("--workers", type=int, default=2, help="guards at once (default 2)")
    parser.add_argument("--list", action="store_true", help="list the guards and their hazards")
    arguments = parser.parse_args()
    try:
        guards = read_guards(ROOT)
        if arguments.only is not None:
            guards = [guard for guard in guards if guard.name == arguments.only]
            if not guards:
                raise GuardsError(f"{GUARDS_FILE}: there is no guard called {arguments.only}")
        if arguments.list:
            for guard in guards:
                print(f"{guard.name}: {guard.hazard}")
            return 0
        files = tree_files(ROOT)
        check_green(guards, ROOT, files)
    except GuardsError as error:
        print(f"guards: {error}", file=sys.stderr)
        return 2
    width = max(len(guard.name) for guard in guards)
    not_red = []
    with ThreadPoolExecutor(max(1, arguments.workers)) as pool:
        for verdict in pool.map(lambda guard: judge(guard, ROOT, files), guards):
            print(
                f"{verdict.word:<6} {verdict.guard.name:<{width}} {verdict.seconds:5.1f} s  "
                f"{verdict.detail}"[0:160],
                flush=True,
            )
            if verdict.word != "red":
                not_red.append(verdict.guard.name)
    print(f"{len(guards) - len(not_red)} of {len(guards)} red")
    if not_red:
        print(f"not red: {', '.join(not_red)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
