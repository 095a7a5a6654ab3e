"""What changes the weights, and how fast."""

import math

import torch
from torch import nn

from blockqnn.config import Recipe


def optimizer_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; its learning rate is set before each step."""
    decay = recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
            weight_decay=decay,
            fused=True,
        )
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(network.parameters(), weight_decay=decay, fused=True)


def learning_rate_at(progress: float, recipe: Recipe, base: float) -> float:
    """The rate when the share `progress` of the training is done; `base` is its highest."""
    if progress < recipe.warmup:
        return base * max(progress / recipe.warmup, 1e-3)
    if recipe.schedule == "drops":
        passed = sum(progress >= share for share in recipe.drops)
        return base * recipe.drop_factor**passed
    left = (1 - progress) / (1 - recipe.warmup)
    return base * (left if recipe.schedule == "linear" else (1 - math.cos(math.pi * left)) / 2)
