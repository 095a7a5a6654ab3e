"""Charts in a page: their place, their values, and the scripts that draw them."""

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from blockqnn.diagram.text import escaped
from blockqnn.pages.chart import Chart, plotted


def charts_of(drawn: Iterable[Chart]) -> str:
    """Charts one below the other; they are drawn when they come into view."""
    return "\n".join(f"{_opened(chart)}{values(plotted(chart))}</figure>" for chart in drawn)


def empty(chart: Chart) -> str:
    """The place of a chart whose values come later."""
    return f"{_opened(chart)}</figure>"


def _opened(chart: Chart) -> str:
    return (
        f'<figure class="chart" id="chart-{chart.name}"><h3>{escaped(chart.title)}</h3>'
        f'<div class="plot" role="img" aria-label="{escaped(chart.title)}"></div>'
        f'<figcaption aria-live="off">{escaped(chart.told)}</figcaption>'
    )


def values(content: Any) -> str:
    """JSON that a script reads; nothing in it can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json">{text}</script>'


def script() -> str:
    """Draws the charts, sorts tables, copies codes."""
    return f"<script>{text('blockqnn.pages', 'charts.js')}</script>"


def library() -> str:
    """Plotly, whole, so that the page needs no network."""
    return f"<script>{plotly()}</script>"


@cache
def plotly() -> str:
    # the file alone: importing the package would take half a second
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


@cache
def text(room: str, name: str) -> str:
    """A script of ours, which lies in that room."""
    return (files(room) / name).read_text(encoding="utf-8")
