"""A strategy of the user's own, as the search loop needs it."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import Any, Protocol

from blockqnn.config import Settings
from blockqnn.errors import InputError
from blockqnn.space.mdp import MDP
from blockqnn.users_code import users_code


class Chooser(Protocol):
    """What a plugin's strategy must have. Its state follows from what it is told alone."""

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> Sequence[Any]:
        """One proposal, the terminal action included, when `share` (0 to 1) of the plan is done.

        It changes nothing and draws from `rng` alone. `known` are the keys of earlier trials.
        """
        ...

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[Any], float]]) -> None:
        """The proposals and rewards of one iteration, in trial order."""
        ...


Make = Callable[[MDP[Any, Any], Settings, int], Chooser]


class OwnStrategy:
    """A plugin's strategy; without one, as where a run is only read, it learns nothing.

    It shows no epsilon but 1 and no fingerprint, so a trajectory covers trials and outcomes.
    """

    def __init__(self, name: str, mdp: MDP[Any, Any], settings: Settings, make: Make | None) -> None:
        self._name, self._mdp = f"strategy {name}", mdp
        self._chooser: Chooser | None = None
        if make is not None:
            with users_code(self._name):
                self._chooser = make(mdp, settings, settings.plan.seed)

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[Any, ...]:
        """Its proposal; InputError unless that is a walk from the start to a terminal state."""
        if self._chooser is None:
            raise InputError(f"{self._name}: belongs to a plugin; name it with --plugin FILE.py")
        with users_code(f"{self._name}: ask"):
            return self._legal(self._chooser.ask(share, rng, known))

    def _legal(self, proposal: Sequence[Any]) -> tuple[Any, ...]:
        """The space's own actions that equal those proposed."""
        state, episode = self._mdp.start, []
        for action in proposal:
            legal = self._mdp.actions(state)
            if action not in legal:
                raise ValueError(f"proposed {action} after {state}: not legal there")
            episode.append(legal[legal.index(action)])
            state = self._mdp.step(state, episode[-1])
        if self._mdp.actions(state):
            raise ValueError(f"proposed a walk that stops at {state}, before a terminal action")
        return tuple(episode)

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[Any], float]]) -> None:
        if self._chooser is not None:
            with users_code(f"{self._name}: tell"):
                self._chooser.tell(iteration, told)

    def epsilon(self, share: float) -> float:  # noqa: ARG002
        return 1.0

    def fingerprint(self) -> str:
        return ""
