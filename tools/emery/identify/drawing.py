"""Small drawings as SVG: a frame in its own units, lines, dots and bands."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WIDTH = 860
_HEIGHT = 250
_LEFT = 52
_BELOW = 34
_ABOVE = 14
_RIGHT = 10

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; background: #fff;
       max-width: 900px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 26px 0 4px; }
p { margin: 4px 0 10px; max-width: 72ch; } .quiet { color: #57606a; }
pre { font: 13px/1.4 ui-monospace, monospace; background: #f6f8fa; padding: 12px;
      border-radius: 6px; overflow-x: auto; }
svg { width: 100%; height: auto; } .grid { stroke: #e4e8ec; stroke-width: 1; }
text { font-size: 12px; fill: #57606a; } .dots { fill: #9ec5f4; }
.line { fill: none; stroke: #0b4f9e; stroke-width: 1.6; } .band { fill: #cfe2f8; }
.left { fill: none; stroke: #b35900; stroke-width: 1; }
.limit { fill: none; stroke: #b35900; stroke-width: 1.4; stroke-dasharray: 6 4; }
@media print { body { max-width: none; } }
"""


def page(title: str, body: str) -> str:
    """A whole page that needs nothing else and may ask the network for nothing.

    `title` and `body` are HTML already.
    """
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body}"
        "</body></html>\n"
    )


class Axes:
    """A frame from `first` to `last` and from `low` to `high`."""

    def __init__(self, first: float, last: float, low: float, high: float) -> None:
        self.first, self.last, self.low, self.high = first, last, low, high

    def line(self, kind: str, x: Array, y: Array) -> str:
        """A line through these points; `kind` is a class of STYLE."""
        return f"<polyline class='{kind}' points='{self._points(x, y)}'/>"

    def dots(self, x: Array, y: Array, radius: float = 1.6) -> str:
        """A dot for each."""
        pairs = zip(self._x(x).tolist(), self._y(y).tolist(), strict=True)
        return "".join(
            f"<circle class='dots' cx='{a:.1f}' cy='{b:.1f}' r='{radius}'/>" for a, b in pairs
        )

    def band(self, x: Array, low: Array, high: Array) -> str:
        """What lies between two lines."""
        around = self._points(
            np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]])
        )
        return f"<polygon class='band' points='{around}'/>"

    def frame(
        self, y_unit: str, below: Sequence[tuple[float, str]], x_unit: str = ""
    ) -> str:
        """Lines at round numbers; `below` are places on the lower edge and their words."""
        parts = []
        for value in ticks(self.high):
            y = float(self._y(np.array([value]))[0])
            parts.append(
                f"<line class='grid' x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{y:.1f}' "
                f"y2='{y:.1f}'/><text x='{_LEFT - 8}' y='{y + 4:.1f}' text-anchor='end'>"
                f"{value:g}</text>"
            )
        for value, words in below:
            x = float(self._x(np.array([value]))[0])
            parts.append(
                f"<text x='{x:.1f}' y='{_HEIGHT - 16}' text-anchor='middle'>{words}</text>"
            )
        parts.append(
            f"<text x='{_WIDTH - _RIGHT}' y='{_HEIGHT - 2}' text-anchor='end'>{x_unit}</text>"
            f"<text x='2' y='{_ABOVE - 3}'>{y_unit}</text>"
        )
        return "".join(parts)

    @staticmethod
    def svg(parts: Sequence[str]) -> str:
        """The drawing."""
        return f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img'>{''.join(parts)}</svg>"

    def _x(self, values: Array) -> Array:
        share = (values - self.first) / (self.last - self.first)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, values: Array) -> Array:
        share = (self.high - values) / (self.high - self.low)
        return _ABOVE + share * (_HEIGHT - _BELOW - _ABOVE)

    def _points(self, x: Array, y: Array) -> str:
        pairs = zip(self._x(x).tolist(), self._y(y).tolist(), strict=True)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in pairs)


def ticks(highest: float) -> list[float]:
    """Round numbers from nothing up to `highest`, no more than some."""
    step = next(
        (one for one in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
         if highest / one <= 7),
        100,
    )  # fmt: skip
    return [step * at for at in range(int(highest / step) + 1)]
