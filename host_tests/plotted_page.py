"""A page of `emery.plotted` taken apart, and what holds for every one."""

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

PLOTLY = "/* plotly.js */"  # what tests give in its place
# Ways by which a page would ask the network for something.
_LOADING = {"src", "href", "srcset", "action", "data", "poster"}
_SIDES = (":root {", ":root:not([data-paper]) {", ":root[data-paper] {")


@dataclass
class _Page(HTMLParser):
    places: dict[str, dict[str, str | None]] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    style: str = ""
    words: str = ""
    policy: str = ""
    loading: list[str] = field(default_factory=list)
    _in: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.loading += [f"{tag} {name}" for name in found if name in _LOADING]
        if tag == "link":
            self.loading.append(tag)
        if found.get("role") == "img":
            name = found["id"]
            assert name
            assert name not in self.places
            self.places[name] = found
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        self._in = tag if tag == "style" else f"script {found.get('id', '')}"
        if tag not in ("style", "script"):
            self._in = ""

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "style":
            self.style += data
        elif self._in:
            self.scripts[self._in] = self.scripts.get(self._in, "") + data
        else:
            self.words += f" {data}"


def _no_number(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


def checked(html: str, plotly: str = PLOTLY) -> tuple[list[dict[str, Any]], str]:
    """The plots of a page, and all its words in one line. Fails if the page is no whole one:
    each plot has its place, all colours follow light, dark and paper, nothing is loaded."""
    page = _Page()
    page.feed(html.replace("<wbr>", ""))
    page.close()
    plots: list[dict[str, Any]] = json.loads(
        page.scripts["script data"], parse_constant=_no_number
    )
    assert plots
    assert sorted(plot["name"] for plot in plots) == sorted(page.places)
    assert all(place["aria-label"] for place in page.places.values())
    assert all(plot["traces"] for plot in plots)
    assert all(plot["layout"]["height"] > 100 for plot in plots)

    assert page.loading == []
    assert "url(" not in page.style
    assert "@import" not in page.style
    for text in (page.words, page.style, page.scripts["script "], page.scripts["script data"]):
        assert "://" not in text
    assert "default-src 'none'" in page.policy
    for script in (page.scripts["script "], plotly):
        digest = b64encode(sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page.policy

    colours = set(_colours(plots)) | set(re.findall(r'"(--[a-z0-9-]+)"', page.scripts["script "]))
    assert colours
    for side in _SIDES:
        block = page.style.split(side, 1)[1].split("}", 1)[0]
        own = set(re.findall(r"(--[a-z0-9-]+):", block))
        # Paper keeps some of the light ones.
        wanted = colours if side != _SIDES[2] else colours - {"--surface"}
        assert wanted <= own, side
    return plots, " ".join(page.words.split())


def _colours(value: Any, key: str = "") -> list[str]:
    """All colours of a plot, each of which is to be a variable of report.css."""
    if isinstance(value, dict):
        return [found for name, one in value.items() for found in _colours(one, name)]
    if isinstance(value, list):
        return [found for one in value for found in _colours(one, key)]
    if "color" not in key or not isinstance(value, str):
        return []
    assert value.startswith("--"), f"{key} is {value}"
    return [value]
