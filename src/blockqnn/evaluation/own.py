"""An evaluation of the user's own: all around it is done here, the training is a plugin's."""

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch

from blockqnn.config import Settings
from blockqnn.data.dataset import Dataset
from blockqnn.evaluation.device import fingerprint, use_one_thread
from blockqnn.network.model import Network, build
from blockqnn.network.plan import plan_network
from blockqnn.records import Failure, Measurement, Task
from blockqnn.seeds import derive
from blockqnn.space.code import parse
from blockqnn.space.operation import OwnOp


class OwnEvaluator:
    """Plans and builds the network of a code, and lets a plugin's function train and judge it.

    `evaluate(network, dataset, task)` gives percent of `dataset.validation`. The network is on the
    device, initialised from the task's seed; the data set's test part is empty.
    """

    def __init__(
        self,
        settings: Settings,
        dataset: Dataset,
        device: str,
        operations: Sequence[OwnOp],
        evaluate: Callable[[Network, Dataset, Task], float],
    ) -> None:
        if device == "cpu":
            use_one_thread()
        self._dataset = dataset.without_test()
        self._settings, self._device, self._operations = settings, device, operations
        self._evaluate = evaluate
        self.fingerprint = fingerprint(device)

    def __call__(self, task: Task) -> Measurement | Failure:
        """Raises what the function raises; a number that is no percent is a ValidationError."""
        image, classes = self._dataset.image, len(self._dataset.classes)
        block = parse(task.code, self._operations)
        plan = plan_network(block, self._settings.skeleton, image, classes)
        seed_all(task.seed)
        network = build(plan, derive(task.seed, "init", 0)).to(self._device)
        try:
            percent = float(self._evaluate(network, self._dataset, task))
        except torch.OutOfMemoryError as error:
            return Failure(kind="out_of_memory", detail=str(error).splitlines()[0][:200])
        return Measurement(accuracy=percent, flops=plan.flops, params=plan.params)


def seed_all(seed: int) -> None:
    """Seeds the generators that code of a user's may draw from: Python's, NumPy's and torch's."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
