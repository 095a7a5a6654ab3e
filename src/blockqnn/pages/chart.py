"""A chart as a value, and as the JSON that plotly's script draws."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

Form = Literal["dots", "line", "step"]
_GL_FROM = 1500  # dots from which on the page draws by the graphics card, where the browser can


class Trace(NamedTuple):
    """One series. `texts` are shown beside each point that is pointed at."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    form: Form = "line"
    texts: Sequence[str] = ()
    right: bool = False  # by the axis at the right


class Span(NamedTuple):
    """A stretch of the horizontal axis with a name."""

    first: float
    last: float
    label: str


class Chart(NamedTuple):
    """`told` says in words what is to be seen, for those who do not see it."""

    name: str  # in the page, unique
    title: str
    across: str
    up: str
    traces: tuple[Trace, ...]
    told: str
    logarithmic: bool = False  # the horizontal axis
    right: str = ""  # what the axis at the right counts
    spans: tuple[Span, ...] = ()
    seen: tuple[float, float] | None = None  # of the vertical axis at first; None: all of it


def plotted(chart: Chart) -> dict[str, Any]:
    """`data` and `layout` for plotly's script; colours and fonts are the page's."""
    across: dict[str, Any] = {"title": {"text": chart.across}}
    if chart.logarithmic:
        across |= {"type": "log", "dtick": "D2", "exponentformat": "SI"}
    layout: dict[str, Any] = {"xaxis": across, "yaxis": {"title": {"text": chart.up}}}
    if chart.right:
        layout["yaxis2"] = {
            "title": {"text": chart.right},
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "rangemode": "tozero",
            "tickmode": "auto",
            "nticks": 5,
        }
    layout["shapes"] = [
        {
            "type": "rect",
            "yref": "paper",
            "x0": span.first,
            "x1": span.last,
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "layer": "below",
            "label": {"text": span.label, "textposition": "bottom left"},
        }
        for span in chart.spans
    ]
    if chart.seen:
        layout["yaxis"]["range"] = list(chart.seen)
    layout["showlegend"] = len(chart.traces) > 1
    return {"data": [_trace(trace) for trace in chart.traces], "layout": layout}


def _trace(trace: Trace) -> dict[str, Any]:
    drawn: dict[str, Any] = {"name": trace.label, "x": list(trace.x), "y": list(trace.y)}
    if trace.form == "dots":
        many = len(trace.x) >= _GL_FROM
        drawn |= {"type": "scattergl" if many else "scatter", "mode": "markers"}
        drawn["marker"] = {"size": 4 if many else 6, "opacity": 0.5 if many else 0.75}
    else:
        shape = {"shape": "hv"} if trace.form == "step" else {}
        mode = "lines+markers" if trace.form == "line" and len(trace.x) <= 60 else "lines"
        drawn |= {"type": "scatter", "mode": mode, "line": {"width": 2, **shape}}
    if trace.texts:
        drawn |= {"text": list(trace.texts), "hovertemplate": "%{text}<extra></extra>"}
    if trace.right:
        drawn["yaxis"] = "y2"
    return drawn
