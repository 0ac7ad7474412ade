"""The monitor at work: on a whole terminal, or a line a second without one."""

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from emery.monitor.feed import Feed
from emery.monitor.keys import Keys
from emery.monitor.orders import Order, orders
from emery.monitor.screen import View, one_line, page

_DRAW_S = 0.1
_TOLD_S = 4.0
_LINE_S = 1.0


def run(feed: Feed, port: str, seconds: float | None) -> None:
    """Show the device until `q`, Ctrl-C, or for so many seconds."""
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        _full_screen(feed, port, console, seconds)
    else:
        _lines(feed, port, seconds)


def _end_s(seconds: float | None) -> float:
    return time.monotonic() + seconds if seconds is not None else float("inf")


def _lines(feed: Feed, port: str, seconds: float | None) -> None:
    end_s = _end_s(seconds)
    due_s = time.monotonic()
    while time.monotonic() < end_s:
        feed.step()
        now_s = time.monotonic()
        if now_s >= due_s:
            due_s = now_s + _LINE_S
            try:
                sys.stdout.write(f"{one_line(view_of(feed, port))}\n")
                sys.stdout.flush()
            except BrokenPipeError:
                return  # whoever read this has left


def _full_screen(feed: Feed, port: str, console: Console, seconds: float | None) -> None:
    asker = Asker(feed.do)
    end_s = _end_s(seconds)
    drawn_s = 0.0
    ascii_only = not console.encoding.lower().startswith("utf")
    with Keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while time.monotonic() < end_s:
            feed.step()
            view = view_of(feed, port)
            view.ascii_only = ascii_only
            asker.offer(view.orders)
            for key in keys.pressed():
                if key == "q" and not asker.question:
                    return
                asker.press(key)
            view.question = asker.question
            view.answer = asker.answer
            now_s = time.monotonic()
            if now_s - drawn_s >= _DRAW_S:
                drawn_s = now_s
                live.update(_text(view, console.width, console.height), refresh=True)


class Asker:
    """A key asks for a command; the answer to its question sends it, or not."""

    def __init__(self, do: Callable[[int, int], str]) -> None:
        self._do = do
        self._offered: list[Order] = []
        self._asked: Order | None = None
        self._answer = ""
        self._answered_s = 0.0

    @property
    def question(self) -> str:
        """What is to be confirmed now, "" for nothing."""
        return self._asked.question if self._asked is not None else ""

    @property
    def answer(self) -> str:
        """What became of the last command, for some seconds."""
        return self._answer if time.monotonic() - self._answered_s < _TOLD_S else ""

    def offer(self, offered: list[Order]) -> None:
        """The commands that make sense now. A question whose command makes none any
        more is taken back."""
        self._offered = offered
        if self._asked is not None and self._asked not in offered:
            self._asked = None
            self._tell("not sent: the device has gone on meanwhile")

    def press(self, key: str) -> None:
        """A key."""
        asked, self._asked = self._asked, None
        if asked is None:
            self._asked = next((order for order in self._offered if order.key == key), None)
            return
        argument = dict(asked.answers).get(key.lower())
        if argument is None:
            self._tell("not sent")
            return
        problem = self._do(asked.command, argument)
        self._tell(f"not taken: {problem}" if problem else "sent")

    def _tell(self, answer: str) -> None:
        self._answer = answer
        self._answered_s = time.monotonic()


def view_of(feed: Feed, port: str) -> View:
    """What the feed has, for the screen."""
    status = feed.status
    offered: list[Order] = []
    if status is not None and not feed.trouble and not status.is_stopped:
        offered = orders(status, len(status.opened))
    return View(
        port=port, hello=feed.hello, status=status, settings=feed.settings,
        settings_note=feed.settings_note, certificate=feed.certificate, trouble=feed.trouble,
        rate=feed.rate, lost=feed.lost, connections=feed.connections, console=feed.console,
        orders=offered,
    )  # fmt: skip


def _text(view: View, width: int, height: int) -> Text:
    text = Text(no_wrap=True, overflow="crop")
    for number, (line, style) in enumerate(page(view, width, height)):
        text.append(("\n" if number else "") + line, style)
    return text
