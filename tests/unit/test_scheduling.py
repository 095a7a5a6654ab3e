"""Time that workers lose at the border of iterations, in virtual time; and what order may not change."""

from functools import cache
from random import Random
from statistics import mean

import pytest

from blockqnn.config import AgentSettings, PlanSettings
from blockqnn.network.plan import plan_network
from blockqnn.runtime.facts import problem_of
from blockqnn.runtime.search import Problem, search
from blockqnn.runtime.store import Store
from blockqnn.seeds import generator
from blockqnn.space.mdp import BlockSpace
from blockqnn.strategy.q_agent import QAgent
from runs import pretended
from shuffled import Shuffled
from simulated import Simulated, Unwritten, outcome

SLOTS, SIZE, TRIALS, SEEDS = 8, 16, 320, range(10)
SIGMA = 0.6  # of the logarithm: the longest of 100 candidates takes 4 times the median's time


def seconds(seed, code):
    """Log-normal, from the code, as a block's training time is."""
    return generator(seed, code).lognormvariate(0.0, SIGMA)


def foreseen(seed):
    """A cost that is right."""
    return lambda trial: seconds(seed, trial.code)


def run(seed=0, cost=None, durations=seconds, slots=SLOTS, **plan):
    """A search in virtual time: its executor, its fold with the trajectory, when it last asked."""
    space = BlockSpace(5)
    others = {} if cost is None else {"cost": cost}
    problem = Problem(space, lambda _: 1.0, lambda _, outcome: outcome.accuracy, **others)
    settings = PlanSettings(**{"trials": TRIALS, "iteration": SIZE, "staleness": 1, "seed": seed} | plan)
    executor = Simulated(slots, lambda task: durations(seed, task.code))
    agent, asks = QAgent(space, AgentSettings(), seed), []

    def report(progress):
        if len(progress.fold.iterations) > len(asks):
            asks.extend([executor.now] * (len(progress.fold.iterations) - len(asks)))

    fold = search(problem, agent, executor, Unwritten(), settings, report=report)
    return executor, fold, fold.trajectory(agent), asks[-1]


@cache
def lost(staleness, by_cost):
    """Means over seeds: the share of idle time up to the last ask, and the end of the search."""
    idle, ends = [], []
    for seed in SEEDS:
        executor, _, _, last_ask = run(seed, foreseen(seed) if by_cost else None, staleness=staleness)
        idle.append(executor.idle(last_ask))
        ends.append(executor.now)
    print(f"staleness {staleness}, {by_cost=}: idle {mean(idle):.1%}, end {mean(ends):.1f}")
    return mean(idle), mean(ends)


def test_with_staleness_1_hardly_a_worker_idles_before_the_last_ask():
    """What is left is of single candidates that take as long as all others of two iterations."""
    for by_cost, most in ((False, 0.06), (True, 0.03)):
        idle, _ = lost(1, by_cost)
        assert idle < most
        assert idle < lost(0, by_cost)[0] / 2


def test_longest_first_is_done_no_later_than_in_trial_order():
    for staleness, least in ((0, 0.08), (1, 0.0)):
        (_, by_number), (_, by_cost) = lost(staleness, False), lost(staleness, True)
        assert by_cost < (1 - least) * by_number


def test_older_iterations_first_then_the_most_costly_then_the_lowest_number():
    def cost(trial):
        return trial.number // 2 % 5  # with ties

    executor, fold, _, _ = run(cost=cost, trials=64)
    fresh = [trial for trial in fold.trials if trial.repeat_of is None]
    expected = sorted(fresh, key=lambda t: (t.iteration, -cost(t), t.number))
    assert executor.submitted == [trial.number for trial in expected]
    assert executor.submitted != sorted(executor.submitted)


def test_equal_costs_mean_trial_order():
    executor, _, _, _ = run(trials=64)
    assert executor.submitted == sorted(executor.submitted)


def test_a_resumed_search_follows_the_same_rule(tmp_path):
    class Killed(Simulated):
        def wait(self, _=None):
            raise KeyboardInterrupt

    space, settings = BlockSpace(5), PlanSettings(trials=32, iteration=16, staleness=1)
    problem = Problem(space, lambda _: 1.0, lambda _, outcome: outcome.accuracy, lambda t: len(t.code))
    orders = []
    with Store.create(tmp_path, {}) as store:
        for kind in (Killed, Simulated):
            executor = kind(100, lambda _: 1.0)
            agent = QAgent(space, AgentSettings(), 0)
            try:
                search(problem, agent, executor, store, settings)
            except KeyboardInterrupt:
                assert kind is Killed
            orders.append(executor.submitted)
    assert orders[0] == orders[1]


@pytest.mark.parametrize("staleness", [0, 1, 2])
def test_one_trajectory_whatever_the_order_and_the_slots(staleness):
    costs = (None, foreseen(0), lambda trial: -seconds(0, trial.code), lambda trial: trial.number)
    found = {
        run(cost=cost, slots=slots, staleness=staleness, trials=96)[2]
        for cost in costs
        for slots in (1, 8)
    }
    assert len(found) == 1


def test_one_trajectory_for_a_hundred_orders_of_arrival():
    space, settings = BlockSpace(5), PlanSettings(trials=48, iteration=8, staleness=1)
    problem = Problem(space, lambda _: 1.0, lambda _, outcome: outcome.accuracy)
    trajectories, orders = set(), set()
    for number in range(100):
        executor = Shuffled(outcome, 2 + number % 9, Random(number))
        agent = QAgent(space, AgentSettings(), 0)
        fold = search(problem, agent, executor, Unwritten(), settings)
        trajectories.add(fold.trajectory(agent))
        orders.add(tuple(fold.arrived))
    assert len(orders) == 100
    assert len(trajectories) == 1


def test_the_cost_of_a_block_is_its_activations_in_the_runs_skeleton(tmp_path):
    facts = pretended("demo", {"plan": {"trials": 1}})
    problem = problem_of(facts)
    agent = QAgent(problem.mdp, AgentSettings(), 0)
    with Store.create(tmp_path, {}) as store:
        executor = Simulated(1, lambda _: 1.0)
        fold = search(problem, agent, executor, store, facts.settings.plan)
    (trial,) = fold.trials
    plan = plan_network(facts.block(trial.code), facts.settings.skeleton, facts.data.image, 10)
    assert problem.cost(trial) == plan.activations > 0


def test_a_block_is_planned_once_to_be_admitted_and_ordered(monkeypatch):
    planned = []

    def counted(block, *rest):
        planned.append(block)
        return plan_network(block, *rest)

    facts = pretended("demo", {"plan": {"trials": 40, "iteration": 40}})
    monkeypatch.setattr("blockqnn.runtime.facts.plan_network", counted)
    problem = problem_of(facts)
    planned.clear()  # the exemplar and the like, of the reward
    agent = QAgent(problem.mdp, AgentSettings(), 0)
    fold = search(problem, agent, Simulated(1, lambda _: 1.0), Unwritten(), facts.settings.plan)
    assert len(planned) <= len(fold.trials) + sum(trial.redrawn for trial in fold.trials)
