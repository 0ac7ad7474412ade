"""A protocol as a command line names it: a shipped one by its name, or a file."""

from pathlib import Path

from emery import slot, terminal


def protocol_file(name: str) -> Path:
    """The file of the protocol that is meant. Ends the command if there is none."""
    folder = slot.ROOT / "board_configs" / "protocols"
    shipped = folder / f"{name}.toml"
    if shipped.is_file() and not name.endswith(".toml"):
        return shipped
    file = Path(name)
    if not file.is_file():
        names = ", ".join(sorted(path.stem for path in folder.glob("*.toml")))
        terminal.refuse(f"there is no protocol {name}. Shipped are: {names}; or name a file.")
    return file
