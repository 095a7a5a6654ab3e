"""A proposal as a walk through the decision process."""

from collections.abc import Callable, Hashable
from random import Random
from typing import Literal, TypeVar

from blockqnn.space.mdp import MDP

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)


def walk(mdp: MDP[S, A], choose: Callable[[S], A]) -> tuple[A, ...]:
    """The episode from the start to a terminal state, one choice a step."""
    state, episode = mdp.start, []
    while mdp.actions(state):
        action = choose(state)
        episode.append(action)
        state = mdp.step(state, action)
    return tuple(episode)


def random_action(mdp: MDP[S, A], state: S, rng: Random, exploration: Literal["actions", "types"]) -> A:
    """One uniform draw from the legal actions, or from the actions of a uniformly drawn type."""
    if exploration == "types":
        return rng.choice(rng.choice(mdp.kinds(state)))
    return rng.choice(mdp.actions(state))
