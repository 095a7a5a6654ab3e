"""How fast candidates are trained: the project's evaluation beside the loops that a user would write.

    PYTHONPATH=src python benchmarks/candidates.py [--device cuda] [--out rows.jsonl] [--profile]
    PYTHONPATH=src python benchmarks/candidates.py --accuracy 3 --data FILE.npz [--epochs 12]

Each block of a frozen list, five with a name and 15 random ones, is trained in one skeleton by

    a  a DataLoader with per-sample transforms, float32, default layout, Adam, `.item()` each step
    b  `fit` with the early-stop recipe: the search's own training
    c  loop a on tensors in the device's memory, whole batches varied there, no `.item()`
    d  loop b whose step a CUDA graph repeats, if --loops asks for it
    e  loop b in float32, if --loops asks for it

All shift and flip the images. Each loop lives in a process of its own, for `fit` changes how its process
keeps freed memory; nothing of them runs at once. Windows of equally many steps of them take turns, each
after warm-up steps; the device is waited for only at a window's borders. A row tells images a second
(median of the windows, least and most), projected seconds of a candidate (training alone), achieved
FLOP/s (forward and backward, 3 times the plan's FLOPs, which are 2 a multiply-add of convolutions and
linear layer), the share of the per-kernel roofline (benchmarks/roofline.py: a step counted there, by
peak and bandwidth that this run measured, over a step's median time), the share of the ideal one (the
same for a step with all fused that can be), memory, and the speed of b over a and over c (median of the
rounds, least and most). Memory is on CUDA the most that was allocated, else the most that the loop's
process held, libraries and images included. "float32" is torch's default, where convolutions use TF32
on CUDA.

The images are noise unless --data names an .npz file with x_train and y_train. On a CPU, where one
thread computes, a window of a few steps and --loops b,c keep it short. Profiles come after all timing,
for a profiler may leave its mark on what runs later in the process.

With --accuracy nothing is timed: the blocks, by default those with a name, are trained on --data (also
`digits`, in the skeleton `small`) with so many seeds, to compare validation accuracy
(benchmarks/accuracy.py).
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

import accuracy
from apart import Apart, Failed, forget_peak, peak_memory, said
from blockqnn.config import DataSettings, Recipe
from blockqnn.data.dataset import Dataset, Part, load
from blockqnn.evaluation.device import fingerprint, resolve_device, resolve_precision, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.train import Watch, fit
from blockqnn.network.model import build
from blockqnn.network.plan import (
    SKELETONS,
    Image,
    NetworkPlan,
    Skeleton,
    plan_network,
)
from blockqnn.space.code import Block
from blockqnn.space.zoo import ZOO
from plain_loop import Loop, in_memory, plain_network, variation, with_loader
from random_blocks import random_blocks
from roofline import Counter, Rates, ideal_bytes, ideal_seconds, measured_rates, synchronize

NAMED = ("block-qnn-s", "block-qnn-a", "block-qnn-b", "resnet-like", "inception-like")
RANDOM = 15
PROFILED, PROFILE_STEPS, PROFILE_ROWS = ("block-qnn-s", "random 1"), 20, 15
CLASSES = 10
IMAGE = Image(3, 32, 32)
PAIRS = (("b", "a"), ("b", "c"), ("d", "a"), ("d", "b"), ("e", "a"), ("e", "c"))


def blocks(
    skeleton: Skeleton, image: Image = IMAGE, classes: int = CLASSES, max_flops: int | None = None
) -> Iterator[tuple[str, Block]]:
    """The frozen list; random blocks have at most `max_flops`, or Block-QNN-S's, in the skeleton."""
    for name in NAMED:
        yield name, ZOO[name]
    drawn: list[str] = []
    for block in random_blocks("candidates", skeleton, image, classes, max_flops):
        if str(block) not in drawn:
            drawn.append(str(block))
            yield f"random {len(drawn)}", block
        if len(drawn) == RANDOM:
            return


def dataset_of(path: str | None, images: int) -> Dataset:
    """The training images of the file, or so many of noise; the other parts are empty."""
    if path:
        with np.load(path) as file:
            pixels, labels = file["x_train"], file["y_train"].reshape(-1).astype(np.int64)
    else:
        random = np.random.default_rng(0)
        shape = (images, IMAGE.height, IMAGE.width, IMAGE.channels)
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        labels = random.integers(0, CLASSES, images)
    empty = Part(pixels[:0], labels[:0])
    mean, deviation = (np.array(f(pixels[:5000] / 255, axis=(0, 1, 2))) for f in (np.mean, np.std))
    names = tuple(map(str, range(int(labels.max()) + 1)))
    return Dataset(path or "noise", names, Part(pixels, labels), empty, empty, mean, deviation, "")


def loop_of(
    name: str, plan: NetworkPlan, dataset: Dataset, device: str, options: argparse.Namespace
) -> Loop:
    """The named loop, with a network that starts from the same weights as that of any other."""
    if name == "a":
        return with_loader(plain_network(plan, device), dataset, device, options.batch, options.workers)
    if name == "c":
        return in_memory(plain_network(plan, device), dataset, device, options.batch)
    network, part = build(plan, seed=0).to(device), on_device(dataset.train, dataset, device)
    precision = "float32" if name == "e" else options.precision
    recipe = Recipe(batch=options.batch, precision=precision, augmentation=variation(dataset.image))

    def loop(steps: int, report: Callable[[int, float], None]) -> None:
        fit(
            network,
            part,
            recipe.model_copy(update={"steps": steps}),
            learning_rate=recipe.learning_rate,
            seed=0,
            watch=Watch(report=report),
            captured=name == "d",
        )

    return loop


class Asked(NamedTuple):
    """What a step asks of the device, as benchmarks/roofline.py counts it."""

    seconds: float  # of the per-kernel roofline
    bytes: int
    flops: int
    ops: int


class Bench:
    """One loop in a process of its own; the parent calls the methods one at a time, through `Apart`."""

    def __init__(self, name: str, device: str, options: argparse.Namespace) -> None:
        if device == "cpu":
            use_one_thread()
        self._name, self._device, self._options = name, device, options
        self._dataset = dataset_of(options.data, options.images)

    def begin(self, plan: NetworkPlan) -> None:
        """Another network; what the one before held is given back, also after an error."""
        self._loop: Loop | None = None
        gc.collect()
        self._release()
        forget_peak()
        self._loop = loop_of(self._name, plan, self._dataset, self._device, self._options)

    def window(self) -> tuple[float, int | None]:
        """Seconds of a window, and the memory in bytes that was needed at most since `begin`."""
        options = self._options
        seconds = window(self._begun, options.warmup, options.window, self._device)
        memory = torch.cuda.max_memory_allocated() if self._device == "cuda" else peak_memory()
        self._release()
        return seconds, memory

    def step(self, rates: Rates) -> Asked:
        """What one step asks of the device."""
        asked = counted(self._begun, self._device, rates)
        self._release()
        return asked

    def profile(self, steps: int) -> str:
        """Where the time of so many steps goes, as text."""
        return profiled(self._begun, self._device, self._options.warmup, steps)

    @property
    def _begun(self) -> Loop:
        assert self._loop
        return self._loop

    def _release(self) -> None:
        """Gives memory on a GPU to the other loops, and counts its peak anew."""
        if self._device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


def window(loop: Loop, warmup: int, steps: int, device: str) -> float:
    """Seconds of so many steps after the warm-up."""
    marks = []

    def report(step: int, _: float) -> None:
        if step in (warmup, warmup + steps):
            synchronize(device)
            marks.append(time.perf_counter())

    loop(warmup + steps, report)
    begin, end = marks
    return end - begin


def counted(loop: Loop, device: str, rates: Rates) -> Asked:
    """Of one step: the second, for the first makes the optimizer's state."""
    with Counter(device, rates) as counter:
        loop(2, lambda step, _: counter.clear() if step == 1 else None)
    return Asked(counter.seconds, counter.bytes, counter.flops, counter.ops)


def measured(
    loops: dict[str, Apart], plan: NetworkPlan, rates: Rates, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """A row a loop, from windows that take turns; who is first changes each round."""
    names = list(loops)
    speeds: dict[str, list[float]] = {name: [] for name in names}
    memory = dict.fromkeys(names, 0)
    for loop in loops.values():
        loop(Bench.begin, plan)
    for number in range(options.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds, held = loops[name](Bench.window)
            speeds[name].append(options.batch * options.window / seconds)
            memory[name] = max(memory[name], held or 0)
    rows = []
    for name in names:
        speed = median(speeds[name])
        precision = options.precision if name in "bd" else "float32"
        ideal = ideal_seconds(plan, options.batch, precision, rates)
        # a graph is not dispatched: its step is that of loop b
        step: Asked = loops["b" if name == "d" else name](Bench.step, rates)
        rows.append(
            {
                "loop": name,
                "precision": precision,
                "images_per_second": _spread(speeds[name]),
                "candidate_seconds": options.epochs * options.images / speed,
                "flops_per_second": 3 * plan.flops * speed,
                "roofline_share": step.seconds * speed / options.batch,
                "step_bytes": step.bytes,
                "step_flops": step.flops,
                "step_ops": step.ops,
                "ideal_bytes": ideal_bytes(plan, options.batch, precision),
                "ideal_share": ideal * speed / options.batch,
                "memory": memory[name] or None,
            }
            | {
                f"{over}/{under}": _spread(
                    [x / y for x, y in zip(speeds[over], speeds[under], strict=True)]
                )
                for over, under in PAIRS
                if name == over and under in names
            }
        )
    return rows


def _spread(values: list[float]) -> list[float]:
    """Median, least and most."""
    return [median(values), min(values), max(values)]


def profiled(loop: Loop, device: str, warmup: int, steps: int) -> str:
    """Where the time of a loop's steps goes, and on CUDA how much of it the GPU is busy."""
    plain = window(loop, warmup, steps, device)
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    profiler = profile(activities=activities)

    def report(step: int, _: float) -> None:
        if step == warmup:
            synchronize(device)
            profiler.start()
        elif step == warmup + steps:
            synchronize(device)
            profiler.stop()

    loop(warmup + steps, report)
    events = profiler.key_averages()
    key = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    lines = [
        f"{steps} steps, {1e3 * plain / steps:.2f} ms a step",
        events.table(sort_by=key, row_limit=PROFILE_ROWS, max_name_column_width=50),
    ]
    if device == "cuda":
        kernels = [e for e in events if e.device_type == DeviceType.CUDA and not e.is_user_annotation]
        busy = sum(e.self_device_time_total for e in kernels) / 1e6
        lines.append(
            f"GPU busy {busy / plain:.1%}: its kernels' time over that of as many steps unprofiled"
        )
    return "\n".join(lines)


def rows_of(
    name: str,
    block: Block,
    skeleton: Skeleton,
    dataset: Dataset,
    loops: dict[str, Apart],
    rates: Rates,
    options: argparse.Namespace,
) -> list[dict[str, Any]]:
    """What was measured of a block, a row a loop, or one row that says why nothing was."""
    facts: dict[str, Any] = {"name": name, "code": str(block)}
    try:
        plan = plan_network(block, skeleton, dataset.image, len(dataset.classes))
        facts |= {"params": plan.params, "flops": plan.flops, "batch": options.batch}
        return [facts | row for row in measured(loops, plan, rates, options)]
    except Failed as failed:  # the other blocks still count
        return [facts | {"failed": str(failed)}]
    except Exception as error:
        return [facts | {"failed": said(error)}]


def _print_row(row: dict[str, Any]) -> None:
    if "failed" in row:
        print(f"{row['name']:15} skipped: {row['failed']}", flush=True)
        return
    speed, least, most = row["images_per_second"]
    memory = f"{row['memory'] / 2**20:6,.0f} MiB" if row["memory"] else "         -"
    ratios = "".join(
        f"  {pair} {row[pair][0]:.2f} [{row[pair][1]:.2f}, {row[pair][2]:.2f}]"
        for pair in ("/".join(pair) for pair in PAIRS)
        if pair in row
    )
    print(
        f"{row['name']:15} {row['loop']} {row['precision']:8}"
        f" {speed:9,.0f} [{least:9,.0f}, {most:9,.0f}]"
        f" {row['candidate_seconds']:9,.1f} s {row['flops_per_second'] / 1e9:10,.1f}"
        f" {row['roofline_share']:8.1%} {row['ideal_share']:7.1%} {memory}{ratios}",
        flush=True,
    )


def _shown(rates: Rates) -> str:
    peaks = ", ".join(f"{name} {peak / 1e9:,.0f}" for name, peak in rates.peaks.items())
    return f"GFLOP/s {peaks}; copy {rates.bandwidth / 1e9:,.1f} GB/s"


def _print_head(
    rates: Rates, machine: str, dataset: Dataset, skeleton: Skeleton, options: argparse.Namespace
) -> None:
    print(f"{machine}; {_shown(rates)}")
    print(
        f"widths {skeleton.widths}, repeats {skeleton.repeats}, batch {options.batch},"
        f" {options.rounds} rounds of {options.window} steps, {len(dataset.train)} images"
    )
    print(f"{'block':15} loop, format   images/s [least, most] {'a candidate':>15}", end="")
    print("    GFLOP/s roofline   ideal     memory")


def _print_medians(rows: list[dict[str, Any]]) -> None:
    rows = [row for row in rows if "failed" not in row]
    done = len({row["name"] for row in rows})
    print(f"\nmedians over {done} blocks [least, most]")
    for pair in ("/".join(pair) for pair in PAIRS):
        if values := [row[pair][0] for row in rows if pair in row]:
            print("{} {:.2f} [{:.2f}, {:.2f}]".format(pair, *_spread(values)))
    for name in dict.fromkeys(row["loop"] for row in rows):
        own = [row for row in rows if row["loop"] == name]
        shares = [_spread([row[key] for row in own]) for key in ("roofline_share", "ideal_share")]
        seconds = _spread([row["candidate_seconds"] for row in own])
        print("{}: share of the roofline {:.1%} [{:.1%}, {:.1%}]".format(name, *shares[0]), end="")
        print(", of the ideal one {:.1%} [{:.1%}, {:.1%}]".format(*shares[1]), end="")
        print(", a candidate {:,.1f} s [{:,.1f}, {:,.1f}]".format(*seconds))


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The evaluation's speed beside that of plain loops.")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--widths", type=_whole_numbers, default=(16, 32, 64))
    parser.add_argument("--repeats", type=_whole_numbers, default=(1,))
    parser.add_argument("--max-flops", type=int, help="of random blocks, an image; else Block-QNN-S's")
    parser.add_argument("--blocks", type=int, help="the first so many; else all, or those with a name")
    parser.add_argument("--skip", type=int, default=0, help="of them, the first, measured before")
    parser.add_argument("--part", default="1/1", help="of them: 1/2 is every second one")
    parser.add_argument("--loops", default="a,b,c")
    parser.add_argument("--workers", type=int, default=0, help="processes of loop a's DataLoader")
    parser.add_argument("--window", type=int, default=50, help="steps")
    parser.add_argument("--warmup", type=int, default=10, help="steps before each window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=50_000, help="of an epoch, and of the noise")
    parser.add_argument("--epochs", type=int, default=12, help="of the projected candidate")
    parser.add_argument("--data", help="FILE.npz with x_train uint8 [N, H, W, C] and y_train")
    parser.add_argument("--accuracy", type=int, metavar="SEEDS", help="compare accuracy, not speed")
    parser.add_argument("--out", type=Path, help="each finished row is added to this file as JSON")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="then no block is begun")
    parser.add_argument("--profile", action="store_true", help=f"of loop b for {', '.join(PROFILED)}")
    options = parser.parse_args(arguments)
    options.loops = options.loops.split(",")
    if not set(options.loops) <= set("abcde") or min(options.warmup, options.window, options.rounds) < 1:
        parser.error("loops are a to e; window, warmup and rounds are at least 1")
    if "d" in options.loops and "b" not in options.loops:
        parser.error("loop d is measured beside loop b")
    if options.accuracy is not None and (options.accuracy < 1 or not options.data):
        parser.error("--accuracy takes at least one seed, and --data FILE.npz or digits")
    options.blocks = options.blocks or len(NAMED) + (0 if options.accuracy else RANDOM)
    return options


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    device = resolve_device(options.device)
    options.precision = resolve_precision(options.precision, device)
    if device == "cpu":
        use_one_thread()
    if options.accuracy:
        compare_accuracy(device, options)
    else:
        compare_speed(device, options)


def compare_accuracy(device: str, options: argparse.Namespace) -> None:
    dataset = load(DataSettings(source=options.data))
    digits = options.data == "digits"
    skeleton = SKELETONS["small"] if digits else _skeleton(options)
    recipe = accuracy.recipe_for(dataset.image, options.epochs, options.batch, varied=not digits)
    listed = blocks(skeleton, dataset.image, len(dataset.classes), options.max_flops)
    run = {"machine": fingerprint(device), "data": dataset.name, **_shape(skeleton)}
    rows = []
    wanted = islice(listed, options.blocks)
    for row in accuracy.rows_of(wanted, skeleton, dataset, recipe, device, options.accuracy):
        _append(options.out, [row | run])
        rows.append(row)
    accuracy.print_table(rows)


def _skeleton(options: argparse.Namespace) -> Skeleton:
    return SKELETONS["cifar"].with_widths(options.widths).with_repeats(options.repeats)


def _shape(skeleton: Skeleton) -> dict[str, Any]:
    return {"widths": skeleton.widths, "repeats": skeleton.repeats}


def _append(out: Path | None, rows: list[dict[str, Any]]) -> None:
    if out:
        with out.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def compare_speed(device: str, options: argparse.Namespace) -> None:
    begin = time.monotonic()
    dataset = dataset_of(options.data, options.images)
    if len(dataset.train) < options.batch:
        raise SystemExit(f"{len(dataset.train)} images are less than a batch of {options.batch}")
    skeleton = _skeleton(options)
    image, classes = dataset.image, len(dataset.classes)
    rates, machine = measured_rates(device), fingerprint(device)
    if device == "cuda":
        torch.cuda.empty_cache()  # the loops' processes need it
    _print_head(rates, machine, dataset, skeleton, options)
    listed = dict(blocks(skeleton, image, classes, options.max_flops))
    part, parts = map(int, options.part.split("/"))
    run: dict[str, Any] = rates._asdict() | {"machine": machine, **_shape(skeleton)}
    rows: list[dict[str, Any]] = []
    left_out = []
    with ExitStack() as processes:
        loops = {
            name: processes.enter_context(Apart(Bench, name, device, options)) for name in options.loops
        }
        for name, block in list(listed.items())[options.skip : options.blocks][part - 1 :: parts]:
            if time.monotonic() - begin > options.seconds:
                left_out.append(name)
                continue
            found = rows_of(name, block, skeleton, dataset, loops, rates, options)
            for row in found:
                _print_row(row)
            _append(options.out, [row | run for row in found])
            rows += found
        _print_medians(rows)
        if left_out:
            print(f"left out after {options.seconds:g} s: {', '.join(left_out)}")
        print(f"the device at the end, if others used it meanwhile: {_shown(measured_rates(device))}")
        if options.profile:
            if "b" not in loops:
                loops["b"] = processes.enter_context(Apart(Bench, "b", device, options))
            for name in PROFILED:
                loops["b"](Bench.begin, plan_network(listed[name], skeleton, image, classes))
                print(f"\n{name}, loop b, {loops['b'](Bench.profile, PROFILE_STEPS)}")


if __name__ == "__main__":
    main()
