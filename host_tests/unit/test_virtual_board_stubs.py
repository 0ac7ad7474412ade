"""The simulated `machine`, `rp2`, `esp32` and `time` held to MicroPython's own stubs.

What the HAL uses must exist in the stubs of its chip and in the simulation, with the
same parameters; and whatever the simulation offers must be MicroPython's: a constant
of the same value, a method of the same name, no parameter that the chip lacks.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from emery import slot
from emery.virtual_board import inside
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.console import Console
from emery.virtual_board.interpreter import program

STUBS = {
    "rp2040": Path(sys.prefix) / "micropython-stubs",
    "esp32": Path(sys.prefix) / "micropython-esp32-stubs",
}
# Of each chip, the device code that knows pins.
HAL = slot.ROOT / "hal"
SHARED = [
    HAL / "board.py",
    HAL / "console.py",
    HAL / "flash_storage.py",
    *sorted((HAL / "sensors").glob("*.py")),
    *sorted((slot.ROOT / "firmware" / "root").glob("*.py")),
]
CODE = {"rp2040": [HAL / "rp2040.py", *SHARED], "esp32": [HAL / "esp32.py", *SHARED]}
MODULES = ("machine", "rp2", "esp32", "time", "micropython")
CHIPS = tuple(CODE)


class Parameters(NamedTuple):
    """Of a function: its names in order without self, how many may be given by place,
    and whether it takes any."""

    names: tuple[str, ...]
    places: int
    takes_any: bool


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def stub_file(chip: str, module: str) -> Path:
    folder = STUBS[chip]
    package = folder / module / "__init__.pyi"
    return package if package.is_file() else folder / f"{module}.pyi"


@cache
def stub_names(chip: str, module: str) -> dict[str, list[ast.stmt]]:
    """Every name of a module in the stubs, with its definitions."""
    return definitions(parsed(stub_file(chip, module)).body)


def definitions(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    found: dict[str, list[ast.stmt]] = {}
    for node in body:
        names: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.AnnAssign):
            names = [getattr(node.target, "id", "")]
        elif isinstance(node, ast.Assign):
            names = [getattr(target, "id", "") for target in node.targets]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
        for name in names:
            found.setdefault(name, []).append(node)
    return found


@cache
def stub_class(chip: str, module: str, name: str) -> dict[str, list[ast.stmt]]:
    """What a class of the stubs has, of its own and of the classes it extends."""
    found: dict[str, list[ast.stmt]] = {}
    for node in stub_names(chip, module)[name]:
        if not isinstance(node, ast.ClassDef):
            continue  # of another module
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in stub_names(chip, module):
                found.update(stub_class(chip, module, base.id))
        found.update(definitions(node.body))
    return found


def stub_parameters(nodes: list[ast.stmt]) -> Iterator[Parameters]:
    """Of each overload in the stubs."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            by_place = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
            by_place = [name for name in by_place if name not in ("self", "cls")]
            by_name = [one.arg for one in arguments.kwonlyargs]
            takes_any = arguments.vararg is not None or arguments.kwarg is not None
            yield Parameters((*by_place, *by_name), len(by_place), takes_any)


def own_parameters(function: Any) -> Parameters:
    """Of a function of the simulation."""
    signature = inspect.signature(function)
    kinds = {name: one.kind for name, one in signature.parameters.items()}
    by_place = [
        name for name, kind in kinds.items()
        if kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        and name != "self"
    ]  # fmt: skip
    by_name = [name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY]
    takes_any = any(
        kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        for kind in kinds.values()
    )
    return Parameters((*by_place, *by_name), len(by_place), takes_any)


def takes(parameters: Parameters, places: int, names: set[str]) -> bool:
    """Could a call with so many arguments by place and these by name be meant?"""
    if parameters.takes_any:
        return True
    return places <= parameters.places and names <= set(parameters.names)


def assembler_stubs(chip: str, module: str, name: str) -> list[ast.stmt]:
    """Instructions and directives of the PIO have a file of their own."""
    path = STUBS[chip] / "rp2" / "asm_pio_rp2040.pyi"
    if module != "rp2" or not path.is_file():
        return []
    return [
        node for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]  # fmt: skip


class Use(NamedTuple):
    """One use of a name of a module, or of an attribute of a class in it."""

    where: str
    module: str
    name: str
    attribute: str


def uses(path: Path) -> Iterator[Use]:
    """Names imported from the modules, and attributes read from them by name."""
    imported: dict[str, tuple[str, str]] = {}
    where = path.relative_to(slot.ROOT).as_posix()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                imported[alias.asname or alias.name] = (node.module, alias.name)
                yield Use(where, node.module, alias.name, "")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in MODULES:
                    imported[alias.asname or alias.name] = (alias.name, "")
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value
        if isinstance(owner, ast.Name) and owner.id in imported:
            module, name = imported[owner.id]
            yield Use(where, module, name or node.attr, node.attr if name else "")
        elif (
            isinstance(owner, ast.Attribute)
            and isinstance(owner.value, ast.Name)
            and imported.get(owner.value.id, ("", "x"))[1] == ""
        ):
            yield Use(where, imported[owner.value.id][0], owner.attr, node.attr)


def all_uses(chip: str) -> list[Use]:
    return sorted({use for path in CODE[chip] for use in uses(path)})


@pytest.fixture(params=CHIPS)
def chip(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def modules(chip: str) -> Iterator[dict[str, ModuleType]]:
    with inside.board(chip) as board:
        yield {
            "machine": board.machine,
            "time": board.time,
            "rp2" if chip == "rp2040" else "esp32": board.chip_module,
        }


def test_the_hal_is_really_looked_at(chip: str) -> None:
    found = {(use.module, use.name, use.attribute) for use in all_uses(chip)}
    assert ("machine", "Pin", "OUT") in found
    assert ("time", "ticks_ms", "") in found
    if chip == "rp2040":
        assert {("rp2", "asm_pio", ""), ("rp2", "PIO", "OUT_LOW")} <= found
    else:
        assert ("machine", "ADC", "ATTN_11DB") in found
    assert len(found) > 20


# Shared code names these of one chip, behind a question which chip it is.
OF_ONE = {("machine", "SOFT_RESET"): "esp32"}


def on_this_chip(use: Use, chip: str) -> bool:
    if use.module in ("rp2", "esp32"):
        return (use.module == "rp2") == (chip == "rp2040")
    return OF_ONE.get((use.module, use.name), chip) == chip


def test_every_name_the_hal_uses_is_in_the_stubs(chip: str) -> None:
    missing = []
    for use in all_uses(chip):
        if not on_this_chip(use, chip):
            continue
        names = stub_names(chip, use.module)
        if use.name not in names:  # noqa: SIM114 - in one line it is too long to read
            missing.append(use)
        elif use.attribute and use.attribute not in stub_class(chip, use.module, use.name):
            missing.append(use)
    assert missing == []


def test_every_name_the_hal_uses_is_in_the_simulation(
    chip: str, modules: dict[str, ModuleType]
) -> None:
    missing = []
    for use in all_uses(chip):
        if use.module == "micropython" or not on_this_chip(use, chip):
            continue
        thing = getattr(modules[use.module], use.name, None)
        if thing is None or (use.attribute and not hasattr(thing, use.attribute)):
            missing.append(use)
    assert missing == []


# Methods that the device code calls on files and dictionaries.
OF_OTHERS = {"read", "get"}


def calls(chip: str) -> Iterator[tuple[str, ast.Call, str]]:
    """Every call in the device code, with the last name of what is called."""
    for path in CODE[chip]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                where = f"{path.name}:{node.lineno}"
                if isinstance(node.func, ast.Attribute):
                    yield where, node, node.func.attr
                elif isinstance(node.func, ast.Name):
                    yield where, node, node.func.id


def simulated(modules: dict[str, ModuleType]) -> Iterator[tuple[str, str, Any]]:
    """(module, name, thing) of all that the simulation offers under a public name."""
    for module, code in modules.items():
        for name, thing in vars(code).items():
            if name.startswith("_") or isinstance(thing, ModuleType):
                continue
            own = getattr(thing, "__module__", code.__name__) == code.__name__
            if own and name not in ("LINE", "ops", "chip_facts", "array", "pack", "flash"):
                yield module, name, thing


def test_every_call_of_the_hal_fits_stub_and_simulation(
    chip: str, modules: dict[str, ModuleType]
) -> None:
    # By the name of the method: where several classes have it, one must take the call.
    takers: dict[str, list[tuple[str, Parameters, list[Parameters]]]] = {}
    for module, name, thing in simulated(modules):
        stubs = stub_names(chip, module).get(name)
        if stubs is None:
            continue
        if inspect.isclass(thing):
            of_class = stub_class(chip, module, name)
            for method in {one for base in thing.__mro__[:-1] for one in vars(base)}:
                function = getattr(thing, method)
                known = name if method == "__init__" else method
                if inspect.isfunction(function) and not known.startswith("_"):
                    nodes = of_class.get(method) or assembler_stubs(chip, module, method)
                    overloads = list(stub_parameters(nodes))
                    takers.setdefault(known, []).append(
                        (name, own_parameters(function), overloads)
                    )
        elif callable(thing):
            takers.setdefault(name, []).append(
                (module, own_parameters(thing), list(stub_parameters(stubs)))
            )
    looked_at = 0
    refused = []
    for where, call, name in calls(chip):
        if name not in takers or name in OF_OTHERS:
            continue
        if any(isinstance(one, ast.Starred) for one in call.args):
            continue
        looked_at += 1
        names = {word.arg for word in call.keywords if word.arg is not None}
        places = len(call.args)
        if not any(
            takes(own, places, names) and any(takes(stub, places, names) for stub in stubs)
            for _, own, stubs in takers[name]
        ):
            refused.append((where, name, places, names))
    assert refused == []
    assert looked_at > 30


def test_the_simulation_offers_nothing_that_the_chip_lacks(
    chip: str, modules: dict[str, ModuleType]
) -> None:
    invented: list[tuple[str, ...]] = []
    for module, name, thing in simulated(modules):
        if name not in stub_names(chip, module):
            invented.append((module, name))
            continue
        if not inspect.isclass(thing) or not isinstance(
            stub_names(chip, module)[name][0], ast.ClassDef
        ):
            continue
        of_class = stub_class(chip, module, name)
        if "__getattr__" in of_class:
            continue  # the stub leaves open what it has
        for attribute in vars(thing):
            if attribute.startswith("_") or attribute in ("number", "callback", "hard"):
                continue
            if attribute not in of_class:
                invented.append((module, name, attribute))
    assert invented == []


def test_no_parameter_is_invented(chip: str, modules: dict[str, ModuleType]) -> None:
    invented = []
    for module, name, thing in simulated(modules):
        stubs = stub_names(chip, module).get(name, [])
        functions = {name: (thing, stubs)}
        if inspect.isclass(thing):
            if not stubs or not isinstance(stubs[0], ast.ClassDef):
                continue
            of_class = stub_class(chip, module, name)
            functions = {
                f"{name}.{method}": (function, of_class.get(method, []))
                for method, function in vars(thing).items()
                if inspect.isfunction(function)
                and (method == "__init__" or not method.startswith("_"))
            }
        elif not inspect.isfunction(thing):
            continue
        for where, (function, nodes) in functions.items():
            overloads = list(stub_parameters(nodes))
            if not overloads or any(one.takes_any for one in overloads):
                continue
            known = {one for overload in overloads for one in overload.names}
            for parameter in own_parameters(function).names:
                if parameter not in known:
                    invented.append((module, where, parameter))
    assert [one for one in invented if one not in OTHER_NAMES] == []


# Parameters that the stubs leave out: ports/esp32/machine_pin.c and machine_pwm.c.
OTHER_NAMES = {
    ("machine", "Pin.__init__", "hold"),
    ("machine", "Pin.init", "hold"),
    ("machine", "PWM.__init__", "duty"),
    ("machine", "PWM.init", "duty"),
}


def test_constants_have_the_values_of_the_chip(
    chip: str, modules: dict[str, ModuleType]
) -> None:
    looked_at = 0
    wrong = []
    for module, name, thing in simulated(modules):
        places = [((module, name), stub_names(chip, module).get(name, []), thing)]
        if inspect.isclass(thing):
            of_class = stub_class(chip, module, name) if name in stub_names(chip, module) else {}
            places = [
                ((module, f"{name}.{one}"), of_class.get(one, []), value)
                for one, value in vars(thing).items()
                if isinstance(value, int)
            ]
        for where, nodes, value in places:
            for node in nodes:
                if (
                    isinstance(node, ast.AnnAssign)
                    and isinstance(node.value, ast.Constant)
                    and isinstance(node.value.value, int)
                ):
                    looked_at += 1
                    if node.value.value != value:
                        wrong.append((where, value, node.value.value))
    assert wrong == []
    assert looked_at >= 15


@pytest.mark.skipif(program("micropython") is None, reason="there is no MicroPython here")
def test_every_name_is_there_on_the_board_itself(chip: str, tmp_path: Path) -> None:
    wanted = sorted(
        {
            (use.module, use.name, use.attribute)
            for use in all_uses(chip)
            if on_this_chip(use, chip)
        }
    )
    code = "missing = []\n"
    for module, name, attribute in wanted:
        thing = f"{module}.{name}" + (f".{attribute}" if attribute else "")
        code += f"import {module}\ntry: {thing}\n"
        code += f"except AttributeError: missing.append({thing!r})\n"
    with VirtualBoard(chip, tmp_path, fast=True) as board:
        console = Console(board)
        board.wait_until(lambda: board.at_prompt)
        console.interrupt()
        assert console.run(code + "print(missing)") == "[]\n"
