"""Files as a command line names them: one that comes with Emery by its name, or a file."""

import os
from pathlib import Path

from emery import terminal
from emery.config.extends import SHIPPED


def config_file(path: Path) -> Path:
    """The file that is meant: `path`, or the board or protocol that comes with Emery
    under this name if there is no such file."""
    # `os.path` takes what no system accepts as a name for a file that is not there.
    if path.suffix or os.path.exists(path) or path.name != str(path):  # noqa: PTH110
        return path
    for shipped in (SHIPPED / f"{path}.toml", SHIPPED / "protocols" / f"{path}.toml"):
        if os.path.isfile(shipped):  # noqa: PTH113
            return shipped
    return path


def own_file(named: Path) -> Path:
    """The board file that measured values are to be written into. Ends the command if it
    comes with Emery: every device without a file of its own has what stands there, and
    the next version of Emery brings it anew."""
    path = config_file(named)
    if path.resolve().is_relative_to(SHIPPED.resolve()):
        terminal.refuse(
            f"{named} is among the files that come with Emery: nothing that was measured on "
            "one device is written there. Write your own file that extends it, beginning with "
            f'the line `extends = "{path.stem}"`, and name that'
        )
    return path


def protocol_file(name: str) -> Path:
    """The file of the protocol that is meant. Ends the command if there is none."""
    folder = SHIPPED / "protocols"
    shipped = folder / f"{name}.toml"
    if os.path.isfile(shipped) and not name.endswith(".toml"):  # noqa: PTH113
        return shipped
    file = Path(name)
    if not os.path.isfile(file):  # noqa: PTH113
        names = ", ".join(sorted(path.stem for path in folder.glob("*.toml")))
        terminal.refuse(f"there is no protocol {name}. Shipped are: {names}; or name a file.")
    return file
