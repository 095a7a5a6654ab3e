"""`calibrate`: some candidates of a run, or its best and random blocks, are trained fully."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from time import monotonic

from filelock import FileLock, Timeout

from blockqnn.calibration.ledger import append
from blockqnn.calibration.planned import Planned, lacking_in_proof, lacking_in_sample
from blockqnn.config import Recipe, given
from blockqnn.data.dataset import Dataset, load
from blockqnn.errors import InputError
from blockqnn.evaluation.device import resolve_device
from blockqnn.evaluation.early_stop import out_of_memory
from blockqnn.network.plan import NetworkPlan, plan_network
from blockqnn.plugins import Extensions, named, named_again
from blockqnn.plugins import load as load_plugins
from blockqnn.records import Failure
from blockqnn.report import calibrated, rows
from blockqnn.report.calibrated import Evidence, Trained
from blockqnn.report.training_line import TrainingLine
from blockqnn.runtime.facts import block_density
from blockqnn.training.recipe import DEFAULT, recipe_for, refuse_unknown
from blockqnn.training.trainings import Finished, Trainings

LEAST = 5  # networks of a sample, or of each group of a proof
_LOCK = "calibration.lock"


@dataclass(frozen=True)
class Wanted:
    """How many networks, of what, and by which training; None: left to us, or not wanted."""

    sample: int | None = None
    proof: int | None = None
    preset: str | None = None
    epochs: int | None = None
    device: str = "auto"


def calibrate(
    directory: Path, wanted: Wanted, plugins: Sequence[str | PathLike[str]] = (), live: bool = False
) -> Evidence:
    """Trains what the run's files lack of the sample and the proof, and reads what they hold then.

    Each finished training is a line on the disk before the next one begins. The test part is left out of
    the data from the start. Raises InputError for wrong use, before anything is trained.
    """
    counts = {"sample": wanted.sample, "proof": wanted.proof}
    asked = {name: number for name, number in counts.items() if number is not None}
    for name, number in asked.items():
        if number < LEAST:
            raise InputError(f"{name} {number}: at least {LEAST}")
    refuse_unknown(wanted.preset or DEFAULT)
    view = rows.read(directory)
    evaluated = len(view.entries())
    for name, number in asked.items():
        if number > evaluated:
            raise InputError(f"{name} {number}: run {directory} has {evaluated} evaluated trials")
    calibrated.read(directory)  # a damaged file is told now, not after hours
    extensions = load_plugins(named(plugins))
    named_again(view.facts.settings.plugins, extensions.plugins, f"run {directory}")
    device = resolve_device(wanted.device)
    dataset = _without_test(view)
    changes = given({"epochs": wanted.epochs})
    preset = wanted.preset or DEFAULT
    recipe = recipe_for(preset, view.facts.settings.recipe, dataset, changes, device)
    lock = FileLock(directory / _LOCK)
    try:
        with lock.acquire(timeout=0):
            training = in_words(preset, recipe), recipe
            _train_missing(view, extensions, wanted, dataset, training, device, live)
            return calibrated.read(directory, training)
    except Timeout:
        raise InputError(f"run {directory}: another process calibrates it") from None


def in_words(preset: str, recipe: Recipe) -> str:
    """A training as rows and people name it."""
    number, unit = (recipe.steps, "step") if recipe.steps else (recipe.epochs, "epoch")
    return f"{preset}, {number} {unit}" + ("" if number == 1 else "s")


def _without_test(view: rows.RunView) -> Dataset:
    """The run's images but those of the test part; InputError where they changed."""
    dataset = load(view.facts.settings.data)
    if dataset.digest != view.facts.data.digest:
        raise InputError(f"data {view.facts.settings.data.source}: changed since the run began")
    return dataset.without_test()


def _train_missing(
    view: rows.RunView,
    extensions: Extensions,
    wanted: Wanted,
    dataset: Dataset,
    training: tuple[str, Recipe],
    device: str,
    live: bool,
) -> None:
    missing: list[Planned] = []
    if wanted.sample is not None:
        missing += lacking_in_sample(view, extensions.operations, wanted.sample, training)
    if wanted.proof is not None:
        missing += lacking_in_proof(view, extensions.operations, wanted.proof, training)
    if not missing:
        return
    line = TrainingLine(len(missing), brief=True) if live else None
    how, recipe = training
    trainings = Trainings(dataset, recipe, device, all_data=False, session=None, line=line)
    settings, classes = view.facts.settings, len(dataset.classes)
    try:
        if line:
            line.note(f"{len(missing)} networks to train, {how} each; what is done stays done")
        for one in missing:
            begun = monotonic()
            plan = plan_network(one.block, settings.skeleton, dataset.image, classes)
            outcome = _outcome(trainings, plan, one)
            row = one.kind(
                **one.known,
                code=str(one.block),
                final=None if isinstance(outcome, Failure) else outcome.accuracy,
                failure=outcome.kind if isinstance(outcome, Failure) else "",
                params=plan.params,
                flops=plan.flops,
                density=block_density(one.block, settings.reward),
                seconds=round(monotonic() - begun, 3),
                seed=one.seed,
                device=device,
                how=how,
                recipe=recipe,
            )
            append(view.directory / one.file, row)
            if line:
                line.note(_told(one, row))
    finally:
        if line:
            line.close()


def _outcome(trainings: Trainings, plan: NetworkPlan, one: Planned) -> Finished | Failure:
    try:
        return trainings.train(plan, seed=one.seed, name=one.label, label=one.label)
    except RuntimeError as error:
        if failure := out_of_memory(error):
            return failure
        raise


def _told(one: Planned, row: Trained) -> str:
    early = one.known.get("early")
    before = "" if early is None else f"early-stop {early:.2f} %, "
    after = row.failure if row.final is None else f"final {row.final:.2f} %"
    return f"{one.label}: {before}{after}"
