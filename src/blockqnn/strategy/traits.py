"""What a model may know of a design before it is trained, and of what it is asked to choose in."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from blockqnn.space.mdp import MDP


class Traits(NamedTuple):
    """Numbers of one design; of one space all have the same length."""

    size: float  # on a log scale: FLOPs, or what is known instead; 0 where nothing is
    values: tuple[float, ...]


class Searched(Protocol):
    """The space that a strategy searches."""

    @property
    def mdp(self) -> MDP[Any, Any]: ...

    @property
    def admit(self) -> Callable[[Sequence[Any]], float | None]:
        """Raises OverLimit for a design that is not to be proposed."""
        ...

    @property
    def traits(self) -> Callable[[Sequence[Any]], Traits] | None: ...
