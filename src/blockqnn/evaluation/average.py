"""An exponential average of a network's weights: what counts at the end where a recipe has one."""

import copy

import torch
from torch import nn


class Average:
    """The average over the steps so far; `network` is a module of its own with it."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network)
        self._decay = decay

    @torch.no_grad()
    def add(self, network: nn.Module, step: int) -> None:
        """Takes in the weights after `step` steps; early ones are soon forgotten."""
        decay = min(self._decay, step / (10 + step))
        own, new = self.network.state_dict(), network.state_dict()
        floating = [name for name in own if own[name].is_floating_point()]
        torch._foreach_lerp_([own[n] for n in floating], [new[n] for n in floating], 1 - decay)
        for name in own.keys() - set(floating):  # BN's counters
            own[name].copy_(new[name])
