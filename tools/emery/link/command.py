"""`emery get` and `emery set`: the settings of a device, over the link."""

from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal
from emery.exit_codes import ExitCode

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

_WAY_INTO_SERVICE = (
    "Bring the device there first: end the session; then hold END while you switch it on, "
    "or press w in `emery monitor`"
)
_IN_FORCE = "It holds from the next restart on: press r in `emery monitor`, or switch off and on."


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
) -> None:
    """Change one setting of a device that is in SERVICE; it holds from the next restart on.

    A flash of the same board file would bring the old value back: change it there too.
    """
    from emery.config import quantity
    from emery.device.problem import DeviceProblem
    from emery.link.change import ChangeError, check_together, find, named, parsed
    from emery.link.client import connected
    from emery.link.said import state_name
    from firmware.treatment import SERVICE

    try:
        row = find(key)
        number = parsed(row, value)
    except ChangeError as error:
        terminal.refuse(str(error))
    try:
        with connected(port) as (client, hello):
            settings = _settings(client)
            before = getattr(settings, row.name)
            check_together(row, number, settings, hello.chip)
            if hello.state != SERVICE:
                terminal.refuse(
                    f"the device is in {state_name(hello.state)}; settings are changed in "
                    f"SERVICE only. {_WAY_INTO_SERVICE}.",
                    ExitCode.DEVICE,
                )
            if before != number:
                before = client.set(row.name, number)
    except ChangeError as error:
        terminal.refuse(str(error))
    except DeviceProblem as problem:
        terminal.refuse(str(problem), problem.code)
    was, now = (quantity.text(one, row.unit) for one in (before, number))
    if before == number:
        terminal.write(f"{named(row)} is {now} already; nothing was written.\n")
        return
    terminal.write(f"{named(row)}: {was} before, {now} now. {_IN_FORCE}\n")


def _settings(client: "Client") -> "Settings":
    """The settings on the device's flash. DeviceProblem if they are none of this emery's."""
    from emery.device.problem import DeviceProblem
    from firmware.settings import SettingsError, decode
    from hal import wiring

    try:
        return decode(client.whole_blob("config")[wiring.LENGTH :])
    except SettingsError as refused:
        raise DeviceProblem(
            f"the device's settings are of another version: {refused}",
            "Use the emery of the device's version; or put this one's firmware on: "
            "emery flash CONFIG",
        ) from None
