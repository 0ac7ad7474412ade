"""The shape of the code: who may import whom, and one place for every fact.

Read from the source, not from what happens to be loaded, so that an import
inside a function counts as well.
"""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from emery import slot
from emery.simulator import lanes
from firmware import limits
from firmware.settings import SETTINGS, ZONE_FIELDS, Settings

ROOT = slot.ROOT
FIRMWARE = sorted((ROOT / "firmware").rglob("*.py"))
HAL = sorted((ROOT / "hal").rglob("*.py"))
EMERY = sorted((ROOT / "tools" / "emery").rglob("*.py"))
SIMULATOR = ROOT / "tools" / "emery" / "simulator"
# The part of the simulator that also runs under MicroPython.
PLAIN = [SIMULATOR / f"{name}.py" for name in lanes._SIMULATOR]

# What MicroPython has and each place may use of it. The firmware is given
# time, pins and files by a board: it reads none itself.
FIRMWARE_MODULES = {"binascii", "micropython", "struct"}
HAL_MODULES = FIRMWARE_MODULES | {"esp32", "machine", "os", "rp2", "select", "sys", "time"}
PLAIN_MODULES = FIRMWARE_MODULES | {"gc", "json", "math", "sys"}
# The few of the firmware that may do more. `main` puts everything together and
# chooses the board; `slots` handles files; `root` lies outside the slots, where
# nothing of them may be relied on but the way in.
COMPOSITION = {
    "firmware/certificate.py": {"hashlib"},
    "firmware/config_change.py": {"hal.wiring"},
    "firmware/config_file.py": {"hal.wiring"},
    "firmware/link.py": set(),
    "firmware/main.py": {
        *("gc", "io", "sys"),
        *("hal.console", "hal.esp32", "hal.rp2040", "hal.wiring"),
    },
    "firmware/slots.py": {"hashlib", "json", "os"},
}
ROOT_FILES = {
    "firmware/root/boot.py": {"json", "machine", "micropython", "sys"},
    "firmware/root/main.py": {
        *("binascii", "firmware.main", "hashlib", "json", "machine", "os", "sys"),
        "firmware.root.boot",  # for a type checker alone: see TYPE_CHECKING there
    },
}

BOARD_MODULES = {"esp32", "machine", "rp2"}
ROOT_MODULES = ("firmware.root.boot", "firmware.root.main")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, as `package.module` where that is
    what `from package import module` means."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                yield "." * node.level + module
                continue
            for alias in node.names:
                inner = f"{module.replace('.', '/')}/{alias.name}.py"
                is_module = any((base / inner).is_file() for base in (ROOT, ROOT / "tools"))
                yield f"{module}.{alias.name}" if is_module else module
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("__import__", "exec", "eval", "compile")
        ):
            yield f"({node.func.id})"


def top(name: str) -> str:
    return name.split(".")[0] or name


def test_there_is_something_to_read() -> None:
    assert len(FIRMWARE) > 10
    assert len(HAL) > 1
    assert len(EMERY) > 20
    assert all(path.is_file() for path in PLAIN)


@pytest.mark.parametrize("path", FIRMWARE, ids=named)
def test_firmware_imports_itself_the_contract_and_little_else(path: Path) -> None:
    found = set(imports(path))
    if named(path) in ROOT_FILES:
        assert found <= ROOT_FILES[named(path)]
        return
    own = {name for name in found if top(name) == "firmware"}
    allowed = FIRMWARE_MODULES | COMPOSITION.get(named(path), set())
    if named(path) in COMPOSITION:
        # For a type checker alone: see TYPE_CHECKING there.
        found -= {"machine", "hal.console"} - allowed
    assert found - own <= allowed | {"hal.contract"}
    assert own & (set(ROOT_MODULES) | {"firmware.main"}) == set()


def modules_of(path: Path) -> list[str]:
    """What a device module imports of `firmware` and `hal` as it is imported itself, in
    order."""
    found = []
    for node in parsed(path).body:
        if isinstance(node, ast.ImportFrom) and top(node.module or "") in ("firmware", "hal"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = (ROOT / f"{inner.replace('.', '/')}.py").is_file()
                found.append(inner if is_module else node.module or "")
    return found


def longest_chain(name: str, loaded: set[str]) -> int:
    """How many imports wait for each other at most when `name` is imported."""
    if name in loaded:
        return 0
    loaded.add(name)
    path = ROOT / f"{name.replace('.', '/')}.py"
    return 1 + max((longest_chain(inner, loaded) for inner in modules_of(path)), default=0)


def test_few_imports_wait_for_each_other() -> None:
    # Each that waits takes some of the RP2040's 8 KiB of stack.
    loaded: set[str] = set()
    assert longest_chain("firmware.main", loaded) <= 4  # main, import_order, and two
    assert len(loaded) > 25
    for name in ("firmware.link", "hal.rp2040", "hal.esp32"):
        if (ROOT / f"{name.replace('.', '/')}.py").is_file():
            assert longest_chain(name, loaded) <= 4


def test_nothing_outside_the_slots_is_longer_than_a_page_or_two() -> None:
    # What no update can mend is to be read in a minute.
    for name in ROOT_FILES:
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) < 180, name


@pytest.mark.parametrize("path", HAL, ids=named)
def test_hal_never_imports_the_firmware(path: Path) -> None:
    found = set(imports(path))
    allowed = HAL_MODULES | ({"select"} if path.name == "console.py" else set())
    if path.name in ("contract.py", "mock.py"):
        allowed = allowed - BOARD_MODULES
    assert {top(name) for name in found} <= allowed | {"hal"}


@pytest.mark.parametrize("path", PLAIN, ids=named)
def test_the_modelled_world_runs_on_micropython_too(path: Path) -> None:
    found = set(imports(path))
    assert {top(name) for name in found} <= PLAIN_MODULES | {"emery", "firmware", "hal"}
    own = {f"emery.simulator.{name}" for name in lanes._SIMULATOR}
    assert {name for name in found if top(name) == "emery"} <= own


def test_every_list_of_the_plain_modules_is_the_same() -> None:
    # Makefile and pyproject.toml check these as device code.
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    typed = {name for entry in project["mypy"]["overrides"] for name in entry["module"]}
    linted = " ".join(project["ruff"]["lint"]["per-file-ignores"])
    for name in lanes._SIMULATOR:
        assert name in makefile.split("DEVICE_CODE :=")[1].split("STUBS")[0]
        assert f"emery.simulator.{name}" in typed
        assert name in linted.split("simulator/{")[1].split("}")[0].split(",")


@pytest.mark.parametrize("path", EMERY, ids=named)
def test_the_tools_never_import_tests_or_board_modules(path: Path) -> None:
    if named(path) == "tools/emery/stops/saboteur.py":
        return  # never imported here: it goes onto a board as it is
    found = {top(name) for name in imports(path)}
    if named(path) == "tools/emery/flash/on_device.py":
        found -= {"machine"}  # sent to a board as it is; without one it does without
    assert found & ({"host_tests", "tools", "pytest", "hypothesis"} | BOARD_MODULES) == set()


@pytest.mark.parametrize("path", [*FIRMWARE, *HAL, *EMERY], ids=named)
def test_imports_are_absolute(path: Path) -> None:
    assert [name for name in imports(path) if name.startswith(".")] == []


# Numbers that are limits, and other things as well. An ordinary round number
# elsewhere says nothing; these are told apart by review.
ORDINARY = {
    *(1_000, 2_000, 3_000, 5_000, 6_000, 10_000, 20_000, 30_000, 40_000, 60_000),
    *(300_000, 1_800_000),  # 5 and 30 minutes
}


def absolute_limits() -> dict[int, str]:
    """Distinctive absolute limits, by value."""
    found = {}
    for name, value in vars(limits).items():
        if name.isupper():
            values = value if isinstance(value, tuple) else (value,)
            found.update({abs(number): name for number in values if abs(number) >= 1_000})
    return {value: name for value, name in found.items() if value not in ORDINARY}


def numbers(tree: ast.AST) -> Iterator[tuple[int, float]]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, int | float)
            and not isinstance(node.value, bool)
        ):
            yield node.lineno, node.value


def is_number(node: ast.expr) -> bool:
    """Whether an expression is a number written out, perhaps within const()."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "const":
        node = node.args[0]
    inside = list(ast.walk(node))
    return any(True for _ in numbers(node)) and all(
        isinstance(part, ast.Constant | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop)
        for part in inside
    )


def test_the_distinctive_limits_are_most_of_them() -> None:
    # Keeps ORDINARY from growing until the next test says nothing.
    assert set(absolute_limits().values()) >= {
        "HARD_VACUUM_PA",
        "LEVEL_VACUUM_PA",
        "SENSOR_CEILING_PA",
        "PASS_TIME_MS",
        "SESSION_MS",
    }


def test_no_absolute_limit_stands_in_a_second_place() -> None:
    named_limits = absolute_limits()
    repeated = [
        f"{named(path)}:{line}: {value} is limits.{named_limits[int(value)]}"
        for path in [*FIRMWARE, *HAL, *EMERY]
        if named(path) != "firmware/limits.py"
        for line, value in numbers(parsed(path))
        if value in named_limits
    ]
    assert repeated == []


def test_no_constant_is_defined_in_two_modules() -> None:
    # A number under one name in two modules would be changed in one of them. What
    # lies outside the slots cannot share any: `test_boot_files.py` holds those equal.
    # How long a tool of its own waits, say, is nobody else's: a private name of one
    # package of the tools may be another one's as well, but no name of the device's.
    places: dict[str, list[str]] = defaultdict(list)
    private: set[tuple[str, str]] = set()
    for path in [*FIRMWARE, *HAL, *EMERY]:
        if named(path) in ROOT_FILES:
            continue
        for node in parsed(path).body:
            if isinstance(node, ast.Assign) and is_number(node.value):
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id.lstrip("_").isupper():
                        places[target.id.lstrip("_")].append(named(path))
                        if path in EMERY and target.id.startswith("_"):
                            private.add((target.id.lstrip("_"), named(path)))
    for name, files in places.items():
        of_tools = [file for file in files if (name, file) in private]
        packages = [file.split("/")[2] for file in of_tools]
        if len(of_tools) == len(files) and len(set(packages)) == len(files):
            places[name] = files[:1]
    twice = {name: files for name, files in places.items() if len(files) > 1}
    # Sensing and protection share nothing on purpose: separate logic has its
    # own fixed-point formats. A conversion between units is nobody's choice.
    separate = {"firmware/protection.py", "firmware/sensing.py"}
    conversions = {"MG_MIN_MS"}
    assert {
        name: files
        for name, files in twice.items()
        if set(files) != separate and name not in conversions
    } == {}


@pytest.mark.parametrize("path", sorted((ROOT / "board_configs").rglob("*.toml")), ids=named)
def test_no_file_of_a_technician_names_an_absolute_limit(path: Path) -> None:
    # A key such as hard_vacuum would look like a way past the limit. A key that
    # is there twice is refused by tomllib itself.
    setting_names = {row[0] for row in (*SETTINGS, *ZONE_FIELDS)}
    reserved = {name.lower() for name in vars(limits) if name.isupper()} - setting_names
    reserved |= {name.rsplit("_", 1)[0] for name in reserved if name.endswith(("_pa", "_mg"))}
    assert set(keys_of(tomllib.loads(path.read_text(encoding="utf-8")))) & reserved == set()


def keys_of(value: object) -> Iterator[str]:
    """Every key at every depth."""
    if isinstance(value, dict):
        yield from value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from keys_of(item)


# Attributes of a Settings that are not rows of the table.
OTHER_ATTRIBUTES = {"protocol_name", "zones"}

# Rows that are used by whoever paces the tick, not by what happens in one.
PACING = {"tick_period_ms"}


def settings_attributes(path: Path) -> set[str]:
    """Names read from something called `settings`, in a file that did not
    import a module of that name."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name.lstrip("_") == "settings":
                found.add(node.attr)
    return found


def settings_reads(trees: list[ast.AST]) -> set[str]:
    """Rows of the table that some code reads, by attribute or by getattr with
    a name put together from pieces."""
    rows = {row[0] for row in SETTINGS}
    found = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "getattr"
            ):
                pieces = [
                    piece.value
                    for piece in ast.walk(node.args[1])
                    if isinstance(piece, ast.Constant) and isinstance(piece.value, str)
                ]
                found |= {
                    row
                    for row in rows
                    if pieces and row.startswith(pieces[0]) and row.endswith(pieces[-1])
                }
    return found & rows


def test_device_code_reads_no_setting_that_is_not_in_the_table() -> None:
    known = {row[0] for row in SETTINGS} | OTHER_ATTRIBUTES
    assert known <= set(vars(Settings()))
    unknown = {
        named(path): names
        for path in [*FIRMWARE, *HAL]
        if "firmware.settings" not in modules_as(path, "settings")
        and (names := settings_attributes(path) - known)
    }
    assert unknown == {}


def modules_as(path: Path, name: str) -> set[str]:
    """Modules that a file imports under `name`."""
    return {
        f"{node.module}.{alias.name}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if (alias.asname or alias.name) == name
    }


def test_every_setting_does_something_in_the_firmware() -> None:
    # A limit that can be set and is never read protects nobody. What only
    # checks or packs settings does not count as a use of them.
    trees: list[ast.AST] = [
        parsed(path) for path in FIRMWARE if named(path) != "firmware/settings.py"
    ]
    trees += [
        node
        for node in parsed(ROOT / "firmware" / "settings.py").body
        if isinstance(node, ast.FunctionDef) and node.name not in ("broken_rules", "encode")
    ]
    unused = {row[0] for row in SETTINGS} - settings_reads(trees)
    assert unused - PACING == set()
    around: list[ast.AST] = [parsed(path) for path in [*HAL, *PLAIN]]
    assert PACING - settings_reads(trees + around) == set()
