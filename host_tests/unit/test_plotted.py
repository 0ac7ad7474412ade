"""The page that tune and identify share. What their own pages hold is tested with them."""

import sys
from collections.abc import Callable

import pytest

from emery.plotted import Plot, ReportError, page_html, place, table
from host_tests.plotted_page import PLOTLY, checked

_PLOT = Plot(
    "speed",
    'Speed "now" & then',
    [{"x": [1, 2], "y": [3, None], "line": {"color": "--accent"}}],
    {"height": 200, "xaxis": {"title": {"text": "</script><b>s"}}},
)


def _page(plot: Plot = _PLOT) -> str:
    return page_html("kind <i>", "title <i>", "<p>lead</p>", place(plot), [plot], PLOTLY)


def test_a_page_is_whole_and_loads_nothing() -> None:
    html = _page()
    plots, words = checked(html)
    assert plots[0]["traces"] == _PLOT.traces
    assert plots[0]["layout"] == _PLOT.layout
    assert "kind <i>" in words  # as text, then
    assert "title <i>" in words
    assert "<i>" not in html
    # What stands in the data cannot end it.
    assert html.count("</script>") == 3
    assert 'aria-label="Speed &quot;now&quot; &amp; then"' in html


@pytest.mark.parametrize(
    "change",
    [
        lambda html: html.replace('id="speed"', 'id="spede"'),
        lambda html: html.replace(place(_PLOT), 2 * place(_PLOT)),
        lambda html: html.replace("<main>", '<main><img src="a.png">'),
        lambda html: html.replace("lead", "https://example.org"),
        lambda html: html.replace('"--accent"', '"#123456"'),
        lambda html: html.replace('"--accent"', '"--no-colour"'),
        lambda html: html.replace("[3,null]", "[3,NaN]"),
        lambda html: html.replace("Unpacks plotly.js", "Unpacks"),
        lambda html: html.replace("default-src 'none'", "default-src *"),
    ],
)
def test_a_page_with_a_flaw_does_not_pass_for_a_whole_one(change: Callable[[str], str]) -> None:
    spoiled = change(_page())
    assert spoiled != _page()
    with pytest.raises(AssertionError):
        checked(spoiled)


def test_what_is_no_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        _page(Plot("speed", "Speed", [{"y": [float("nan")]}], {"height": 200}))


def test_a_table_has_numbers_on_the_right_and_words_on_the_left() -> None:
    html = table(("What", "Value", "Why"), [("a", "1", "so")], words=(2,))
    assert '<th scope="row">a</th><td>1</td><td class="words">so</td>' in html
    assert html.count('class="words"') == 2  # its head too
    assert html.count("<th") - html.count("<thead") == html.count("</th>") == 4


def test_without_plotly_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ReportError, match=r"pip install 'emery\[report\]'"):
        page_html("kind", "title", "", place(_PLOT), [_PLOT])
