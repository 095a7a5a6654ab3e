"""The state of a search as a fold over its store: loop, resume and readers share it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Protocol

from blockqnn.records import Failure, Measurement, Result, Trial


class Learner(Protocol):
    """What a fold tells: the episodes and rewards of each iteration, in order."""

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[Any], float]]) -> None: ...

    def fingerprint(self) -> str: ...


class Fold:
    """Trials and outcomes so far, and what follows from them."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.iterations: list[list[Trial]] = []
        self.first_with_key: dict[str, int] = {}
        self.fingerprints: set[str] = set()
        self.told = 0  # iterations that the learner was told of
        self.told_evaluated = 0  # evaluations among their trials
        self.arrived: list[int] = []  # trials with a result of their own, as the results came
        self.reused = 0  # repeats whose outcome is known
        self._results: dict[int, Result] = {}
        self._missing: list[int] = []  # outcomes still to come, an iteration
        self._complete = 0  # iterations from the first on that miss none
        self._waiting: Counter[int] = Counter()  # repeats by the trial whose outcome they wait for

    def add_trials(self, trials: Iterable[Trial]) -> None:
        for trial in trials:
            if trial.iteration == len(self.iterations):
                self.iterations.append([])
                self._missing.append(0)
            self.iterations[trial.iteration].append(trial)
            self.trials.append(trial)
            self.first_with_key.setdefault(trial.key, trial.number)
            if trial.repeat_of is None:
                self._missing[trial.iteration] += 1
            elif trial.repeat_of in self._results:
                self.reused += 1
            else:
                self._waiting[trial.repeat_of] += 1

    def add_results(self, results: Iterable[Result]) -> None:
        for result in results:
            self._results[result.number] = result
            self.arrived.append(result.number)
            self.reused += self._waiting.pop(result.number, 0)
            if result.observed.fingerprint:
                self.fingerprints.add(result.observed.fingerprint)
            self._missing[self.trials[result.number].iteration] -= 1

    def outcome(self, trial: Trial) -> Measurement | Failure | None:
        """A repeat's outcome is that of the earliest trial with its key; None: not known yet."""
        result = self.result(trial)
        return None if result is None else result.outcome

    def result(self, trial: Trial) -> Result | None:
        number = trial.number if trial.repeat_of is None else trial.repeat_of
        return self._results.get(number)

    def has(self, number: int) -> bool:
        """Whether the trial has a result of its own."""
        return number in self._results

    def unfinished(self) -> list[Trial]:
        """Trials that need an evaluation of their own and have no outcome, in order."""
        return [t for t in self.trials if t.repeat_of is None and t.number not in self._results]

    def evaluated(self, trials: Iterable[Trial]) -> int:
        """How many of them are evaluations: no repeat, and a measurement."""
        return sum(t.repeat_of is None and isinstance(self.outcome(t), Measurement) for t in trials)

    def tell_until(
        self,
        iteration: int,
        learner: Learner,
        episode: Callable[[str], Sequence[Any]],
        reward: Callable[[Trial, Measurement | Failure], float],
    ) -> None:
        """Tells the learner every iteration below `iteration` that it was not told of."""
        while self.told < iteration:
            told = []
            trials = self.iterations[self.told]
            for trial in trials:
                outcome = self.outcome(trial)
                assert outcome is not None, f"trial {trial.number} has no outcome yet"
                told.append((episode(trial.code), reward(trial, outcome)))
            learner.tell(self.told, told)
            self.told += 1
            self.told_evaluated += self.evaluated(trials)

    def complete_iterations(self) -> int:
        """How many iterations from the first on have all their outcomes."""
        while self._complete < len(self._missing) and not self._missing[self._complete]:
            self._complete += 1  # an iteration is added whole, so it stays complete
        return self._complete

    def trajectory(self, learner: Learner) -> str:
        """One hash over trials, outcomes and Q-values; time, worker and attempts left out."""
        hashed = sha256()
        for trial in self.trials:
            outcome = self.outcome(trial)
            if isinstance(outcome, Failure):
                told: str = outcome.kind
            else:
                told = "" if outcome is None else outcome.model_dump_json(exclude_none=True)
            hashed.update(f"{trial.model_dump_json()}{told}\n".encode())
        hashed.update(learner.fingerprint().encode())
        return hashed.hexdigest()
