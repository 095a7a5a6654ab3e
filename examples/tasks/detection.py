"""A detection head on a found block: what is where, by the centres of objects (Zhou et al. 2019).

    python examples/tasks/detection.py [--block CODE|NAME|RUN] [--steps 600] [--out model.onnx]

Trains on scenes of photographs (scenes.py), tells the average precision on scenes that were not trained
on, and the same of larger scenes with the same weights.
"""

import argparse

import numpy as np
import torch
from fitting import Chosen, export, train
from measures import Array, average_precision
from scenes import CLASSES, Scenes, compose
from segmentation import FOUND, WIDTHS, Pyramid
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss, max_pool2d

STRIDE, MOST = 4, 20  # pixels between two places of the answer; objects told of an image


class Detector(nn.Module):
    """Images [N, 3, H, W] in 0..1, of any size -> [N, 8, H / 4, W / 4].

    Logits of each class's centre at the place, then how far the object's left, top, right and bottom are
    from it, in strides.
    """

    def __init__(self, block: str, widths: tuple[int, ...] = WIDTHS, seed: int = 0) -> None:
        super().__init__()
        self.pyramid = Pyramid(block, widths, seed)
        last = nn.Conv2d(32, len(CLASSES) + 4, 1)
        nn.init.constant_(last.bias, 4.0)
        nn.init.constant_(last.bias[: len(CLASSES)], -4.0)  # centres are rare
        self.head = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), last)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pyramid(x))


def loss_of(told: Tensor, boxes: list[Array]) -> Tensor:
    """Focal loss of the centres, milder near one, and the mean distance of the sides."""
    logits, near, sides = told[:, :-4], torch.zeros_like(told[:, :-4]), []
    y, x = torch.meshgrid(*map(torch.arange, told.shape[2:]), indexing="ij")
    for number, found in enumerate(boxes):
        for kind, *box in found:
            left, top, right, bottom = (side / STRIDE for side in box)
            cx, cy, reach = int((left + right) / 2), int((top + bottom) / 2), (right - left) / 6
            bump = torch.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * reach**2))
            near[number, int(kind)] = near[number, int(kind)].maximum(bump)
            wanted = torch.tensor([cx - left, cy - top, right - cx, bottom - cy])
            sides.append(l1_loss(told[number, -4:, cy, cx], wanted))
    centre, sure = near == 1, logits.sigmoid()
    weights = torch.where(centre, (1 - sure) ** 2, sure**2 * (1 - near) ** 4)
    focal = weights * binary_cross_entropy_with_logits(logits, centre.float(), reduction="none")
    return (focal.sum() + 0.2 * torch.stack(sides).sum()) / len(sides)


def trained(model: Detector, scenes: Scenes, steps: int, seed: int = 0) -> list[float]:
    """The loss of each step."""

    def loss(chosen: Chosen) -> Tensor:
        return loss_of(model(scenes.images[chosen]), [scenes.boxes[i] for i in chosen])

    return train(model, loss, len(scenes.images), steps, seed)


def found_in(told: Tensor) -> Array:
    """One image's answer [8, h, w] as rows of class, probability, left, top, right, bottom in pixels."""
    centres = told[:-4].sigmoid()
    peaks = centres * (centres == max_pool2d(centres, 3, 1, 1))
    probability, place = peaks.flatten().topk(MOST)
    kind, y, x = np.unravel_index(place.numpy(), peaks.shape)
    left, top, right, bottom = told[-4:, y, x].numpy()
    sides = np.stack([x - left, y - top, x + right, y + bottom]) * STRIDE
    return np.concatenate([[kind], [probability.numpy()], sides]).T.astype(np.float32)


@torch.inference_mode()
def measured(model: nn.Module, scenes: Scenes) -> float:
    """Average precision at an overlap of 0.5, in percent."""
    answers = [found_in(one) for images in scenes.images.split(32) for one in model(images)]
    return average_precision(answers, scenes.boxes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A detection head on a block.")
    parser.add_argument("--block", default=FOUND)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--out", help="FILE.onnx")
    options = parser.parse_args()
    network = Detector(options.block)
    losses = trained(network, compose(512, 96, seed=0), options.steps)
    print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")
    for size in (96, 160):
        print(f"{size} pixels: AP {measured(network.eval(), compose(128, size, 1, test=True)):.1f} %")
    if options.out:
        export(network, options.out)
