"""The option `--report`: what can be refused is refused before the work that it tells of."""

from emery import terminal
from emery.plotted import ReportError, plotly_script


def refuse_without_plotly() -> None:
    """End the command if no page could be drawn here."""
    try:
        plotly_script()
    except ReportError as missing:
        terminal.refuse(str(missing))
