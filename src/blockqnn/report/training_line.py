"""Running trainings for people: one live line in a terminal, elsewhere a line each tenth."""

import time
from typing import TextIO

from blockqnn.quantity import duration
from blockqnn.report.status_line import StatusLine

_PAUSE = 0.25  # seconds between two changes of the live line


class TrainingLine:
    """Told of each training's begin, steps and looks; close it at the end.

    It costs a step nothing to tell it: no number is fetched from the device for it.
    """

    def __init__(self, trainings: int, stream: TextIO | None = None, *, brief: bool = False) -> None:
        """`trainings` is how many there will be; the time left is guessed for all of them.

        With `brief` only the live line tells how far a training is, for there are many.
        """
        self._shown = StatusLine(stream)
        self._brief = brief
        self._left = trainings
        self._label = ""
        self._epochs: float | None = None
        self._progress = 0.0
        self._from: tuple[float, float] | None = None  # progress and moment of the first step here
        self._at = 0.0  # when the live line last changed
        self._tenths = 0  # printed
        self._latest = ""

    def begin(self, label: str, epochs: float | None) -> None:
        """A training begins, or goes on from a checkpoint; None: time ends it, not epochs."""
        self._left -= 1
        self._label, self._epochs, self._progress = label, epochs, 0.0
        self._from, self._at, self._tenths, self._latest = None, 0.0, 0, ""

    def step(self, _step: int, progress: float) -> None:
        """After each step: the share of the training that is done."""
        now = time.monotonic()
        if self._from is None:
            self._from, self._tenths = (progress, now), int(progress * 10)
        elif progress < self._progress:
            self.note(f"{self._label}: nothing learned, begins anew at a lower rate")
            self._from, self._tenths, self._latest = (progress, now), 0, ""
        self._progress = progress
        if self._shown.changes and now - self._at >= _PAUSE:
            self._at = now
            self._shown.show(self._line(now))

    def look(self, loss: float, accuracy: float | None) -> None:
        """At each look: mean loss of the steps since the last one, percent of the validation part."""
        self._latest = f"  loss {loss:.3f}"
        if accuracy is not None:
            self._latest += f"  validation {accuracy:.2f} %"
        if self._brief or self._shown.changes:
            return
        if int(self._progress * 10) > self._tenths:
            self._tenths = int(self._progress * 10)
            self.note(self._line(time.monotonic()))

    def note(self, text: str) -> None:
        """A line that stays."""
        self._shown.note(text)

    def close(self) -> None:
        self._shown.close()

    def _line(self, now: float) -> str:
        epochs = self._epochs
        done = "" if epochs is None else f"  epoch {self._progress * epochs:.1f} of {epochs:.4g}"
        return (
            f"{self._label}  {self._progress * 100:.0f} %{done}{self._latest}  {self._outlook(now)} left"
        )

    def _outlook(self, now: float) -> str:
        assert self._from is not None
        progress, begun = self._from
        done = self._progress - progress
        missing = 1 - self._progress + self._left
        if missing <= 0:
            return "0 s"
        return duration(missing * (now - begun) / done) if done > 0 else "?"
