"""What Python users call: `search`, `train`, `load`, and the run that a search leaves."""

import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from blockqnn.callbacks.callback import Callback
from blockqnn.config import checked_seconds, checked_sides, checked_size, given, merged, values_of
from blockqnn.config_file import read_settings
from blockqnn.errors import InputError
from blockqnn.forking import fork_run
from blockqnn.place import replace_file
from blockqnn.plugins import Extensions, named
from blockqnn.plugins import load as load_plugins
from blockqnn.report import calibrated, rows
from blockqnn.report.calibrated import Evidence
from blockqnn.report.calibrated import read as read_evidence
from blockqnn.report.notebook import html
from blockqnn.report.pareto import front
from blockqnn.report.survey import Survey
from blockqnn.report.survey import survey as make_survey
from blockqnn.report.target import Target, best_of, find
from blockqnn.runtime.facts import RunFacts
from blockqnn.runtime.store import is_run
from blockqnn.searching import go_on
from blockqnn.setup import create_run, new_facts, reopen_run
from blockqnn.space.code import Block

if TYPE_CHECKING:
    from blockqnn.export.backbone import Backbone
    from blockqnn.export.model import Model
    from blockqnn.training.sizing import Repeats


@dataclass(frozen=True)
class Run:
    """A search in its directory; every question reads the store anew."""

    path: Path

    def best(self) -> rows.Entry | None:
        """The evaluated trial of highest reward."""
        return next(iter(self.top(1)), None)

    def top(self, n: int = 10) -> list[rows.Entry]:
        """The n evaluated trials of highest reward."""
        return rows.read(self.path).entries()[:n]

    def pareto(self, cost: str) -> list[rows.Entry]:
        """The evaluated trials that none beats in accuracy and `cost`: params, flops or latency.

        The cheapest first; InputError for another cost, or latency where none was measured.
        """
        return front(rows.read(self.path).entries(), cost)

    def status(self) -> dict[str, Any]:
        """Counts, failures, best and trajectory, as `blockqnn status --json` prints them."""
        return rows.read(self.path).status()

    def report(self, out: str | os.PathLike[str] | None = None) -> Path:
        """Writes the run's page, one HTML file that needs no network, and gives its path.

        By default report.html in the run's directory.
        """
        from blockqnn.pages.run_page import run_page

        path = self.path / "report.html" if out is None else Path(out)
        from blockqnn.figures.learned import learned_picture

        view = rows.read(self.path)
        page = run_page(view, calibrated.read(self.path), learned_picture(view))
        try:
            replace_file(path, page.encode())
        except OSError as error:
            raise InputError(f"report {path}: cannot be written ({error.strerror})") from None
        return path

    def _repr_html_(self) -> str:
        """The best blocks, the first one drawn; notebooks look for this name."""
        return html(rows.read(self.path))

    def calibrate(self, **wanted: Any) -> Evidence:
        """How far its accuracies may be trusted, and what it was worth; see `calibrate`."""
        return calibrate(self.path, **wanted)

    def resume(self, **changes: Any) -> "Run":
        """Goes on with it; see `search` for what may change."""
        return search(run=self.path, **changes)


def search(
    data: str | os.PathLike[str] | None = None,
    *,
    run: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    trials: int | None = None,
    budget: float | str | None = None,
    strategy: str | None = None,
    evaluator: str | None = None,
    plugins: Sequence[str | os.PathLike[str]] = (),
    executor: str | None = None,
    address: str | None = None,
    workers: int | None = None,
    per_gpu: int | None = None,
    device: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    image_size: int | str | tuple[int, int] | None = None,
    max_params: int | str | None = None,
    max_flops: int | str | None = None,
    max_latency: float | str | None = None,
    source: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    live: bool = False,
) -> Run:
    """Searches a block for the data, or goes on with the run in the directory `run`.

    `data` is digits, a folder of class folders, a FILE.npz or hf:NAME; `config` a YAML file as
    `blockqnn init` writes it; `settings` are nested changes on top of both, e.g.
    {"plan": {"iteration": 16}}; the named arguments are short for the most used ones. `budget` is
    seconds, or text such as "30m"; sizes may be text such as "2M"; `max_latency` is
    milliseconds, or text such as "5ms". `source` is another run of the
    same protocol whose measurements count as evaluations. `plugins` are files of yours with
    operations, strategies or evaluators; their code is run here and in the workers. On resume what is
    left out is taken from the run, but plugins must be named again; only workers, executor, address,
    device (of the same kind) and trials or budget (upwards) may differ. `callbacks` are told how the
    search goes; they change nothing of it.

    Raises InputError for a user's mistake, NoWorkerLeft when no worker can go on. After
    KeyboardInterrupt the run can be resumed.
    """
    begun = time.monotonic()
    options = {
        "strategy": strategy,
        "evaluator": evaluator,
        "source": None if source is None else os.fspath(source),
        "data": _data(data, labels, image_size),
        "plan": {"seed": seed, "trials": trials, "budget": budget},
        "space": {"max_params": max_params, "max_flops": max_flops},
        "latency": {"limit": max_latency},
        "execution": {
            "executor": executor,
            "address": address,
            "workers": workers,
            "per_gpu": per_gpu,
            "device": device,
        },
    }
    preset, changes = _changes(config, preset, [settings or {}, given(options)])
    if run is not None and is_run(Path(run)):
        opened = reopen_run(Path(run), preset, changes, plugins)
    else:
        opened = create_run(None if run is None else Path(run), preset, changes, plugins)
    with opened.store as store:
        try:
            go_on(opened, begun, callbacks, live)
        except KeyboardInterrupt:
            again = ["search", "--run", str(store.directory)]
            for plugin in opened.facts.settings.plugins:
                again += ["--plugin", plugin.path]
            raise Interrupted(store.directory, *again) from None
        return Run(store.directory)


def survey(
    data: str | os.PathLike[str] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> tuple[RunFacts, Survey]:
    """What a search with these settings would be, before it begins: how many blocks, their sizes, what
    limits leave, how long a candidate takes on this machine. Nothing is written.

    Arguments and errors as of `search`.
    """
    source = {} if data is None else {"data": {"source": os.fspath(data)}}
    facts, extensions = new_facts(*_changes(config, preset, [settings or {}, source]), plugins)
    return facts, make_survey(facts, extensions.operations)


def fork(
    run: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    config: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> Run:
    """A new run in the directory `new` from the measurements of another, under changed settings.

    Nothing is trained: `status` and `top` of the new run show what its rewards make of the old
    measurements, and `search(run=new)` goes on from there. InputError as from `search`.
    """
    preset, changes = _changes(config, None, [settings or {}])
    if preset is not None:
        changes = merged(values_of(preset), changes)
    with fork_run(Path(run), Path(new), changes, plugins).store as store:
        return Run(store.directory)


def calibrate(
    run: str | os.PathLike[str],
    *,
    sample: int | None = None,
    proof: int | None = None,
    preset: str | None = None,
    epochs: int | None = None,
    device: str = "auto",
    plugins: Sequence[str | os.PathLike[str]] = (),
    live: bool = False,
) -> Evidence:
    """Full trainings of a run's networks, in its skeleton and on its images, by the recipes of `train`.

    `sample` evaluated trials tell how well early-stop accuracy and reward foresee the final accuracy;
    the `proof` best blocks and as many random ones tell what the search was worth. Both are measured on
    the validation part. Each finished training is a line of calibration.jsonl or proof.jsonl in the
    directory of the run, so the same call, or one with larger numbers, trains only what is missing.
    Without either number what is there is read, and nothing trained. `preset`, `epochs`, `device` and
    `plugins` as of `train`.

    Raises InputError for a user's mistake. After KeyboardInterrupt the same call goes on.
    """
    if sample is None and proof is None:
        if preset is not None or epochs is not None:
            raise InputError("calibrate: preset and epochs are for trainings; name sample or proof too")
        found = read_evidence(Path(run))
        if not any(found):
            raise InputError(f"run {run}: holds no full trainings yet; name sample, proof or both")
        return found
    from blockqnn.calibration.command import Wanted
    from blockqnn.calibration.command import calibrate as calibrated

    wanted = Wanted(sample, proof, preset, epochs, device)
    try:
        return calibrated(Path(run), wanted, plugins, live)
    except KeyboardInterrupt:
        named = {"--sample": sample, "--proof": proof, "--preset": preset, "--epochs": epochs}
        again = [str(part) for pair in named.items() if pair[1] is not None for part in pair]
        again += ["--device", device] if device != "auto" else []
        again += [part for plugin in plugins for part in ("--plugin", os.fspath(plugin))]
        raise Interrupted(Path(run), "calibrate", os.fspath(run), *again) from None


def _data(
    source: str | os.PathLike[str] | None,
    labels: str | os.PathLike[str] | None,
    image_size: int | str | tuple[int, int] | None,
) -> dict[str, Any]:
    """The settings of the data that were named; None where they were not."""
    paths = {"source": source, "labels": labels}
    named = {key: None if path is None else os.fspath(path) for key, path in paths.items()}
    return {**named, "image_size": image_size}


def _changes(
    config: str | os.PathLike[str] | None, preset: str | None, layers: Sequence[Mapping[str, Any]]
) -> tuple[str | None, dict[str, Any]]:
    """The preset and the changes on top of it: those of the file, then each layer."""
    changes: dict[str, Any] = {} if config is None else read_settings(Path(config))
    for layer in layers:
        changes = merged(changes, layer)
    named = changes.pop("preset", None)
    return preset or named, changes


class Interrupted(KeyboardInterrupt):
    """The user stopped what can go on; `go_on_with` is the command for it."""

    def __init__(self, directory: Path, *command: str) -> None:
        super().__init__()
        self.directory = directory
        self.go_on_with = shlex.join(["blockqnn", *command])


def auto(
    data: str | os.PathLike[str] | None = None,
    *,
    budget: float | str | None = None,
    out: str | os.PathLike[str],
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    workers: int | None = None,
    device: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    image_size: int | str | tuple[int, int] | None = None,
    train_image_size: int | str | tuple[int, int] | None = None,
    max_params: int | str | None = None,
    max_flops: int | str | None = None,
    say: Callable[[str], None] | None = None,
    callbacks: Sequence[Callback] = (),
    live: bool = False,
) -> "Model":
    """From images to a model of your own within a budget of time: the whole way, in the directory `out`.

    It looks at known networks first, chooses a recipe, searches a block, selects, trains, tests once,
    exports and reports; from the first look on `out` holds a usable model. `data`, `budget` and
    `settings` as of `search`; the budget is at least a minute. With `train_image_size` the final
    training sees larger images than all before. The same call goes on where
    an earlier one was stopped. `say` takes each line that tells how it goes; `callbacks` watch the
    search among its stages. Raises InputError for a user's mistake, RuntimeError when nothing is
    learned; after KeyboardInterrupt it can go on.
    """
    begun = time.monotonic()
    from blockqnn.automatic.command import auto

    options = {
        "data": _data(data, labels, image_size),
        "plan": {"seed": seed},
        "space": {"max_params": max_params, "max_flops": max_flops},
        "execution": {"workers": workers, "device": device},
    }
    changes = merged(settings or {}, given(options))
    if isinstance(timed := changes.get("latency"), Mapping) and timed.get("limit") is not None:
        raise InputError("setting latency.limit: auto would not keep it; search has --max-latency")
    command = ["auto", "--out", os.fspath(out)]
    try:
        return auto(
            Path(out),
            checked_seconds(budget),
            changes,
            train_size=checked_sides(train_image_size, "train-image-size"),
            command=shlex.join(["blockqnn", *command]),
            begun=begun,
            say=say or (lambda _: None),
            callbacks=callbacks,
            live=live,
        )
    except KeyboardInterrupt:
        raise Interrupted(Path(out), *command) from None


def train(
    target: str | Block,
    data: str | os.PathLike[str] | None = None,
    *,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    skeleton: str | None = None,
    repeats: "Repeats | None" = None,
    widths: tuple[int, ...] | None = None,
    max_params: int | str | None = None,
    labels: str | os.PathLike[str] | None = None,
    image_size: int | str | tuple[int, int] | None = None,
    seeds: int = 1,
    top: int | None = None,
    all_data: bool = False,
    device: str = "auto",
    plugins: Sequence[str | os.PathLike[str]] = (),
    out: str | os.PathLike[str] | None = None,
    live: bool = False,
) -> "Model":
    """Trains a code, a name or a run's trial (RUN, RUN:TRIAL), and tests it once a seed.

    `preset` is modern (the default), paper-cifar or early-stop, the brief recipe of the run or of the
    search preset that fits the data; `settings` are changes of the recipe, as {"learning_rate": 0.05,
    "augmentation": {"flip": False}}, and `epochs` is short for one of them. `max_params` (such as
    "2M") takes the largest network below it, over `repeats` and `widths` that are not named; with
    `repeats="auto"` over 1 to 12 blocks a stage alone, and below the paper's 10M where it is not named.
    `top` trains so many of a run's best blocks and keeps the one of highest validation accuracy.
    `all_data` trains on the validation images too. What is left out is taken from the run, else: CIFAR's
    skeleton and digits.

    With `out` the model is written there, and the same call goes on where an earlier one was
    stopped. Raises InputError for a user's mistake, TrainingFailed when nothing is learned.
    """
    from blockqnn.training.command import Wishes, train_target

    wishes = Wishes(
        preset=preset,
        changes=merged(settings or {}, given({"epochs": epochs})),
        skeleton=skeleton,
        repeats=repeats,
        widths=widths,
        max_params=checked_size(max_params),
        seeds=seeds,
        all_data=all_data,
        device=device,
        out=None if out is None else Path(out),
    )
    return train_target(
        _targets(target, top, load_plugins(named(plugins))),
        data=given(_data(data, labels, image_size)),
        wishes=wishes,
        live=live,
    )


def _targets(
    target: str | Block, top: int | None, extensions: Extensions
) -> Sequence[tuple[Target, rows.Entry | None]]:
    """What is to be trained: one block, or the best of a run."""
    if top is None:
        one = Target(target) if isinstance(target, Block) else find(target, extensions)
        return [(one, None)]
    if top < 1:
        raise InputError(f"top {top}: at least 1")
    return best_of(str(target), top, extensions)


def create_model(
    target: str | Block,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    image_size: int | str | tuple[int, int] | None = None,
    skeleton: str | None = None,
    repeats: "Repeats | None" = None,
    widths: tuple[int, ...] | None = None,
    max_params: int | str | None = None,
    seed: int = 0,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> "Model | Backbone":
    """An untrained network of a code, a name or a run's trial, in a state to be trained.

    The arguments are called as in timm, and as in `train`; what is left out is the run's, else CIFAR's
    skeleton, 10 classes and 3 channels. With `features_only` it gives the outputs of the stages
    `out_indices`, by default of all, from the finest. Images are float32 in 0..1, of any size;
    `image_size` is that of its FLOPs and of exports. InputError for a user's mistake.
    """
    from blockqnn.export.backbone import Backbone
    from blockqnn.network.plan import Image
    from blockqnn.training.fresh import fresh
    from blockqnn.training.sizing import skeleton_for

    found = _targets(target, None, load_plugins(named(plugins)))[0][0]
    sides = checked_sides(image_size) or (found.image.height, found.image.width)
    image = Image(found.image.channels if in_chans is None else in_chans, *sides)
    classes = found.classes if num_classes is None else num_classes
    limit = checked_size(max_params)
    sized = skeleton_for(
        found, image, classes, name=skeleton, repeats=repeats, widths=widths, max_params=limit
    )
    model = fresh(found, sized, image, classes, seed)
    return Backbone(model, out_indices) if features_only else model


@overload
def load(
    path: str | os.PathLike[str],
    *,
    num_classes: int | None = None,
    features_only: Literal[False] = False,
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> "Model": ...
@overload
def load(
    path: str | os.PathLike[str],
    *,
    features_only: Literal[True],
    out_indices: Sequence[int] | None = None,
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> "Backbone": ...
def load(
    path: str | os.PathLike[str],
    *,
    num_classes: int | None = None,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> "Model | Backbone":
    """The model in a directory that `train` wrote, on the CPU, ready to be evaluated.

    It takes images float32 [N, C, H, W] in 0..1 and gives logits; with `num_classes=0` pooled
    features; with `features_only` the outputs of the stages `out_indices`, as in `create_model`. No
    code of the directory is run; an own operation needs its plugin. InputError names what is missing or
    damaged.
    """
    from blockqnn.export.backbone import Backbone
    from blockqnn.export.directory import read

    model = read(Path(path), load_plugins(named(plugins)), num_classes)
    return Backbone(model, out_indices).eval() if features_only else model


def predict(
    path: str | os.PathLike[str],
    images: Sequence[str | os.PathLike[str]],
    *,
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> list[dict[str, Any]]:
    """What the model in the directory takes image files for: {file, class, probability} of each."""
    from blockqnn.export.predict import predict

    return predict(load(path, plugins=plugins), [Path(image) for image in images])


def export(
    path: str | os.PathLike[str],
    form: str,
    out: str | os.PathLike[str],
    *,
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> float:
    """Writes the model in the directory as python, onnx, torch-export or safetensors.

    Gives the largest difference of the export's logits from the model's. Errors as of
    `blockqnn.export.forms.export`.
    """
    from blockqnn.export import forms
    from blockqnn.export.directory import read

    extensions = load_plugins(named(plugins))
    return forms.export(read(Path(path), extensions), form, Path(out), extensions)
