"""The evaluator of jobs: in the worker it trains a network for its seconds and leaves it in a file."""

import math
import time
from pathlib import Path
from typing import Any

from torch import nn

from blockqnn.automatic.job import Job, Left, write
from blockqnn.config import RECIPES, Settings
from blockqnn.data.dataset import load
from blockqnn.errors import InputError
from blockqnn.evaluation.device import fingerprint, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.length import Length, batches_per_epoch, total_steps
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.evaluation.train import Watch, fit, score
from blockqnn.network.plan import plan_network
from blockqnn.records import Failure, Measurement, Task
from blockqnn.space.code import parse


class Trainer:
    """Trains jobs on one data set; validation accuracy is what it measures."""

    def __init__(self, settings: Settings, digest: str, device: str) -> None:
        if device == "cpu":
            use_one_thread()
        dataset = load(settings.data)
        if dataset.digest != digest:
            raise InputError(f"data {settings.data.source!r} changed since the run began")
        self._image, self._classes = dataset.image, len(dataset.classes)
        self._training = on_device(dataset.train, dataset, device)
        self._validation = on_device(dataset.validation, dataset, device)
        self.fingerprint = fingerprint(device)
        self._warm_up(settings.recipe.metric)

    def _warm_up(self, metric: str) -> None:
        """What a process does once takes seconds: not of the first job's time."""
        linear = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(self._image), self._classes))
        network = linear.to(self._training.images.device)
        recipe = RECIPES["modern"].model_copy(update={"steps": 1, "batch": 2, "precision": "float32"})
        fit(network, self._training, recipe, learning_rate=0.0, seed=0)
        score(network, self._validation, metric)

    def __call__(self, task: Task) -> Measurement | Failure:
        begun = time.monotonic()
        job = Job.model_validate_json(task.code)
        if job.code is None:
            return self._linear(job, begun)
        plan = plan_network(parse(job.code), job.skeleton, self._image, self._classes)
        moments: list[float] = []
        trained = train_with_restarts(
            plan,
            self._training,
            self._validation,
            job.recipe,
            chance=-1.0,  # whatever was learned in its time is what counts
            seed=job.seed,
            deadline=begun + job.seconds,
            report=lambda _step, _progress: moments.append(time.monotonic()),
        )
        if isinstance(trained, Failure):
            return trained
        write(
            Left(
                weights=trained.network.state_dict(),
                history=[(p.epoch, p.loss, p.accuracy) for p in trained.history],
                epochs=trained.steps / batches_per_epoch(job.recipe, len(self._training)),
                step_seconds=(moments[-1] - moments[0]) / max(1, len(moments) - 1),
                over=max(0.0, time.monotonic() - begun - job.seconds),
            ),
            Path(job.out),
        )
        return Measurement(
            accuracy=trained.accuracy,
            flops=plan.flops,
            params=plan.params,
            steps=trained.steps,
            restarts=trained.restarts,
        )

    def _linear(self, job: Job, begun: float) -> Measurement | Failure:
        values = math.prod(self._image)
        head = nn.Linear(values, self._classes)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        network = nn.Sequential(nn.Flatten(), head).to(self._training.images.device)
        fitted = fit(
            network,
            self._training,
            job.recipe,
            learning_rate=job.recipe.learning_rate,
            seed=job.seed,
            watch=Watch(),
            length=Length(total_steps(job.recipe, len(self._training)), begun + job.seconds),
        )
        accuracy = score(network, self._validation, job.recipe.metric)
        if not math.isfinite(accuracy):
            return Failure(kind="non_finite", detail=f"logits after {fitted.steps} steps")
        weights = values * self._classes
        return Measurement(
            accuracy=accuracy, flops=2 * weights, params=weights + self._classes, steps=fitted.steps
        )


def make_trainer(specification: dict[str, Any]) -> Trainer:
    """The evaluator that a worker needs, from settings as JSON, the data's digest and the device."""
    settings = Settings.model_validate_json(specification["settings"])
    return Trainer(settings, specification["digest"], specification["device"])
