"""A step of a training: all that happens on the device between an index and changed weights."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from blockqnn.config import Augmentation, Recipe
from blockqnn.evaluation.augment import Chances, repainted
from blockqnn.evaluation.device import resolve_precision
from blockqnn.evaluation.group import ALONE, Group
from blockqnn.evaluation.images import Shown, class_weights


@dataclass(frozen=True, eq=False)
class Step:
    """Shows a batch of the part to the network and lets the optimizer move the weights.

    Of a group the network is its joined one and the loss that of the whole batch. `total` grows by the
    batch's mean loss. With `cached` autocast keeps the bfloat16 copy of a weight for its next use, which
    a captured graph does not bear.
    """

    network: nn.Module
    part: Shown
    optimizer: torch.optim.Optimizer
    loss_of: nn.CrossEntropyLoss
    augmentation: Augmentation
    precision: str
    total: Tensor  # []
    cached: bool = True
    group: Group = ALONE

    def __call__(self, which: Any, chances: Tensor | None) -> None:
        """What the part shows, and chances [8, B], on the device; without them no image is varied."""
        images, labels = self._shown(which, chances)
        bfloat16 = self.precision == "bfloat16"
        device = images.device.type
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16, cache_enabled=self.cached):
            logits = self.network(images)
        loss = self.loss_of(logits.float(), labels)
        if not self.group.alone:
            loss = loss / self.group.summed(self._weight(labels))
        self.optimizer.zero_grad(set_to_none=True)
        # of the processes' gradients the mean is taken
        (loss if self.group.alone else loss * self.group.size).backward()
        self.optimizer.step()
        self.total.add_(self.group.summed(loss.detach()))

    def _weight(self, labels: Tensor) -> Tensor:
        """What the summed loss of images is divided by, []."""
        weight = self.loss_of.weight
        if weight is None:
            return torch.full((), len(labels), dtype=torch.float32, device=labels.device)
        return weight[labels].sum()

    def _shown(self, which: Any, chances: Tensor | None) -> tuple[Tensor, Tensor]:
        """A training batch: images varied and normalised, and labels."""
        if chances is None:
            return self.part.batch(which)
        how, drawn = self.augmentation, Chances(*chances)
        images, labels = self.part.batch(which, how, drawn)
        return repainted(images, how, drawn), labels


def step_of(
    network: nn.Module,
    part: Shown,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    total: Tensor,
    *,
    cached: bool = True,
    group: Group = ALONE,
) -> Step:
    """The recipe's step; cross entropy is the loss."""
    loss_of = nn.CrossEntropyLoss(
        weight=class_weights(part) if recipe.class_weights else None,
        label_smoothing=recipe.label_smoothing,
        reduction="mean" if group.alone else "sum",
    )
    precision = resolve_precision(recipe.precision, part.labels.device.type)
    return Step(network, part, optimizer, loss_of, recipe.augmentation, precision, total, cached, group)
