"""Training on a folder ten times larger than the memory that is allowed, beside images in memory.

    PYTHONPATH=src python benchmarks/streaming.py DIRECTORY [--photos FOLDER] [--allowed 600]

Writes a class folder of ten times so many megabytes into DIRECTORY/photos, unless it is there: windows
cut out of real photographs (those of FOLDER, else the two that scikit-learn carries with it) as
uncompressed BMP. Then, each in a process of its own, one thread for the network and one process that
decodes:

- `memory`: the images prepared once, of one size, in memory: the rate that decoding is compared with;
- `streamed`: windows cut anew out of the files as they are stored, under a limit of the allowed
  megabytes of data (RLIMIT_DATA) on each process;
- `control`: all files read into memory under the same limit, which must fail.

The rate is images over the median time of a step, of networks of several sizes: where decoding keeps up,
and where it does not.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, BATCH = 1000, 8  # pixels of a file's side; images of a batch
SIZE = 96  # pixels of a side that the network sees
WIDTHS = {"small": (4, 8, 16, 32), "larger": (16, 32, 64, 128), "large": (60, 120, 240, 480)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Streamed images against images in memory.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--allowed", type=int, default=600, help="megabytes")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--networks", default=",".join(WIDTHS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.directory / "photos"
    if options.child:
        child(folder, *options.child, options.steps, options.allowed)
        return
    size = compose(folder, options.photos, 10 * options.allowed * 10**6)
    print(f"folder: {size / 1e9:.2f} GB; allowed: {options.allowed / 1e3:.2f} GB a process\n")
    print("| network | images | images/s | of memory's | most held | the limit, as told |")
    print("| --- | --- | --- | --- | --- | --- |")
    for network in options.networks.split(","):
        rates = {}
        for way in ("memory", "streamed"):
            found = run(options, way, network)
            rates[way] = found["rate"]
            share = found["rate"] / rates["memory"]
            held, told = found["held"] / 1e6, found["told"]
            print(f"| {network} | {way} | {found['rate']:.1f} | {share:.2f} | {held:,.0f} MB | {told} |")
    print("\ncontrol, all files in memory:", run(options, "control", "small")["told"])


def run(options: argparse.Namespace, way: str, network: str) -> dict[str, float | str]:
    command = [sys.executable, __file__, str(options.directory), "--steps", str(options.steps)]
    command += ["--allowed", str(options.allowed), "--child", way, network]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float | str] = json.loads(told.splitlines()[-1])
    return found


def compose(folder: Path, photos: Path | None, wanted: int) -> int:
    """Writes windows of photographs until the folder has so many bytes; its size."""
    have = sum(path.stat().st_size for path in folder.glob("*/*.bmp"))
    if photos is None:
        from sklearn.datasets import load_sample_images

        pictures = [Image.fromarray(image) for image in load_sample_images().images]
    else:
        pictures = [Image.open(path).convert("RGB") for path in sorted(photos.rglob("*.jpg"))]
    draw, number = np.random.default_rng(0), 0
    while have < wanted:
        picture = pictures[number % len(pictures)]
        side = int(draw.uniform(0.4, 1.0) * min(picture.size))
        left, top = (int(draw.integers(0, length - side + 1)) for length in picture.size)
        window = picture.resize((SIDE, SIDE), box=(left, top, left + side, top + side))
        path = folder / str(number % 2) / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        window.save(path)
        have += path.stat().st_size
        number += 1
    return have


def child(folder: Path, way: str, network: str, steps: int, allowed: int) -> None:
    """One training, or the control; prints what was found as JSON."""
    import torch

    from blockqnn.config import Augmentation, DataSettings, Recipe
    from blockqnn.data.dataset import load
    from blockqnn.evaluation.streamed import StreamedPart, placed
    from blockqnn.evaluation.train import Watch, fit
    from blockqnn.network.model import build
    from blockqnn.network.plan import SKELETONS, plan_network
    from blockqnn.space.zoo import ZOO

    torch.set_num_threads(1)
    settings = DataSettings(source=str(folder), image_size=(SIZE, SIZE))
    streamed = way != "memory"
    dataset = load(settings, encoded=streamed)  # prepared before the limit; decodes all files once
    if streamed:
        resource.setrlimit(resource.RLIMIT_DATA, (allowed * 10**6, allowed * 10**6))
    if way == "control":
        try:
            held = [np.asarray(Image.open(path)) for path in sorted(folder.glob("*/*.bmp"))]
            told = f"{len(held)} files fitted: the limit does not hold"
        except MemoryError:
            told = "MemoryError, as it must"
        print(json.dumps({"rate": 0.0, "held": 0.0, "told": told}))
        return
    augmentation = Augmentation(crop=0.08 if streamed else 0.0, flip=True)
    recipe = Recipe(steps=steps, batch=BATCH, optimizer="sgd", augmentation=augmentation)
    skeleton = SKELETONS["imagenet"].with_widths(WIDTHS[network])
    plan = plan_network(ZOO["resnet-like"], skeleton, dataset.image, len(dataset.classes))
    part = placed(dataset.train, dataset, "cpu", 1)
    moments = [time.monotonic()]
    watch = Watch(report=lambda *_: moments.append(time.monotonic()))
    fit(build(plan, 0), part, recipe, learning_rate=0.01, seed=0, watch=watch)
    told = part.pace.told(1) if isinstance(part, StreamedPart) else "images lie in memory"
    rate = BATCH / float(np.median(np.diff(moments)[5:]))
    held = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"rate": rate, "held": held, "told": told}))


if __name__ == "__main__":
    main()
