"""A training on disk, from which it goes on to the same bits (on a CPU)."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from blockqnn.errors import InputError
from blockqnn.evaluation.state_file import Damaged, from_bytes, to_bytes
from blockqnn.place import replace_file


@dataclass
class Checkpoint:
    """One file that is replaced as the training goes on.

    `training` is a text that names all that decides the training's bits: a file of another one is
    refused. What is lost at a kill is what was done in the last `every` seconds.
    """

    path: Path
    training: str
    every: float = 30.0
    facts: dict[str, Any] = field(default_factory=dict)  # saved beside what a state holds
    earlier: float = 0.0  # seconds of the sessions before this one, once it was loaded
    _begun: float = field(default_factory=time.monotonic)
    _saved: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the training began; what was lost at a kill is left out."""
        return self.earlier + time.monotonic() - self._begun

    def with_facts(self, **facts: Any) -> "Checkpoint":
        """The same file, which will also hold these."""
        return replace(self, facts=facts)

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved >= self.every

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the file: tensors, numbers and texts, and containers of them."""
        own = {"training": self.training, "seconds": self.seconds}
        replace_file(self.path, to_bytes({**own, **self.facts, **state}))
        self._saved = time.monotonic()

    def load(self, device: torch.device | str) -> dict[str, Any] | None:
        """What was saved last; None where nothing was. No code of the file is run."""
        if not self.path.exists():
            return None
        try:
            state: dict[str, Any] = from_bytes(self.path.read_bytes(), device)
            known = state["training"] == self.training
            seconds = float(state["seconds"])
        except (OSError, MemoryError, Damaged, LookupError, TypeError, ValueError) as error:
            reason = str(error) if isinstance(error, Damaged) else type(error).__name__
            raise self.unfit(f"cannot be read ({reason})") from None
        if not known:
            raise self.unfit("belongs to another training")
        self.earlier = seconds
        return state

    def unfit(self, reason: str) -> InputError:
        """The file cannot be gone on from."""
        return InputError(f"checkpoint {self.path}: {reason}; remove it to begin anew")
