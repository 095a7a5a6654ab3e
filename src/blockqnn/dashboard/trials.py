"""Every trial of a run with its state, and in words why it waits or why it failed."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from blockqnn.pages.markup import BlockCode, Column, Group, Line, paragraph, table
from blockqnn.pages.sections.wording import percent
from blockqnn.records import Failure, Measurement, Trial
from blockqnn.report.failed import WORDS
from blockqnn.report.rows import RunView
from blockqnn.runtime.facts import problem_of
from blockqnn.runtime.fold import Fold

State = Literal["running", "waiting", "measured", "failed", "repeat"]
STATES: tuple[State, ...] = get_args(State)
SHOWN = 50  # trials at a time
_LATELY = 32  # results that tell how many workers there are


class Told(NamedTuple):
    """One trial for people."""

    trial: Trial
    state: State
    accuracy: float | None
    seconds: float | None
    worker: str
    words: str


def told(run: RunView, *, searched: bool) -> Iterator[Told]:
    """All trials, the last one first. `searched`: a search is at work."""
    running = _running(run) if searched else frozenset()
    for trial in reversed(run.fold.trials):
        yield _one(run.fold, trial, trial.number in running, searched=searched)


def trials_table(run: RunView, state: str, offset: int, *, searched: bool) -> str:
    """`SHOWN` trials of one state, or of all, from the offset on, as HTML."""
    chosen = [t for t in told(run, searched=searched) if state in (t.state, "all")]
    shown = chosen[offset : offset + SHOWN]
    if not shown:
        return paragraph("No such trial.")
    columns = [
        Column("trial"),
        Column("state", "text"),
        Column(run.metric),
        Column("seconds"),
        Column("worker", "text"),
        Column("code", "code"),
    ]
    lines = tuple(_line(one) for one in shown)
    where = f"{offset + 1:,} to {offset + len(shown):,} of {len(chosen):,}, the last one first"
    return paragraph(where, "muted") + table(columns, [Group("", lines)])


def _line(one: Told) -> Line:
    return Line(
        (
            f"{one.trial.number:,}",
            f"{one.state}: {one.words}" if one.words else one.state,
            percent(one.accuracy, 2) if one.accuracy is not None else "",
            f"{one.seconds:.1f}" if one.seconds else "",
            one.worker,
            BlockCode(one.trial.code),
        )
    )


def _one(fold: Fold, trial: Trial, running: bool, *, searched: bool) -> Told:
    result = fold.result(trial)
    accuracy = (
        outcome.accuracy if result and isinstance(outcome := result.outcome, Measurement) else None
    )
    if trial.repeat_of is not None:
        words = f"the same network as trial {trial.repeat_of}"
        if result is None:
            words = f"waits for the outcome of trial {trial.repeat_of}, the same network"
        return Told(trial, "repeat", accuracy, None, "", words)
    if result is None:
        return Told(trial, "running" if running else "waiting", None, None, "", _why(running, searched))
    observed = result.observed
    words = f"taken from {observed.source}" if observed.source else ""
    if observed.attempts > 1:
        words = f"lost {observed.attempts - 1} times with a worker, then done"
    if isinstance(result.outcome, Failure):
        detail = f" ({result.outcome.detail})" if result.outcome.detail else ""
        words = f"{WORDS[result.outcome.kind]}{detail}"
        return Told(trial, "failed", None, observed.seconds, observed.worker, words)
    return Told(trial, "measured", accuracy, observed.seconds, observed.worker, words)


def _why(running: bool, searched: bool) -> str:
    if running:
        return "is being trained"
    return "waits for a free worker" if searched else "waits: no search is at work on this run"


def _running(run: RunView) -> frozenset[int]:
    """As many of the unfinished as there are workers, in the order in which they are given out.

    Nothing is stored when a training begins; so it is worked out as the search does it.
    """
    cost = problem_of(run.facts).cost
    waiting = sorted(run.fold.unfinished(), key=lambda t: (t.iteration, -cost(t), t.number))
    return frozenset(trial.number for trial in waiting[: workers(run)])


def workers(run: RunView) -> int:
    """How many workers the last results came from; at least 1."""
    return max(1, len(_lately(run.fold, run.fold.arrived[-_LATELY:])))


def _lately(fold: Fold, numbers: Sequence[int]) -> set[str]:
    results = (fold.result(fold.trials[number]) for number in numbers)
    return {r.observed.worker for r in results if r is not None and r.observed.worker}
