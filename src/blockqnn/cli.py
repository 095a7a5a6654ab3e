"""The command line: reads options, calls the Python interface, prints."""

import atexit
import errno
import json
import os
import shlex
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from blockqnn.errors import InputError
from blockqnn.version import VERSION

if TYPE_CHECKING:
    from blockqnn.callbacks.callback import Callback
    from blockqnn.report.rows import Entry, RunView
    from blockqnn.space.code import Block

_LATER = 2.0  # seconds, in which torchrun ends the other processes of one that failed

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]
Preset = Annotated[str | None, typer.Option(help="small, demo, standard or paper; default by the data.")]
Data = Annotated[str | None, typer.Option(help="digits, DIR, FILE.npz or hf:NAME[:CONFIG].")]
Labels = Annotated[Path | None, typer.Option(help="FILE.csv: path, label[, group][, part].")]
ImageSize = Annotated[str | None, typer.Option(help="64 or 48x64.", metavar="N|HxW")]
Config = Annotated[Path | None, typer.Option(help="FILE.yaml as `blockqnn init` writes it.")]
Assign = Annotated[
    list[str] | None, typer.Option("--set", help="One setting; repeatable.", metavar="key.path=value")
]
MaxParams = Annotated[str | None, typer.Option(help="Of the search network, as 2M.")]
MaxFlops = Annotated[str | None, typer.Option(help="Of the search network, one image, as 300M.")]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="FILE.py that the search may run; repeatable.")
]
TensorBoardTo = Annotated[
    Path | None,
    typer.Option("--tensorboard", help="Also write the search for TensorBoard.", metavar="DIR"),
]
SkeletonName = Annotated[str | None, typer.Option("--skeleton", help="cifar, imagenet or small.")]
Repeats = Annotated[
    str | None,
    typer.Option(help="Blocks a stage: 2 or 3,2,2, or auto: the most that --max-params allows."),
]
Largest = Annotated[
    str | None,
    typer.Option(help="The largest network with at most so many, as 2M.", metavar="MAX_PARAMS"),
]
Widths = Annotated[str | None, typer.Option(help="Filters a stage: 32,64,128.")]


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Design small image networks block by block with Q-learning (BlockQNN)."""
    if version:
        print(VERSION)
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise InputError(f"name a command: {_commands(context)}; see blockqnn --help")


@app.command()
def auto(
    out: Annotated[Path, typer.Option(help="New or empty directory, or one to go on with.")],
    data: Data = None,
    budget: Annotated[str | None, typer.Option(help="Time for all of it: 30m, 2h.")] = None,
    assign: Assign = None,
    seed: Annotated[int | None, typer.Option(help="Of all that is drawn.")] = None,
    workers: Annotated[
        str | None, typer.Option(help="Worker processes: N or auto (one a core).")
    ] = None,
    device: Device = None,
    image_size: ImageSize = None,
    train_image_size: Annotated[
        str | None, typer.Option(help="Of the final training, where larger.", metavar="N|HxW")
    ] = None,
    labels: Labels = None,
    max_params: MaxParams = None,
    max_flops: MaxFlops = None,
    tensorboard: TensorBoardTo = None,
    as_json: Json = False,
) -> None:
    """From images to a model of your own: search, select, train, test once, export, report."""
    from blockqnn import api

    model = api.auto(
        data,
        budget=budget,
        out=out,
        settings=_assigned(assign),
        seed=seed,
        workers=_workers(workers),
        device=device,
        labels=labels,
        image_size=image_size,
        train_image_size=train_image_size,
        max_params=max_params,
        max_flops=max_flops,
        say=lambda text: print(text, file=sys.stderr, flush=True),
        callbacks=_callbacks(tensorboard),
        live=True,
    )
    if as_json:
        _print_json(model.metrics)
        return
    metrics = model.metrics
    print(
        f"{metrics['params']:,} parameters, test {metrics['metric']} {metrics['test_accuracy']:.2f} %,"
        f" validation {metrics['validation_accuracy']:.2f} %"
    )
    print(f"{out}: report.html tells all; model.onnx, model.py and model.safetensors are yours")


@app.command()
def search(
    data: Data = None,
    run: Annotated[Path | None, typer.Option(help="New, empty, or a run to go on with.")] = None,
    config: Config = None,
    preset: Preset = None,
    assign: Assign = None,
    seed: Annotated[int | None, typer.Option(help="One seed, one search.")] = None,
    trials: Annotated[int | None, typer.Option(help="Planned trials.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time instead of trials: 90s, 30m, 2h.")] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="q-learning, predictor, random, evolution, local-search or a plugin's."),
    ] = None,
    evaluator: Annotated[str | None, typer.Option(help="early-stop or a plugin's.")] = None,
    executor: Annotated[str | None, typer.Option(help="local, ray (a cluster) or serial.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster: HOST:PORT; without it, one of this machine.")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(help="Worker processes: N or auto (one a core, or GPU).")
    ] = None,
    per_gpu: Annotated[int | None, typer.Option(help="Candidates at a time on each GPU.")] = None,
    device: Device = None,
    image_size: ImageSize = None,
    labels: Labels = None,
    max_params: MaxParams = None,
    max_flops: MaxFlops = None,
    max_latency: Annotated[str | None, typer.Option(help="Of one image on this device, as 5ms.")] = None,
    plugin: Plugins = None,
    tensorboard: TensorBoardTo = None,
    as_json: Json = False,
) -> None:
    """Search a block, or go on with the run in --run."""
    from blockqnn import api

    found = api.search(
        data,
        run=run,
        config=config,
        preset=preset,
        settings=_assigned(assign),
        seed=seed,
        trials=trials,
        budget=budget,
        strategy=strategy,
        evaluator=evaluator,
        executor=executor,
        address=address,
        workers=_workers(workers),
        per_gpu=per_gpu,
        device=device,
        labels=labels,
        image_size=image_size,
        max_params=max_params,
        max_flops=max_flops,
        max_latency=max_latency,
        plugins=plugin or (),
        callbacks=_callbacks(tensorboard),
        live=True,
    )
    _print_status(found.path, as_json)


@app.command()
def init(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE.yaml]")] = None,
    preset: Preset = None,
) -> None:
    """Write all settings with what they mean, for --config; to the screen without a file."""
    from blockqnn.config import resolve
    from blockqnn.config_file import commented

    text = commented(resolve(preset or "standard", {}))
    if file is None:
        print(text, end="")
        return
    try:
        with file.open("x") as new:
            new.write(text)
    except OSError as error:
        raise InputError(f"init {file}: cannot be written as a new file ({error.strerror})") from None
    print(f"{file}: edit it, then: {shlex.join(['blockqnn', 'search', '--config', str(file)])}")


@app.command()
def space(
    data: Data = None,
    config: Config = None,
    preset: Preset = None,
    assign: Assign = None,
    trials: Annotated[int | None, typer.Option(help="Planned trials.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time instead of trials: 90s, 30m, 2h.")] = None,
    workers: Annotated[str | None, typer.Option(help="N or auto (one a core).")] = None,
    device: Device = None,
    image_size: ImageSize = None,
    labels: Labels = None,
    max_params: MaxParams = None,
    max_flops: MaxFlops = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Before a search: how many blocks, their sizes, what limits leave, how long it would take."""
    from blockqnn import api
    from blockqnn.config import given, merged
    from blockqnn.report.outlook import outlook, outlook_lines

    options = {
        "data": {"image_size": image_size, "labels": None if labels is None else str(labels)},
        "plan": {"trials": trials, "budget": budget},
        "execution": {"workers": _workers(workers), "device": device},
        "space": {"max_params": max_params, "max_flops": max_flops},
    }
    settings = merged(_assigned(assign), given(options))
    facts, found = api.survey(
        data, config=config, preset=preset, settings=settings, plugins=plugin or ()
    )
    if as_json:
        _print_json(outlook(facts, found))
        return
    print("\n".join(outlook_lines(facts, found)))


@app.command()
def fork(
    run: Path,
    new: Annotated[Path, typer.Argument(help="New or empty directory.")],
    config: Config = None,
    assign: Assign = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """A new run from the measurements of an old one: another reward or agent, nothing trained."""
    from blockqnn import api

    found = api.fork(run, new, config=config, settings=_assigned(assign), plugins=plugin or ())
    if not as_json:
        taken = found.status()["trials"]["finished"]
        print(f"{taken} trials taken from {run}" if taken else f"nothing measured in {run} stands here")
    _print_status(found.path, as_json)
    if not as_json:
        print(f"go on with: {shlex.join(['blockqnn', 'search', '--run', str(new)])}")


@app.command()
def status(run: Path, as_json: Json = False) -> None:
    """How a run stands: trials, failures, the best, how the search moved."""
    _print_status(run, as_json)


@app.command()
def check(
    run: Path,
    rebuild: Annotated[
        Path | None,
        typer.Option(help="Also make a new run of what is sound of a damaged one.", metavar="NEW"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Whether a run's file is what was written: each row's checksum, counts, the search gone through."""
    from blockqnn.report.checked import check as look

    found, made = look(run), None
    if rebuild is not None:
        from blockqnn.rebuilding import rebuild_run

        made = rebuild_run(run, rebuild)
    if as_json:
        _print_json(found.told())
    else:
        print("\n".join(found.lines()))
    if made is not None and not as_json:
        again = shlex.join(["blockqnn", "search", "--run", str(rebuild)])
        print(f"{rebuild}: {made.trials} trials, {made.results} results; go on with: {again}")
    if found.damages and made is None:
        save = shlex.join(["blockqnn", "check", str(run), "--rebuild", f"{run}-2"])
        count = "1 damage" if len(found.damages) == 1 else f"{len(found.damages)} damages"
        raise RuntimeError(f"run {run}: {count}, first {found.damages[0]}; to save the rest: {save}")


@app.command()
def top(
    run: Path,
    number: Annotated[
        int | None, typer.Option("-n", min=1, help="How many; default 10, or all with --pareto.")
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            help="Those that none beats in accuracy and cost, the cheapest first.",
            metavar="params|flops|latency",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """The best blocks of a run, by reward, or its Pareto front."""
    from blockqnn.report import rows
    from blockqnn.report.pareto import front

    entries = rows.read(run).entries()
    entries = front(entries, pareto)[:number] if pareto is not None else entries[: number or 10]
    if as_json:
        _print_json([entry.told() for entry in entries])
        return
    timed = any(e.latency for e in entries)
    latency = f"  {'latency':>22}" if timed else ""
    print(f"trial  accuracy  reward    params       FLOPs{latency}  code")
    for e in entries:
        latency = f"  {e.latency or '-'!s:>22}" if timed else ""
        print(
            f"{e.trial:5}  {e.accuracy:7.2f}%  {e.reward:6.2f}  {e.params:8,}  {e.flops:10,}{latency}"
            f"  {e.code}"
        )


@app.command()
def report(
    run: Path,
    out: Annotated[Path | None, typer.Option(help="FILE.html; default: report.html in the run.")] = None,
) -> None:
    """Write a run's page: curves, best blocks, failures, costs, in one HTML file."""
    from blockqnn import api

    print(f"{api.Run(run).report(out)}: open it in a browser; it needs no network")


@app.command()
def dashboard(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.", metavar="RUN...")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8765,
) -> None:
    """A live page of one or several runs, on this machine only; it reads and changes nothing."""
    from blockqnn.dashboard.serve import serve

    serve(runs, port)


@app.command()
def show(
    target: Annotated[str, typer.Argument(metavar="CODE|NAME|RUN[:TRIAL]")],
    skeleton: SkeletonName = None,
    repeats: Repeats = None,
    widths: Widths = None,
    max_params: Largest = None,
    classes: Annotated[int | None, typer.Option(min=2)] = None,
    image: Annotated[str | None, typer.Option(help="Channels, height, width: 3x32x32.")] = None,
    plugin: Plugins = None,
    svg: Annotated[Path | None, typer.Option(help="Write the drawing to FILE.", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """A block's drawing, size and density."""
    from blockqnn.config import checked_size
    from blockqnn.diagram.svg import picture
    from blockqnn.network.plan import Image
    from blockqnn.plugins import load, named
    from blockqnn.report.describe import describe
    from blockqnn.report.drawing import draw
    from blockqnn.report.target import find
    from blockqnn.space.code import figure
    from blockqnn.training.sizing import skeleton_for

    found = find(target, load(named(plugin or ())))
    shape = _numbers(image, "--image", "x") or found.image
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"--image {image!r}: write channels, height and width, as 3x32x32")
    shown = Image(*shape), classes or found.classes
    stacked = skeleton_for(
        found,
        *shown,
        name=skeleton,
        repeats=_repeats(repeats),
        widths=_numbers(widths, "--widths", ","),
        max_params=checked_size(max_params),
    )
    facts = describe(found.block, stacked, *shown)
    if repeats == "auto" or max_params is not None:  # what was chosen
        facts |= {"repeats": list(stacked.repeats), "widths": list(stacked.widths)}
    if svg is not None:
        _write(svg, "--svg", picture(figure(found.block)))
    if as_json:
        _print_json(facts)
        return
    print(draw(found.block), end="\n\n")
    for name, value in facts.items():
        text = f"{value:,}" if isinstance(value, int) else value
        print(f"{name:18} {text:.3f}" if isinstance(value, float) else f"{name:18} {text}")


@app.command()
def train(
    target: Annotated[str, typer.Argument(metavar="CODE|NAME|RUN[:TRIAL]")],
    out: Annotated[
        Path, typer.Option(help="New or empty directory for the model, or one to go on with.")
    ],
    data: Data = None,
    preset: Annotated[
        str | None, typer.Option(help="The recipe: modern (default), paper-cifar or early-stop.")
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="One setting of the recipe, as learning_rate=0.05.", metavar="key=value"
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Short for --set epochs=N.")] = None,
    skeleton: SkeletonName = None,
    repeats: Repeats = None,
    widths: Widths = None,
    max_params: Largest = None,
    image_size: ImageSize = None,
    labels: Labels = None,
    seeds: Annotated[int, typer.Option(min=1, help="Models to train; each is tested once.")] = 1,
    top: Annotated[
        int | None, typer.Option(min=1, help="Train the run's K best, keep the best of them.")
    ] = None,
    all_data: Annotated[
        bool, typer.Option("--all-data", help="Train on the validation images too.")
    ] = False,
    device: Device = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Train a block to its end and test it; the same command goes on with what was stopped."""
    from blockqnn import api

    try:
        model = api.train(
            target,
            data,
            preset=preset,
            settings=_assigned(assign),
            epochs=epochs,
            skeleton=skeleton,
            repeats=_repeats(repeats),
            widths=_numbers(widths, "--widths", ","),
            max_params=max_params,
            labels=labels,
            image_size=image_size,
            seeds=seeds,
            top=top,
            all_data=all_data,
            device=device or "auto",
            plugins=plugin or (),
            out=out,
            live=True,
        )
    except KeyboardInterrupt:
        raise api.Interrupted(out, *sys.argv[1:]) from None
    if _rank():
        return
    if as_json:
        _print_json(model.metrics)
        return
    metrics = model.metrics
    if chosen_from := metrics.get("chosen_from"):
        print(_contenders(chosen_from))
    for reading in metrics["test_readings"]:
        validation = reading["validation_accuracy"]
        told = "" if validation is None else f", validation {validation:.2f} %"
        print(f"seed {reading['seed']}: test {reading['test_accuracy']:.2f} %{told}")
    spread = metrics["test_accuracy_deviation"]
    if spread is not None:
        print(f"test mean {metrics['test_accuracy_mean']:.2f} %, deviation {spread:.2f}")
    print(f"{metrics['params']:,} parameters; model in {out}")


def _contenders(rows: list[dict[str, Any]]) -> str:
    """The blocks of `train --top`, as lines of text."""
    lines = ["trial  validation  in search  reward     params          FLOPs"]
    for row in rows:
        accuracy = row["validation_accuracy"]
        told = row["failure"] if accuracy is None else f"{accuracy:.2f} %"
        lines.append(
            f"{row['trial']:5}  {told:>10}  {row['search_accuracy']:7.2f} %  {row['reward']:6.2f}"
            f"  {row['params']:9,}  {row['flops']:13,}"
        )
    return "\n".join(lines)


@app.command()
def calibrate(
    run: Path,
    sample: Annotated[
        int | None, typer.Option(help="Evaluated networks to train fully, from all ranks.", metavar="K")
    ] = None,
    proof: Annotated[
        int | None, typer.Option(help="Best blocks, and random ones, to train fully.", metavar="K")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="The recipe: modern (default), paper-cifar or early-stop.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of each training, instead of the recipe's.")
    ] = None,
    device: Device = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """How well brief trainings told full ones (--sample), and what the search was worth (--proof)."""
    from blockqnn import api
    from blockqnn.report.calibrated_told import lines, summary

    found = api.calibrate(
        run,
        sample=sample,
        proof=proof,
        preset=preset,
        epochs=epochs,
        device=device or "auto",
        plugins=plugin or (),
        live=True,
    )
    if as_json:
        _print_json(summary(found))
        return
    print("\n".join(lines(run, found)))


@app.command()
def figure(
    name: Annotated[
        str | None, typer.Argument(help="1, 2, 3, 5, 6, 8, 9, policy or structure; none: a list.")
    ] = None,
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN ...]")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Default: figure-NAME.svg here.", metavar="FILE.svg")
    ] = None,
) -> None:
    """A figure of the paper, numbered as there, from runs of yours; or what their agent learned."""
    from blockqnn.figures import catalogue

    if name is None:
        print("\n".join(catalogue.lines()))
        return
    drawn, path = catalogue.drawn(name, runs or ()), out or Path(f"figure-{name}.svg")
    _write(path, "--out", drawn.svg)
    print("\n".join((*drawn.lines, str(path))))


@app.command()
def table(
    number: Annotated[str | None, typer.Argument(help="3, 4 or 5; none: a list.")] = None,
    named: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN|TRAINED_DIR|ROWS.jsonl ...]")
    ] = None,
    as_json: Json = False,
) -> None:
    """A result table of the paper, numbered as there, with results of yours beside its own."""
    from blockqnn.figures import tables

    if number is None:
        print("\n".join(tables.lines()))
        return
    made = tables.made(number, named or ())
    if as_json:
        _print_json(made.told())
        return
    print("\n".join(made.lines()))


@app.command()
def predict(
    trained: Annotated[Path, typer.Argument(metavar="TRAINED_DIR")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...")],
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """The class of image files, by a model that train wrote."""
    from blockqnn import api

    found = api.predict(trained, images, plugins=plugin or ())
    if as_json:
        _print_json(found)
        return
    for answer in found:
        print(f"{answer['file']}: {answer['class']} {answer['probability']:.1%}")


@app.command()
def export(
    trained: Annotated[Path, typer.Argument(metavar="TRAINED_DIR")],
    form: Annotated[str, typer.Option("--format", help="python, onnx, torch-export or safetensors.")],
    out: Annotated[Path, typer.Option(help="New file or directory.")],
    plugin: Plugins = None,
) -> None:
    """Write a model that train wrote in a form that runs without this program."""
    from blockqnn import api

    difference = api.export(trained, form, out, plugins=plugin or ())
    print(f"{out}: {form}; the largest difference of logits from the model's is {difference:.2g}")


@app.command()
def compare(
    table: Annotated[Path, typer.Option(help="Measured designs (docs/tables.md).", metavar="FILE.npz")],
    reward: Annotated[str, typer.Option(help="The column that guides the search.")],
    judge: Annotated[str, typer.Option(help="The column that judges what was found.")],
    strategies: Annotated[
        str | None, typer.Option(help="As random,q-learning; default: all.", metavar="NAME,...")
    ] = None,
    evaluations: Annotated[str, typer.Option(help="Of a search each.", metavar="N,...")] = "50,100,300",
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each.")] = 30,
    top: Annotated[int, typer.Option(min=1, help="Rows of highest reward that are judged.")] = 10,
    count: Annotated[
        str, typer.Option(help="What is one evaluation: architectures or codes.")
    ] = "architectures",
    workers: Annotated[
        str | None, typer.Option(help="Worker processes: N or auto (one a core).")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(help="Draw the best found to FILE.", metavar="FILE")
    ] = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Search strategies side by side on a table of measured designs."""
    from blockqnn.machine import usable_cores
    from blockqnn.plugins import named
    from blockqnn.tables.compare import Comparison, checked, compared
    from blockqnn.tables.told import drawn, lines, summary

    counts = _numbers(evaluations, "--evaluations", ",") or ()
    if min(counts) < 1:
        raise InputError(f"--evaluations {evaluations!r}: numbers from 1")
    if count not in ("architectures", "codes"):
        raise InputError(f"--count {count!r}: architectures or codes")
    asked = checked(
        Comparison(
            table=str(table),
            reward=reward,
            judge=judge,
            strategies=tuple(dict.fromkeys(strategies.split(","))) if strategies else (),
            evaluations=tuple(dict.fromkeys(counts)),
            seeds=seeds,
            top=top,
            architectures=count == "architectures",
            plugins=named(plugin or ()),
        )
    )
    processes = _workers(workers) or usable_cores()
    if svg is not None and not svg.parent.is_dir():  # said now, not after minutes
        raise InputError(f"--svg {svg}: cannot be written (there is no directory {svg.parent})")
    results = compared(asked, processes)
    if svg is not None:
        _write(svg, "--svg", drawn(asked, results))
    if as_json:
        _print_json(summary(results))
        return
    print("\n".join(lines(asked, results)))


@app.command()
def doctor(
    data: Data = None,
    labels: Labels = None,
    run: Annotated[Path | None, typer.Option(help="Where a run is or would be.")] = None,
    as_json: Json = False,
) -> None:
    """Whether this machine is fit for a search: versions, devices, disk, data, Ray; what to do."""
    from blockqnn.doctor.command import examined
    from blockqnn.doctor.finding import document, lines, problems

    found = examined(data, labels, run)
    if as_json:
        _print_json(document(found))
    else:
        print("\n".join(lines(found)))
    if number := problems(found):
        raise RuntimeError(f"doctor: {number} problem{'s' if number > 1 else ''}, told above")


def _write(path: Path, option: str, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written ({error.strerror})") from None


def _print_status(run: Path, as_json: bool) -> None:
    from blockqnn.quantity import duration
    from blockqnn.report import rows

    view = rows.read(run)
    facts = view.status()
    if as_json:
        _print_json(facts)
        return
    counts = facts["trials"]
    kinds = ", ".join(f"{n} {kind}" for kind, n in facts["failures"].items())
    left, budget = view.seconds_left(), view.budget
    spent = budget is not None and budget.share >= 1
    unfinished = "dropped at the end of the budget" if spent else "in flight"
    planned = "" if counts["planned"] is None else f" of {counts['planned']}"
    print(
        f"{run}: {counts['finished']}{planned} trials:"
        f" {counts['evaluated']} evaluated, {counts['reused']} reused, {counts['failed']} failed"
        + (f" ({kinds})" if kinds else "")
        + f", {counts['running']} {unfinished}; {counts['redrawn']} proposals over a limit"
    )
    for warning in view.warnings:
        print(f"warning: {warning}")
    if (metric := view.facts.settings.recipe.metric) != "accuracy":
        print(f"what is called accuracy here is {metric}")
    if budget is not None:
        print(f"{budget.share:.0%} of {duration(budget.seconds)} spent{_expected(view)}")
    elif left:
        print(f"about {duration(left)} left at the pace so far")
    print(iteration_table(view))
    for line in _predicted(view):
        print(line)
    best = view.entries()[:1]
    if best:
        print(best_block(best[0], view.facts.block(best[0].code)))


def _predicted(view: "RunView", iterations: int = 5) -> Iterator[str]:
    """How far a predictor's model was off on designs that it had not learned from."""
    if view.facts.settings.strategy != "predictor" or view.facts.operations:  # those need their plugin
        return
    from blockqnn.strategy.predictor import Predictor

    assert isinstance(view.strategy, Predictor)
    for one in view.strategy.checked(iterations):
        yield (
            f"model, iteration {one.iteration + 1}: off by {one.error:.2f} on {one.designs} designs"
            f" before it learned of them; the mean so far by {one.baseline:.2f}"
        )


def _expected(view: "RunView") -> str:
    """What to expect of the rest of a budget."""
    assert view.budget is not None
    evaluated, share = len(view.entries()), view.budget.share
    known = evaluated and 0 < share < 1
    return f", about {evaluated / share:.0f} evaluations to expect" if known else ""


def iteration_table(view: "RunView", rows: int = 12) -> str:
    """How the search moved, as lines of text."""
    lines = ["iterations  epsilon  accuracy  reward  length  proposed  repeats"]
    for row in view.by_iteration(rows):
        accuracy = "      -" if row.accuracy is None else f"{row.accuracy:6.2f}%"
        lines.append(
            f"{row.first:4}-{row.last:<5}  {row.epsilon:7.2f}  {accuracy:>8}  {row.reward:6.2f}"
            f"  {row.length:6.2f}  {row.proposed_length:8.2f}  {row.repeats:6.0%}"
        )
    return "\n".join(lines)


def best_block(entry: "Entry", block: "Block") -> str:
    """The best trial with its drawing, as lines of text."""
    from blockqnn.report.drawing import draw

    return (
        f"best: trial {entry.trial}, validation accuracy {entry.accuracy:.2f} %, reward"
        f" {entry.reward:.2f}, {entry.params:,} parameters, {entry.flops:,} FLOPs"
        + (f", latency {entry.latency}" if entry.latency else "")
        + f"\n{entry.code}\n\n{draw(block)}"
    )


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, allow_nan=False))


def _assigned(assignments: list[str] | None) -> dict[str, Any]:
    """The nested values of all --set options, later ones first."""
    from blockqnn.config import merged
    from blockqnn.config_file import read_assignment

    settings: dict[str, Any] = {}
    for text in assignments or ():
        settings = merged(settings, read_assignment(text))
    return settings


def _numbers(text: str | None, option: str, separator: str, also: str = "") -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.split(separator)
    if not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise InputError(f"{option} {text!r}: whole numbers separated by {separator!r}{also}")
    return tuple(map(int, parts))


def _repeats(text: str | None) -> tuple[int, ...] | Literal["auto"] | None:
    return "auto" if text == "auto" else _numbers(text, "--repeats", ",", ", or auto")


def _callbacks(tensorboard: Path | None) -> "list[Callback]":
    if tensorboard is None:
        return []
    from blockqnn.callbacks.tensorboard import TensorBoard

    return [TensorBoard(tensorboard)]


def _workers(text: str | None) -> int | None:
    if text is None or text == "auto":
        return None
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise InputError(f"--workers {text!r}: a number from 1, or auto")
    return int(text)


def _commands(context: typer.Context) -> str:
    group = context.find_root().command
    assert isinstance(group, TyperGroup)
    return ", ".join(group.list_commands(context))


def _wrong_use(error: TyperException) -> str:
    """Typer's message and what it leaves out: the value, or what is allowed."""
    message, context = error.format_message().rstrip("."), getattr(error, "ctx", None)
    if isinstance(error.__cause__, ValidationError):
        value = error.__cause__.errors()[0]["input"]
        return message.replace("Invalid value", f"Invalid value {value!r}", 1)
    if context is None:
        return message
    commands = f"; commands are {_commands(context)}" if context.parent is None else ""
    return f"{message}{commands}; see {context.command_path} --help"


_interrupts = count(1)


def _stop(*_: object) -> NoReturn:
    """The first signal drops what is in flight; the second ends at once."""
    if next(_interrupts) == 1:
        raise KeyboardInterrupt
    show_cursor = b"\x1b[?25h" if os.isatty(2) else b""  # the live line had hidden it
    with suppress(OSError):
        os.write(
            2, show_cursor + b"blockqnn: stopped at once; nothing done is lost, the run can go on\n"
        )
    os._exit(130)


def _on_signals(answer: Callable[..., object] | signal.Handlers) -> None:
    """How this process answers a user, a system or a closed terminal that wants it ended."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), answer)


def main() -> None:
    """The program: exit status 0 done, 2 wrong use, 1 anything else, 130 interrupted."""
    # threads that spin while they wait lose several times their speed beside other programs
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _on_signals(_stop)
    # Python gives signals back to the system on its last steps: one more would change the exit status
    atexit.register(_on_signals, signal.SIG_IGN)
    try:
        _run(sys.argv[1:])
    except TyperException as error:
        _fail(2, _wrong_use(error))
    except InputError as error:
        _fail(2, str(error))
    except KeyboardInterrupt as error:
        again = getattr(error, "go_on_with", None)
        _fail(130, f"interrupted; go on with: {again}" if again else "interrupted")
    except BrokenPipeError:  # whoever read our output has gone, with what was wanted of it
        _say_no_more()
    except (RuntimeError, OSError, sqlite3.Error) as error:
        if "BLOCKQNN_DEBUG" in os.environ:
            raise
        _fail(2 if getattr(error, "errno", None) == errno.ENAMETOOLONG else 1, str(error))


def _run(arguments: list[str]) -> None:
    """The command. Calling `app` would do it too, but swallows KeyboardInterrupt."""
    command = get_command(app)
    with suppress(typer.Exit), command.make_context("blockqnn", arguments) as context:
        command.invoke(context)
    sys.stdout.flush()
    sys.stderr.flush()


def _rank() -> int:
    """This process's number among those that torchrun started; 0 for the one that tells the results."""
    return int(os.environ["RANK"]) if "TORCHELASTIC_RUN_ID" in os.environ else 0


def _fail(status: int, message: str) -> NoReturn:
    """One line on standard error, where there still is one to read it.

    Of torchrun's processes all but the first wait with it: what all would say ends them before.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if rank := _rank():
        time.sleep(_LATER)
    line = " ".join(part.strip() for part in message.splitlines())
    try:
        print(f"blockqnn{f' (process {rank})' if rank else ''}: {line}", file=sys.stderr, flush=True)
    except OSError:
        _say_no_more()
    sys.exit(status)


def _say_no_more() -> None:
    """Nobody reads us any more; each stream is flushed once more at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


if __name__ == "__main__":
    main()
