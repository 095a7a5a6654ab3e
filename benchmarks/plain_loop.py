"""The training loops that a user would write for one network: with a DataLoader, and in memory.

Both normalise, and train by Adam with its defaults in torch's default number format and memory layout;
images are padded by 4 pixels, cropped and flipped, unless the loop in memory is told to leave that out,
and the learning rate stays, unless that loop is told what it is at each share of the training.
A loop is called with a number of steps and what to call after each.
"""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as SampleDataset

from blockqnn.config import Augmentation
from blockqnn.data.dataset import Dataset, Part
from blockqnn.network.model import Network, build
from blockqnn.network.ops import BatchNorm
from blockqnn.network.plan import Image, NetworkPlan

PADDING = 4  # pixels by which an image is moved at most
RATE = 1e-3  # Adam's default

Report = Callable[[int, float], None]  # steps done, and their share
Loop = Callable[[int, Report], None]
Rate = Callable[[float], float]  # the learning rate when a share of the training is done
Batches = Iterator[tuple[Tensor, Tensor]]


def variation(image: Image) -> Augmentation:
    """What these loops do to images, as a recipe says it; it mirrors the border, they show black."""
    return Augmentation(shift=PADDING / image.height, flip=True)


class PlainNetwork(Network):
    """The network with torch's own average over the pixels."""

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        pooled: Tensor = self.relu(features).mean(dim=(2, 3))
        logits: Tensor = pooled if pre_logits else self.head(pooled)
        return logits


def plain_network(plan: NetworkPlan, device: str, seed: int = 0) -> nn.Module:
    """The network of torch's own layers in its default memory layout, with the weights of `build`."""
    network = build(plan, seed)
    network.__class__ = PlainNetwork
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.__class__ = nn.BatchNorm2d
    for parameter in network.parameters():  # to() would keep the strides of 1x1 convolutions
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    return network.to(device)


class Samples(SampleDataset[tuple[Tensor, int]]):
    """One image at a time, varied and normalised: float32 [C, H, W], and its label."""

    def __init__(self, part: Part, mean: Tensor, deviation: Tensor) -> None:
        """`mean` and `deviation` of the channels, in 0..1, shape [C, 1, 1]."""
        self._part, self._mean, self._deviation = part, mean, deviation

    def __len__(self) -> int:
        return len(self._part)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self._part.images[index]
        height, width = image.shape[:2]
        top, left = torch.randint(2 * PADDING + 1, (2,)).tolist()
        image = np.pad(image, ((PADDING, PADDING), (PADDING, PADDING), (0, 0)))
        image = image[top : top + height, left : left + width]
        if torch.rand(()).item() < 0.5:
            image = image[:, ::-1]
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
        return (pixels - self._mean) / self._deviation, int(self._part.labels[index])


def with_loader(network: nn.Module, dataset: Dataset, device: str, batch: int, workers: int) -> Loop:
    """Per-sample transforms in a DataLoader, `.to(device)` and `.item()` of the loss each step."""
    samples = Samples(dataset.train, *_scale(dataset, "cpu"))
    loader = DataLoader(samples, batch, shuffle=True, drop_last=True, num_workers=workers)

    def batches() -> Batches:
        while True:
            for images, labels in loader:
                yield images.to(device), labels.to(device)

    return lambda steps, report: _train(network, batches(), steps, report, Tensor.item)


def in_memory(
    network: nn.Module,
    dataset: Dataset,
    device: str,
    batch: int,
    *,
    varied: bool = True,
    rate: Rate = lambda _progress: RATE,
) -> Loop:
    """All images uint8 on the device, whole batches varied there unless told not to, no `.item()`."""
    images = torch.from_numpy(dataset.train.images).permute(0, 3, 1, 2).contiguous().to(device)
    labels = torch.from_numpy(dataset.train.labels).to(device)
    mean, deviation = _scale(dataset, device)

    def batches() -> Batches:
        while True:
            for index in torch.randperm(len(labels), device=device).split(batch):
                if len(index) == batch:
                    shown = images[index]
                    shown = (_varied(shown) if varied else shown).float() / 255
                    yield (shown - mean) / deviation, labels[index]

    return lambda steps, report: _train(network, batches(), steps, report, Tensor.detach, rate)


def _scale(dataset: Dataset, device: str) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the channels in 0..1, float32 [C, 1, 1]."""
    values = (torch.tensor(v, dtype=torch.float32) for v in (dataset.mean, dataset.deviation))
    mean, deviation = (v.reshape(-1, 1, 1).to(device) for v in values)
    return mean, deviation


def _varied(images: Tensor) -> Tensor:
    """Images [B, C, H, W], each cropped at a place of its own after padding, half of them flipped."""
    count, _, height, width = images.shape
    device = images.device
    padded = functional.pad(images, (PADDING,) * 4)
    rows, columns = (
        torch.randint(2 * PADDING + 1, (count, 1), device=device) + torch.arange(side, device=device)
        for side in (height, width)
    )
    flipped = torch.rand(count, 1, device=device) < 0.5
    columns = torch.where(flipped, columns.flip(1), columns)
    which = torch.arange(count, device=device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _train(
    network: nn.Module,
    batches: Batches,
    steps: int,
    report: Report,
    value: Callable[[Tensor], float | Tensor],
    rate: Rate = lambda _progress: RATE,
) -> None:
    """Adam on the cross entropy; `value` is what is added up of each step's loss."""
    optimizer = torch.optim.Adam(network.parameters())
    total: float | Tensor = 0.0
    network.train()
    for step, (images, labels) in enumerate(islice(batches, steps), 1):
        for group in optimizer.param_groups:
            group["lr"] = rate((step - 1) / steps)
        loss = functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += value(loss)
        report(step, step / steps)
