"""`train`: from a code, a name or a run to a tested model in a directory."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from blockqnn.config import DataSettings, Settings, changed, preset_for, resolve
from blockqnn.data.dataset import load
from blockqnn.errors import InputError
from blockqnn.evaluation.device import resolve_device
from blockqnn.evaluation.final import Tested, train_and_test
from blockqnn.export.directory import write
from blockqnn.export.model import Model
from blockqnn.export.place import refuse_unless_new
from blockqnn.network.plan import NetworkPlan, Skeleton, plan_network
from blockqnn.records import Failure
from blockqnn.report.target import Target
from blockqnn.setup import located
from blockqnn.training.described import config_of

_LARGEST = 224  # pixels of a side where the settings name no size


class TrainingFailed(RuntimeError):
    """The network did not learn; nothing was written."""


def train_target(
    target: Target,
    *,
    data: Mapping[str, Any],
    preset: str | None,
    skeleton: Skeleton,
    seeds: int,
    device: str,
    out: Path | None,
) -> Model:
    """Trains the block `seeds` times (seeds 0, 1, ...) and tests each model once.

    The first seed's model is the one that is kept. Raises InputError for wrong use, before
    anything is trained, and TrainingFailed when a network does not learn.
    """
    if seeds < 1:
        raise InputError(f"seeds {seeds}: at least 1")
    if out is not None:
        refuse_unless_new(out, directory=True)
    settings = _settings(target, data, preset)
    dataset = load(settings.data, _LARGEST)
    if target.facts is None and preset is None:
        side = max(dataset.image.height, dataset.image.width)
        chosen = resolve(preset_for(side, len(dataset.train)), {})
        settings = chosen.model_copy(update={"data": settings.data})
    plan = plan_network(target.block, skeleton, dataset.image, len(dataset.classes))
    device = resolve_device(device)
    tested = []
    for seed in range(seeds):
        outcome = train_and_test(plan, dataset, settings.recipe, seed=seed, device=device)
        if isinstance(outcome, Failure):
            raise TrainingFailed(f"training with seed {seed}: {outcome.kind}, {outcome.detail}")
        tested.append(outcome)
    model = Model(
        tested[0].network.cpu(),
        target.block,
        config_of(target.block, skeleton, dataset, settings.data.resize, settings.recipe),
        _metrics(plan, tested, settings.recipe.metric),
    )
    if out is not None:
        write(model, out)
    return model


def _settings(target: Target, data: Mapping[str, Any], preset: str | None) -> Settings:
    """The preset's settings, else the run's own, for the data that were named, else the run's.

    `data` are the settings of data that were named, not None. The run's own images keep their size.
    """
    run = target.facts
    own = run.settings if run and preset is None else resolve(preset or "standard", {})
    if "source" in data or "labels" in data:
        fresh = DataSettings(split_seed=own.data.split_seed)
        return located(changed(own.model_copy(update={"data": fresh}), {"data": data}))
    if run:
        size = run.settings.data.image_size or (run.data.image.height, run.data.image.width)
        kept = run.settings.data.model_copy(update={"image_size": size})
        own = own.model_copy(update={"data": kept})
    return located(changed(own, {"data": data}))


def _metrics(plan: NetworkPlan, tested: list[Tested], metric: str) -> dict[str, Any]:
    """The first seed's numbers, and all readings of the test part with mean and deviation."""
    accuracies = [t.test_accuracy for t in tested]
    return {
        "metric": metric,
        "test_accuracy": tested[0].test_accuracy,
        "validation_accuracy": tested[0].validation_accuracy,
        "params": plan.params,
        "flops": plan.flops,
        "seconds": round(sum(t.seconds for t in tested), 3),
        "test_accuracy_mean": fmean(accuracies),
        "test_accuracy_deviation": stdev(accuracies) if len(accuracies) > 1 else None,
        "test_readings": [
            {
                "seed": t.seed,
                "test_accuracy": t.test_accuracy,
                "validation_accuracy": t.validation_accuracy,
            }
            for t in tested
        ],
    }
