"""The early-stop evaluation: a candidate trained briefly (sections 3.3 and 4.2)."""

from collections.abc import Sequence
from typing import Any

import torch

from blockqnn.config import Settings
from blockqnn.data.dataset import Dataset, load
from blockqnn.errors import InputError
from blockqnn.evaluation.device import fingerprint, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.own import OwnEvaluator, seed_all
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.network.plan import plan_network
from blockqnn.plugins import load as load_plugins
from blockqnn.records import Failure, Measurement, Task
from blockqnn.space.code import parse
from blockqnn.space.operation import OwnOp


class EarlyStopEvaluator:
    """Evaluates block codes on one data set by one recipe; the same bits for the same task."""

    def __init__(
        self, settings: Settings, dataset: Dataset, device: str, operations: Sequence[OwnOp] = ()
    ) -> None:
        if device == "cpu":
            use_one_thread()
        self._settings, self._operations = settings, operations
        self._image, self._classes = dataset.image, len(dataset.classes)
        self._training = on_device(dataset.train, dataset, device)
        self._validation = on_device(dataset.validation, dataset, device)
        self._chance = dataset.chance(settings.recipe.metric)
        self.fingerprint = fingerprint(device)

    def __call__(self, task: Task) -> Measurement | Failure:
        block = parse(task.code, self._operations)
        plan = plan_network(block, self._settings.skeleton, self._image, self._classes)
        if self._operations:  # their modules may draw numbers of their own, as dropout does
            seed_all(task.seed)
        try:
            trained = train_with_restarts(
                plan,
                self._training,
                self._validation,
                self._settings.recipe,
                chance=self._chance,
                seed=task.seed,
            )
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                return Failure(kind="out_of_memory", detail=str(error).splitlines()[0][:200])
            raise
        if isinstance(trained, Failure):
            return trained
        return Measurement(
            accuracy=trained.accuracy,
            flops=plan.flops,
            params=plan.params,
            steps=trained.steps,
            restarts=trained.restarts,
        )


def make_evaluator(specification: dict[str, Any]) -> EarlyStopEvaluator | OwnEvaluator:
    """The evaluator that a worker needs: from the settings as JSON, the device and the data's digest.

    The settings' plugins are loaded here, in the worker; the coordinator did so before.
    """
    settings = Settings.model_validate_json(specification["settings"])
    extensions = load_plugins(settings.plugins)
    dataset = load(settings.data)
    if dataset.digest != specification["digest"]:
        raise InputError(f"data {settings.data.source!r} changed since the run began")
    what = (settings, dataset, specification["device"], extensions.operations)
    own = extensions.evaluators.get(settings.evaluator)
    return OwnEvaluator(*what, own) if own else EarlyStopEvaluator(*what)
