"""`train`: from a code, a name or a run to a tested model in a directory."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from blockqnn.config import DataSettings, Recipe, Settings, changed, resolve
from blockqnn.data.dataset import Dataset, load
from blockqnn.errors import InputError
from blockqnn.evaluation.device import resolve_device
from blockqnn.evaluation.final import read_test
from blockqnn.evaluation.group import Group, group
from blockqnn.export.directory import write
from blockqnn.export.model import Model
from blockqnn.network.plan import NetworkPlan, Skeleton, plan_network
from blockqnn.records import Failure
from blockqnn.report.rows import Entry
from blockqnn.report.target import Target
from blockqnn.report.training_line import TrainingLine
from blockqnn.setup import located
from blockqnn.training.described import config_of, tested
from blockqnn.training.pictures import drawn
from blockqnn.training.recipe import DEFAULT, decodes_anew, recipe_for, refuse_unknown
from blockqnn.training.session import Session, refuse_foreign
from blockqnn.training.sizing import Repeats, skeleton_for
from blockqnn.training.trainings import Finished, Trainings

_LARGEST = 224  # pixels of a side where the settings name no size


class TrainingFailed(RuntimeError):
    """The network did not learn; nothing was written."""


@dataclass(frozen=True)
class Wishes:
    """What a user names besides block and data; None: left to us."""

    preset: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the recipe
    skeleton: str | None = None
    repeats: Repeats | None = None
    widths: tuple[int, ...] | None = None
    max_params: int | None = None
    seeds: int = 1
    all_data: bool = False
    device: str = "auto"
    out: Path | None = None


@dataclass(frozen=True)
class _Contender:
    """A network that is to be trained; `entry` is what the run knows of its block, with `--top`."""

    target: Target
    skeleton: Skeleton
    plan: NetworkPlan
    entry: Entry | None

    @property
    def name(self) -> str:
        return "seed-0" if self.entry is None else f"trial-{self.entry.trial}"

    @property
    def size(self) -> str:
        """What was chosen of it, for people."""
        repeats, widths = (",".join(map(str, v)) for v in (self.skeleton.repeats, self.skeleton.widths))
        who = f"trial {self.entry.trial}: " if self.entry else ""
        return f"{who}repeats {repeats}, widths {widths}: {self.plan.params:,} parameters"


def train_target(
    targets: Sequence[tuple[Target, Entry | None]],
    *,
    data: Mapping[str, Any],
    wishes: Wishes,
    live: bool = False,
) -> Model:
    """Trains the block `seeds` times (seeds 0, 1, ...) and tests each model once, after all training.

    The first seed's model is the one that is kept. `targets` with entries are the best of a run: all
    are trained with seed 0, and the one of highest validation accuracy is the block. In the directory
    `out` a training that was cut off goes on. `data` are the settings of data that were named, not None.
    Started by torchrun its processes train each network together; all return the model, the first
    writes it and tells how it goes.

    Raises InputError for wrong use, before anything is trained, and TrainingFailed when a network
    does not learn.
    """
    first, choice = targets[0][0], targets[0][1] is not None
    if wishes.seeds < 1:
        raise InputError(f"seeds {wishes.seeds}: at least 1")
    if choice and wishes.all_data:
        raise InputError(
            f"top {len(targets)} and all-data: no images are left to choose by; name one of the two"
        )
    refuse_unknown(wishes.preset or DEFAULT)
    device = resolve_device(wishes.device)
    together = group(device)
    if wishes.out is not None and together.first:
        refuse_foreign(wishes.out)
    settings = _settings(first, data)
    preset = wishes.preset or DEFAULT
    encoded = decodes_anew(preset, wishes.changes)
    dataset = together.after_the_first(lambda: load(settings.data, _LARGEST, encoded))
    own = first.facts.settings.recipe if first.facts else None
    recipe = recipe_for(preset, own, dataset, wishes.changes, device)
    contenders = [_contender(target, entry, dataset, wishes) for target, entry in targets]
    session = None
    if (out := wishes.out) is not None:
        identity = _identity(contenders, dataset, recipe, device, wishes)
        session = together.after_the_first(lambda: Session(out, identity, holds=together.first))
    line = TrainingLine(len(contenders) + wishes.seeds - 1) if live and together.first else None
    try:
        if line:
            for text in (*dataset.notes, *(f"warning: {warning}" for warning in dataset.warnings)):
                line.note(text)
            if wishes.repeats == "auto" or wishes.max_params is not None:
                for contender in contenders:
                    line.note(contender.size)
        trainings = Trainings(
            dataset, recipe, device, all_data=wishes.all_data, session=session, line=line, group=together
        )
        model = _trained(
            contenders, trainings, dataset, recipe, settings, device, wishes.seeds, together
        )
        if out is not None and together.first:
            write(model, out, drawn(model.metrics, model.classes))
    except TrainingFailed:
        if session and together.first:
            session.remove()
        raise
    finally:
        if line:
            line.close()
        if session:
            session.close()
    if session and together.first:
        session.remove()
    return model


def _settings(target: Target, data: Mapping[str, Any]) -> Settings:
    """The run's settings, or the defaults, for the data that were named, else the run's.

    The run's own images keep their size.
    """
    run = target.facts
    own = run.settings if run else resolve("standard", {})
    if "source" in data or "labels" in data:
        fresh = DataSettings(split_seed=own.data.split_seed)
        return located(changed(own.model_copy(update={"data": fresh}), {"data": data}))
    if run:
        size = run.settings.data.image_size or (run.data.image.height, run.data.image.width)
        kept = run.settings.data.model_copy(update={"image_size": size})
        own = own.model_copy(update={"data": kept})
    return located(changed(own, {"data": data}))


def _contender(target: Target, entry: Entry | None, dataset: Dataset, wishes: Wishes) -> _Contender:
    image, classes = dataset.image, len(dataset.classes)
    skeleton = skeleton_for(
        target,
        image,
        classes,
        name=wishes.skeleton,
        repeats=wishes.repeats,
        widths=wishes.widths,
        max_params=wishes.max_params,
    )
    return _Contender(target, skeleton, plan_network(target.block, skeleton, image, classes), entry)


def _identity(
    contenders: Sequence[_Contender], dataset: Dataset, recipe: Recipe, device: str, wishes: Wishes
) -> dict[str, Any]:
    """All that decides the bits of what is trained, and what is written."""
    return {
        "blocks": [[str(c.target.block), asdict(c.skeleton)] for c in contenders],
        "top": len(contenders) if contenders[0].entry else None,
        "recipe": recipe.model_dump(mode="json"),
        "data": dataset.digest,
        "all_data": wishes.all_data,
        "seeds": wishes.seeds,
        "device": device,
    }


def _trained(
    contenders: Sequence[_Contender],
    trainings: Trainings,
    dataset: Dataset,
    recipe: Recipe,
    settings: Settings,
    device: str,
    seeds: int,
    together: Group,
) -> Model:
    """The model of the first seed, tested, as all are."""
    chosen, first, table = _chosen(contenders, trainings)
    finished = [first]
    for seed in range(1, seeds):
        outcome = trainings.train(chosen.plan, seed=seed, name=f"seed-{seed}", label=f"seed {seed}")
        if isinstance(outcome, Failure):
            raise TrainingFailed(f"training with seed {seed}: {outcome.kind}, {outcome.detail}")
        finished.append(outcome)
    readings = []
    for seed, one in enumerate(finished):  # only now: every step of every training is done
        read = read_test(one.trained.network, dataset, recipe.metric, device, together)
        if read is None:
            raise TrainingFailed(f"training with seed {seed}: non_finite, logits of test images")
        readings.append(read)
    metrics = tested(
        chosen.plan,
        recipe.metric,
        first.trained.history,
        (first.epochs, first.trained.steps),
        [one.accuracy for one in finished],
        readings,
        trainings.seconds,
    )
    block, skeleton = chosen.target.block, chosen.skeleton
    return Model(
        first.trained.network.cpu().eval(),
        block,
        config_of(block, skeleton, dataset, settings.data.resize, recipe),
        {**metrics, "chosen_from": table} if table else metrics,
    ).eval()


def _chosen(
    contenders: Sequence[_Contender], trainings: Trainings
) -> tuple[_Contender, Finished, list[dict[str, Any]]]:
    """All contenders trained with seed 0: the best by validation accuracy, and a table of all.

    Among equals the one of highest reward. Of a single block there is no table.
    """
    best: tuple[_Contender, Finished] | None = None
    table = []
    for contender in contenders:
        entry = contender.entry
        label = "seed 0" if entry is None else f"trial {entry.trial}"
        outcome = trainings.train(contender.plan, seed=0, name=contender.name, label=label)
        accuracy: float | None = None
        failure: str | None = None
        if isinstance(outcome, Failure):
            failure = outcome.kind
            if entry is None:
                raise TrainingFailed(f"training with seed 0: {outcome.kind}, {outcome.detail}")
        else:
            accuracy = outcome.accuracy
            if best is None or (accuracy or 0) > (best[1].accuracy or 0):
                best = contender, outcome
        if entry:
            table.append(
                {
                    "trial": entry.trial,
                    "code": entry.code,
                    "reward": entry.reward,
                    "search_accuracy": entry.accuracy,
                    "validation_accuracy": accuracy,
                    "failure": failure,
                    "params": contender.plan.params,
                    "flops": contender.plan.flops,
                }
            )
    if best is None:
        raise TrainingFailed(f"none of the {len(contenders)} blocks learned anything")
    return *best, table
