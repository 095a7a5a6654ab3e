"""A network without its classifier, for other tasks: detection, segmentation, retrieval."""

from collections.abc import Sequence

from torch import Tensor, nn

from blockqnn.export.model import Model


class Backbone(nn.Module):
    """Images float32 [N, C, H, W] in 0..1, of any size -> features of the stages, the finest first.

    Level i has shape [N, channels, H / reduction, W / reduction], rounded down at each pooling, as
    `feature_info` tells. Blocks begin with ReLU, so features are as BN, sums and poolings leave them:
    what reads them begins with ReLU too. It takes over the model's network; stages behind the last
    of `out_indices` are let go.
    """

    mean: Tensor  # [C, 1, 1]
    deviation: Tensor

    def __init__(self, model: Model, out_indices: Sequence[int] | None = None) -> None:
        """InputError for a stage that the network does not have."""
        super().__init__()
        self.feature_info = model.feature_info.of(out_indices)
        self.network = model.network
        self.network.stages = self.network.stages[: self.feature_info[-1].number + 1]
        del self.network.head
        self.register_buffer("mean", model.mean, persistent=False)
        self.register_buffer("deviation", model.deviation, persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        wanted = {level.number for level in self.feature_info}
        levels = enumerate(self.network.levels((x - self.mean) / self.deviation))
        return [features for number, features in levels if number in wanted]
