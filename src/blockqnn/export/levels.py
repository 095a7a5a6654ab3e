"""What the stages of a network give to other tasks, told as timm tells it."""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from blockqnn.errors import InputError
from blockqnn.network.plan import NetworkPlan


class Told(TypedDict):
    """A level as timm's dictionaries have it."""

    index: int
    num_chs: int
    reduction: int
    module: str


class Level(NamedTuple):
    """The output of stage `number`; `reduction` is the input's side over its own."""

    number: int
    channels: int
    reduction: int
    module: str


class FeatureInfo(tuple[Level, ...]):
    """The levels of a network, the finest first; `[i]` is a Level."""

    def channels(self) -> list[int]:
        return [level.channels for level in self]

    def reduction(self) -> list[int]:
        return [level.reduction for level in self]

    def module_name(self) -> list[str]:
        return [level.module for level in self]

    def get_dicts(self) -> list[Told]:
        return [
            Told(
                index=level.number,
                num_chs=level.channels,
                reduction=level.reduction,
                module=level.module,
            )
            for level in self
        ]

    def of(self, out_indices: Sequence[int] | None) -> "FeatureInfo":
        """These levels alone, in the order of the stages; negative numbers count from the last.

        InputError for a level that is not there, and for none.
        """
        if out_indices is None:
            return self
        count = len(self)
        wrong = [index for index in out_indices if not -count <= index < count]
        if wrong or not out_indices:
            raise InputError(
                f"out_indices {tuple(out_indices)}: numbers of stages from 0 to {count - 1}, or from the"
                f" last, -1 to {-count}"
            )
        chosen = {index % count for index in out_indices}
        return FeatureInfo(level for level in self if level.number in chosen)


def feature_info(plan: NetworkPlan) -> FeatureInfo:
    """The outputs of the plan's stages; a 2x2 pooling lies before each but the first."""
    first = 2 ** sum(layer.op == "pool" for layer in plan.stem)
    return FeatureInfo(
        Level(i, stage[-1].channels, first * 2**i, f"network.stages.{i}")
        for i, stage in enumerate(plan.stages)
    )
