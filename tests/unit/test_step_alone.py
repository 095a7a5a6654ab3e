"""A training step asks nothing of its device, so that a GPU need not be waited for.

Without a GPU: the network and the images lie on torch's `meta` device, where whatever reads a value
raises, and a dispatch mode sees what travels there.
"""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from blockqnn.config import Augmentation, Recipe
from blockqnn.evaluation import train
from blockqnn.evaluation.images import DevicePart
from blockqnn.evaluation.step import Step
from blockqnn.evaluation.train import Watch, fit
from blockqnn.network.model import Network
from blockqnn.network.plan import SKELETONS, Image, plan_network
from blockqnn.space.zoo import ZOO

IMAGES, BATCH, STEPS = 40, 8, 10  # two epochs
EVERYTHING = Augmentation(shift=0.1, zoom=0.1, flip=True, erase=0.3, color=0.1)


class Journeys(TorchDispatchMode):
    """Remembers the operations that join the CPU and the device and wait there."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, torch.Tensor)]
        joined = len({t.device.type for t in tensors if t.dim()}) > 1
        if joined and not (kwargs or {}).get("non_blocking"):
            self.waiting.append(str(func))
        return result


def plain_sgd(network: nn.Module, recipe: Recipe, **_: Any) -> torch.optim.Optimizer:
    """The fused one has no `meta` form."""
    return torch.optim.SGD(network.parameters(), momentum=recipe.momentum, nesterov=True)


@pytest.fixture
def journeys(monkeypatch: pytest.MonkeyPatch) -> Journeys:
    """What `trained` counts with, once no part of a step lacks a `meta` form."""
    monkeypatch.setattr(train, "optimizer_of", plain_sgd)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # has no `meta` form either
    return Journeys()


def trained(journeys: Journeys) -> list[int]:
    """How often the device had been waited for after each step."""
    plan = plan_network(ZOO["block-qnn-a"], SKELETONS["small"], Image(3, 32, 32), 10)
    recipe = Recipe(steps=STEPS, batch=BATCH, optimizer="sgd", average=0.9, augmentation=EVERYTHING)
    with torch.device("meta"):
        network = Network(plan)
        scale = torch.ones(1, 3, 1, 1)
        images = torch.zeros(IMAGES, 32, 32, 3, dtype=torch.uint8)
        part = DevicePart(images, torch.zeros(IMAGES, dtype=torch.long), scale, scale)
    waited = []

    def report(step: int, _progress: float) -> None:
        waited.append(len(journeys.waiting))
        if step == STEPS:
            raise StopIteration  # before the loss is read, which a `meta` tensor cannot be

    with journeys, pytest.raises(StopIteration):
        fit(network, part, recipe, learning_rate=0.1, seed=0, watch=Watch(report=report))
    return waited


def test_nothing_is_read_back_or_waited_for(journeys):
    assert trained(journeys) == [0] * STEPS


def test_what_is_sent_in_a_step_and_waited_for_is_seen(journeys, monkeypatch):
    original = Step.__call__

    def waiting(self: Step, index: torch.Tensor, _: torch.Tensor | None) -> None:
        original(self, index, torch.zeros(8, len(index)).to(index.device))

    monkeypatch.setattr(Step, "__call__", waiting)
    assert trained(journeys)[0] > 0


def test_what_reads_a_value_is_seen(journeys, monkeypatch):
    shown = lambda self, index, _: self.part.batch(index[index > 3])  # noqa: E731
    monkeypatch.setattr(Step, "_shown", shown)
    with pytest.raises(Exception, match="meta"):
        trained(journeys)
