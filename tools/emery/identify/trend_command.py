"""`emery identify --trend`: reads a ledger, and tells what changed."""

import json
from pathlib import Path

import typer

from emery import terminal
from emery.exit_codes import ExitCode


def tell_trend(device: str, port: str | None, report: Path | None, as_json: bool) -> None:
    """Print it. Ends with exit code 1 if something needs a service."""
    from emery.identify import trend_page
    from emery.identify.result import Identified, read
    from emery.identify.trend import Says, courses
    from emery.ledger import book
    from emery.ledger.command import chosen_device
    from emery.plotted import ReportError
    from emery.transfer.told import note, told

    history: list[tuple[int, Identified]] = []
    with told():
        device_id = chosen_device(port, device or None)
        for entry in book.entries(device_id):
            if entry.what != "identify" or "identify" not in entry.extra:
                continue
            try:
                history.append((book.epoch_of(entry.at), read(entry.extra["identify"])))
            except ValueError as problem:
                note(f"entry {entry.number} of the ledger is left out: {problem}")
    if not history:
        terminal.refuse(
            f"device {device_id} was never identified. Do it once a month, with the same "
            "orifice tip: emery identify BOARD.toml"
        )
    history.sort(key=lambda one: one[0])
    found = courses(history)
    if report is not None:
        try:
            trend_page.write(report, device_id, found)
        except ReportError as problem:
            terminal.refuse(str(problem))
    if as_json:
        terminal.write(json.dumps(trend_page.document(device_id, found), indent=1) + "\n")
    else:
        terminal.write(trend_page.text(device_id, found))
        if report is not None:
            terminal.write(f"report: {report}\n")
    if any(course.says is Says.SERVICE for course in found):
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)
