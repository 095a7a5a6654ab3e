"""The shares of a group: all images and none twice, and gradients whose mean is the whole batch's."""

import pytest
import torch
from torch import nn

from blockqnn.config import Recipe
from blockqnn.evaluation.group import ALONE, Group, group
from blockqnn.evaluation.images import DevicePart
from blockqnn.evaluation.length import batches_per_epoch
from blockqnn.evaluation.order import turns
from blockqnn.evaluation.step import step_of

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 0])


def test_shares_are_all_and_nothing_twice():
    values = torch.arange(22).reshape(2, 11)
    shares = [Group(rank, 3).share(values) for rank in range(3)]
    assert [share.shape[1] for share in shares] == [4, 4, 3]
    assert torch.equal(torch.cat(shares, 1).sort().values, values)
    assert ALONE.share(values) is values


def test_without_torchrun_a_process_is_alone():
    assert group("cpu") is ALONE


def test_turns_of_a_group_are_one_batch():
    recipe = Recipe(batch=5)
    whole = turns(13, recipe, seed=0, step=0, group=ALONE)
    parts = [turns(13, recipe, seed=0, step=0, group=Group(rank, 2)) for rank in range(2)]
    for step in range(2 * batches_per_epoch(recipe, 13)):
        numbers = next(whole).numbers
        assert len(numbers) == (3 if step % 3 == 2 else 5)
        shares = [next(part).numbers for part in parts]
        assert torch.equal(numbers[0::2], shares[0])
        assert torch.equal(numbers[1::2], shares[1])
    later = turns(13, recipe, seed=0, step=6, group=ALONE)
    assert torch.equal(next(later).numbers, next(whole).numbers), "where a training goes on"


class Told(Group):
    """One of two processes, which is told what the other one's value is."""

    def summed(self, value: torch.Tensor) -> torch.Tensor:
        if value.requires_grad or not hasattr(self, "others"):
            return value
        return value.add_(self.others.pop(0))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_mean_of_two_shares_gradients_is_the_whole_batchs(weighted):
    """The shares are of unequal size, and their classes of unequal weight."""
    images = torch.randint(0, 255, (7, 4, 4, 3), dtype=torch.uint8)
    scale = torch.full((1, 3, 1, 1), 100.0)
    part = DevicePart(images, LABELS, scale, scale)
    recipe = Recipe(batch=7, class_weights=weighted, label_smoothing=0.1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    counts = torch.bincount(LABELS).float()
    weights = (7 / (3 * counts))[LABELS] if weighted else torch.ones(7)

    def gradient(which: torch.Tensor, crew: Group) -> torch.Tensor:
        still = torch.optim.SGD(network.parameters(), lr=0.0)
        step_of(network, part, recipe, still, torch.zeros(()), group=crew)(which, None)
        return network[1].weight.grad.clone()

    numbers = torch.arange(7)
    found = []
    for rank in range(2):
        crew = Told(rank, 2)
        other = weights[numbers[1 - rank :: 2]].sum()
        object.__setattr__(crew, "others", [other, torch.zeros(())])
        found.append(gradient(crew.share(numbers), crew))
    torch.testing.assert_close((found[0] + found[1]) / 2, gradient(numbers, ALONE))
