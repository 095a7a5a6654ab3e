"""A run that is looked at again and again: each look reads only what is new in its store."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from blockqnn.report.rows import IterationRow, RunView, plans_of
from blockqnn.runtime.energy import spent_energy
from blockqnn.runtime.facts import facts_of, problem_of, strategy_of
from blockqnn.runtime.file.lock import is_searched
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.pace import shares, spent_seconds, taken_epsilons
from blockqnn.runtime.store import Store

T = TypeVar("T")
_PIECE = 250  # rows a read: a writer waits for no longer read
_ROWS = 200  # of the charts by iteration


class Watch:
    """What is known of a run since the last look.

    The strategy is told nothing, so that a look costs no learning: what depends on it, such as the
    trajectory, is not to be asked of the view.
    """

    def __init__(self, directory: Path) -> None:
        """InputError where there is no run."""
        self.directory = directory
        self._store = Store.read(directory)
        self._facts = facts_of(self._store)
        self._problem = problem_of(self._facts)
        self._strategy = strategy_of(self._facts.settings, self._problem)
        self._fold = Fold()
        self._rewards: list[float | None] = []
        self._seconds = 0.0
        self._rows: dict[tuple[int, int], IterationRow] = {}
        self.version = 0  # grows with each look that found something
        self.changed = time.monotonic()  # when it last grew
        self.longest_read = 0.0  # seconds that a read took, and could have kept a writer waiting
        self.view: RunView
        self.look()

    def close(self) -> None:
        self._store.close()

    @property
    def searched(self) -> bool:
        """Whether a search is at work on it."""
        return is_searched(self.directory)

    def rows(self) -> list[IterationRow]:
        """The iterations, grouped where they are many."""
        count = self._fold.complete_iterations()
        group = max(1, -(-count // _ROWS))
        borders = [(first, min(count, first + group)) for first in range(0, count, group)]
        for border in borders:
            if border not in self._rows:
                self._rows[border] = self.view.row(*border)
        return [self._rows[border] for border in borders]

    def look(self) -> bool:
        """Takes in what is new; whether there was anything."""
        before = len(self._fold.trials), len(self._fold.arrived)
        while trials := self._timed(self._store.trials, len(self._fold.trials)):
            self._fold.add_trials(trials)
        self._add_results()
        if (len(self._fold.trials), len(self._fold.arrived)) == before and self.version:
            return False
        events = self._store.events()
        self.view = RunView(
            directory=self.directory,
            facts=self._facts,
            plans=plans_of(self._facts, events),
            shares=tuple(shares(events)),
            epsilons=taken_epsilons(events),
            spent=spent_seconds(events),
            fold=self._fold,
            rewards=tuple(self._known_rewards()),
            seconds=self._seconds,
            energy=spent_energy(events),
            strategy=self._strategy,
        )
        self.version += 1
        self.changed = time.monotonic()
        return True

    def _add_results(self) -> None:
        """Results come in any order, but none before the first trial that lacks one."""
        unfinished = self._fold.unfinished()
        at = unfinished[0].number if unfinished else len(self._fold.trials)
        while results := self._timed(self._store.results, at):
            at = results[-1].number + 1
            known = self._fold.trials
            new = [r for r in results if r.number < len(known) and not self._fold.has(r.number)]
            self._fold.add_results(new)
            self._seconds += sum(r.observed.seconds for r in new)

    def _known_rewards(self) -> list[float | None]:
        """Of each trial; what was known stays."""
        fold = self._fold
        self._rewards += [None] * (len(fold.trials) - len(self._rewards))
        for trial, reward in zip(fold.trials, self._rewards, strict=True):
            if reward is None and (outcome := fold.outcome(trial)) is not None:
                self._rewards[trial.number] = self._problem.reward(trial, outcome)
        return self._rewards

    def _timed(self, read: Callable[[int, int], list[T]], first: int) -> list[T]:
        begun = time.perf_counter()
        found = read(first, _PIECE)
        self.longest_read = max(self.longest_read, time.perf_counter() - begun)
        return found
