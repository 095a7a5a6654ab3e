"""Charts in a page without scripts: as SVG."""

from collections.abc import Iterable

from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.pages.chart import Chart
from blockqnn.pages.markup import pictures


def stills_of(drawn: Iterable[Chart]) -> str:
    """Charts with plain axes, each with its title and its words below."""
    return pictures((_still(chart), f"{chart.title}: {chart.told}") for chart in drawn)


def _still(chart: Chart) -> str:
    series = [
        Series(
            trace.label,
            tuple((x, y) for x, y in zip(trace.x, trace.y, strict=True) if y is not None),
            trace.form,
        )
        for trace in chart.traces
    ]
    return curves_picture(series, chart.up, chart.across)
