"""From the states that the search loop reports to the calls that callbacks get."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from blockqnn.callbacks.callback import Callback
from blockqnn.errors import InputError
from blockqnn.records import Trial
from blockqnn.report import rows
from blockqnn.runtime.facts import problem_of
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.pace import Event, shares
from blockqnn.runtime.search import Progress
from blockqnn.runtime.store import Store
from blockqnn.users_code import users_code


@contextmanager
def watched(
    store: Store, callbacks: Sequence[Callback], say: Callable[[str], None]
) -> Iterator[Callable[[Progress], None]]:
    """What the loop is to report to, for as long as a session of the store's run lasts.

    `say` takes the one line about a callback that failed.
    """
    if not callbacks:
        yield lambda _: None
        return
    dispatch = Dispatch(callbacks, rows.read(store.directory), store.events, say)
    try:
        dispatch.begin()
        yield dispatch
    finally:
        dispatch.end()


class Dispatch:
    """Calls each callback in turn; one that raises is told with one line and left out."""

    def __init__(
        self,
        callbacks: Sequence[Callback],
        run: rows.RunView,
        events: Callable[[], Sequence[Event]],
        say: Callable[[str], None],
    ) -> None:
        """`run` is what is stored before this session: of that, nothing is told again."""
        self._callbacks, self._run, self._events, self._say = [*callbacks], run, events, say
        self._reward = problem_of(run.facts).reward
        self._rewards = {trial.number: reward for trial, _, reward in run.outcomes()}
        self._arrived = len(run.fold.arrived)
        self._asked = 0  # trials looked at: the stored ones are not, for repeats among them may wait
        self._waiting: dict[int, list[Trial]] = {}  # repeats by the trial whose outcome they wait for
        self._iterations = run.fold.complete_iterations()

    def begin(self) -> None:
        self._call("begun", self._run)

    def __call__(self, progress: Progress) -> None:
        fold = progress.fold
        self._tell(fold, self._finished(fold))
        if (complete := fold.complete_iterations()) > self._iterations:
            run = self._now(fold)
            for number in range(self._iterations, complete):
                self._call("iteration", run.row(number, number + 1))
            self._iterations = complete
        self._call("changed", progress)

    def end(self) -> None:
        """Also tells what was stored but not reported any more when the session was interrupted."""
        try:
            run = rows.read(self._run.directory)
        except (InputError, OSError, sqlite3.Error):
            return  # whatever befell the run is the session's error, or that of who reads it next
        self._tell(run.fold, run.fold.trials)
        self._call("ended", run.status())

    def _finished(self, fold: Fold) -> Iterator[Trial]:
        """What may be new, in the order in which it finished."""
        for number in fold.arrived[self._arrived :]:
            yield fold.trials[number]
            yield from self._waiting.pop(number, ())
        self._arrived = len(fold.arrived)
        for trial in fold.trials[self._asked :]:
            if trial.repeat_of is not None and fold.outcome(trial) is None:
                self._waiting.setdefault(trial.repeat_of, []).append(trial)
            yield trial
        self._asked = len(fold.trials)

    def _tell(self, fold: Fold, trials: Iterable[Trial]) -> None:
        """Tells those that have an outcome and were not told."""
        for trial in trials:
            outcome = fold.outcome(trial)
            if outcome is not None and trial.number not in self._rewards:
                reward = self._rewards[trial.number] = self._reward(trial, outcome)
                self._call("told", trial, outcome, reward)

    def _now(self, fold: Fold) -> rows.RunView:
        return replace(
            self._run,
            fold=fold,
            rewards=tuple(self._rewards.get(trial.number) for trial in fold.trials),
            shares=tuple(shares(self._events())),
        )

    def _call(self, method: str, *arguments: object) -> None:
        for callback in tuple(self._callbacks):
            try:
                with users_code(f"callback {type(callback).__name__}.{method}"):
                    getattr(callback, method)(*arguments)
            except InputError as error:
                self._callbacks = [other for other in self._callbacks if other is not callback]
                self._say(f"{error}; it is left out from here on")
