"""The trainings of one command: on one data set, by one recipe, one after another."""

from dataclasses import dataclass, replace
from time import monotonic

import numpy as np

from blockqnn.config import Recipe
from blockqnn.data.dataset import Dataset, Part
from blockqnn.data.encoded import Encoded
from blockqnn.evaluation.device import decoding_processes, use_all_cores
from blockqnn.evaluation.group import ALONE, Group
from blockqnn.evaluation.length import batches_per_epoch, total_steps
from blockqnn.evaluation.restarts import Trained, train_with_restarts
from blockqnn.evaluation.streamed import StreamedPart, placed
from blockqnn.network.plan import NetworkPlan
from blockqnn.records import Failure
from blockqnn.report.training_line import TrainingLine
from blockqnn.training.session import Session

_LOOKS = 20  # at the validation part, in a training


@dataclass(frozen=True)
class Finished:
    """A trained network; `accuracy` in percent of the validation part, None where there is none."""

    trained: Trained
    accuracy: float | None
    epochs: float


class Trainings:
    """Trains networks on all cores, or on the device of that name; `session` keeps each as it goes on.

    The processes of a group train each of them together.

    With `all_data` the validation images are trained on too. `seconds` is what all of it took, also
    in earlier sessions.
    """

    def __init__(
        self,
        dataset: Dataset,
        recipe: Recipe,
        device: str,
        *,
        all_data: bool,
        session: Session | None,
        line: TrainingLine | None,
        group: Group = ALONE,
    ) -> None:
        if all_data:
            everything = _joined(dataset.train, dataset.validation)
            dataset = replace(dataset, train=everything, validation=everything)
        self._recipe, self._device, self._session, self._line = recipe, device, session, line
        self._group = group
        self._workers = decoding_processes(device, group.local_size)
        self._training = placed(dataset.train, dataset, device, self._workers)
        self._validation = (
            None if all_data else placed(dataset.validation, dataset, device, self._workers)
        )
        self._chance = dataset.chance(recipe.metric)
        self._per_epoch = batches_per_epoch(recipe, len(self._training))
        self.seconds = 0.0

    def train(self, plan: NetworkPlan, *, seed: int, name: str, label: str) -> Finished | Failure:
        """Trains the network, or goes on with it; `name` is its file's in the session."""
        begun = monotonic()
        streamed = isinstance(self._training, StreamedPart)
        if self._device == "cpu":
            together, decoding = self._group, self._workers if streamed else 0
            use_all_cores(plan.flops * self._recipe.batch / together.size, together.local_size, decoding)
        checkpoint = self._session.checkpoint(name) if self._session else None
        line = self._line
        if line:
            line.begin(label, total_steps(self._recipe, len(self._training)) / self._per_epoch)
        trained = train_with_restarts(
            plan,
            self._training,
            self._validation,
            self._recipe,
            chance=self._chance,
            seed=seed,
            looks=_LOOKS,
            report=line.step if line else lambda _step, _progress: None,
            looked=lambda point: line.look(point.loss, point.accuracy) if line else None,
            checkpoint=checkpoint,
            group=self._group,
        )
        if line and isinstance(self._training, StreamedPart) and self._training.pace.images:
            line.note(f"{label}: {self._training.pace.told(self._workers)}")
        self.seconds += checkpoint.seconds if checkpoint else monotonic() - begun
        if isinstance(trained, Failure):
            return trained
        accuracy = None if self._validation is None else trained.accuracy
        return Finished(trained, accuracy, trained.steps / self._per_epoch)


def _joined(one: Part, other: Part) -> Part:
    labels = np.concatenate([one.labels, other.labels])
    if isinstance(one.images, Encoded) or isinstance(other.images, Encoded):
        assert isinstance(one.images, Encoded)
        assert isinstance(other.images, Encoded)
        numbers = np.concatenate([one.images.numbers, other.images.numbers])
        return Part(replace(one.images, numbers=numbers), labels)
    return Part(np.concatenate([one.images, other.images]), labels)
