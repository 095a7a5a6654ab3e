"""The one training loop, and the score of a network. Data live on the device as uint8."""

import math
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from blockqnn.config import Recipe
from blockqnn.errors import InputError
from blockqnn.evaluation import metrics
from blockqnn.evaluation.allocation import memory_kept
from blockqnn.evaluation.average import Average
from blockqnn.evaluation.captured import Captured, NotCaptured
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.evaluation.group import ALONE, Group
from blockqnn.evaluation.images import Shown
from blockqnn.evaluation.length import Length, batches_per_epoch, total_steps
from blockqnn.evaluation.optimizer import learning_rate_at, optimizer_of, restore, set_rate
from blockqnn.evaluation.order import turns
from blockqnn.evaluation.step import step_of

_EVALUATION_BATCH = 128  # the activations of a wide block are what fills a worker's memory


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
    obstacle: str = ""  # why steps were not captured although they should have been


@dataclass
class _State:
    """What a training is made of besides its tensors."""

    step: int = 0
    progress: float = 0.0
    since: int = 0  # steps that are summed in the loss
    loss: float = math.nan
    history: list[Point] = field(default_factory=list)


@memory_kept()
def fit(
    network: nn.Module,
    part: Shown,
    recipe: Recipe,
    *,
    learning_rate: float,
    seed: int,
    watch: Watch = Watch(),
    length: Length | None = None,
    checkpoint: Checkpoint | None = None,
    start: dict[str, Any] | None = None,
    captured: bool = False,
    group: Group = ALONE,
) -> Fitted:
    """Trains in place by the recipe, cross entropy being the loss.

    The order of the images and how they are varied come from (seed, epoch) and (seed, step) alone,
    so a training that goes on from `start`, a state that `checkpoint` saved, gives the same bits. The
    processes of a group train one network, each its own copy.
    At the end the network has the weights that count: the averaged ones where the recipe has an average.
    With `captured` a CUDA device repeats a step by itself (evaluation/captured.py); where it cannot,
    steps are as without, and what is returned says why.
    """
    device = part.labels.device
    steps, per_epoch = total_steps(recipe, len(part)), batches_per_epoch(recipe, len(part))
    length = length or Length(steps)
    judge_at = min(watch.judge_at, steps)
    optimizer = optimizer_of(network, recipe, capturable=captured)
    average = Average(network, recipe.average) if recipe.average else None
    counts = average.network if average else network
    total = torch.zeros((), device=device)
    varied = any(vars(recipe.augmentation).values())
    state = _State()
    if start is not None:
        try:
            network.load_state_dict(start["network"])
            restore(optimizer, start["optimizer"])
            counts.load_state_dict(start["counts"])
            total.copy_(start["total"])
            state = _State(**start["state"])
            state.history = [Point(*point) for point in state.history]
            if not (0 <= state.since <= state.step < 10**12 and 0 <= state.progress <= 1):
                raise ValueError
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = f"does not hold this training's state ({type(error).__name__})"
            raise checkpoint.unfit(reason) if checkpoint else InputError(f"start: {reason}") from None

    def looked(accuracy: float | None) -> None:
        state.loss = float(total) / max(1, state.since)
        state.history.append(Point(state.step / per_epoch, state.loss, accuracy))
        watch.looked(state.history[-1])
        total.zero_()
        state.since = 0

    def ended(stopped: bool = False) -> Fitted:
        return Fitted(state.step, state.loss, tuple(state.history), stopped, obstacle)

    network.train()
    with group.joined(network) as joined, ExitStack() as rest:
        plain = step_of(joined, part, recipe, optimizer, total, cached=not captured, group=group)
        step: Callable[[Any, Tensor | None], None] = plain
        obstacle = ""
        if captured:
            try:
                step = Captured(plain, min(recipe.batch, len(part)), varied)
            except NotCaptured as error:
                obstacle = str(error)
        order = turns(len(part), recipe, seed, state.step, group)
        batches = rest.enter_context(closing(part.shown(order, recipe.augmentation)))
        while state.progress < 1:
            set_rate(optimizer, learning_rate_at(state.progress, recipe, learning_rate))
            step(*next(batches))
            before, state.progress = state.progress, length.progress(state.progress, state.step + 1)
            state.step += 1
            state.since += 1
            if average:
                average.add(network, state.step)
            watch.report(state.step, state.progress)
            over = state.progress >= 1
            if int(before * watch.looks) < int(state.progress * watch.looks):
                looked(watch.look(counts) if watch.look else None)
                if not math.isfinite(state.loss):
                    return ended(stopped=True)
            if watch.judge and (state.step == judge_at or (over and state.step < judge_at)):
                if state.since:
                    looked(None)
                if not (math.isfinite(state.loss) and watch.judge(counts)):
                    return ended(stopped=True)
            network.train()
            if checkpoint and group.first and (over or checkpoint.due()):
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
    return ended()


@torch.inference_mode()
def confusions(network: nn.Module, part: Shown, group: Group = ALONE) -> Tensor | None:
    """How often each class [row] was answered by each [column]; None when a logit is not finite.

    Of a group each process looks at its share, and all have the whole table.
    """
    network.eval()
    device = part.labels.device
    broken = torch.zeros((), dtype=torch.long, device=device)
    table = None
    for images, labels in part.in_order(_EVALUATION_BATCH, group):
        logits = network(images)
        broken += ~logits.isfinite().all()
        if table is None:
            table = metrics.no_confusions(logits.shape[1], logits.device)
        metrics.count(table, labels, logits.argmax(1))
    assert table is not None
    return None if group.summed(broken) else group.summed(table)


def score(network: nn.Module, part: Shown, metric: str, group: Group = ALONE) -> float:
    """The metric of the network on the part, in percent; NaN when a logit is not finite."""
    table = confusions(network, part, group)
    return math.nan if table is None else metrics.measured(table, metric)
