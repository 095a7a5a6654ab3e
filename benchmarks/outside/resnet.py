"""What people build by hand for small images: a pre-activation ResNet of depth 6n + 2.

    python benchmarks/outside/resnet.py     # the module's own check

Three stages of n basic blocks with widths w, 2w and 4w at full, half and quarter resolution (He,
Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016, for CIFAR).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions, each after BN and ReLU, beside the identity.

    Where the shape changes, the shortcut is a 1x1 convolution of the activated input.
    Shape [N, in_channels, H, W] -> [N, channels, ceil(H / stride), ceil(W / stride)].
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.projection: nn.Conv2d | None = None
        if stride != 1 or in_channels != channels:
            self.projection = nn.Conv2d(in_channels, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.bn1(x))
        shortcut = x if self.projection is None else self.projection(active)
        out: Tensor = self.conv2(torch.relu(self.bn2(self.conv1(active)))) + shortcut
        return out


class ResNet(nn.Module):
    """Shape [N, in_channels, H, W] -> logits [N, classes]; any size of image."""

    def __init__(self, depth: int, width: int, in_channels: int, classes: int) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth {depth}: must be 8, 14, 20, ... (6n + 2)")
        blocks: list[nn.Module] = []
        for stage, (before, after) in enumerate(pairwise((width, width, 2 * width, 4 * width))):
            for number in range((depth - 2) // 6):
                first = number == 0
                stride = 2 if first and stage > 0 else 1
                blocks.append(Block(before if first else after, after, stride))
        self.stem = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(4 * width)
        self.head = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        features = torch.relu(self.bn(self.blocks(self.stem(x))))
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def width_for(params: int, depth: int, in_channels: int, classes: int) -> int:
    """The width whose network has the number of parameters nearest to `params`."""

    def size(width: int) -> int:
        with torch.device("meta"):  # counts without memory or initialisation
            return parameters(ResNet(depth, width, in_channels, classes))

    width = 1
    while size(width + 1) <= params:
        width += 1
    return min(width, width + 1, key=lambda w: abs(size(w) - params))


def _by_hand(depth: int, width: int, in_channels: int, classes: int) -> int:
    """Parameters counted without the module, to check it by."""
    later = (depth - 2) // 3 - 1  # convolutions of a stage after its first
    kernels = (later + 1) + (2 + 4 * later) + (8 + 16 * later)
    channels = (later + 1) + (1 + 2 * later) + (2 + 4 * later) + 4  # that a BN normalises
    convolutions = (9 * kernels + 2 + 8) * width**2  # with the two projections
    return 9 * in_channels * width + convolutions + 2 * channels * width + (4 * width + 1) * classes


def main() -> None:
    print("depth  width  parameters  asked for")
    for depth in (8, 14, 20, 32):
        for asked in (30_000, 272_000, 1_000_000):
            width = width_for(asked, depth, 3, 10)
            network = ResNet(depth, width, 3, 10)
            assert parameters(network) == _by_hand(depth, width, 3, 10)
            nearest = min(range(1, 2 * width + 2), key=lambda w: abs(_by_hand(depth, w, 3, 10) - asked))
            assert width == nearest
            print(f"{depth:5}  {width:5}  {parameters(network):10,}  {asked:9,}")
    for size in (8, 32, 112):
        for in_channels in (1, 3):
            with torch.inference_mode():
                logits = ResNet(8, 8, in_channels, 10).eval()(torch.rand(2, in_channels, size, size))
            assert logits.shape == (2, 10)
            assert logits.isfinite().all()
    print("logits of images of 8x8, 32x32, 112x112 are finite and of the right shape")


if __name__ == "__main__":
    main()
