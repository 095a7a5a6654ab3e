"""What changes the weights, and how fast."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from blockqnn.config import Recipe


def optimizer_of(
    network: nn.Module, recipe: Recipe, *, capturable: bool = False
) -> torch.optim.Optimizer:
    """The recipe's optimizer; `set_rate` sets its learning rate before each step.

    With `capturable` the rate and the count of steps lie on the device, as a captured step needs them.
    """
    decay = recipe.weight_decay
    device = next(network.parameters()).device
    rate: float | Tensor = torch.zeros((), device=device) if capturable else 1e-3
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            lr=rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
            weight_decay=decay,
            fused=True,
        )
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(network.parameters(), lr=rate, weight_decay=decay, fused=True, capturable=capturable)


def restore(optimizer: torch.optim.Optimizer, stored: Mapping[str, Any]) -> None:
    """Takes in the moments of a `state_dict` of an optimizer of the same recipe and parameters.

    Rates and the like stay its own. ValueError, or an error of looking up, where they do not fit.
    """
    sgd = isinstance(optimizer, torch.optim.SGD)
    names = ("momentum_buffer",) if sgd else ("step", "exp_avg", "exp_avg_sq")
    own = optimizer.state_dict()["param_groups"]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, moments in stored["state"].items():
        shape = parameters[number].shape
        wanted = {name: () if name == "step" else shape for name in names}
        if moments and {name: value.shape for name, value in moments.items()} != wanted:
            raise ValueError(f"moments of parameter {number}")
    optimizer.load_state_dict({"state": stored["state"], "param_groups": own})


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of all parameters from now on."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def learning_rate_at(progress: float, recipe: Recipe, base: float) -> float:
    """The rate when the share `progress` of the training is done; `base` is its highest."""
    if progress < recipe.warmup:
        return base * max(progress / recipe.warmup, 1e-3)
    if recipe.schedule == "drops":
        passed = sum(progress >= share for share in recipe.drops)
        return base * recipe.drop_factor**passed
    left = (1 - progress) / (1 - recipe.warmup)
    return base * (left if recipe.schedule == "linear" else (1 - math.cos(math.pi * left)) / 2)
