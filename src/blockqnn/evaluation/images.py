"""The images of a part of the data set, as they lie on a device or come there."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from blockqnn.config import Augmentation
from blockqnn.data.dataset import Dataset, Part
from blockqnn.errors import InputError
from blockqnn.evaluation.augment import Chances, moved, moves
from blockqnn.evaluation.group import ALONE, Group
from blockqnn.evaluation.order import Turn

STILL = Augmentation()
Steps = Generator[tuple[Any, Tensor | None], None, None]


class Shown(Protocol):
    """Images and their classes, as training and testing see them."""

    @property
    def labels(self) -> Tensor:
        """[N], on the device."""

    def __len__(self) -> int: ...

    def shown(self, turns: Iterable[Turn], how: Augmentation) -> Steps:
        """What steps take: that by which `batch` knows images, and chances, on the device."""

    def batch(
        self, which: Any, how: Augmentation = STILL, chances: Chances | None = None
    ) -> tuple[Tensor, Tensor]:
        """Normalised images float32 [B, C, H, W], moved by the chances, and labels [B]."""

    def in_order(self, size: int, group: Group = ALONE) -> Iterator[tuple[Tensor, Tensor]]:
        """All images one after another, at most `size` at once; of a group the process's share."""


@dataclass(frozen=True, eq=False)
class DevicePart:
    """Images uint8 [N, H, W, C] and labels [N] on a device, with the channels' normalisation."""

    images: Tensor
    labels: Tensor
    mean: Tensor  # [1, C, 1, 1], in 0..255
    deviation: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def shown(self, turns: Iterable[Turn], how: Augmentation) -> Steps:
        """Images are known by their numbers [B]. InputError where windows are to be cut out of them."""
        if how.crop:
            raise InputError(
                f"setting augmentation.crop = {how.crop}: these images were prepared once, none are left"
                " to cut a window out of; `train` has them"
            )
        for index, chances, _ in turns:
            on = self.labels.device
            there = None if chances is None else chances.to(on, non_blocking=True)
            yield index.to(on, non_blocking=True), there

    def in_order(self, size: int, group: Group = ALONE) -> Iterator[tuple[Tensor, Tensor]]:
        """All images one after another, at most `size` at once; of a group the process's share."""
        for begin in range(0, len(self), size * group.size):
            yield self.batch(slice(begin + group.rank, begin + size * group.size, group.size))

    def batch(
        self, which: Tensor | slice, how: Augmentation = STILL, chances: Chances | None = None
    ) -> tuple[Tensor, Tensor]:
        """Normalised images [B, C, H, W] float32, moved by the chances, and labels [B]."""
        if chances and isinstance(which, Tensor) and moves(how):
            images = moved(self.images, which, how, chances)
        else:
            images = self.images[which]
        return normalised(images, self.mean, self.deviation), self.labels[which]


def normalised(images: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Images uint8 [B, H, W, C] as a network takes them: float32 [B, C, H, W]."""
    images = (images.permute(0, 3, 1, 2).float() - mean) / deviation
    return images.contiguous(memory_format=torch.channels_last)


def scale_on(dataset: Dataset, device: str) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the channels, [1, C, 1, 1], in 0..255."""
    scale = [torch.tensor(v * 255, dtype=torch.float32) for v in (dataset.mean, dataset.deviation)]
    mean, deviation = (s.reshape(1, -1, 1, 1).to(device) for s in scale)
    return mean, deviation


def on_device(part: Part, dataset: Dataset, device: str) -> DevicePart:
    """A part whose images were prepared, moved once.

    On the CPU nothing is copied: processes share the file.
    """
    images = part.images
    assert isinstance(images, np.ndarray), "images that are decoded anew: placed"
    labels = torch.from_numpy(part.labels).to(device)
    return DevicePart(torch.from_numpy(images).to(device), labels, *scale_on(dataset, device))


def class_weights(part: Shown) -> Tensor:
    """Of each class in the loss, float32 [classes]: images / (classes x images of that class)."""
    counts = torch.bincount(part.labels).float()
    return counts.sum() / (len(counts) * counts.clamp(min=1))
