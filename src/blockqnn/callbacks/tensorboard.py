"""A search for TensorBoard, written by TensorBoard's own record writer: no torch, no TensorFlow."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blockqnn.callbacks.callback import Callback
from blockqnn.errors import InputError
from blockqnn.export.place import refuse_unless_writable
from blockqnn.records import Failure, Measurement, Trial
from blockqnn.report.rows import IterationRow, RunView
from blockqnn.runtime.search import Progress


class TensorBoard(Callback):
    """Writes a search to an event file in a directory; each run needs one of its own.

    By trial, whose number is the step: accuracy and best accuracy so far (percent), reward and best
    reward, parameters, FLOPs, latency (ms) where it was measured, the best block's code as text. By
    iteration, from 1: epsilon, mean accuracy, mean reward, share of repeats. TensorBoard drops a value
    when one of a lower step comes after it, so a trial is written when all before it have finished.
    Each session writes the run from its first trial on, after a mark that ends what earlier files say:
    so nothing is there twice, and what a kill cut off is there. The times shown are those of writing.

    Raises InputError where tensorboard is not installed or the directory cannot be written.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)
        try:
            import tensorboard.summary.writer.record_writer  # noqa: F401
        except ImportError:
            raise InputError(
                f"tensorboard {directory}: needs `pip install blockqnn[tensorboard]`"
            ) from None
        refuse_unless_writable(self._directory, "tensorboard")

    def begun(self, run: RunView) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._finished: dict[int, tuple[Trial, Measurement | Failure, float]] = {}  # not written yet
        self._next = 0  # the trial to be written next
        self._best: tuple[float, float] | None = None  # (reward, accuracy)
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._directory / f"events.out.tfevents.{time.time_ns()}.blockqnn"  # read in this order
        self._records = RecordWriter(file.open("wb"))
        self._write(file_version="brain.Event:2")
        self._write(session_log=SessionLog(status=SessionLog.START))
        for finished in run.outcomes():
            self.told(*finished)
        for row in run.by_iteration(max(1, run.fold.complete_iterations())):
            self.iteration(row)

    def told(self, trial: Trial, outcome: Measurement | Failure, reward: float) -> None:
        self._finished[trial.number] = trial, outcome, reward
        while self._next in self._finished:
            self._trial(*self._finished.pop(self._next))
            self._next += 1

    def iteration(self, row: IterationRow) -> None:
        means = {"accuracy": row.accuracy, "reward": row.reward, "repeats": row.repeats}
        self._scalars("iteration", row.last, {"epsilon": row.epsilon, **means})

    def changed(self, progress: Progress) -> None:  # noqa: ARG002
        self._records.flush()

    def ended(self, status: dict[str, Any]) -> None:  # noqa: ARG002
        """What waits for trials that did not finish is written without them."""
        for number in sorted(self._finished):
            self._trial(*self._finished[number])
        self._records.close()

    def _trial(self, trial: Trial, outcome: Measurement | Failure, reward: float) -> None:
        number = trial.number
        values: dict[str, float | None] = {"reward": reward}
        if isinstance(outcome, Measurement):
            values |= {"accuracy": outcome.accuracy, "params": outcome.params, "flops": outcome.flops}
            values["latency"] = outcome.latency.milliseconds if outcome.latency else None
            if trial.repeat_of is None and (self._best is None or reward > self._best[0]):
                self._best = reward, outcome.accuracy
                self._text("best/code", number, trial.code)
        self._scalars("trial", number, values)
        if self._best:
            self._scalars("best", number, {"reward": self._best[0], "accuracy": self._best[1]})

    def _scalars(self, group: str, step: int, values: Mapping[str, float | None]) -> None:
        """Those of the values that there are."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalars = [
            Summary.Value(tag=f"{group}/{name}", simple_value=value)
            for name, value in values.items()
            if value is not None
        ]
        self._write(step=step, summary=Summary(value=scalars))

    def _text(self, tag: str, step: int, text: str) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._write(step=step, summary=text_pb(tag, text))

    def _write(self, **event: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **event).SerializeToString())
