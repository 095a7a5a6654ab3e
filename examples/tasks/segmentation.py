"""A segmentation head on a found block: what each pixel belongs to.

    python examples/tasks/segmentation.py [--block CODE|NAME|RUN] [--steps 400] [--out model.onnx]

Trains on scenes of photographs (scenes.py), tells the mean intersection over union of scenes that were
not trained on, and the same of larger scenes with the same weights.
"""

import argparse

import torch
from fitting import Chosen, export, train
from measures import mean_iou
from scenes import CLASSES, Scenes, compose
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

import blockqnn

FOUND = (  # on CIFAR-100: docs/zoo.md
    "(1,1,3,0,0) (2,1,1,0,0) (3,2,3,1,0) (4,3,3,1,0) (5,4,0,3,0) (6,3,1,5,0) (7,5,0,0,3) (8,1,1,0,0)"
    " (9,1,3,6,0) (10,5,0,0,9) (11,6,0,0,1) (12,6,0,1,8)"
)
WIDTHS = (8, 16, 32, 64)


class Pyramid(nn.Module):
    """Images [N, 3, H, W] in 0..1 -> features [N, 32, H / 4, W / 4] of all levels of a backbone."""

    def __init__(self, block: str, widths: tuple[int, ...], seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.backbone = blockqnn.create_model(
            block, skeleton="imagenet", widths=widths, seed=seed, features_only=True
        )
        self.laterals = nn.ModuleList(nn.Conv2d(c, 32, 1) for c in self.backbone.feature_info.channels())

    def forward(self, x: Tensor) -> Tensor:
        levels = [to(level.relu()) for to, level in zip(self.laterals, self.backbone(x), strict=True)]
        finest = levels[0]
        for level in levels[1:]:
            finest = finest + interpolate(level, finest.shape[-2:], mode="bilinear")
        return finest.relu()


class Segmenter(nn.Module):
    """Images [N, 3, H, W] in 0..1, of any size -> logits [N, 5, H, W]; class 0 is the ground."""

    def __init__(self, block: str, widths: tuple[int, ...] = WIDTHS, seed: int = 0) -> None:
        super().__init__()
        self.pyramid = Pyramid(block, widths, seed)
        self.head = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1 + len(CLASSES), 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(self.head(self.pyramid(x)), x.shape[-2:], mode="bilinear")


def trained(model: Segmenter, scenes: Scenes, steps: int, seed: int = 0) -> list[float]:
    """The loss of each step, cross entropy of the pixels."""

    def loss_of(chosen: Chosen) -> Tensor:
        return cross_entropy(model(scenes.images[chosen]), scenes.masks[chosen])

    return train(model, loss_of, len(scenes.images), steps, seed)


@torch.inference_mode()
def measured(model: nn.Module, scenes: Scenes) -> float:
    """Mean intersection over union, in percent."""
    answers = torch.cat([model(images).argmax(1) for images in scenes.images.split(32)])
    return mean_iou(answers.numpy(), scenes.masks.numpy())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A segmentation head on a block.")
    parser.add_argument("--block", default=FOUND)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--out", help="FILE.onnx")
    options = parser.parse_args()
    network = Segmenter(options.block)
    losses = trained(network, compose(512, 96, seed=0), options.steps)
    print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")
    for size in (96, 160):
        print(f"{size} pixels: mIoU {measured(network.eval(), compose(128, size, 1, test=True)):.1f} %")
    if options.out:
        export(network, options.out)
