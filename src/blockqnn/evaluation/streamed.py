"""Images that other processes decode while the network learns, so that few of them are in memory."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as Rows

from blockqnn.config import Augmentation
from blockqnn.data.arrays import ArrayImages
from blockqnn.data.dataset import Dataset, Part
from blockqnn.data.encoded import Encoded, Window
from blockqnn.data.source import Unreadable
from blockqnn.errors import InputError
from blockqnn.evaluation.augment import Chances, moved, moves
from blockqnn.evaluation.device import memory_left
from blockqnn.evaluation.group import ALONE, Group
from blockqnn.evaluation.images import STILL, DevicePart, Steps, normalised, on_device, scale_on
from blockqnn.evaluation.order import Turn

_UNUSUAL = 5  # times the median of a step
_NOTICED = 0.1  # share of the time
_AHEAD = 2  # batches that each process decodes before they are wanted


class _Key(NamedTuple):
    row: int
    window: Window | None


class Decoded(NamedTuple):
    """Images uint8 [B, H, W, C], on the device, and their numbers [B]."""

    images: Tensor
    numbers: Tensor


@dataclass
class Pace:
    """How fast batches came, and how long they were waited for, in seconds."""

    images: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of a step, waiting included
    waited: list[float] = field(default_factory=list)

    def add(self, images: int, seconds: float, waited: float) -> None:
        self.images.append(images)
        self.seconds.append(seconds)
        self.waited.append(waited)

    def told(self, workers: int) -> str:
        """The rate and which of the two sets it, for people."""
        seconds = np.array(self.seconds)
        usual = seconds <= _UNUSUAL * np.median(seconds)  # not the first one, nor looks between two
        whole = seconds[usual].sum()
        rate, share = (
            np.array(self.images)[usual].sum() / whole,
            np.array(self.waited)[usual].sum() / whole,
        )
        limit = "decoding" if share > _NOTICED else "the network"
        by = "1 process" if workers == 1 else f"{workers} processes"
        return (
            f"{rate:,.0f} images/s, decoded by {by}; images were waited for {100 * share:.0f} % of the"
            f" time, so {limit} is the limit"
        )


@dataclass(frozen=True, eq=False)
class StreamedPart:
    """Images that `workers` processes decode, batch after batch, in the order of a training's turns."""

    encoded: Encoded
    labels: Tensor
    mean: Tensor
    deviation: Tensor
    workers: int
    pace: Pace = field(default_factory=Pace)

    def __len__(self) -> int:
        return len(self.labels)

    def shown(self, turns: Iterable[Turn], how: Augmentation) -> Steps:
        """Images are known by themselves, decoded, and their numbers."""
        kept: list[Turn] = []  # those whose images are on their way

        def wanted() -> Iterator[list[_Key]]:
            for turn in turns:
                kept.append(turn)
                yield _keys(turn.numbers, turn.windows)

        device, begun = self.labels.device, time.monotonic()
        for images in self._decoded(wanted(), how.crop):
            waited = time.monotonic() - begun
            turn = kept.pop(0)
            numbers = turn.numbers.to(device, non_blocking=True)
            chances = None if turn.chances is None else turn.chances.to(device, non_blocking=True)
            yield Decoded(images.to(device, non_blocking=True), numbers), chances
            before, begun = begun, time.monotonic()
            self.pace.add(len(images), begun - before, waited)

    def batch(
        self, which: Decoded, how: Augmentation = STILL, chances: Chances | None = None
    ) -> tuple[Tensor, Tensor]:
        images = which.images
        if chances and moves(how):
            images = moved(images, torch.arange(len(images), device=images.device), how, chances)
        return normalised(images, self.mean, self.deviation), self.labels[which.numbers]

    def in_order(self, size: int, group: Group = ALONE) -> Iterator[tuple[Tensor, Tensor]]:
        shares = [
            group.share(torch.arange(begin, min(begin + size * group.size, len(self))))
            for begin in range(0, len(self), size * group.size)
        ]
        decoded = self._decoded((_keys(numbers, None) for numbers in shares), 0.0)
        for numbers, images in zip(shares, decoded, strict=True):
            yield self.batch(Decoded(images.to(self.labels.device), numbers.to(self.labels.device)))

    def _decoded(self, wanted: Iterator[list[_Key]], least: float) -> Iterator[Tensor]:
        """The images of each list, uint8 [B, H, W, C]. InputError for one that cannot be read."""
        loader = DataLoader(
            _Rows(self.encoded, least),
            batch_sampler=_Once(wanted),
            num_workers=self.workers,
            prefetch_factor=_AHEAD,
            collate_fn=partial(_together, self.encoded.shape[1:]),
            generator=torch.Generator(),  # the global one is left alone
            pin_memory=self.labels.device.type == "cuda",
        )
        for images in loader:
            if isinstance(images, str):
                raise InputError(f"{images}, although it could before the training")
            yield images


@dataclass(frozen=True)
class _Once:
    """Lists of keys that are asked for once, one after another."""

    wanted: Iterator[list[_Key]]

    def __iter__(self) -> Iterator[list[_Key]]:
        return self.wanted


class _Rows(Rows[Tensor | str]):
    """What a decoding process does: an image for a key, or why there is none."""

    def __init__(self, encoded: Encoded, least: float) -> None:
        self._encoded, self._least = encoded, least

    def __getitem__(self, key: _Key) -> Tensor | str:
        try:
            if key.window is None:
                image = self._encoded[key.row]
            else:
                image = self._encoded.window(key.row, key.window, self._least)
        except Unreadable as error:
            return f"image {self._encoded.name(key.row)} cannot be read ({error})"
        return torch.from_numpy(np.array(image))  # a copy that may be written to


def _keys(numbers: Tensor, windows: Tensor | None) -> list[_Key]:
    rows = numbers.tolist()
    if windows is None:
        return [_Key(row, None) for row in rows]
    return [_Key(row, Window(*values)) for row, values in zip(rows, windows.T.tolist(), strict=True)]


def _together(shape: tuple[int, ...], images: list[Tensor | str]) -> Tensor | str:
    """One tensor of them, or what one says instead; a process's share may be empty."""
    if unreadable := [image for image in images if isinstance(image, str)]:
        return unreadable[0]
    pixels = [image for image in images if isinstance(image, Tensor)]
    return torch.stack(pixels) if pixels else torch.zeros(0, *shape, dtype=torch.uint8)


def placed(part: Part, dataset: Dataset, device: str, workers: int) -> DevicePart | StreamedPart:
    """A part on its device, or to be decoded by so many processes as it is asked for.

    Prepared images are streamed too where they would take more than half of a GPU's free memory.
    """
    images = part.images
    if not isinstance(images, Encoded):
        left = memory_left(device) if device == "cuda" else None
        if left is None or images.nbytes <= left // 2:
            return on_device(Part(images, part.labels), dataset, device)
        rows, height, width, channels = images.shape
        source = ArrayImages([(dataset.name, images)])
        images = Encoded(source, np.arange(rows), (height, width), channels, "crop")
    labels = torch.from_numpy(part.labels).to(device)
    return StreamedPart(images, labels, *scale_on(dataset, device), workers)
