"""`os` of a virtual board: it can tell which chip this is."""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors

import sys as _sys
from collections import namedtuple
from os import *  # noqa: F403

from emery.virtual_board.on_board import chip_facts

_platform, _machine = chip_facts.CHIP_FACTS[chip_facts.chosen[0]][:2]
_release = ".".join([str(part) for part in _sys.implementation[1][:3]])
_Name = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))
NAME = _Name(
    _platform, _platform, _release,
    "v" + _release + _sys.version[_sys.version.find(" on ") :], _machine,
)  # fmt: skip


def uname():
    """Names of system, node, release, version and machine."""
    return NAME


def sync() -> None:
    """Nothing: every write is in the flash when it returns."""
