"""Image files to classes, prepared as the training's images were."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from blockqnn.data.decode import ImageFiles, in_channels, pillow_is_quiet
from blockqnn.data.resize import fitted
from blockqnn.data.source import Pixels, Unreadable
from blockqnn.errors import InputError
from blockqnn.export.model import Model


def predict(model: Model, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """For each file {file, class, probability}. InputError names an image that cannot be read."""
    if model.in_chans not in (1, 3):
        raise InputError(f"the model takes {model.in_chans} channels; image files have 1 or 3")
    files = ImageFiles([str(path) for path in paths], lambda number: paths[number].open("rb"))
    found = []
    for number, path in enumerate(paths):
        try:
            with pillow_is_quiet():
                pixels = files.read(number)
        except Unreadable as error:
            raise InputError(f"image {path}: {error}") from None
        probability, label = _classified(model, pixels)
        found.append({"file": str(path), "class": model.classes[label], "probability": probability})
    return found


@torch.inference_mode()
def _classified(model: Model, pixels: Pixels) -> tuple[float, int]:
    scale = model.config["preprocessing"]
    image = fitted(in_channels(pixels, model.in_chans), tuple(scale["size"]), scale["resize"])
    images = torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255
    best = model(images).softmax(1)[0].max(0)
    return float(best.values), int(best.indices)
