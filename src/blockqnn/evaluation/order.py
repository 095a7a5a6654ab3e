"""Which images each step of a training shows, and by what chances they are varied."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from blockqnn.config import Recipe
from blockqnn.data.encoded import Window
from blockqnn.evaluation.augment import draw
from blockqnn.evaluation.group import Group
from blockqnn.evaluation.length import batches_per_epoch
from blockqnn.seeds import derive


class Turn(NamedTuple):
    """What a process shows in a step: images by number [B]; chances [., B] where they are varied, and
    those of windows where these are cut out."""

    numbers: Tensor
    chances: Tensor | None
    windows: Tensor | None = None


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
        chances = windows = None
        if varied:
            generator = _generator(seed, "augment", step)
            chances = group.share(draw(len(index), generator))
            if recipe.augmentation.crop:
                drawn = torch.rand(len(Window._fields), len(index), generator=generator)
                windows = group.share(drawn)
        yield Turn(group.share(index), chances, windows)
        step += 1


def _generator(seed: int, purpose: str, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive(seed, purpose, number))
