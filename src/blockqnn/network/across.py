"""Batch normalisation over the images of several processes (torch's own needs GPUs)."""

from typing import Any

import torch
from torch import Tensor, distributed, nn


class _Summed(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_context: Any, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


def _summed(value: Tensor) -> Tensor:
    total: Tensor = _Summed.apply(value)  # type: ignore[no-untyped-call, unused-ignore]
    return total


def normalised(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """What `norm` makes of [N, C, H, W] in training, mean and variance being those of all processes' N.

    Its running statistics move as if it had seen them all. A process may hold no image.
    """
    values = x.float()
    places = (0, 2, 3)
    here = torch.tensor([values.numel() / values.shape[1]], device=x.device)
    sums = _summed(torch.cat([values.sum(places), here]))
    count = sums[-1]
    mean = sums[:-1] / count
    centred = values - mean[:, None, None]
    variance = _summed(centred.square().sum(places)) / count
    with torch.no_grad():
        for kept, now in ((norm.running_mean, mean), (norm.running_var, variance * count / (count - 1))):
            assert kept is not None
            assert norm.momentum is not None
            kept.lerp_(now, norm.momentum)
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return (centred * scale[:, None, None] + norm.bias[:, None, None]).to(x.dtype)
