"""A network built and trained, anew at a lower rate while it learns nothing or breaks (section 4.2)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from blockqnn.config import Recipe
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.evaluation.group import ALONE, Group
from blockqnn.evaluation.images import Shown
from blockqnn.evaluation.length import Length, batches_per_epoch, total_steps
from blockqnn.evaluation.train import Point, Watch, fit, score
from blockqnn.network.model import Network, build
from blockqnn.network.plan import NetworkPlan
from blockqnn.records import Failure
from blockqnn.seeds import derive


@dataclass(frozen=True, eq=False)
class Trained:
    network: Network
    accuracy: float  # percent of the validation part, or of what it was trained on without one
    steps: int
    restarts: int
    history: tuple[Point, ...] = ()
    obstacle: str = ""  # as of Fitted


def train_with_restarts(
    plan: NetworkPlan,
    training: Shown,
    validation: Shown | None,
    recipe: Recipe,
    *,
    chance: float,
    seed: int,
    deadline: float | None = None,
    looks: int = 0,
    report: Callable[[int, float], None] = lambda _step, _progress: None,
    looked: Callable[[Point], None] = lambda _point: None,
    checkpoint: Checkpoint | None = None,
    captured: bool = False,
    group: Group = ALONE,
) -> Trained | Failure:
    """Trains the planned network by the recipe, with the paper's restarts.

    After the first epoch, but not before `restart_after` steps, the validation accuracy must be
    above `chance` (percent); else training begins anew at `restart_factor` of the learning rate,
    at most `restarts` times. Then the failure is `no_learning`, or `non_finite`. A training that breaks
    later, with a loss or logits that are no numbers, begins anew in the same way. Where `chance` is
    below 0 whatever was learned counts. `deadline`, of the
    monotonic clock, ends it earlier; `looks` is how often the validation part is measured on the way.
    A training that `checkpoint` holds goes on; `captured` and `group` are as in `fit`. Without a
    validation part the training part shows whether anything is learned, and the looks tell only the
    loss.
    """
    judged = training if validation is None else validation
    device = training.labels.device
    judge_at = max(batches_per_epoch(recipe, len(training)), recipe.restart_after)
    start = checkpoint.load(device) if checkpoint else None
    first = start.get("restart") if start else 0
    if checkpoint and not (isinstance(first, int) and 0 <= first <= recipe.restarts):
        raise checkpoint.unfit("does not hold this training's state (restart)")
    for restart in range(first or 0, recipe.restarts + 1):
        network = build(plan, derive(seed, "init", restart)).to(device)

        def measured(network: nn.Module) -> float:
            return score(network, judged, recipe.metric, group)

        fitted = fit(
            network,
            training,
            recipe,
            learning_rate=recipe.learning_rate * recipe.restart_factor**restart,
            seed=derive(seed, "order", restart),
            watch=Watch(
                judge=(lambda network: measured(network) > chance) if chance >= 0 else None,
                judge_at=judge_at,
                look=None if validation is None else measured,
                looks=looks,
                report=report,
                looked=looked,
            ),
            length=Length(total_steps(recipe, len(training)), deadline),
            checkpoint=checkpoint and checkpoint.with_facts(restart=restart),
            start=start,
            captured=captured,
            group=group,
        )
        start = None
        broken = not math.isfinite(fitted.loss)
        if not (fitted.stopped or broken) and math.isfinite(percent := measured(network)):
            return Trained(network, percent, fitted.steps, restart, fitted.history, fitted.obstacle)
    if not (fitted.stopped and math.isfinite(fitted.loss)):
        detail = f"loss or logits after {fitted.steps} steps and {recipe.restarts} restarts"
        return Failure(kind="non_finite", detail=detail)
    return Failure(
        kind="no_learning", detail=f"not above {chance:.1f} % after {recipe.restarts} restarts"
    )
