"""What both examples do with a network: train it, and write it as ONNX."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Chosen = NDArray[np.int64]  # numbers of scenes


def train(
    model: nn.Module, loss_of: Callable[[Chosen], Tensor], count: int, steps: int, seed: int = 0
) -> list[float]:
    """Shows it batches of 16 of so many scenes; the loss of each step."""
    draw = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    losses = []
    for _ in range(steps):
        loss = loss_of(draw.integers(count, size=16))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        losses.append(loss.item())
    return losses


def export(model: nn.Module, path: str) -> None:
    """ONNX that takes images of any number and size."""
    sides = {0: torch.export.Dim("images"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    torch.onnx.export(
        model, (torch.rand(2, 3, 96, 128),), path, dynamo=True, dynamic_shapes=(sides,), verbose=False
    )
