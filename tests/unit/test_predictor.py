"""The predictor: what it proposes first, that it follows from what it was told, that it finds more."""

from itertools import product
from statistics import fmean

import numpy as np
import pytest

from blockqnn.network.plan import OverLimit
from blockqnn.runtime.facts import problem_of, strategy_of
from blockqnn.runtime.search import Problem
from blockqnn.seeds import generator
from blockqnn.setup import new_facts
from blockqnn.strategy.built_in import STRATEGIES
from blockqnn.strategy.predictor import _fitted_at
from blockqnn.strategy.random_search import RandomSearch
from blockqnn.strategy.surrogate import Surrogate, fitted_kernel
from blockqnn.tables.table import Table

PLACES, CHOICES = 6, 3


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """All chains of 6 choices of 3; size tells little of what they are worth, pairs of choices much."""
    ops = np.array(list(product(range(CHOICES), repeat=PLACES)), np.int8)
    pairs = (ops[:, :-1] == 1) & (ops[:, 1:] == 2)
    rng = np.random.default_rng(0)
    accuracy = 50 + 10 * pairs.sum(1) - 3 * (ops[:, 0] == 0) + rng.normal(0, 0.3, len(ops))
    path = tmp_path_factory.mktemp("table") / "table.npz"
    names = np.array(list("abc"))
    np.savez(path, ops=ops, op_names=names, accuracy=accuracy, params=10.0 ** (1 + ops.sum(1) / 6))
    return Table(path)


def problem(table, admit=lambda _: None):
    return Problem(table.space, admit, lambda _, outcome: outcome.accuracy, traits=table.traits)


def predictor(table, seed=0, **how):
    settings = new_facts(None, {"data": {"source": "digits"}, "plan": {"seed": seed}})[0].settings
    return STRATEGIES["predictor"](problem(table, **how), settings)


def asked(strategy, numbers, known, share=0.3, key=None):
    found = []
    for number in numbers:
        episode = strategy.ask(share, generator(0, "proposal", number), known)
        known.add(key(episode))
        found.append(episode)
    return found


def searched(strategy, table, iterations=8, size=8):
    """Rewards of the iterations, one being in flight as in a search."""
    worth, known, waiting, rewards = table.column("accuracy"), set(), [], []
    for iteration in range(iterations):
        numbers = range(iteration * size, (iteration + 1) * size)
        waiting.append(asked(strategy, numbers, known, iteration / iterations, table.space.key))
        if iteration:
            told = [(e, float(worth[table.space.row[e]])) for e in waiting.pop(0)]
            strategy.tell(iteration - 1, told)
            rewards += [reward for _, reward in told]
    return rewards


def test_first_come_the_largest_then_by_turns_a_walk(table):
    found = [
        -table.traits(e).size for e in asked(predictor(table), range(16), set(), key=table.space.key)
    ]
    largest = sorted(-table.traits(e).size for e in table.space.episodes)
    assert found[:8] + found[9::2] == pytest.approx(largest[:12])
    assert fmean(found[8::2]) > fmean(largest[:100])


def test_size_counts_for_nothing_where_the_larger_are_worse(tmp_path):
    ops = np.array(list(product(range(CHOICES), repeat=PLACES)), np.int8)
    size = ops.sum(1) / 6
    noise = np.random.default_rng(0).normal(0, 1, len(ops))
    columns = {"accuracy": 80 - 20 * size + noise, "params": 10.0 ** (1 + size)}
    np.savez(tmp_path / "table.npz", ops=ops, op_names=np.array(list("abc")), **columns)
    falling = Table(tmp_path / "table.npz")
    best = sorted(falling.column("accuracy"))[-5:]
    assert max(searched(predictor(falling), falling, iterations=6)) >= best[0]  # of 729, 48 evaluations


def test_it_finds_more_than_random_search(table):
    found = searched(predictor(table), table)
    other = searched(RandomSearch(table.space), table)
    assert max(found) > max(other)
    assert fmean(found[-16:]) > fmean(other[-16:]) + 10


def test_it_errs_less_than_the_mean_of_what_was_told(table):
    strategy = predictor(table)
    searched(strategy, table, iterations=12)
    checked = strategy.checked(4)
    assert [one.iteration for one in checked] == [7, 8, 9, 10]
    assert all(one.designs == 8 for one in checked)
    assert fmean(one.error for one in checked) < 0.8 * fmean(one.baseline for one in checked)


def test_what_it_proposes_follows_from_what_it_was_told(table):
    """One that is told all at once, as where a run goes on, asks as one that was there."""
    worth, known = table.column("accuracy"), set()
    there, waiting, told = predictor(table), [], []
    for iteration in range(7):
        share = iteration / 7
        numbers = range(iteration * 8, iteration * 8 + 8)
        late = predictor(table)
        for number, one in enumerate(told):
            late.tell(number, one)
        expected = asked(late, numbers, set(known), share, table.space.key)
        found = asked(there, numbers, known, share, table.space.key)
        assert found == expected
        waiting.append(found)
        if iteration:
            told.append([(e, float(worth[table.space.row[e]])) for e in waiting.pop(0)])
            there.tell(iteration - 1, told[-1])


def test_repeats_and_seeds(table):
    assert searched(predictor(table), table) == searched(predictor(table), table)
    assert searched(predictor(table), table) != searched(predictor(table, seed=1), table)


def test_what_is_over_a_limit_is_neither_proposed_nor_learned(table):
    def admit(episode):
        if episode[0].op == 2:
            raise OverLimit("too large")

    strategy = predictor(table, admit=admit)
    known = set()
    assert all(e[0].op != 2 for e in asked(strategy, range(16), known, key=table.space.key))
    over, under = table.space.episodes[-1], table.space.episodes[0]
    strategy.tell(0, [(over, -5.0), (under, 50.0)] * 4)
    assert all(e[0].op != 2 for e in asked(strategy, range(16, 40), known, key=table.space.key))


def test_where_all_is_known_it_repeats(table):
    known = {table.space.key(e) for e in table.space.episodes}
    episode = predictor(table).ask(0.9, generator(0, "ask"), known)
    assert episode in table.space.row


def test_the_kernel_is_fitted_in_steps():
    steps = [_fitted_at(told) for told in range(8, 200)]
    assert steps[0] == 8
    assert steps == sorted(steps)
    assert all(1 <= told / step < 1.35 or told < 12 for told, step in enumerate(steps, 8))
    assert len(set(steps)) < 16


def test_a_surrogate_predicts_and_doubts():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    rewards = 70 + 5 * np.sin(x[:, 0]) + 2 * x[:, 1] + rng.normal(0, 0.1, 80)
    rewards[:3] = 10.0  # failures do not stretch the scale
    model = Surrogate(x, rewards, fitted_kernel(x, rewards, length=2.4))
    new = rng.normal(size=(200, 3)) * 0.8
    truth = 70 + 5 * np.sin(new[:, 0]) + 2 * new[:, 1]
    predicted = model(new)
    errors = model.rewards(predicted.mean) - truth
    assert np.sqrt(np.mean(errors**2)) < truth.std() / 2
    far = model(np.full((1, 3), 9.0))
    assert far.deviation[0] > 3 * np.median(predicted.deviation)


def test_a_long_search_is_learned_from_in_part():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2500, 2))
    rewards = 50 + 10 * x[:, 0]
    model = Surrogate(x, rewards, fitted_kernel(x, rewards, length=2.0))
    assert len(model._model.X_train_) == 600
    assert model.rewards(model(x[-3:]).mean) == pytest.approx(rewards[-3:], abs=1.5)


@pytest.mark.slow
def test_blocks_within_limits():
    """In the block space: the first ones are large, all are admitted, and a goal is learned."""
    facts, _ = new_facts(
        "small",
        {"data": {"source": "digits"}, "strategy": "predictor", "space": {"max_params": 200_000}},
    )
    blocks = problem_of(facts)
    strategy = strategy_of(facts.settings, blocks)
    known, worths = set(), []
    for iteration in range(6):
        numbers = range(iteration * 8, iteration * 8 + 8)
        found = asked(strategy, numbers, known, iteration / 6, blocks.mdp.key)
        for episode in found:
            blocks.admit(episode)
        told = [(e, float(sum(layer.op == 5 for layer in e))) for e in found]
        worths.append(fmean(reward for _, reward in told))
        strategy.tell(iteration, told)
    assert fmean(worths[-2:]) > fmean(worths[:2]) + 1


def test_limits_that_nothing_keeps_leave_the_agents_walks(table):
    def admit(_):
        raise OverLimit("too large")

    strategy = predictor(table, admit=admit)
    assert strategy.ask(0.0, generator(0, "ask"), set()) in table.space.row
    strategy.tell(0, [(episode, -5.0) for episode in table.space.episodes[:20]])
    assert strategy.ask(0.5, generator(0, "ask"), set()) in table.space.row


@pytest.mark.slow
def test_status_tells_how_far_the_model_was_off(tmp_path, capsys):
    from blockqnn import search
    from blockqnn.cli import _print_status

    run = search(
        "digits",
        run=tmp_path / "run",
        preset="small",
        strategy="predictor",
        trials=24,
        executor="serial",
        device="cpu",
        max_flops="2M",
        settings={"recipe": {"steps": 3, "batch": 16, "restarts": 0}, "skeleton": {"widths": [4, 8]}},
    )
    _print_status(run.path, as_json=False)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("model, ")]
    assert [line.split(":")[0] for line in told] == ["model, iteration 2", "model, iteration 3"]
    assert all("before it learned of them" in line for line in told)
