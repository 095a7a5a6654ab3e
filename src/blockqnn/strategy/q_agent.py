"""The Q-learning agent (section 3.2): epsilon-greedy walks, experience replay, a sparse table."""

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from hashlib import sha256
from operator import itemgetter
from random import Random
from typing import Generic, TypeVar

from blockqnn.config import AgentSettings
from blockqnn.seeds import generator
from blockqnn.space.mdp import MDP
from blockqnn.strategy.epsilon import epsilon_at
from blockqnn.strategy.q_learning import (
    bellman_target,
    monte_carlo_return,
    shaped_reward,
    step_size,
    updated,
)
from blockqnn.strategy.walk import random_action, walk

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)
Trajectory = tuple[tuple[S, A, Hashable], ...]  # state, action and the view of the state


class QAgent(Generic[S, A]):
    """Tabular Q-learning over any decision process.

    Its state is a fold over what it was told, in order; `ask` changes nothing. The table holds
    only the pairs that were updated, of the view of a state and an action: any other has the initial
    value.
    """

    def __init__(self, mdp: MDP[S, A], settings: AgentSettings, seed: int) -> None:
        self._mdp = mdp
        self._settings = settings
        self._seed = seed
        self._q: dict[Hashable, dict[A, float]] = {}  # by the view of a state
        self._visits: dict[Hashable, dict[A, int]] = {}
        self._greedy: dict[Hashable, tuple[float, list[A]]] = {}  # of views not updated since then
        self._replay: list[tuple[Trajectory[S, A], float]] = []
        self._reward_sum = 0.0

    def epsilon(self, share: float) -> float:
        return epsilon_at(share, self._settings.epsilon)

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[A, ...]:
        """A proposal when `share` of the plan is done; `known` are the keys of earlier trials.

        The first walk whose key is not known, or the last of `walks` tries. Each known walk makes one
        that learned of a sample forget the value of one of its steps, so that the next walk differs
        where the sample has a second best; to draw anew would cost more than the walk.
        """
        epsilon = self.epsilon(share)
        guide = self._drawn(rng) if epsilon < 1 else self
        for _ in range(self._settings.walks):
            episode = walk(self._mdp, lambda s: guide._choose(s, epsilon, rng))
            if self._mdp.key(episode) not in known:
                break
            if guide is not self:
                guide._forget(rng.choice(self._trajectory(episode)))
        return episode

    def _forget(self, step: tuple[S, A, Hashable]) -> None:
        """The value of the step becomes the initial one."""
        _, action, view = step
        self._q.get(view, {}).pop(action, None)
        self._greedy.pop(view, None)

    def _drawn(self, rng: Random) -> "QAgent[S, A]":
        """One that learned of a sample of the memory alone; itself where no sample is asked for.

        Its greedy walk is a guess that the sample supports: Thompson's way to explore (Osband et al.
        2016).
        """
        size = self._settings.bootstrap
        if size is None or len(self._replay) < size:
            return self
        drawn = QAgent(self._mdp, self._settings, self._seed)
        drawn._replay = rng.sample(self._replay, size)
        drawn._reward_sum = sum(reward for _, reward in drawn._replay)
        if self._targets_are_rewards() and self._settings.alpha == "best":
            drawn._lift()
        else:
            for trajectory, reward in drawn._replay:
                drawn._learn(trajectory, reward)
        return drawn

    def _targets_are_rewards(self) -> bool:
        settings = self._settings
        return settings.returns == "monte-carlo" and settings.gamma == 1 and not settings.shaped

    def _lift(self) -> None:
        """Learns all of the memory, fast, where every target is r_T and the highest counts."""
        for trajectory, reward in sorted(self._replay, key=itemgetter(1), reverse=True):
            for _, action, view in trajectory:
                self._q.setdefault(view, {}).setdefault(action, reward)

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[A], float]]) -> None:
        """The episodes and rewards of one iteration, in trial order; then as many replays."""
        for episode, reward in told:
            self._replay.append((self._trajectory(episode), reward))
            self._reward_sum += reward
        rng = generator(self._seed, "replay", iteration)
        for trajectory, reward in rng.choices(self._replay, k=len(told)) if self._replay else ():
            self._learn(trajectory, reward)

    def fingerprint(self) -> str:
        """A hash over every Q-value."""
        rows = sorted(f"{s}{a}{q.hex()}" for s, actions in self._q.items() for a, q in actions.items())
        return sha256("\n".join(rows).encode()).hexdigest()

    def value(self, state: S, action: A) -> float:
        """Q(s, a)."""
        return self._q.get(self._view(state), {}).get(action, self._initial_q())

    def learned(self, state: S) -> dict[A, float]:
        """Q of the legal actions that were updated; any other has the initial value."""
        return dict(self._values(state))

    def _trajectory(self, episode: Sequence[A]) -> Trajectory[S, A]:
        state, steps = self._mdp.start, []
        for action in episode:
            steps.append((state, action, self._view(state)))
            state = self._mdp.step(state, action)
        return tuple(steps)

    def _learn(self, trajectory: Trajectory[S, A], r_T: float) -> None:
        """Eq. 3 to 6 along one trajectory, last step first."""
        settings = self._settings
        r_t = shaped_reward(r_T, len(trajectory)) if settings.shaped else 0.0
        target = r_T
        for state, action, view in reversed(trajectory):
            self._update(view, action, target)
            if settings.returns == "max":
                target = bellman_target(r_t, settings.gamma, self._best(state))
            else:
                target = monte_carlo_return(r_t, settings.gamma, target)

    def _update(self, view: Hashable, action: A, target: float) -> None:
        alpha = self._settings.alpha
        values = self._q.setdefault(view, {})
        if alpha == "best":
            values[action] = max(values.get(action, target), target)
        else:
            step = step_size(self._visit(view, action)) if alpha == "1/visits" else alpha
            values[action] = updated(values.get(action, self._initial_q()), step, target)
        self._greedy.pop(view, None)

    def _visit(self, view: Hashable, action: A) -> int:
        """How often the pair was updated, this time included."""
        visits = self._visits.setdefault(view, {})
        visits[action] = visits.get(action, 0) + 1
        return visits[action]

    def _initial_q(self) -> float:
        initial = self._settings.initial_q
        if initial == "mean":
            return self._reward_sum / len(self._replay) if self._replay else 0.0
        return initial

    def _best(self, state: S) -> float:
        """max_a Q(s, a) over the legal actions."""
        values = self._values(state)
        if not values:
            return self._initial_q()
        best = max(values.values())
        return best if len(values) == len(self._mdp.actions(state)) else max(best, self._initial_q())

    def _choose(self, state: S, epsilon: float, rng: Random) -> A:
        """Epsilon-greedy, ties broken at random."""
        values = self._values(state) if epsilon < 1 else {}  # many, by position
        if not values or rng.random() < epsilon:
            return random_action(self._mdp, state, rng, self._settings.exploration)
        highest, tied = self._highest(state, values)
        actions, initial = self._mdp.actions(state), self._initial_q()
        if len(values) == len(actions) or initial < highest:
            return tied[0] if len(tied) == 1 else rng.choice(tied)
        while values.get(action := rng.choice(actions), initial) != initial:
            pass  # untried actions are most of the many, so few draws are needed
        return action

    def _values(self, state: S) -> dict[A, float]:
        """The Q-values of the legal actions that were tried."""
        view = self._view(state)
        values = self._q.get(view, {})
        if self._settings.state == "layer" and view is state:
            return values
        return {action: q for action, q in values.items() if self._mdp.allows(state, action)}

    def _view(self, state: S) -> Hashable:
        mdp = self._mdp
        return mdp.view(state) if self._settings.state == "layer" else mdp.position(state)

    def _highest(self, state: S, values: dict[A, float]) -> tuple[float, list[A]]:
        """The highest of the values, and the actions that have it.

        Kept between updates: a long search tries hundreds of actions in states that every walk meets.
        """
        kept = values is self._q.get(state)
        found = self._greedy.get(state) if kept else None
        if found is None:
            highest = max(values.values())
            found = highest, [a for a, q in values.items() if q == highest]
            if kept:
                self._greedy[state] = found
        return found
