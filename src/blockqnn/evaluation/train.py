"""The one training loop, and the score of a network. Data live on the device as uint8."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from blockqnn.config import Recipe
from blockqnn.data.dataset import Dataset, Part
from blockqnn.evaluation import metrics

_EVALUATION_BATCH = 128  # the activations of a wide block are what fills a worker's memory


@dataclass(frozen=True, eq=False)
class DevicePart:
    """Images uint8 [N, H, W, C] and labels [N] on a device, with the channels' normalisation."""

    images: Tensor
    labels: Tensor
    mean: Tensor  # [1, C, 1, 1], in 0..255
    deviation: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Normalised images [B, C, H, W] float32, and labels [B]."""
        images = self.images[index].permute(0, 3, 1, 2)
        images = (images.float() - self.mean) / self.deviation
        return images.contiguous(memory_format=torch.channels_last), self.labels[index]


def on_device(part: Part, dataset: Dataset, device: str) -> DevicePart:
    """A part of the data set, moved once. On the CPU nothing is copied: processes share the file."""
    images = torch.from_numpy(part.images)
    labels = torch.from_numpy(part.labels)
    scale = [torch.tensor(v * 255, dtype=torch.float32) for v in (dataset.mean, dataset.deviation)]
    mean, deviation = (s.reshape(1, -1, 1, 1).to(device) for s in scale)
    return DevicePart(images.to(device), labels.to(device), mean, deviation)


def total_steps(recipe: Recipe, images: int) -> int:
    """Batches in the whole training."""
    return recipe.steps or recipe.epochs * batches_per_epoch(recipe, images)


def batches_per_epoch(recipe: Recipe, images: int) -> int:
    """A last batch of one image is left out: BN cannot learn from it."""
    full, rest = divmod(images, recipe.batch)
    return full + (rest > 1)


def learning_rate_at(step: int, steps: int, recipe: Recipe, base: float) -> float:
    """The base, times the drop factor for each drop whose share of the steps is done."""
    passed = sum(step >= round(share * steps) for share in recipe.drops)
    return base * recipe.drop_factor**passed


@dataclass(frozen=True)
class Fitted:
    steps: int
    loss: float  # mean of the last steps since it was last looked at; not finite: training broke


def fit(
    network: nn.Module,
    part: DevicePart,
    recipe: Recipe,
    *,
    learning_rate: float,
    seed: int,
    judge: Callable[[], bool] | None = None,
    judge_at: int = 0,
) -> Fitted:
    """Trains in place with Adam and cross entropy; the order of images comes from `seed` alone.

    After `judge_at` steps (or the last one) `judge` is asked once; False ends the training.
    """
    steps = total_steps(recipe, len(part))
    judge_at = min(judge_at, steps)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
    batches = _batches(len(part), recipe, seed, part.labels.device)
    total = torch.zeros((), device=part.labels.device)
    since = 0
    network.train()
    for step in range(steps):
        rate = learning_rate_at(step, steps, recipe, learning_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images, labels = part.batch(next(batches))
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach()
        since += 1
        if judge is not None and step + 1 == judge_at:
            mean = float(total) / since
            if not math.isfinite(mean) or not judge():
                return Fitted(step + 1, mean)
            network.train()
            total.zero_()
            since = 0
    return Fitted(steps, float(total) / max(1, since))


def _batches(images: int, recipe: Recipe, seed: int, device: torch.device) -> Iterator[Tensor]:
    """Indices of one batch after another: each epoch a new permutation."""
    generator = torch.Generator().manual_seed(seed)
    count = batches_per_epoch(recipe, images)
    while True:
        order = torch.randperm(images, generator=generator).to(device)
        yield from torch.split(order, recipe.batch)[:count]


@torch.inference_mode()
def score(network: nn.Module, part: DevicePart, metric: str) -> float:
    """The metric of the network on the part, in percent; NaN when a logit is not finite."""
    network.eval()
    finite = torch.ones((), dtype=torch.bool, device=part.labels.device)
    table = None
    for begin in range(0, len(part), _EVALUATION_BATCH):
        images, labels = part.batch(slice(begin, begin + _EVALUATION_BATCH))
        logits = network(images)
        finite &= logits.isfinite().all()
        if table is None:
            table = metrics.no_confusions(logits.shape[1], logits.device)
        metrics.count(table, labels, logits.argmax(1))
    return metrics.measured(table, metric) if table is not None and finite else math.nan
