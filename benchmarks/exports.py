"""Every form of export computes what the model does: 25 random blocks, Block-QNN-A, B and S.

    PYTHONPATH=tests python benchmarks/exports.py

Weights and statistics of BN are random. Each export is written by the package and read again by
its user's means: model.py in a process that cannot import blockqnn, ONNX by onnxruntime, the two
others loaded from their files. A form's difference is the largest between logits, of batches of
1 and 7 images in float32, as a share of the largest logit where that is above 1. Ends with
status 1 where one is over 1e-5.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from blockqnn.config import SpaceSettings
from blockqnn.export import forms
from blockqnn.export.check import ExportDiffers
from blockqnn.export.model import Model
from blockqnn.network.plan import SKELETONS, Image, OverLimit, plan_network
from blockqnn.plugins import NOTHING
from blockqnn.space.code import Block
from blockqnn.space.zoo import ZOO
from exported import BOUND, disagreement, random_blocks
from models import random_model

IMAGE, CLASSES = Image(3, 32, 32), 10
WIDTHS = (4, 8, 16)  # thin: the graphs are those of any width, and exported in minutes
REPEATS = {"block-qnn-a": 4, "block-qnn-b": 4, "block-qnn-s": 2}  # the paper's N; of others 1
RANDOM = 25
SPACE = SpaceSettings()


def within_limits(block: Block) -> bool:
    """Whether a search with the default limits would train it, in this skeleton."""
    skeleton = SKELETONS["cifar"].with_widths(WIDTHS)
    try:
        plan_network(block, skeleton, IMAGE, CLASSES, SPACE.limits)
    except OverLimit:
        return False
    return True


def candidates() -> Iterator[tuple[str, Block, int]]:
    """Name, block, blocks a stage."""
    for number, block in enumerate(random_blocks(RANDOM, SPACE.max_layers, within_limits), 1):
        yield f"random {number}", block, 1
    for name, repeats in REPEATS.items():
        yield name, ZOO[name], repeats


def measured(model: Model, form: str, directory: Path) -> float:
    """The difference of the export; infinite where the package itself refuses it as different."""
    out = directory / form
    try:
        forms.export(model, form, out, NOTHING)
    except ExportDiffers as error:
        print(error)
        return float("inf")
    return disagreement(form, out, model)


def main() -> None:
    begin = time.monotonic()
    print(
        f"skeleton cifar, widths {'/'.join(map(str, WIDTHS))}, N blocks a stage;"
        f" images of {'x'.join(map(str, IMAGE))}; random blocks of at most {SPACE.max_layers} layers"
        f" and {SPACE.max_params:,} parameters"
    )
    print(f"{'block':12} layers  N  parameters  {'form':12}  difference")
    differences: dict[str, list[float]] = {form: [] for form in forms.FORMS}
    for name, block, repeats in candidates():
        model = random_model(block, IMAGE, WIDTHS, (repeats,) * len(WIDTHS))
        size = f"{len(block.layers):6}  {repeats}  {model.plan.params:10,}"
        with tempfile.TemporaryDirectory() as directory:
            for form, found in differences.items():
                found.append(measured(model, form, Path(directory)))
                verdict = "" if found[-1] <= BOUND else "  FAILED"
                print(f"{name:12} {size}  {form:12}  {found[-1]:.1e}{verdict}", flush=True)
    total = [d for found in differences.values() for d in found]
    failed = sum(d > BOUND for d in total)
    worst = ", ".join(f"{form} {max(found):.1e}" for form, found in differences.items())
    print(f"{len(total)} exports, {failed} failed; largest difference: {worst}; allowed: {BOUND:.0e}")
    print(f"{time.monotonic() - begin:.0f} s")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
