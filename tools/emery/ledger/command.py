"""`emery config history` and `emery config blame`: what the ledger tells.

A device is asked only for who it is, and for its config, which is compared with the
ledger; without one at hand, `--device` names its ledger.
"""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal
from emery.exit_codes import ExitCode
from emery.link.command import Port

if TYPE_CHECKING:
    from emery.ledger.book import Ledger
    from emery.ledger.entry import Entry

SCHEMA = "emery.history/1"

Device = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="The device's id, or its beginning, instead of a device that is connected.",
        show_default=False,
    ),
]


def history(
    *,
    port: Port = None,
    device: Device = None,
    on_device: Annotated[
        bool,
        typer.Option(
            "--on-device", help="Show the short ledger that the device keeps, from any computer."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Show who changed what on a device, when and why."""
    from emery.ledger import book, table
    from emery.transfer.told import told

    if on_device:
        if device is not None or as_json:
            terminal.refuse("--on-device asks the device; leave --device and --json out")
        _show_on_device(port)
        return
    with told():
        device_id = chosen_device(port, device)
        ledger = book.read(device_id)
        torn = [path.name for path in book.torn_files(device_id)]
    if as_json:
        document = {
            "schema": SCHEMA,
            "device": device_id,
            "entries": [entry.document() for entry in ledger.entries],
            "problems": ledger.problems,
            "torn": torn,
        }
        terminal.write(json.dumps(document, indent=1) + "\n")
    else:
        terminal.write(f"device {device_id}\n")
        terminal.write(table.history(ledger) if ledger.entries else "no entry\n")
    _tell_problems(ledger, torn)


def _show_on_device(port: str | None) -> None:
    from emery.ledger import book, table
    from emery.link.client import connected
    from emery.transfer.told import told

    with told(), connected(port) as (client, hello):
        own = client.ledger()
        kept = book.entries(hello.device_id) if hello.device_id else []
    terminal.write(f"device {hello.device_id}, its own ledger\n{table.own(own, kept)}")


def blame(
    key: Annotated[
        str, typer.Argument(help="A key as in a board file, such as protection.hard_limit.")
    ],
    *,
    port: Port = None,
    device: Device = None,
) -> None:
    """Show who set a key of a device, when and why, all the way back."""
    from emery.ledger import book, table
    from emery.transfer.told import told

    with told():
        device_id = chosen_device(port, device)
        ledger = book.read(device_id)
        if not ledger.entries:
            terminal.refuse(f"device {device_id} has no entry yet")
        name, steps = _steps(ledger.entries, key)
    terminal.write(table.story(name, steps))
    _tell_problems(ledger, [path.name for path in book.torn_files(device_id)])


def _steps(
    entries: list["Entry"], key: str
) -> tuple[str, list[tuple["Entry", str, str]]]:
    """The key that is meant, and the entries that changed it. Ends the command if there
    is no such key."""
    from emery.config.problem import listed, quoted
    from emery.config.rows import SETTING_ROWS
    from emery.ledger import keys
    from emery.transfer.told import note

    read = []
    for entry in entries:
        try:
            read.append((entry, keys.values(entry.before), keys.values(entry.after)))
        except keys.Unreadable as problem:
            note(f"entry {entry.number} is left out: {problem}")
    known = list(dict.fromkeys(one for _, was, now in reversed(read) for one in (*now, *was)))
    wanted = next(
        (f"{row.table}.{row.key}" for row in SETTING_ROWS if row.name == key.strip()), key
    )
    found = keys.nearest(wanted, known)
    if len(found) > 1:
        terminal.refuse(f"{quoted(key)} is {listed(found)}: write the whole of it.")
    if not found:
        near = keys.alike(wanted, known)
        meant = f" Did you mean {listed(near)}?" if near else " `emery get` lists the settings."
        terminal.refuse(f"no entry has a key {quoted(key)}.{meant}")
    name = found[0]
    steps = [
        (entry, was.get(name, ""), now.get(name, ""))
        for entry, was, now in read
        if was.get(name) != now.get(name)
    ]
    return name, steps


def chosen_device(port: str | None, device: str | None) -> str:
    """The device that is meant: the one named, the one connected, or the only one that
    has a ledger. Raises DeviceProblem, LedgerError."""
    from emery.ledger import pending, place
    from emery.transfer.told import note

    if device is not None:
        if port is not None:
            terminal.refuse("--port asks a device, --device takes a ledger; leave one of them out")
        device_id = _named(device.strip().lower(), place.devices())
    elif port is not None or _is_one_connected() or not place.devices():
        return _asked(port)
    else:
        device_id = _only(place.devices())
    planned = pending.of(device_id)
    if planned is not None:
        note(
            f"{planned} is under way, or did not come to its end; the next command that is "
            "connected to the device finds out which"
        )
    return device_id


def _asked(port: str | None) -> str:
    from emery.transfer import wish
    from emery.transfer.told import note

    with wish.reached(port, note) as (_, hello, _):
        return hello.device_id


def _is_one_connected() -> bool:
    from emery.device import ports
    from emery.device.problem import DeviceProblem

    try:
        return len(ports.connected()) == 1
    except DeviceProblem:
        return False


def _named(device: str, known: list[str]) -> str:
    found = [one for one in known if one.startswith(device)]
    if len(found) == 1:
        return found[0]
    if device in found:
        return device
    which = "more than one device has" if found else "no device has"
    listed = "".join(f"\n    {one}" for one in found or known) or " none"
    terminal.refuse(f"{which} a ledger under {device[:64]!r}. There are:{listed}")


def _only(known: list[str]) -> str:
    if len(known) == 1:
        return known[0]
    listed = "".join(f"\n    {one}" for one in known)
    terminal.refuse(
        f"several devices have a ledger, and none is connected; name one with --device:{listed}"
    )


def _tell_problems(ledger: "Ledger", torn: list[str]) -> None:
    """What is wrong with the ledger itself; exit code 1 if a line does not follow."""
    from emery.ledger.place import ledger_file
    from emery.transfer.told import note

    path = ledger_file(ledger.device_id)
    if ledger.torn:
        note(
            f"behind the last entry are {len(ledger.torn)} bytes of one that was cut off; the "
            "next entry sets them aside"
        )
    for name in torn:
        note(f"what a cut of power left of an entry is in {path.parent / name}")
    for problem in ledger.problems:
        terminal.complain(f"error: {path}: {problem}")
    if ledger.problems:
        terminal.complain(
            "Somebody or something changed the file. A backup of it tells what was there;\n"
            "what the device itself remembers: emery config history --on-device"
        )
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)
