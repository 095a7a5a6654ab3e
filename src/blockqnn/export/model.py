"""A trained model as people use it: a module that takes images as they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from blockqnn.errors import InputError
from blockqnn.export.levels import FeatureInfo, feature_info
from blockqnn.network.model import Network, initialise_head
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

    @property
    def feature_info(self) -> FeatureInfo:
        """Channels, reduction and name of each stage's output."""
        return feature_info(self.plan)

    def get_classifier(self) -> nn.Linear:
        """The linear layer behind the pooled features."""
        return self.network.head

    def reset_classifier(
        self,
        num_classes: int,
        global_pool: str | None = None,
        *,
        classes: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        """A new linear layer for so many classes, to be trained; 0: pooled features from now on.

        `classes` names them, by default by their numbers. Its measured accuracies are no longer told.
        InputError for another pooling than avg, or names that do not fit.
        """
        if global_pool not in (None, "avg"):
            raise InputError(f"global_pool {global_pool!r}: the networks have avg")
        if num_classes < 0 or num_classes == 1:
            raise InputError(f"num_classes {num_classes}: at least 2, or 0 for the pooled features")
        names = tuple(map(str, range(num_classes))) if classes is None else tuple(classes)
        if len(names) != num_classes:
            raise InputError(f"classes: {len(names)} names for num_classes {num_classes}")
        self.num_classes = num_classes
        if not num_classes:
            return
        old = self.network.head.weight
        head = nn.Linear(self.num_features, num_classes)
        initialise_head(head, torch.Generator().manual_seed(seed))
        self.network.head = head.to(old.device, old.dtype)
        self.classes, self.config["classes"] = names, list(names)
        untold = {"metric": self.metrics["metric"], "test_accuracy": None, "validation_accuracy": None}
        self.metrics = {**untold, "params": self.plan.params, "flops": self.plan.flops}

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
