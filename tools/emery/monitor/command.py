"""`emery monitor`: see a device work."""

from typing import Annotated

import typer

from emery.terminal import refuse


def monitor(
    *,
    port: Annotated[
        str | None,
        typer.Option(
            help="Serial port, path of a virtual board's terminal, or socket://host:port. "
            "Default: the only board there is.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=0, metavar="SECONDS", help="End after so long.",
                     show_default=False),
    ] = None,
) -> None:
    """Show state, vacuum, passes, faults and what to do about them, as it happens.

    On a terminal it takes all of it, with keys for the operator's commands; each is
    confirmed. Otherwise it prints a line every second. Nothing is stopped by it.
    """
    from emery.device import ports
    from emery.device.problem import DeviceProblem
    from emery.link.client import Client
    from emery.link.port import SerialPort
    from emery.monitor.feed import Feed
    from emery.monitor.run import run

    try:
        chosen = ports.chosen(port)
        feed = Feed(lambda: Client(SerialPort(ports.again(chosen).device)))
        feed.connect()
    except DeviceProblem as problem:
        refuse(str(problem), problem.code)
    try:
        run(feed, chosen.device, seconds)
    finally:
        feed.close()
