"""Latency: how long one image takes through a candidate's network on this device, before training."""

import time
from collections.abc import Callable, Sequence
from statistics import quantiles
from typing import Protocol

import torch

from blockqnn.config import Settings
from blockqnn.data.dataset import Dataset
from blockqnn.network.model import build
from blockqnn.network.plan import NetworkPlan, plan_network
from blockqnn.records import Failure, Latency, Measurement, Task, over_latency
from blockqnn.space.code import parse
from blockqnn.space.operation import OwnOp

_WARM, _TIMED = 5, 30  # forward passes


class Evaluator(Protocol):
    """What a worker calls."""

    @property
    def fingerprint(self) -> str: ...

    def __call__(self, task: Task) -> Measurement | Failure: ...


class TimedEvaluator:
    """Times each network, then lets another evaluator train it; one over the limit is not trained."""

    def __init__(
        self,
        evaluate: Evaluator,
        settings: Settings,
        dataset: Dataset,
        device: str,
        operations: Sequence[OwnOp] = (),
    ) -> None:
        self._evaluate = evaluate
        self._settings, self._device, self._operations = settings, device, operations
        self._image, self._classes = dataset.image, len(dataset.classes)

    @property
    def fingerprint(self) -> str:
        return self._evaluate.fingerprint

    def __call__(self, task: Task) -> Measurement | Failure:
        block = parse(task.code, self._operations)
        plan = plan_network(block, self._settings.skeleton, self._image, self._classes)
        latency = latency_of(plan, self._device)
        if failure := over_latency(latency, self._settings.latency.limit):
            return failure
        outcome = self._evaluate(task)
        if isinstance(outcome, Failure):
            return outcome
        return outcome.model_copy(update={"latency": latency})


def latency_of(
    plan: NetworkPlan, device: str, clock: Callable[[], float] = time.perf_counter
) -> Latency:
    """Of one forward pass of the untrained network: one image, float32, channels_last, evaluation mode.

    After 5 passes to warm up the median of 30, and as noise half of their interquartile range. It is
    that of the machine as it is then: with other workers at work, and with this process's threads.
    """
    network = build(plan, seed=0).to(device).eval()
    drawn = torch.rand(1, *plan.image, generator=torch.Generator().manual_seed(0))
    image = drawn.to(device, memory_format=torch.channels_last)

    def seconds() -> float:
        begin = clock()
        network(image)
        _finish(device)
        return clock() - begin

    with torch.inference_mode():
        for _ in range(_WARM):
            seconds()
        low, median, high = quantiles([seconds() for _ in range(_TIMED)], n=4, method="inclusive")
    return Latency(milliseconds=1000 * median, noise=1000 * (high - low) / 2)


def _finish(device: str) -> None:
    """Waits for what the device has been given to do; a CPU has done it."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
