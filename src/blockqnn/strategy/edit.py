"""Designs that differ by one choice, in any decision process."""

from collections.abc import Hashable, Iterator, Sequence
from random import Random
from typing import TypeVar

from blockqnn.space.mdp import MDP

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)


def edited(mdp: MDP[S, A], episode: Sequence[A], position: int, action: A, rng: Random) -> tuple[A, ...]:
    """The episode with another action at the position.

    Later choices stay where they are legal; else any that ends the episode, or any at all, is drawn.
    """
    state = mdp.start
    new: list[A] = []
    for number in range(len(episode)):
        chosen = action if number == position else episode[number]
        legal = mdp.actions(state)
        if not legal:
            return tuple(new)
        if chosen not in legal:
            chosen = _drawn(mdp, state, rng)
        new.append(chosen)
        state = mdp.step(state, chosen)
    while mdp.actions(state):
        new.append(_drawn(mdp, state, rng))
        state = mdp.step(state, new[-1])
    return tuple(new)


def mutated(mdp: MDP[S, A], episode: Sequence[A], rng: Random) -> tuple[A, ...]:
    """The episode with one choice, drawn uniformly, made differently; itself where there is no other."""
    states = _states(mdp, episode)
    free = [position for position, state in enumerate(states) if len(mdp.actions(state)) > 1]
    if not free:
        return tuple(episode)
    position = rng.choice(free)
    others = [action for action in mdp.actions(states[position]) if action != episode[position]]
    return edited(mdp, episode, position, rng.choice(others), rng)


def neighbours(mdp: MDP[S, A], episode: Sequence[A]) -> Iterator[tuple[A, ...]]:
    """All designs by one other choice, in order; what has to be drawn is the same each time."""
    for position, state in enumerate(_states(mdp, episode)):
        for action in mdp.actions(state):
            if action != episode[position]:
                yield edited(mdp, episode, position, action, Random(f"{position} {action}"))


def _states(mdp: MDP[S, A], episode: Sequence[A]) -> list[S]:
    """The state before each action."""
    states = [mdp.start]
    for action in episode[:-1]:
        states.append(mdp.step(states[-1], action))
    return states


def _drawn(mdp: MDP[S, A], state: S, rng: Random) -> A:
    """An action that ends the episode, where there is one; else any."""
    actions = mdp.actions(state)
    ending = [action for action in actions if not mdp.actions(mdp.step(state, action))]
    return rng.choice(ending or actions)
