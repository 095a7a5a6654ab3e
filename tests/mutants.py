"""Bugs that a search could have, each planted into the product for as long as a test asks for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from itertools import count
from typing import Any
from unittest.mock import patch

from blockqnn.runtime import search, verdicts
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.store import Store
from blockqnn.seeds import derive, generator
from blockqnn.strategy.q_agent import QAgent

Right = Callable[..., Any]


def _apply_twice(tell: Right) -> Right:
    return lambda agent, iteration, told: tell(agent, iteration, [*told, told[-1]])


def _apply_out_of_order(tell_until: Right) -> Right:
    """As the outcomes came, not by number."""

    def wrong(fold: Fold, iteration: int, *learner: Any) -> None:
        came = {number: place for place, number in enumerate(fold.arrived)}
        for trials in fold.iterations[fold.told : iteration]:
            trials.sort(key=lambda t: came[t.number if t.repeat_of is None else t.repeat_of])
        tell_until(fold, iteration, *learner)

    return wrong


def _ask_with_all_there_is(tell_until: Right) -> Right:
    """The strategy is told an iteration as soon as it is complete, whatever the staleness."""

    def wrong(fold: Fold, iteration: int, *learner: Any) -> None:
        tell_until(fold, max(iteration, fold.complete_iterations()), *learner)

    return wrong


def _acknowledge_before_commit(add: Right) -> Right:
    """Each commit waits for the next one."""

    def wrong(store: Store, *rows: Any, **named: Any) -> None:
        ready, store.pending = getattr(store, "pending", None), (rows, named)
        if ready:
            add(store, *ready[0], **ready[1])

    return wrong


def _lost_event(add: Right) -> Right:
    def wrong(store: Store, trials: Any = (), results: Any = (), events: Any = ()) -> None:
        add(store, trials, results, () if results else events)

    return wrong


def _forget_in_flight_repeat(ask_iteration: Right) -> Right:
    """A key is known when its outcome is."""

    def wrong(problem: Any, strategy: Any, fold: Fold, *rest: Any) -> Any:
        forgetful = copy(fold)
        forgetful.first_with_key = {k: n for k, n in fold.first_with_key.items() if fold.has(n)}
        return ask_iteration(problem, strategy, forgetful, *rest)

    return wrong


def _late_result_wins(first_of_each: Right) -> Right:
    """In this session; the store keeps the first."""

    def wrong(fold: Fold, results: Any) -> Any:
        first, late = first_of_each(fold, results)
        fold._results.update({r.number: r for r in results if fold.has(r.number)})
        return first, late

    return wrong


def _no_alarm(first_of_each: Right) -> Right:
    def wrong(fold: Fold, results: Any) -> Any:
        first, late = first_of_each(fold, results)
        return first, [event for event in late if event[0] != search.ALARM]

    return wrong


def _each_result_counts(_: Right) -> Right:
    return lambda _, results: (results, [])


def _redraw_by_clock(_: Right) -> Right:
    def wrong(seed: int, purpose: str, *numbers: int) -> Any:
        redrawn = purpose == "proposal" and numbers[-1]
        return generator(seed, purpose, *numbers, *([time.monotonic_ns()] if redrawn else []))

    return wrong


def _seed_by_worker(_: Right) -> Right:
    """Of two workers that take turns."""
    turns = count()
    return lambda seed, purpose, *numbers: derive(seed, purpose, *numbers, next(turns) % 2)


def _stale_replay(_: Right) -> Right:
    """From the memory as it was an iteration ago."""

    def wrong(agent: Any, iteration: int, told: Any) -> None:
        memory = list(agent._replay)
        for episode, reward in told:
            agent._replay.append((agent._trajectory(episode), reward))
            agent._reward_sum += reward
        rng = generator(agent._seed, "replay", iteration)
        for trajectory, reward in rng.choices(memory or agent._replay, k=len(told)):
            agent._learn(trajectory, reward)

    return wrong


def _forget_what_was_in_flight(_: Right) -> Right:
    """When a search is resumed."""
    return lambda _: []


# by name: where the right version is, and what makes a wrong one of it
MUTANTS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "apply_twice": (QAgent, "tell", _apply_twice),
    "apply_out_of_order": (Fold, "tell_until", _apply_out_of_order),
    "acknowledge_before_commit": (Store, "add", _acknowledge_before_commit),
    "forget_in_flight_repeat": (search, "ask_iteration", _forget_in_flight_repeat),
    "retry_becomes_reward": (verdicts, "LIMITS", lambda old: {**old, "loss": (1, "crashed")}),
    "late_result_wins": (search, "_first_of_each", _late_result_wins),
    "redraw_by_clock": (search, "generator", _redraw_by_clock),
    "seed_by_worker": (search, "derive", _seed_by_worker),
    "stale_replay": (QAgent, "tell", _stale_replay),
    "lost_event": (Store, "add", _lost_event),
    "each_result_counts": (search, "_first_of_each", _each_result_counts),
    "no_alarm": (search, "_first_of_each", _no_alarm),
    "ask_with_all_there_is": (Fold, "tell_until", _ask_with_all_there_is),
    "forget_what_was_in_flight": (Fold, "unfinished", _forget_what_was_in_flight),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with this bug."""
    place, attribute, make = MUTANTS[name]
    with patch.object(place, attribute, make(getattr(place, attribute))):
        yield
