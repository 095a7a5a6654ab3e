"""Trained models that nobody trained: random weights, statistics of BN and all."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from blockqnn.export.model import Model, plan_of
from blockqnn.network.model import build
from blockqnn.space.code import Block

# The example of an own operation, type 8.
SEPARABLE = Path(__file__).resolve().parents[1] / "examples" / "plugins" / "operation.py"


def random_model(
    block: Block,
    image: tuple[int, int, int] = (3, 16, 12),
    widths: tuple[int, ...] = (4, 6, 8),
    repeats: tuple[int, ...] = (1, 1, 1),
    stem: tuple[str, ...] = ("conv",),
    classes: tuple[str, ...] = tuple("0123456789"),
    resize: str = "crop",
) -> Model:
    skeleton = {"stem": list(stem), "widths": list(widths), "repeats": list(repeats)}
    channels = image[0]
    scale = {"mean": [0.4] * channels, "deviation": [0.2 + 0.01 * c for c in range(channels)]}
    config: dict[str, Any] = {
        "code": str(block),
        "skeleton": skeleton,
        "image": list(image),
        "classes": list(classes),
        "preprocessing": {"size": list(image[1:]), "resize": resize, "scale": "0..1", **scale},
        "data": "nothing",
    }
    plan = plan_of(block, config)
    network = build(plan, seed=1)
    generator = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var):
                values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
            for values in (module.bias.data, module.running_mean):
                values.copy_(torch.randn(values.shape, generator=generator) / 5)
    metrics = {"metric": "accuracy", "test_accuracy": 10.0, "validation_accuracy": 11.0}
    metrics |= {"params": plan.params, "flops": plan.flops}
    return Model(network.eval(), block, config, metrics).eval()
