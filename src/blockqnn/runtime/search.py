"""The search loop, and the protocols of what it drives."""

from collections import ChainMap, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from blockqnn.config import PlanSettings
from blockqnn.network.plan import OverLimit
from blockqnn.records import Failure, Measurement, Observation, Result, Task, Trial
from blockqnn.runtime.fold import Fold, Learner
from blockqnn.runtime.pace import Event, Pace, Planned
from blockqnn.runtime.store import NotWritten, Store
from blockqnn.seeds import derive, generator
from blockqnn.space.mdp import MDP
from blockqnn.strategy.traits import Traits

DRAWS = 100  # proposals of one trial at most
LATE, ALARM = "late", "determinism alarm"  # events: an outcome that came too late; it was another one


class Strategy(Learner, Protocol):
    """Chooses designs. Its state is a fold over `tell`; `ask` changes nothing."""

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[Any, ...]:
        """One proposal when `share` of the plan is done; all randomness comes from `rng`.

        `known` holds the keys of all earlier trials, those in flight too.
        """
        ...

    def epsilon(self, share: float) -> float:
        """The probability of a random step then, for people to see."""
        ...


class Executor(Protocol):
    """Evaluates tasks, several at a time. Each submitted task gives a result at least once."""

    @property
    def free(self) -> int:
        """How many more tasks can start now."""
        ...

    def submit(self, task: Task) -> None:
        """Starts a task; only while `free` is above 0."""
        ...

    def wait(self, timeout: float | None = None) -> list[Result]:
        """Blocks until at least one result is there; all that are ready, in any order.

        An empty list when `timeout` seconds passed, where an executor can stop waiting.
        """
        ...

    def close(self) -> None:
        """Drops what is in flight and leaves nothing behind."""
        ...


class NoWorkerLeft(RuntimeError):
    """No slot can evaluate any more; the run can be resumed."""


S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)


def _equal_cost(_: Trial) -> float:
    return 0.0


@dataclass(frozen=True)
class Problem(Generic[S, A]):
    """What is searched: the space, what it admits, and what an outcome is worth."""

    mdp: MDP[S, A]
    admit: Callable[[Sequence[A]], float | None]  # density; raises OverLimit
    reward: Callable[[Trial, Measurement | Failure], float]
    cost: Callable[[Trial], float] = _equal_cost  # in any unit: which evaluations take long
    traits: Callable[[Sequence[A]], Traits] | None = None  # what a model may know of a design


@dataclass(frozen=True)
class Progress:
    """What the loop tells while it runs: after each change."""

    fold: Fold
    running: int
    epsilon: float  # of the last iteration that was asked
    share: float  # of the plan, when it was asked
    left: float | None = None  # seconds of a budget


def search(
    problem: Problem[S, A],
    strategy: Strategy,
    executor: Executor,
    store: Store,
    plan: PlanSettings,
    *,
    pace: Pace | None = None,
    known: Mapping[str, Measurement] | None = None,
    source: str = "",
    report: Callable[[Progress], None] = lambda _: None,
) -> Fold:
    """Runs the plan to its end, from wherever the store stands; the finished fold.

    The pace is that of planned trials unless it is given. `known` measurements, by key, of the run
    named `source` count as evaluations. Every state that matters is in the store before the next
    step relies on it, so a kill at any point costs only what is in flight. When a budget ends, what is
    in flight is dropped.
    """
    pace = pace or Planned(plan)
    fold = Fold()
    fold.add_trials(store.trials())
    fold.add_results(store.results())
    waiting = deque(_longest_first(problem, fold.unfinished()))
    running: set[int] = set()  # trials without an outcome that this session has submitted
    asked_at = 1.0  # share of the plan at which the last iteration was asked
    try:
        while True:
            while fold.complete_iterations() >= (seen := max(0, len(fold.iterations) - plan.staleness)):
                fold.tell_until(seen, strategy, problem.mdp.episode, problem.reward)
                if (share := pace.share(fold)) is None:
                    break
                trials, results = ask_iteration(
                    problem, strategy, fold, plan.seed, pace.size(fold), share, known or {}, source
                )
                store.add(trials, results, pace.asked(share))
                fold.add_trials(trials)
                fold.add_results(results)
                decided = {r.number for r in results}
                fresh = [t for t in trials if t.repeat_of is None and t.number not in decided]
                waiting.extend(_longest_first(problem, fresh))
                asked_at = share
            left = pace.left(fold)
            while waiting and (left is None or left > 0) and executor.free:
                trial = waiting.popleft()
                if fold.has(trial.number):  # by an attempt of an earlier session
                    continue
                seed = derive(plan.seed, "train", trial.number)
                executor.submit(Task(number=trial.number, code=trial.code, seed=seed))
                running.add(trial.number)
            report(Progress(fold, len(running), strategy.epsilon(asked_at), asked_at, left))
            if not (running or waiting) or (left is not None and left <= 0):
                break
            done, late = _first_of_each(fold, executor.wait(left))
            store.add(results=done, events=[*_new_fingerprints(fold, done), *late, *pace.passed()])
            fold.add_results(done)
            running -= {result.number for result in done}
    except KeyboardInterrupt:
        with suppress(NotWritten):  # the interrupt counts, also of who waited for room on the disk
            store.add(events=pace.passed())
        raise
    store.add(events=pace.passed())
    fold.tell_until(fold.complete_iterations(), strategy, problem.mdp.episode, problem.reward)
    return fold


def _longest_first(problem: Problem[S, A], trials: Iterable[Trial]) -> list[Trial]:
    """Older iterations first, for the agent waits for them; then the most costly, ties by number.

    What takes long and begins last is what all other workers would have to wait for. Results count in
    trial order, so this moves time and no trajectory.
    """
    return sorted(trials, key=lambda trial: (trial.iteration, -problem.cost(trial), trial.number))


def _first_of_each(fold: Fold, results: Iterable[Result]) -> tuple[list[Result], list[Event]]:
    """The first outcome of each trial, which counts; and each later one, which is kept as an event.

    An attempt that was given up may still answer, and an answer may come twice. Where two measurements
    of one trial on one kind of machine differ, training is not what the seed says: an alarm.
    """
    first: dict[int, Result] = {}
    late: list[Event] = []
    for result in results:
        kept = first.get(result.number) or fold.result(fold.trials[result.number])
        if kept is None:
            first[result.number] = result
            continue
        late.append((LATE, result.model_dump(mode="json")))
        if kept.observed.fingerprint == result.observed.fingerprint and _differ(kept, result):
            late.append((ALARM, result.number))
    return list(first.values()), late


def _differ(one: Result, other: Result) -> bool:
    """Whether both are measurements and not the same, latency apart, which is never the same."""
    measured = [r.outcome for r in (one, other) if isinstance(r.outcome, Measurement)]
    return len({outcome.model_copy(update={"latency": None}) for outcome in measured}) == 2


def _new_fingerprints(fold: Fold, results: Sequence[Result]) -> list[Event]:
    """An event where a run's measurements begin to come from a different kind of machine."""
    new = {r.observed.fingerprint for r in results} - fold.fingerprints - {""}
    return [("fingerprint", sorted(new))] if new and len(fold.fingerprints | new) > 1 else []


def ask_iteration(
    problem: Problem[S, A],
    strategy: Strategy,
    fold: Fold,
    seed: int,
    size: int,
    share: float,
    known: Mapping[str, Measurement],
    source: str,
) -> tuple[list[Trial], list[Result]]:
    """The next iteration's `size` trials, with the outcomes that are clear without an evaluation."""
    # on top of the fold's, which may hold 100,000 keys and changes when all is stored only
    first_with_key = ChainMap[str, int]({}, fold.first_with_key)
    trials: list[Trial] = []
    results: list[Result] = []
    for number in range(len(fold.trials), len(fold.trials) + size):
        proposal = _propose(problem, strategy, seed, number, share, first_with_key.keys())
        key = problem.mdp.key(proposal.episode)
        earlier = first_with_key.setdefault(key, number)
        trials.append(
            Trial(
                number=number,
                iteration=len(fold.iterations),
                code=problem.mdp.text(proposal.episode),
                key=key,
                density=proposal.density,
                redrawn=proposal.redrawn,
                redrawn_steps=proposal.redrawn_steps,
                repeat_of=None if earlier == number else earlier,
            )
        )
        if earlier == number and not proposal.admitted:
            detail = f"{DRAWS} proposals over a limit of the space"
            results.append(Result(number=number, outcome=Failure(kind="over_limit", detail=detail)))
        elif earlier == number and key in known:
            observed = Observation(attempts=0, source=source)
            results.append(Result(number=number, outcome=known[key], observed=observed))
    return trials, results


class _Proposal(NamedTuple):
    episode: tuple[Any, ...]
    admitted: bool
    density: float | None
    redrawn: int
    redrawn_steps: int


def _propose(
    problem: Problem[S, A],
    strategy: Strategy,
    seed: int,
    number: int,
    share: float,
    known: AbstractSet[str],
) -> _Proposal:
    """The first admitted proposal; when none of `DRAWS` is admitted, the last one."""
    steps = 0
    for draw in range(DRAWS):
        episode = strategy.ask(share, generator(seed, "proposal", number, draw), known)
        try:
            return _Proposal(episode, True, problem.admit(episode), draw, steps)
        except OverLimit:
            if draw < DRAWS - 1:
                steps += len(episode)
    return _Proposal(episode, False, None, DRAWS - 1, steps)
