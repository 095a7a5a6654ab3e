"""How many threads train one network fastest: all cores, or one where it is small or they are busy."""

import time

import torch

from blockqnn.config import Recipe
from blockqnn.evaluation.train import DevicePart, fit
from blockqnn.network.model import build
from blockqnn.network.plan import NetworkPlan

_STEPS = 4  # after one that is slow
_PATIENCE = 4.0  # seconds for each number of threads; then fewer steps must do


def fastest_threads(plan: NetworkPlan, training: DevicePart, recipe: Recipe, most: int) -> int:
    """1 or `most`, whichever took less for a few steps just now. Leaves torch's setting as it was."""
    before = torch.get_num_threads()
    network = build(plan, seed=0)

    def seconds_of(threads: int) -> float:
        torch.set_num_threads(threads)
        begin = time.monotonic()
        fit(network, training, recipe.model_copy(update={"steps": 1}), learning_rate=0.0, seed=0)
        once = time.monotonic() - begin
        steps = max(1, min(_STEPS, int(_PATIENCE / max(once, 1e-3))))
        begin = time.monotonic()
        fit(network, training, recipe.model_copy(update={"steps": steps}), learning_rate=0.0, seed=0)
        return (time.monotonic() - begin) / steps

    try:
        return min({1, most}, key=seconds_of)
    finally:
        torch.set_num_threads(before)
