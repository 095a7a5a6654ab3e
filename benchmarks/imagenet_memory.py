"""The paper's blocks in the ImageNet skeleton at 224 pixels: sizes, and the memory of a training step.

    PYTHONPATH=src python benchmarks/imagenet_memory.py [--batch 8] [--repeats 3] [--blocks block-qnn-s]

For each block a process of its own trains two steps by the recipe paper-imagenet (SGD, float32, random
images) and tells the most memory that it held above what it held before it built the network. Beside it
stands what the plan foresees (`network/memory.py`).
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from blockqnn.network.memory import training_bytes
from blockqnn.network.plan import SKELETONS, Image, NetworkPlan, plan_network
from blockqnn.space.zoo import ZOO

IMAGE, CLASSES = Image(3, 224, 224), 1000
BLOCKS = ("block-qnn-a", "block-qnn-b", "block-qnn-s", "resnet-like")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--blocks", default=",".join(BLOCKS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measured(planned(options.child, options.repeats), options.batch)))
        return
    print(
        "| block | parameters | FLOPs | depth | stages (channels x side) | MB foreseen | measured | s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in options.blocks.split(","):
        plan = planned(name, options.repeats)
        foreseen = training_bytes(plan, options.batch, 4, "sgd")
        command = [sys.executable, __file__, "--child", name, "--batch", str(options.batch)]
        command += ["--repeats", str(options.repeats)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        stages = ", ".join(f"{stage[-1].channels} x {stage[-1].height}" for stage in plan.stages)
        memory = f"{foreseen / 1e6:,.0f} | {found['bytes'] / 1e6:,.0f} ({found['bytes'] / foreseen:.2f})"
        print(
            f"| {name} | {plan.params:,} | {plan.flops:,} | {plan.depth} | {stages} | {memory}"
            f" | {found['seconds']:.1f} |",
            flush=True,
        )


def planned(name: str, repeats: int) -> NetworkPlan:
    return plan_network(ZOO[name], SKELETONS["imagenet"].with_repeats((repeats,)), IMAGE, CLASSES)


def measured(plan: NetworkPlan, batch: int) -> dict[str, float]:
    """Bytes at the peak of two steps above those before, and seconds of the second step."""
    import time

    import torch

    from blockqnn.config import RECIPES, Augmentation
    from blockqnn.evaluation.images import DevicePart
    from blockqnn.evaluation.train import Watch, fit
    from blockqnn.network.model import build
    from blockqnn.network.plan import Skeleton

    torch.set_num_threads(1)
    recipe = RECIPES["paper-imagenet"].model_copy(
        update={
            "steps": 2,
            "batch": batch,
            "precision": "float32",
            "augmentation": Augmentation(flip=True),
        }
    )
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2 * batch, 224, 224, 3), dtype=torch.uint8, generator=generator)
    scale = torch.full((1, 3, 1, 1), 100.0)
    part = DevicePart(images, torch.arange(2 * batch) % CLASSES, scale, scale)
    small = plan_network(ZOO["resnet-like"], Skeleton(("conv",), (4,), (1,)), IMAGE, CLASSES)
    one = DevicePart(images[:2], part.labels[:2], scale, scale)
    warm = recipe.model_copy(update={"batch": 2})
    fit(build(small, 0), one, warm, learning_rate=0.1, seed=0)  # libraries are loaded
    before = _held("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest begins anew
    moments = [time.monotonic()]
    watch = Watch(report=lambda *_: moments.append(time.monotonic()))
    fit(build(plan, 0), part, recipe, learning_rate=0.1, seed=0, watch=watch)
    return {"bytes": _held("VmHWM") - before, "seconds": moments[-1] - moments[-2]}


def _held(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(name)))


if __name__ == "__main__":
    main()
