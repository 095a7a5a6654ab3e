"""How many candidates are trained at a time, and where."""

import os
from typing import NamedTuple

from blockqnn.config import ExecutionSettings
from blockqnn.machine import usable_cores


class Slots(NamedTuple):
    """So many workers; worker i sees only GPU i, counted round, where GPUs are named."""

    workers: int
    gpus: tuple[str, ...] = ()


def slots_of(execution: ExecutionSettings, device: str) -> Slots:
    """What the settings ask for: by default one worker a core, or `per_gpu` for each visible GPU."""
    if execution.executor == "serial":
        return Slots(1)
    gpus = visible_gpus() if device == "cuda" else ()
    usual = {"cuda": execution.per_gpu * len(gpus), "cpu": usable_cores()}.get(device, 1)
    return Slots(execution.workers or max(1, usual), gpus)


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(part.strip() for part in named.split(",") if part.strip())
    import torch

    return tuple(map(str, range(torch.cuda.device_count())))
