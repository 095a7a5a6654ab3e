"""Which images each step of a training shows, and by what chances they are varied."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from blockqnn.config import Recipe
from blockqnn.evaluation.augment import draw
from blockqnn.evaluation.group import Group
from blockqnn.evaluation.length import batches_per_epoch
from blockqnn.seeds import derive


class Turn(NamedTuple):
    """What a process shows in a step: images by number [B], and chances [., B] where they are varied."""

    numbers: Tensor
    chances: Tensor | None


def turns(count: int, recipe: Recipe, seed: int, step: int, group: Group) -> Iterator[Turn]:
    """This process's share of every batch of `count` images, from so many done steps on, without end.

    On the CPU. The order of the images comes from (seed, epoch) and how they are varied from (seed,
    step), so a training that goes on shows what it would have shown.
    """
    per_epoch = batches_per_epoch(recipe, count)
    varied = any(vars(recipe.augmentation).values())
    epoch, order = -1, torch.empty(0)
    while True:
        if step // per_epoch != epoch:
            epoch = step // per_epoch
            order = torch.randperm(count, generator=_generator(seed, "order", epoch))
        begin = step % per_epoch * recipe.batch
        index = order[begin : begin + recipe.batch]
        chances = draw(len(index), _generator(seed, "augment", step)) if varied else None
        yield Turn(group.share(index), None if chances is None else group.share(chances))
        step += 1


def _generator(seed: int, purpose: str, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive(seed, purpose, number))
