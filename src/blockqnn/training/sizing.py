"""How large a network is made of a block: the largest that a number of parameters allows. No torch."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from blockqnn.config import SpaceSettings
from blockqnn.errors import InputError
from blockqnn.network.plan import Image, Limits, OverLimit, Skeleton, plan_network
from blockqnn.report.target import Target
from blockqnn.space.code import Block

Repeats = tuple[int, ...] | Literal["auto"]  # blocks a stage; auto: as many as a limit allows

_REPEATS = range(1, 13)  # the paper's networks have at most 4 (table 3)
_FACTORS = tuple(Fraction(2) ** power for power in range(-3, 4))  # of the widths
_WIDEST = 10_000  # filters of a stage, as a skeleton allows


def skeleton_for(
    target: Target,
    image: Image,
    classes: int,
    *,
    name: str | None = None,
    repeats: Repeats | None = None,
    widths: tuple[int, ...] | None = None,
    max_params: int | None = None,
) -> Skeleton:
    """The skeleton that a user asked for; with a limit the largest of those that are left open.

    With `repeats` auto the blocks a stage alone are chosen, below the paper's 10 million parameters
    where no other limit is named. InputError as from `Target.skeleton` and `largest`.
    """
    if isinstance(repeats, str):
        if repeats != "auto":
            raise InputError(f"repeats {repeats[:60]!r}: whole numbers, or auto")
        skeleton = target.skeleton(name, None, widths)
        limit = max_params or SpaceSettings().max_params
        return largest(target.block, skeleton, image, classes, limit, widths=False)
    skeleton = target.skeleton(name, repeats, widths)
    if max_params is None:
        return skeleton
    open_ = {"repeats": repeats is None, "widths": widths is None}
    return largest(target.block, skeleton, image, classes, max_params, **open_)


def largest(
    block: Block,
    skeleton: Skeleton,
    image: Image,
    classes: int,
    max_params: int,
    *,
    repeats: bool = True,
    widths: bool = True,
) -> Skeleton:
    """The skeleton whose network has the most parameters, but not above the limit.

    Tried are 1 to 12 blocks in every stage and the widths times 1/8 to 8; `repeats` or `widths` False
    leaves them as they are. Among equally large networks it is the one of fewest FLOPs. InputError
    names the smallest size when none fits.
    """
    best: tuple[tuple[int, int], Skeleton] | None = None
    for sized in _sizes(skeleton, repeats, widths):
        try:
            plan = plan_network(block, sized, image, classes, Limits(max_params))
        except OverLimit:
            continue
        if best is None or (plan.params, -plan.flops) > best[0]:
            best = (plan.params, -plan.flops), sized
    if best is None:
        plans = (plan_network(block, s, image, classes) for s in _sizes(skeleton, repeats, widths))
        smallest = min(plan.params for plan in plans)
        raise InputError(f"max_params {max_params}: the smallest network has {smallest} parameters")
    return best[1]


def _sizes(skeleton: Skeleton, repeats: bool, widths: bool) -> Iterator[Skeleton]:
    seen = set()
    for factor in _FACTORS if widths else (Fraction(1),):
        filters = tuple(max(1, round(width * factor)) for width in skeleton.widths)
        if max(filters) > _WIDEST or filters in seen:
            continue
        seen.add(filters)
        wide = skeleton.with_widths(filters)
        if not repeats:
            yield wide
            continue
        yield from (wide.with_repeats((count,)) for count in _REPEATS)
