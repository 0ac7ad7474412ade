"""`emery get` and `emery set`: the settings of a device, over the link."""

from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal

if TYPE_CHECKING:
    from emery.link.client import Client
    from firmware.settings import Settings

Port = Annotated[
    str | None,
    typer.Option(
        help="Serial port, path of a virtual board's terminal, or socket://host:port. "
        "Default: the only board there is.",
        show_default=False,
    ),
]

Why = Annotated[
    str, typer.Option(metavar="TEXT", help="Why, for the ledger.", show_default=False)
]
Who = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Who, for the ledger. Default: your login.", show_default=False
    ),
]
Engineer = Annotated[
    bool,
    typer.Option("--engineer", help="Change keys, too, that ask for knowledge of the design."),
]


def get(
    key: Annotated[
        str | None,
        typer.Argument(
            help="A setting as in a board file, such as protection.hard_limit. Default: all.",
            show_default=False,
        ),
    ] = None,
    *,
    port: Port = None,
) -> None:
    """Show settings of a device, as they stand on its flash."""
    from emery.config.rows import SETTING_ROWS
    from emery.device.problem import DeviceProblem
    from emery.link.change import ChangeError, find, shown
    from emery.link.client import connected

    try:
        wanted = find(key) if key is not None else None
    except ChangeError as error:
        terminal.refuse(str(error))
    try:
        with connected(port) as (client, _):
            if wanted is not None:
                lines = [shown(wanted, client.get(wanted.name))]
            else:
                settings = _settings(client)
                lines = [shown(row, getattr(settings, row.name)) for row in SETTING_ROWS]
    except DeviceProblem as problem:
        terminal.refuse(str(problem), problem.code)
    terminal.write("".join(f"{line}\n" for line in lines))


def set_value(
    key: Annotated[
        str, typer.Argument(help="A setting as in a board file, such as protection.hard_limit.")
    ],
    value: Annotated[str, typer.Argument(help='With its unit, such as "42 kPa".')],
    *,
    port: Port = None,
    why: Why = "",
    who: Who = "",
    engineer: Engineer = False,
) -> None:
    """Change one setting of a device: with a backup, a certificate and an entry.

    A flash of the same board file would bring the old value back: change it there too.
    """
    from emery.config import quantity
    from emery.config.compiled import decompile
    from emery.ledger.keys import Change
    from emery.link.change import ChangeError, check_together, find, named, parsed
    from emery.transfer import wish
    from emery.transfer.bring import bring
    from emery.transfer.certified import certified
    from emery.transfer.serviced import refuse_in_use
    from emery.transfer.told import note, told
    from firmware import config_file
    from firmware.settings import encode

    try:
        row = find(key)
        number = parsed(row, value)
    except ChangeError as error:
        terminal.refuse(str(error))
    now = quantity.text(number, row.unit)
    with told():
        with wish.reached(port, note) as (_, hello, before):
            blob = wish.todays(before)
            settings = decompile(blob).settings
            before_it = getattr(settings, row.name)
            was = quantity.text(before_it, row.unit)
            if before_it == number:
                terminal.write(f"{named(row)} is {now} already; nothing was written.\n")
                return
            wish.refuse_engineers([Change(named(row), was, now)], engineer=engineer)
            try:
                check_together(row, number, settings, hello.chip)
            except ChangeError as error:
                terminal.refuse(str(error))
            refuse_in_use(hello)
        with terminal.progress("certifying") as show:
            blob = certified(config_file.with_settings(blob, encode(settings)), show, before)
        bring(
            blob, port, what="set", who=who, why=why, extra={"key": named(row)},
            device_id=hello.device_id,
        )  # fmt: skip
    terminal.write(f"{named(row)}: {was} before, {now} now\n")


def _settings(client: "Client") -> "Settings":
    """The settings on the device's flash. DeviceProblem if they are none of this emery's."""
    from emery.device.problem import DeviceProblem
    from firmware.config_file import settings_of
    from firmware.settings import SettingsError, decode

    try:
        return decode(settings_of(client.whole_blob("config")))
    except SettingsError as refused:
        raise DeviceProblem(
            f"the device's settings are of another version: {refused}",
            "Use the emery of the device's version; or put this one's firmware on: "
            "emery flash CONFIG",
        ) from None
