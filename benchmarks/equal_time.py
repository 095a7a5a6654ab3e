"""What a user would do instead, in equal time on two cores: `auto` against known networks.

    PYTHONPATH=src python benchmarks/equal_time.py DATA --minutes 10 --seeds 3 \
        [--fine-tune PYTHON] [--image-size 112] [--only auto,exemplar] [--part 1/6]

`auto` searches and trains; the ResNet-like exemplar and a hand-made ResNet of equal parameters train for
the whole time; EfficientNet-Lite0, trained on ImageNet before, is fine-tuned where the interpreter
of its environment is named (benchmarks/outside/README.md). One after another, seeds interleaved, so
that what else happens on the machine meets all alike. On a machine with more cores, parts of it may run
at once, each on two of its own (`taskset -c 0,1`). Each finished row is written to
results/equal-time/rows.jsonl at once; started again it goes on. Prints the table of this machine's rows.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "results" / "equal-time" / "rows.jsonl"
CONTENDERS = ("auto", "exemplar", "resnet", "efficientnet-lite0")


def main() -> None:
    options = _options()
    data = Path(options.data)
    wanted = [
        (contender, seed)
        for seed in range(options.seeds)
        for contender in CONTENDERS
        if contender in options.only and (contender != "efficientnet-lite0" or options.fine_tune)
    ]
    known = {(r["contender"], r["seed"]) for r in _rows(data.stem, options.minutes)}
    part, parts = map(int, options.part.split("/"))
    for contender, seed in wanted[part - 1 :: parts]:
        if (contender, seed) not in known:
            row = _auto(options, seed) if contender == "auto" else _other(options, contender, seed)
            ROWS.parent.mkdir(parents=True, exist_ok=True)
            stamp = {"budget": options.minutes, "data": data.stem, "contender": contender}
            stamp |= {"machine": _machine()}
            with ROWS.open("a") as file:
                file.write(json.dumps({**row, **stamp, "date": time.strftime("%F")}) + "\n")
            print(json.dumps({**row, **stamp}), flush=True)
    _print_table(_rows(data.stem, options.minutes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="auto against known networks, in equal time.")
    parser.add_argument("data")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--fine-tune", help="python of the environment with EfficientNet-Lite0")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--only", type=lambda text: text.split(","), default=CONTENDERS)
    return parser.parse_args()


def _auto(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "model"
        command = ["auto", "--data", options.data, "--budget", f"{options.minutes:g}m"]
        command += ["--seed", str(seed), "--out", str(out)]
        command += ["--image-size", str(options.image_size)] if options.image_size else []
        begin = time.monotonic()
        subprocess.run([sys.executable, "-m", "blockqnn.cli", *command], check=True, env=_environment())
        minutes = (time.monotonic() - begin) / 60
        metrics = json.loads((out / "metrics.json").read_text())
        journal = json.loads((out / "auto.json").read_text())
        kept = journal["rows"][journal["kept"]]
        measured = subprocess.run(
            [sys.executable, __file__, "--latency-of", str(out)],
            check=True,
            capture_output=True,
            text=True,
            env=_environment(),
        )
        return {
            "seed": seed,
            "minutes": round(minutes, 2),
            "validation_accuracy": metrics["validation_accuracy"],
            "test_accuracy": metrics["test_accuracy"],
            "params": metrics["params"],
            "latency_ms": float(measured.stdout),
            "threads": 2,
            "network": f"{kept['name']} {kept['choice']}".strip(),
            "code": kept["code"],
            "epochs": kept["epochs"],
            "candidates": _candidates(out),
        }


def _candidates(out: Path) -> int:
    from blockqnn.report.rows import read

    return int(read(out / "run").status()["trials"]["evaluated"])


def _latency_of(model: str) -> None:
    import torch

    import blockqnn

    sys.path.insert(0, str(ROOT / "benchmarks" / "outside"))
    from row import median_ms

    torch.set_num_threads(1)
    loaded = blockqnn.load(model)
    image = torch.rand(1, *loaded.config["image"])
    with torch.inference_mode():
        print(median_ms(lambda: loaded(image)))


def _other(options: argparse.Namespace, contender: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "row.json"
        common = ["--minutes", str(options.minutes), "--seed", str(seed), "--out", str(out)]
        if contender == "efficientnet-lite0":
            script = ROOT / "benchmarks" / "outside" / "fine_tune.py"
            command = [options.fine_tune, str(script), options.data, *common, "--size", "128"]
        else:
            script = ROOT / "benchmarks" / "outside" / "hand_made.py"
            command = [sys.executable, str(script), options.data, contender, *common]
            command += ["--image-size", str(options.image_size)] if options.image_size else []
        subprocess.run(command, check=True, env=_environment())
        row: dict[str, Any] = json.loads(out.read_text())
        return row


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE"}


def _machine() -> str:
    """The processor's name, its cores, and the torch."""
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"
    return f"{name} ({torch.backends.cpu.get_cpu_capability()}), {cores}, torch {torch.__version__}"


def _rows(data: str, minutes: float) -> list[dict[str, Any]]:
    lines = ROWS.read_text().splitlines() if ROWS.exists() else []
    rows = [json.loads(line) for line in lines]
    here = (data, minutes, _machine())
    return [row for row in rows if (row["data"], row["budget"], row["machine"]) == here]


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    print("contender             n   test accuracy     validation   parameters  latency ms  minutes")
    for contender in CONTENDERS:
        own = [row for row in rows if row["contender"] == contender]
        if not own:
            continue
        tested = [row["test_accuracy"] for row in own]
        spread = f"{stdev(tested):5.2f}" if len(own) > 1 else "    -"
        means = {key: fmean(row[key] for row in own) for key in own[0] if _is_number(own[0][key])}
        print(
            f"{contender:20} {len(own):2}  {fmean(tested):6.2f} +- {spread} %"
            f"  {means['validation_accuracy']:9.2f} %  {means['params']:11,.0f}"
            f"  {means['latency_ms']:10.2f}  {means['minutes']:7.2f}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--latency-of"]:
        _latency_of(sys.argv[2])
    else:
        main()
