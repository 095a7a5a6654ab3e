"""A folder of many small images: time and memory of its first and second use, and of a search on it.

    python benchmarks/large_folder.py [--images 100000] [--side 32] [--folder DIR]

Linux only: memory is read from /proc. Each line of the table is a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 10

LOAD = """
import json, resource, sys, time
{imports}
begin = time.perf_counter()
from blockqnn.config import DataSettings
from blockqnn.data.dataset import load
data = load(DataSettings(source=sys.argv[1]))
print(json.dumps({{"seconds": time.perf_counter() - begin, "images": sum(map(len, (data.train,
    data.validation, data.test))), "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}}))
"""
SEARCH = """
import sys, blockqnn
run = blockqnn.search(sys.argv[1], run=sys.argv[2], trials=4, workers=2, preset="small")
print(run.status()["trials"]["finished"])
"""


def make_folder(folder: Path, images: int, side: int) -> None:
    """Random blocks of 8x8 pixels, tinted by class, as PNG files in class folders."""
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
    for number in range(images):
        label = number % CLASSES
        coarse = rng.integers(0, 200, (-(-side // 8), -(-side // 8), 3), np.uint8)
        coarse[..., label % 3] += np.uint8(5 * label)
        pixels = coarse.repeat(8, 0).repeat(8, 1)[:side, :side]
        Image.fromarray(pixels).save(folder / f"class{label}" / f"{number:06d}.png", compress_level=1)


def loaded(folder: Path, imports: str) -> dict[str, float]:
    """What a fresh process says of loading the folder."""
    command = [sys.executable, "-c", LOAD.format(imports=imports), str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += tree(int(child))
    return found


def proportional(pid: int) -> int:
    """Resident bytes, pages shared by k processes counted as 1/k; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def searched(folder: Path, run: Path) -> dict[str, float]:
    """Seconds, finished trials and peak memory, summed over its processes, of a search."""
    begin, peak = time.perf_counter(), 0
    command = [sys.executable, "-c", SEARCH, str(folder), str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            try:
                peak = max(peak, sum(map(proportional, tree(process.pid))))
            except OSError:  # a process ended while it was looked at
                continue
            time.sleep(0.1)
        finished = int(process.stdout.read())
    return {"seconds": time.perf_counter() - begin, "peak": peak, "images": finished}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--folder", type=Path, help="made there if missing, and kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["BLOCKQNN_CACHE"] = f"{temporary}/cache"
        folder = options.folder or Path(temporary) / "images"
        if not folder.exists():
            make_folder(folder, options.images, options.side)
        rows = [
            ("first use: scanned and prepared", loaded(folder, "")),
            ("second use, after `import torch`", loaded(folder, "import torch")),
            ("search, 4 trials, 2 workers, summed", searched(folder, Path(temporary) / "run")),
        ]
    print(f"| {options.images} PNG of {options.side}x{options.side} | seconds | peak memory, MB |")
    print("| --- | --- | --- |")
    for name, row in rows:
        print(f"| {name} | {row['seconds']:.1f} | {row['peak'] / 1e6:.0f} |")


if __name__ == "__main__":
    main()
