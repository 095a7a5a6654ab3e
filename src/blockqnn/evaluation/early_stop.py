"""The early-stop evaluation: a candidate trained briefly (sections 3.3 and 4.2)."""

from collections.abc import Sequence
from typing import Any

import torch

from blockqnn.config import Settings
from blockqnn.data.dataset import Dataset, held, load
from blockqnn.errors import InputError
from blockqnn.evaluation.device import (
    fingerprint,
    memory_left,
    resolve_precision,
    use_one_thread,
)
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.latency import Evaluator, TimedEvaluator
from blockqnn.evaluation.own import OwnEvaluator, seed_all
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.network.memory import training_bytes
from blockqnn.network.plan import NetworkPlan, plan_network
from blockqnn.plugins import load as load_plugins
from blockqnn.records import Failure, Measurement, Task
from blockqnn.space.code import parse
from blockqnn.space.operation import OwnOp


class EarlyStopEvaluator:
    """Evaluates block codes on one data set by one recipe; the same bits for the same task."""

    def __init__(
        self,
        settings: Settings,
        dataset: Dataset,
        device: str,
        operations: Sequence[OwnOp] = (),
        memory: int | None = None,
    ) -> None:
        """`memory` is what the process may take, in bytes; None: as much as there is."""
        if device == "cpu":
            use_one_thread()
        self._settings, self._operations = settings, operations
        self._device, self._memory = device, memory
        self._image, self._classes = dataset.image, len(dataset.classes)
        self._training = on_device(dataset.train, dataset, device)
        self._validation = on_device(dataset.validation, dataset, device)
        self._chance = dataset.chance(settings.recipe.metric)
        self._machine = self.fingerprint = fingerprint(device)

    def __call__(self, task: Task) -> Measurement | Failure:
        block = parse(task.code, self._operations)
        plan = plan_network(block, self._settings.skeleton, self._image, self._classes)
        if lacking := self._lacking(plan):
            return Failure(kind="out_of_memory", detail=lacking)
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
                captured=self._settings.execution.graphs,
            )
        except RuntimeError as error:
            if failure := out_of_memory(error):
                return failure
            raise
        if isinstance(trained, Failure):
            return trained
        if self._settings.execution.graphs:
            graph = f"no CUDA graph: {trained.obstacle}" if trained.obstacle else "CUDA graph"
            self.fingerprint = f"{self._machine}; {graph}"
        return Measurement(
            accuracy=trained.accuracy,
            flops=plan.flops,
            params=plan.params,
            steps=trained.steps,
            restarts=trained.restarts,
        )

    def _lacking(self, plan: NetworkPlan) -> str:
        """Why the candidate need not be tried: empty where its training fits into the memory."""
        recipe = self._settings.recipe
        value = 2 if resolve_precision(recipe.precision, self._device) == "bfloat16" else 4
        needed = training_bytes(plan, min(recipe.batch, len(self._training)), value, recipe.optimizer)
        left = memory_left(self._device, self._memory)
        if left is None or needed <= left:
            return ""
        return f"training needs about {needed / 1e6:,.0f} MB, {left / 1e6:,.0f} MB are left"


def out_of_memory(error: RuntimeError) -> Failure | None:
    """The failure that the error is, where a training could not have the memory it asked for."""
    if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
        return Failure(kind="out_of_memory", detail=str(error).splitlines()[0][:200])
    return None


def make_evaluator(specification: dict[str, Any]) -> Evaluator:
    """The evaluator that a worker needs: from the settings as JSON, the device and the data's digest.

    Where the data were prepared elsewhere, `prepared` is their name in this machine's cache.

    The settings' plugins are loaded here, in the worker; the coordinator did so before.
    """
    settings = Settings.model_validate_json(specification["settings"])
    extensions = load_plugins(settings.plugins)
    name = specification.get("prepared")
    dataset = held(name) if name else load(settings.data)
    if dataset.digest != specification["digest"]:
        raise InputError(f"data {settings.data.source!r} changed since the run began")
    what = (settings, dataset, specification["device"], extensions.operations)
    evaluate: Evaluator
    if own := extensions.evaluators.get(settings.evaluator):
        evaluate = OwnEvaluator(*what, own)
    else:
        evaluate = EarlyStopEvaluator(*what, memory=specification.get("memory"))
    return TimedEvaluator(evaluate, *what) if settings.measures_latency else evaluate
