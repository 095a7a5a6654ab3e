"""The images of a part of the data set, as they lie on a device."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from blockqnn.config import Augmentation
from blockqnn.data.dataset import Dataset, Part
from blockqnn.evaluation.augment import Chances, moved
from blockqnn.evaluation.group import ALONE, Group
from blockqnn.evaluation.order import Turn


@dataclass(frozen=True, eq=False)
class DevicePart:
    """Images uint8 [N, H, W, C] and labels [N] on a device, with the channels' normalisation."""

    images: Tensor
    labels: Tensor
    mean: Tensor  # [1, C, 1, 1], in 0..255
    deviation: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def shown(self, turns: Iterable[Turn]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """What a step takes, on the device: images by their numbers [B], and chances."""
        for index, chances in turns:
            on = self.labels.device
            there = None if chances is None else chances.to(on, non_blocking=True)
            yield index.to(on, non_blocking=True), there

    def varied(self, index: Tensor, how: Augmentation, chances: Chances) -> Tensor:
        """Normalised images, each moved in its own way."""
        if how.shift or how.zoom or how.flip:
            return self.normalised(moved(self.images, index, how, chances))
        return self.batch(index)[0]

    def in_order(self, size: int, group: Group = ALONE) -> Iterator[tuple[Tensor, Tensor]]:
        """All images one after another, at most `size` at once; of a group the process's share."""
        for begin in range(0, len(self), size * group.size):
            yield self.batch(slice(begin + group.rank, begin + size * group.size, group.size))

    def batch(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Normalised images [B, C, H, W] float32, and labels [B]."""
        return self.normalised(self.images[index]), self.labels[index]

    def normalised(self, images: Tensor) -> Tensor:
        """Images uint8 [B, H, W, C] as a network takes them: float32 [B, C, H, W]."""
        images = (images.permute(0, 3, 1, 2).float() - self.mean) / self.deviation
        return images.contiguous(memory_format=torch.channels_last)


def on_device(part: Part, dataset: Dataset, device: str) -> DevicePart:
    """A part of the data set, moved once. On the CPU nothing is copied: processes share the file."""
    images = torch.from_numpy(part.images)
    labels = torch.from_numpy(part.labels)
    scale = [torch.tensor(v * 255, dtype=torch.float32) for v in (dataset.mean, dataset.deviation)]
    mean, deviation = (s.reshape(1, -1, 1, 1).to(device) for s in scale)
    return DevicePart(images.to(device), labels.to(device), mean, deviation)


def class_weights(part: DevicePart) -> Tensor:
    """Of each class in the loss, float32 [classes]: images / (classes x images of that class)."""
    counts = torch.bincount(part.labels).float()
    return counts.sum() / (len(counts) * counts.clamp(min=1))
