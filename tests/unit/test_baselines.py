"""Regularized evolution and local search, step by step and on blocks."""

from statistics import fmean

import numpy as np
import pytest

from blockqnn.seeds import generator
from blockqnn.space.mdp import BlockSpace
from blockqnn.strategy.evolution import Evolution
from blockqnn.strategy.local_search import LocalSearch
from blockqnn.strategy.random_search import RandomSearch
from blockqnn.tables.designs import Choice
from blockqnn.tables.table import Table

SPACE = BlockSpace(6)


def chain(*ops):
    return tuple(map(Choice, ops))


@pytest.fixture
def chains(tmp_path):
    """All chains of 4 choices of 3: the reward is their sum, which has one top."""
    ops = np.array(np.meshgrid(*[range(3)] * 4)).reshape(4, -1).T
    np.savez(tmp_path / "t.npz", ops=ops, op_names=np.array(list("abc")), accuracy=ops.sum(1) * 1.0)
    return Table(tmp_path / "t.npz").space


def height(episode):
    return float(sum(choice.op for choice in episode))


def asked(strategy, number, known=frozenset()):
    return strategy.ask(0.5, generator(0, "ask", number), known)


def test_a_child_is_the_best_of_the_population_mutated(chains):
    evolution = Evolution(chains, population=3, sample=50)  # all of them are in the sample, surely
    assert evolution.epsilon(0.0) == 1
    evolution.tell(0, [(chain(0, 0, 0, 0), 0.0), (chain(2, 1, 0, 0), 3.0), (chain(0, 0, 0, 1), 1.0)])
    assert evolution.epsilon(0.0) == 0
    for number in range(30):
        child = asked(evolution, number)
        assert sum(a != b for a, b in zip(child, chain(2, 1, 0, 0), strict=True)) == 1


def test_the_oldest_die(chains):
    evolution = Evolution(chains, population=2, sample=50)
    evolution.tell(0, [(chain(2, 2, 2, 2), 8.0), (chain(0, 0, 0, 0), 0.0)])
    evolution.tell(1, [(chain(0, 0, 0, 1), 1.0)])  # the best one is the oldest
    for number in range(30):
        assert height(asked(evolution, number)) <= 3


def test_children_that_are_known_are_dropped(chains):
    evolution = Evolution(chains, population=1, sample=1)
    evolution.tell(0, [(chain(0, 0, 0, 0), 0.0)])
    near = [chain(*(2 if i == place else 0 for i in range(4))) for place in range(4)]
    near += [chain(*(1 if i == place else 0 for i in range(4))) for place in range(3)]
    known = {chains.key(episode) for episode in near}
    assert {asked(evolution, number, known) for number in range(20)} == {chain(0, 0, 0, 1)}
    known.add(chains.key(chain(0, 0, 0, 1)))
    assert len(asked(evolution, 0, known)) == 4  # all are known: a repeat


def test_local_search_climbs_to_the_top_and_begins_anew(chains):
    local, known, told = LocalSearch(chains), set(), []
    for number in range(40):
        episode = asked(local, number, known)
        known.add(chains.key(episode))
        told.append(height(episode))
        local.tell(number, [(episode, told[-1])])
    assert max(told) == 8
    top = told.index(8.0)
    assert top < 32  # 8 neighbours a step, at most
    assert any(reward < 5 for reward in told[top + 9 :])  # a new climb, after the top's neighbours


def test_local_search_moves_only_up(chains):
    local = LocalSearch(chains)
    local.tell(0, [(chain(1, 1, 1, 1), 4.0), (chain(0, 0, 0, 0), 0.0)])
    local.tell(1, [(chain(0, 1, 1, 1), 3.0)])
    known = {chains.key(chain(0, 1, 1, 1))}
    found = {asked(local, number, known) for number in range(60)}
    assert all(sum(a != b for a, b in zip(e, chain(1, 1, 1, 1), strict=True)) == 1 for e in found)
    assert len(found) == 7
    local.tell(2, [(chain(2, 1, 1, 1), 5.0)])
    assert all(e[0].op == 2 or e[1:] == chain(1, 1, 1) for e in (asked(local, n) for n in range(20)))


def searched(strategy, reward, trials=240, size=8):
    """Mean reward of the last tenth, without a store."""
    known, rewards = set(), []
    for iteration in range(trials // size):
        numbers = range(iteration * size, (iteration + 1) * size)
        episodes = [asked(strategy, number, known) for number in numbers]
        known.update(map(SPACE.key, episodes))
        told = [(episode, reward(episode)) for episode in episodes]
        strategy.tell(iteration, told)
        rewards += [r for _, r in told]
    return fmean(rewards[-trials // 10 :])


@pytest.mark.parametrize("make", [lambda: Evolution(SPACE, 40, 10), lambda: LocalSearch(SPACE)])
def test_they_find_better_blocks_than_random_search(make):
    def reward(episode):
        return float(sum(layer.op == 1 for layer in episode) + sum(layer.op == 5 for layer in episode))

    assert searched(make(), reward) > searched(RandomSearch(SPACE), reward) + 1
