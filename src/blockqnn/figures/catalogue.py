"""All figures by name: what each shows, which runs it needs, and its picture."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from blockqnn.errors import InputError
from blockqnn.figures import (
    cells,
    codes,
    early_stop,
    found_network,
    learned,
    progress,
    shaped,
    structure,
    templates,
)
from blockqnn.figures.drawn import Drawn
from blockqnn.figures.words import aligned
from blockqnn.report import rows
from blockqnn.report.rows import RunView


class Kind(NamedTuple):
    """A figure: what it shows, what is named after it, and of these how many at least and at most."""

    shows: str
    needs: str
    least: int
    most: int | None
    draw: Callable[[Sequence[str]], Drawn]


def _of_runs(draw: Callable[[Sequence[RunView]], Drawn]) -> Callable[[Sequence[str]], Drawn]:
    """One that is drawn of runs, read first."""
    return lambda named: draw([rows.read(Path(text)) for text in named])


FIGURES: Mapping[str, Kind] = MappingProxyType(
    {
        "1": Kind("the found network beside its block", "RUN[:TRIAL]", 1, 1, found_network.draw),
        "2": Kind("blocks beside their codes", "[RUN[:TRIAL]|CODE|NAME ...]", 0, None, codes.draw),
        "3": Kind("the templates that blocks are stacked in", "no run", 0, 0, _of_runs(templates.draw)),
        "5": Kind(
            "shaped against unshaped rewards: accuracy, reward, length",
            "RUN RUN ...",
            2,
            None,
            _of_runs(shaped.draw),
        ),
        "6": Kind(
            "early-stop accuracy, corrected reward, final accuracy; FLOPs and density",
            "RUN",
            1,
            1,
            _of_runs(early_stop.draw),
        ),
        "8": Kind(
            "accuracy and reward by iteration, epsilon, the best blocks of some moments",
            "RUN",
            1,
            1,
            _of_runs(progress.draw),
        ),
        "9": Kind("one cell, or separate layers", "[RUN RUN]", 0, 2, _of_runs(cells.draw)),
        "policy": Kind(
            "what the agent learned: Q-values, greedy block, how sure, how it moved",
            "RUN of q-learning or predictor",
            1,
            1,
            _of_runs(learned.draw),
        ),
        "structure": Kind(
            "how the best blocks are built, against random ones", "RUN", 1, 1, _of_runs(structure.draw)
        ),
    }
)


def drawn(name: str, named: Sequence[str]) -> Drawn:
    """The figure of what is named after it; InputError for an unknown one, and for too few or many."""
    if name not in FIGURES:
        raise InputError(f"figure {name[:60]!r}: there are {listed()}")
    kind = FIGURES[name]
    if len(named) < kind.least or (kind.most is not None and len(named) > kind.most):
        raise InputError(f"figure {name}: needs {kind.needs}, {len(named)} given")
    return kind.draw(named)


def listed() -> str:
    """All figures in one line, each with what it needs and what it shows."""
    return "; ".join(f"{name} of {kind.needs} ({kind.shows})" for name, kind in FIGURES.items())


def lines() -> list[str]:
    """The same, a line each."""
    heads = ("figure", "of", "shows")
    return aligned([heads, *((name, kind.needs, kind.shows) for name, kind in FIGURES.items())])
