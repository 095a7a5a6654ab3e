"""What a training leaves that is stopped before its first step."""

from pathlib import Path
from typing import NoReturn

import pytest

from blockqnn import train
from blockqnn.training import trainings


def stopped_training(out: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "train_with_restarts", _stop)
        with pytest.raises(KeyboardInterrupt):
            train("resnet-like", out=out)


def _stop(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt
