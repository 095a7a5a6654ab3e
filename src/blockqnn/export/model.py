"""A trained model as people use it: a module that takes images as they are."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from blockqnn.errors import InputError
from blockqnn.network.model import Network
from blockqnn.network.plan import Image, Limits, NetworkPlan, Skeleton, plan_network
from blockqnn.space.code import Block


class Model(nn.Module):
    """A trained network with what it is made of and how well it does; to be called like timm's.

    Images float32 [N, in_chans, H, W] in 0..1 -> logits [N, num_classes]; it normalises inside.
    With `num_classes=0` -> pooled features [N, num_features]. `network` is the module that was
    trained, for images already normalised.
    """

    mean: Tensor  # [C, 1, 1]
    deviation: Tensor

    def __init__(
        self,
        network: Network,
        block: Block,
        config: Mapping[str, Any],
        metrics: Mapping[str, Any],
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.block = block
        self.config = dict(config)  # what config.json holds
        self.metrics = dict(metrics)  # what metrics.json holds
        self.classes: tuple[str, ...] = tuple(config["classes"])
        if num_classes not in (None, 0, len(self.classes)):
            raise InputError(
                f"num_classes {num_classes}: {len(self.classes)}, or 0 for the pooled features"
            )
        self.num_classes = len(self.classes) if num_classes is None else num_classes
        self.in_chans = int(config["image"][0])
        self.num_features = network.head.in_features
        for name in ("mean", "deviation"):
            values = torch.tensor(config["preprocessing"][name], dtype=torch.float32)
            self.register_buffer(name, values[:, None, None], persistent=False)

    @property
    def plan(self) -> NetworkPlan:
        """The network layer by layer, with its size."""
        return plan_of(self.block, self.config)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last stage's output, shape [N, num_features, h, w]."""
        return self.network.forward_features((x - self.mean) / self.deviation)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits of those features; pooled features [N, num_features] with `pre_logits`."""
        return self.network.forward_head(x, pre_logits or not self.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


def plan_of(block: Block, config: Mapping[str, Any], most: int | None = None) -> NetworkPlan:
    """The plan of the network that a configuration tells of; OverLimit over `most` parameters."""
    skeleton = Skeleton(**{name: tuple(values) for name, values in config["skeleton"].items()})
    image, classes = Image(*config["image"]), len(config["classes"])
    return plan_network(block, skeleton, image, classes, Limits(max_params=most))
