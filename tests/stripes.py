"""A data set that is soon learned, for tests that train: stripes that are upright or level."""

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from blockqnn.data.dataset import Dataset, Part
from blockqnn.evaluation.images import DevicePart, on_device
from blockqnn.network.plan import NetworkPlan, Skeleton, plan_network
from blockqnn.space.code import parse

torch.set_num_threads(1)  # as in a worker

SKELETON = Skeleton(("conv",), (4,), (1,))
CONV = "(1,1,3,0,0) (2,7,0,0,0)"


@cache
def stripes() -> Dataset:
    """Images of 6x6 pixels, soon learned: upright (class 0) or level (class 1) stripes, and noise."""
    rng = np.random.default_rng(0)

    def part(size: int) -> Part:
        labels = np.arange(size) % 2
        upright = np.tile([60, 200], (6, 3))
        clean = np.where(labels[:, None, None] == 0, upright, upright.T)
        noisy = clean + rng.integers(-50, 50, clean.shape)
        return Part(noisy.astype(np.uint8)[..., None], labels.astype(np.int64))

    train = part(41)
    mean, deviation = train.images.mean((0, 1, 2)) / 255, train.images.std((0, 1, 2)) / 255
    return Dataset("stripes", ("up", "level"), train, part(20), part(2), mean, deviation, "digest")


def parts() -> tuple[DevicePart, DevicePart]:
    data = stripes()
    return on_device(data.train, data, "cpu"), on_device(data.validation, data, "cpu")


def planned(code: str = CONV) -> NetworkPlan:
    return plan_network(parse(code), SKELETON, stripes().image, 2)


def weights(network: nn.Module) -> list[Tensor]:
    return [value.clone() for value in network.state_dict().values()]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    """To the bit."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
