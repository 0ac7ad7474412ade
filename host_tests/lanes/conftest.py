"""The lanes of MicroPython, or a skip that says what is missing."""

from pathlib import Path

import pytest

from emery.simulator import lanes


@pytest.fixture(scope="session", params=lanes.LANES[1:])
def lane(request: pytest.FixtureRequest) -> str:
    """Each lane of MicroPython."""
    return needed(request.param)


def needed(lane: str) -> str:
    """A lane that a test cannot do without."""
    try:
        lanes.interpreter(lane)
    except lanes.LaneMissing as missing:
        pytest.skip(str(missing))
    return lane


@pytest.fixture(scope="session")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware and the models as .mpy."""
    tree = tmp_path_factory.mktemp("slot")
    try:
        lanes.build_slot(tree)
    except lanes.LaneMissing as missing:
        pytest.skip(str(missing))
    return tree
