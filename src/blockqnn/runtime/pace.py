"""How far a search is, and when it ends: planned trials, evaluations, or a budget of time."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from blockqnn.config import PlanSettings
from blockqnn.runtime.fold import Fold

Event = tuple[str, Any]  # kind, body as JSON
SHARE, SPENT = "share", "spent"  # events of a run with a budget; a fork tells the shares of its past
_TRIALS_PER_EVALUATION = 50  # what counts no trials ends when repeats outnumber evaluations so


class Pace(Protocol):
    """What decides how long a search goes on."""

    def share(self, fold: Fold) -> float | None:
        """The share of the plan that is done where the next iteration begins; None: no more."""
        ...

    def size(self, fold: Fold) -> int:
        """Trials of the next iteration."""
        ...

    def left(self, fold: Fold) -> float | None:
        """Seconds until what is in flight is dropped; None: it is waited for."""
        ...

    def asked(self, share: float) -> list[Event]:
        """What is recorded with the trials of an iteration that began at this share."""
        ...

    def passed(self) -> list[Event]:
        """What is recorded with results, and at the end."""
        ...


class Planned:
    """A planned number of trials, or of evaluations."""

    def __init__(self, plan: PlanSettings) -> None:
        assert plan.trials is not None
        self._planned = plan.trials
        self._plan = plan

    def share(self, fold: Fold) -> float | None:
        plan, planned, asked = self._plan, self._planned, len(fold.iterations)
        if plan.count == "trials":
            left = planned - len(fold.trials)
            return asked / (asked + -(-left // plan.iteration_size)) if left > 0 else None
        if fold.told_evaluated >= planned or len(fold.trials) >= _TRIALS_PER_EVALUATION * planned:
            return None
        return fold.told_evaluated / planned

    def size(self, fold: Fold) -> int:
        if self._plan.count == "evaluations":
            return self._plan.iteration_size
        return min(self._plan.iteration_size, self._planned - len(fold.trials))

    def left(self, fold: Fold) -> None:  # noqa: ARG002
        return None

    def asked(self, share: float) -> list[Event]:  # noqa: ARG002
        return []

    def passed(self) -> list[Event]:
        return []


class Budget:
    """A budget of seconds; those of earlier sessions count, those between sessions do not.

    Where an iteration begins, its share is recorded: nothing else of the clock reaches the agent.
    """

    def __init__(
        self,
        plan: PlanSettings,
        spent: float,
        begun: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`spent` seconds before this session, which began when the clock showed `begun`."""
        assert plan.budget is not None
        self._budget, self._size = plan.budget, plan.iteration_size
        self._begun, self._clock = begun - spent, clock
        self._over = spent >= plan.budget

    @property
    def spent(self) -> float:
        return self._clock() - self._begun

    def share(self, fold: Fold) -> float | None:
        if _TRIALS_PER_EVALUATION * max(len(fold.arrived), self._size) <= len(fold.trials):
            return None  # the space is exhausted
        share = 1 - self.left(fold) / self._budget
        return share if share < 1 else None

    def size(self, fold: Fold) -> int:  # noqa: ARG002
        return self._size

    def left(self, fold: Fold) -> float:  # noqa: ARG002
        return 0.0 if self._over else self._budget - self.spent

    def asked(self, share: float) -> list[Event]:
        return [(SHARE, share)]

    def passed(self) -> list[Event]:
        return [] if self._over else [(SPENT, round(min(self.spent, self._budget), 3))]


@dataclass(frozen=True)
class Recorded:
    """The pace of a run that was: a share and a size of each iteration, and the number of outcomes."""

    shares: Sequence[float]
    sizes: Sequence[int]
    outcomes: int

    def share(self, fold: Fold) -> float | None:
        asked = len(fold.iterations)
        return self.shares[asked] if asked < len(self.shares) else None

    def size(self, fold: Fold) -> int:
        return self.sizes[len(fold.iterations)]

    def left(self, fold: Fold) -> float | None:
        return 0.0 if len(fold.arrived) == self.outcomes else None

    def asked(self, share: float) -> list[Event]:
        return [(SHARE, share)]

    def passed(self) -> list[Event]:
        return []


def shares(events: Sequence[Event]) -> Iterator[float]:
    """Of each iteration in order, the share at which it began, where that was recorded."""
    return (body for kind, body in events if kind == SHARE)


def taken_epsilons(events: Sequence[Event]) -> tuple[float, ...]:
    """Of each iteration that a fork took from another run, the epsilon with which it was proposed."""
    return next((tuple(body.get("epsilons", ())) for kind, body in events if kind == "fork"), ())


def spent_seconds(events: Sequence[Event]) -> float:
    """What a run with a budget has used of it, all sessions together."""
    return max((body for kind, body in events if kind == SPENT), default=0.0)


def pace_of(plan: PlanSettings, events: Sequence[Event], begun: float) -> Pace:
    """The pace that a plan means, for a session that began at `begun` of the monotonic clock."""
    return Planned(plan) if plan.budget is None else Budget(plan, spent_seconds(events), begun)
