"""A whole search, value for value: what should not change the search must not change this."""

from pathlib import Path

import learning
from blockqnn.config import PlanSettings
from blockqnn.runtime.search import Problem, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store

# A change that is meant to change searches replaces these, and says so in docs/LOG.md.
FIRST = "(1,3,1,0,0) (2,5,0,0,1) (3,2,1,1,0) (4,4,0,0,0) "
BEST = (41, 72.63)  # trial, accuracy
TRAJECTORY = "9c5e9f6738ab82abf78ff4291da04bbfd442a94e98f4a91c1a4f4a7a2851a527"


def test_48_trials_on_the_synthetic_reward(tmp_path: Path):
    mdp, evaluate = learning.synthetic()
    problem = Problem(mdp, lambda _: None, lambda _, outcome: outcome.accuracy)
    agent = learning.AGENTS["default"](mdp, 0)
    with Store.create(tmp_path, {}) as store:
        fold = search(problem, agent, SerialExecutor(evaluate), store, PlanSettings(trials=48))
    best = max(fold.trials, key=lambda trial: fold.outcome(trial).accuracy)
    assert fold.trials[0].code.startswith(FIRST)
    assert (best.number, round(fold.outcome(best).accuracy, 3)) == BEST
    assert fold.trajectory(agent) == TRAJECTORY
