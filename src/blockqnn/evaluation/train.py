"""The one training loop, and the score of a network. Data live on the device as uint8."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from blockqnn.config import Recipe
from blockqnn.data.dataset import Dataset, Part
from blockqnn.evaluation import metrics
from blockqnn.evaluation.augment import moved, repainted
from blockqnn.evaluation.average import Average
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.evaluation.device import resolve_precision
from blockqnn.evaluation.length import Length
from blockqnn.evaluation.optimizer import learning_rate_at, optimizer_of
from blockqnn.seeds import derive

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


def total_steps(recipe: Recipe, images: int) -> int:
    """Batches in the whole training."""
    return recipe.steps or recipe.epochs * batches_per_epoch(recipe, images)


def batches_per_epoch(recipe: Recipe, images: int) -> int:
    """A last batch of one image is left out: BN cannot learn from it."""
    full, rest = divmod(images, recipe.batch)
    return full + (rest > 1)


class Point(NamedTuple):
    """Where a training stood when it was looked at."""

    epoch: float
    loss: float  # mean of the steps since the point before
    accuracy: float | None  # percent, where it was measured


@dataclass(frozen=True)
class Watch:
    """What looks on while a network is trained; none of it changes the training but the judge.

    `judge` is asked once, after `judge_at` steps or the last one, about the network that counts then;
    False ends the training. `look` measures that network at `looks` even shares of the training;
    without it only the loss is noted there. `report` is called after each step with the steps done and
    the progress, `looked` with each point of the history.
    """

    judge: Callable[[nn.Module], bool] | None = None
    judge_at: int = 0
    look: Callable[[nn.Module], float] | None = None
    looks: int = 0
    report: Callable[[int, float], None] = lambda _step, _progress: None
    looked: Callable[[Point], None] = lambda _point: None


@dataclass(frozen=True)
class Fitted:
    steps: int
    loss: float  # mean of the last steps since it was last looked at; not finite: training broke
    history: tuple[Point, ...] = ()
    stopped: bool = False  # by the judge, or since a look met a loss that is no number


@dataclass
class _State:
    """What a training is made of besides its tensors."""

    step: int = 0
    progress: float = 0.0
    since: int = 0  # steps that are summed in the loss
    loss: float = math.nan
    history: list[Point] = field(default_factory=list)


def fit(
    network: nn.Module,
    part: DevicePart,
    recipe: Recipe,
    *,
    learning_rate: float,
    seed: int,
    watch: Watch = Watch(),
    length: Length | None = None,
    checkpoint: Checkpoint | None = None,
    start: dict[str, Any] | None = None,
) -> Fitted:
    """Trains in place by the recipe, cross entropy being the loss.

    The order of the images and how they are varied come from (seed, epoch) and (seed, step) alone,
    so a training that goes on from `start`, a state that `checkpoint` saved, gives the same bits.
    At the end the network has the weights that count: the averaged ones where the recipe has an average.
    """
    device = part.labels.device
    steps, per_epoch = total_steps(recipe, len(part)), batches_per_epoch(recipe, len(part))
    length = length or Length(steps)
    judge_at = min(watch.judge_at, steps)
    optimizer = optimizer_of(network, recipe)
    average = Average(network, recipe.average) if recipe.average else None
    counts = average.network if average else network
    loss_of = nn.CrossEntropyLoss(
        weight=class_weights(part) if recipe.class_weights else None,
        label_smoothing=recipe.label_smoothing,
    )
    precision = resolve_precision(recipe.precision, device.type)
    mixed = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
    total = torch.zeros((), device=device)
    state = _State()
    if start is not None:
        network.load_state_dict(start["network"])
        optimizer.load_state_dict(start["optimizer"])
        counts.load_state_dict(start["counts"])
        total.copy_(start["total"])
        state = _State(**start["state"])
        state.history = [Point(*point) for point in state.history]
    order = _order(part, seed, state.step // per_epoch)

    def looked(accuracy: float | None) -> None:
        state.loss = float(total) / max(1, state.since)
        state.history.append(Point(state.step / per_epoch, state.loss, accuracy))
        watch.looked(state.history[-1])
        total.zero_()
        state.since = 0

    network.train()
    while state.progress < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(state.progress, recipe, learning_rate)
        begin = state.step % per_epoch * recipe.batch
        images, labels = _shown(part, order[begin : begin + recipe.batch], recipe, seed, state.step)
        with mixed:
            logits = network(images)
        loss = loss_of(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.detach()
        before, state.progress = state.progress, length.progress(state.progress, state.step + 1)
        state.step += 1
        state.since += 1
        if average:
            average.add(network, state.step)
        if state.step % per_epoch == 0:
            order = _order(part, seed, state.step // per_epoch)
        watch.report(state.step, state.progress)
        over = state.progress >= 1
        if int(before * watch.looks) < int(state.progress * watch.looks):
            looked(watch.look(counts) if watch.look else None)
            if not math.isfinite(state.loss):
                return Fitted(state.step, state.loss, tuple(state.history), stopped=True)
        if watch.judge and (state.step == judge_at or (over and state.step < judge_at)):
            if state.since:
                looked(None)
            if not (math.isfinite(state.loss) and watch.judge(counts)):
                return Fitted(state.step, state.loss, tuple(state.history), stopped=True)
        network.train()
        if checkpoint and (over or checkpoint.due()):
            checkpoint.save(
                {
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "counts": counts.state_dict(),
                    "total": total,
                    "state": {**vars(state), "history": [tuple(point) for point in state.history]},
                }
            )
    if state.since:
        looked(None)
    if average:
        network.load_state_dict(counts.state_dict())
    return Fitted(state.step, state.loss, tuple(state.history))


def class_weights(part: DevicePart) -> Tensor:
    """Of each class in the loss, float32 [classes]: images / (classes x images of that class)."""
    counts = torch.bincount(part.labels).float()
    return counts.sum() / (len(counts) * counts.clamp(min=1))


def _order(part: DevicePart, seed: int, epoch: int) -> Tensor:
    """The epoch's permutation of the images, drawn on the CPU, where they lie."""
    order = torch.randperm(len(part), generator=_generator(seed, "order", epoch))
    return order.to(part.labels.device)


def _shown(
    part: DevicePart, index: Tensor, recipe: Recipe, seed: int, step: int
) -> tuple[Tensor, Tensor]:
    """A training batch: images varied and normalised, and labels."""
    how = recipe.augmentation
    if not any(vars(how).values()):
        return part.batch(index)
    generator = _generator(seed, "augment", step)
    if how.shift or how.zoom or how.flip:
        images = part.normalised(moved(part.images, index, how, generator))
    else:
        images, _ = part.batch(index)
    return repainted(images, how, generator), part.labels[index]


def _generator(seed: int, purpose: str, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive(seed, purpose, number))


@torch.inference_mode()
def confusions(network: nn.Module, part: DevicePart) -> Tensor | None:
    """How often each class [row] was answered by each [column]; None when a logit is not finite."""
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
    return table if finite else None


def score(network: nn.Module, part: DevicePart, metric: str) -> float:
    """The metric of the network on the part, in percent; NaN when a logit is not finite."""
    table = confusions(network, part)
    return math.nan if table is None else metrics.measured(table, metric)
