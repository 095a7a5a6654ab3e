"""A comparison as JSON, in words and as a picture."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.tables.compare import Comparison, Found, Results


def summary(results: Results) -> list[dict[str, Any]]:
    """One row a strategy and number of evaluations: means and deviations over the seeds."""
    return [
        {
            "strategy": name,
            "evaluations": count,
            "seeds": len(found),
            **{field: _spread([getattr(f, field) for f in found]) for field in _FIELDS},
            "seconds": fmean(f.seconds for f in found),
        }
        for (name, count), found in results.items()
    ]


_FIELDS = ("reward_best", "judge_best", "judge_top", "judge_selected")


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": fmean(values), "std": stdev(values) if len(values) > 1 else 0.0}


def lines(asked: Comparison, results: Results) -> list[str]:
    """A table a number of evaluations; each strategy also beside the first one, seed by seed."""
    first = asked.strategies[0]
    told = [
        f"{asked.table}: reward {asked.reward}, judge {asked.judge}; {asked.seeds} seeds, counting"
        f" {'architectures' if asked.architectures else 'codes'}",
        "best: highest reward found, of it: what the judge says of that row, top"
        f" {asked.top}: the judge's mean of the {asked.top} rows of highest reward, chosen: of as many"
        f" that a full training would be given; minus {first}: mean difference with its 95 % interval"
        " over the seeds",
    ]
    for count in asked.evaluations:
        told += ["", f"{count} evaluations"]
        told.append(
            f"{'':18} {'best':>16} {'of it':>16} {f'top {asked.top}':>16} {'chosen':>16}"
            f"  {'chosen minus top':24} {f'best minus {first}':24} {f'top minus {first}':24} seconds"
        )
        for name in asked.strategies:
            found, other = results[name, count], results[first, count]
            cells = [_plus_minus([getattr(f, field) for f in found]) for field in _FIELDS]
            gain = _mean_of([f.judge_selected - f.judge_top for f in found])
            beside = [
                "" if name == first else difference(found, other, field)
                for field in ("reward_best", "judge_top")
            ]
            told.append(
                f"{name:18} {' '.join(cells)}  {gain:24} {beside[0]:24} {beside[1]:24}"
                f" {fmean(f.seconds for f in found):7.2f}"
            )
    return told


def _plus_minus(values: Sequence[float]) -> str:
    spread = _spread(values)
    return f"{spread['mean']:7.3f} +- {spread['std']:5.3f}"


def difference(found: Sequence[Found], other: Sequence[Found], field: str) -> str:
    """The mean difference in a field over the seeds, and its 95 % interval (Student's t)."""
    return _mean_of([getattr(a, field) - getattr(b, field) for a, b in zip(found, other, strict=True)])


def _mean_of(differences: Sequence[float]) -> str:
    """The mean of paired differences and its 95 % interval (Student's t)."""
    from scipy.stats import t

    mean, count = fmean(differences), len(differences)
    if count < 2:
        return f"{mean:+.3f}"
    half = float(t.ppf(0.975, count - 1)) * stdev(differences) / math.sqrt(count)
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def drawn(asked: Comparison, results: Results) -> str:
    """The best reward after each evaluation as SVG: means, and the deviation over the seeds as bands.

    Of the searches with the most evaluations; the first tenth of them is left out, in which the axis
    would show nothing else.
    """
    most = max(asked.evaluations)
    series = []
    for name in asked.strategies:
        bests = np.array([found.bests for found in results[name, most]])
        mean, deviation = bests.mean(axis=0), bests.std(axis=0, ddof=min(1, len(bests) - 1))
        shown = range(most // 10, most, max(1, most // 200))
        points = tuple((i + 1.0, float(mean[i])) for i in shown)
        band = tuple(
            (i + 1.0, float(mean[i] - deviation[i]), float(mean[i] + deviation[i])) for i in shown
        )
        series.append(Series(name, points, band=band))
    title = f"highest {asked.reward} found, mean and deviation of {asked.seeds} seeds"
    return curves_picture(series, title, "evaluations", width=720, height=420)
