"""Segmentation and detection on a found block, beside the ResNet-like exemplar at equal parameters.

    PYTHONPATH=src python benchmarks/dense_tasks.py [--seeds 3] [--steps 400] [--part 1/2] [--table]

The examples of examples/tasks, with the block found on CIFAR-100, with one found on CIFAR-10 by the
predictor, and with the exemplar; the widths of the latter two are chosen so that the whole networks have
as many parameters as the first, within 2 %. Trained on 512 scenes of
96 pixels, judged on 256 scenes of other places of the photographs, at 96 and at 160 pixels with the same
weights; each network is exported to ONNX, whose answers are compared with its own. Each finished row is
written to results/dense-tasks.jsonl at once; started again it goes on. Prints the table.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples" / "tasks"))

import detection  # noqa: E402
import fitting  # noqa: E402
import scenes  # noqa: E402
import segmentation  # noqa: E402

ROWS = ROOT / "results" / "dense-tasks.jsonl"
TASKS = {"segmentation": segmentation, "detection": detection}
NETWORKS = {"segmentation": segmentation.Segmenter, "detection": detection.Detector}
BLOCKS = {
    "found": segmentation.FOUND,
    "predictor's": (  # of six searches of real_search.py by `predictor`, the block of highest reward
        "(1,1,5,0,0) (2,3,1,1,0) (3,5,0,0,1) (4,2,1,3,0) (5,1,1,3,0) (6,2,3,2,0) (7,3,1,4,0) (8,2,3,2,0)"
    ),
    "exemplar": "resnet-like",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Segmentation and detection on two blocks.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--table", action="store_true", help="print it, train nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    part, parts = map(int, options.part.split("/"))
    wanted = [(t, b, s) for s in range(options.seeds) for t in TASKS for b in BLOCKS]
    known = {(r["task"], r["block"], r["seed"]) for r in rows() if r["steps"] == options.steps}
    for one in [] if options.table else wanted[part - 1 :: parts]:
        if one not in known:
            row = measured(*one, options.steps)
            with ROWS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    print_table([row for row in rows() if row["steps"] == options.steps])


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def widths_of(task: str, block: str) -> tuple[int, ...]:
    """The example's own, or for another block those of as many parameters."""
    if block == "found":
        return segmentation.WIDTHS
    kind, aim = NETWORKS[task], parameters(NETWORKS[task](segmentation.FOUND))
    tried = [tuple(round(factor * w) for w in segmentation.WIDTHS) for factor in np.arange(0.5, 6, 0.02)]
    return min(tried, key=lambda widths: abs(parameters(kind(BLOCKS[block], widths)) - aim))


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def measured(task: str, block: str, seed: int, steps: int) -> dict[str, Any]:
    """Trains one network and judges it."""
    begun, widths = time.monotonic(), widths_of(task, block)
    network = NETWORKS[task](BLOCKS[block], widths, seed)
    losses = TASKS[task].trained(network, scenes.compose(512, 96, seed=0), steps, seed)
    seconds = time.monotonic() - begun
    network.eval()
    judged = {
        size: TASKS[task].measured(network, scenes.compose(256, size, 1, test=True))
        for size in (96, 160)
    }
    return {
        "task": task,
        "block": block,
        "seed": seed,
        "steps": steps,
        "widths": widths,
        "params": parameters(network),
        "loss": [fmean(losses[:10]), fmean(losses[-10:])],
        "at 96": judged[96],
        "at 160": judged[160],
        "onnx": exported_difference(network),
        "seconds": round(seconds, 1),
        "date": time.strftime("%F"),
        "machine": f"{torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}, 1 thread",
    }


def exported_difference(network: torch.nn.Module) -> float:
    """The largest difference of the ONNX export's answers, over the largest answer, at both sizes."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as place:
        fitting.export(network, f"{place}/model.onnx")
        session = onnxruntime.InferenceSession(f"{place}/model.onnx")
        name, largest = session.get_inputs()[0].name, 0.0
        for size in (96, 160):
            images = scenes.compose(4, size, 2, test=True).images
            (answer,) = session.run(None, {name: images.numpy()})
            with torch.inference_mode():
                own = network(images).numpy()
            largest = max(largest, float(np.abs(answer - own).max() / np.abs(own).max()))
    return largest


def print_table(found: list[dict[str, Any]]) -> None:
    print("| task | block | parameters | loss | at 96 pixels | at 160 pixels | ONNX differs by | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for task in TASKS:
        for block in BLOCKS:
            some = [row for row in found if (row["task"], row["block"]) == (task, block)]
            if not some:
                continue
            at = [told([row[f"at {size}"] for row in some]) for size in (96, 160)]
            loss = " to ".join(f"{fmean(row['loss'][i] for row in some):.2f}" for i in (0, 1))
            onnx, seconds = max(row["onnx"] for row in some), fmean(row["seconds"] for row in some)
            print(
                f"| {task} | {block} | {some[0]['params']:,} | {loss} | {at[0]} | {at[1]} | {onnx:.0e}"
                f" | {seconds:.0f} |"
            )


def told(values: list[float]) -> str:
    spread = f" +- {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{fmean(values):.1f}{spread} ({', '.join(f'{v:.1f}' for v in values)})"


if __name__ == "__main__":
    main()
