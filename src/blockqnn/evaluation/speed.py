"""What a candidate's early-stop training takes on this machine, from a few steps of it."""

import time

from blockqnn.config import Recipe
from blockqnn.data.dataset import Dataset
from blockqnn.evaluation.device import use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.length import total_steps
from blockqnn.evaluation.train import fit, score
from blockqnn.network.model import build
from blockqnn.network.plan import NetworkPlan

_WARM, _TIMED = 2, 6  # steps


def candidate_seconds(plan: NetworkPlan, dataset: Dataset, recipe: Recipe, device: str) -> float:
    """Seconds of one whole candidate on one core, or one device, extrapolated; restarts left out.

    Trains a copy for a few steps and looks once at the validation part; nothing is kept.
    """
    if device == "cpu":
        use_one_thread()
    training = on_device(dataset.train, dataset, device)
    network = build(plan, seed=0).to(device)
    steps = total_steps(recipe, len(training))

    def trained(count: int) -> float:
        begin = time.monotonic()
        short = recipe.model_copy(update={"steps": count})
        fit(network, training, short, learning_rate=recipe.learning_rate, seed=0)
        return time.monotonic() - begin

    trained(_WARM)
    begin = time.monotonic()
    score(network, on_device(dataset.validation, dataset, device), recipe.metric)
    judged = time.monotonic() - begin
    return steps * trained(_TIMED) / _TIMED + 2 * judged  # after the first epoch, and at the end
