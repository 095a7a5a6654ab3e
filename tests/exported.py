"""Exports read again as their users read them, not by what wrote and checked them."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import onnxruntime
import torch
from torch import Tensor

import blockqnn
from blockqnn.export.model import Model
from blockqnn.space.code import Block, parse
from blockqnn.space.mdp import BlockSpace
from blockqnn.strategy.random_search import RandomSearch

BATCHES = (1, 7)
BOUND = 1e-5  # of a difference
# Runs where this package cannot be imported: what is beside model.py, and nothing of ours.
ALONE = """
import sys
sys.modules["blockqnn"] = None
sys.path.insert(0, sys.argv[1])
import numpy, torch, model
network, batches = model.load(), numpy.load(sys.argv[2])
with torch.inference_mode():
    logits = {name: network(torch.from_numpy(batches[name])).numpy() for name in batches}
numpy.savez(sys.argv[3], **logits)
"""


def random_blocks(
    count: int, layers: int = 7, fits: Callable[[Block], bool] = lambda _: True
) -> list[Block]:
    """The first blocks that fit, of one sequence of uniform random walks."""
    space, rng = BlockSpace(layers), Random(5)
    search = RandomSearch(space)
    blocks: list[Block] = []
    while len(blocks) < count:
        block = parse(space.text(search.ask(0, rng, frozenset())))
        blocks += [block] * fits(block)
    return blocks


def disagreement(form: str, out: Path, model: Model) -> float:
    """The largest difference of the logits of what was exported to `out` from the model's.

    As a share of the largest logit where that is above 1. The package's own check is not asked: it
    is part of what is tested.
    """
    batches = [_images(model, batch) for batch in BATCHES]
    found = _READERS[form](out, batches)
    wanted = [_logits(model, images) for images in batches]
    return max(_difference(f, w) for f, w in zip(found, wanted, strict=True))


def _images(model: Model, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.rand(batch, *model.config["image"], generator=generator)


@torch.inference_mode()
def _logits(model: Callable[[Tensor], Tensor], images: Tensor) -> np.ndarray:
    return model(images).numpy()


def _difference(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    difference = np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max())
    return float(np.nan_to_num(difference, nan=np.inf))  # NaN is no agreement


def _python(out: Path, batches: Sequence[Tensor]) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory() as scratch:
        images, found = (str(Path(scratch) / f"{name}.npz") for name in ("images", "logits"))
        np.savez(images, *(batch.numpy() for batch in batches))
        subprocess.run([sys.executable, "-I", "-c", ALONE, str(out), images, found], check=True)
        with np.load(found) as arrays:
            return [arrays[name] for name in arrays]


def _onnx(out: Path, batches: Sequence[Tensor]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    return [session.run(["logits"], {"images": batch.numpy()})[0] for batch in batches]


def _torch_export(out: Path, batches: Sequence[Tensor]) -> list[np.ndarray]:
    with out.open("rb") as file:  # by its name torch would ask for .pt2
        program = torch.export.load(file).module()
    return [_logits(program, batch) for batch in batches]


def _safetensors(out: Path, batches: Sequence[Tensor]) -> list[np.ndarray]:
    model = blockqnn.load(out)
    return [_logits(model, batch) for batch in batches]


_READERS = {
    "python": _python,
    "onnx": _onnx,
    "torch-export": _torch_export,
    "safetensors": _safetensors,
}
