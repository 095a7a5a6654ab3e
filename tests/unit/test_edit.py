"""Designs that differ by one choice: of chains, of blocks, and of a sample of a table."""

from random import Random

import numpy as np
import pytest

from blockqnn.space.code import parse
from blockqnn.space.mdp import BlockSpace
from blockqnn.strategy.edit import edited, mutated, neighbours
from blockqnn.strategy.walk import random_action, walk
from blockqnn.tables.designs import Choice
from blockqnn.tables.table import Table

SPACE = BlockSpace(4)


@pytest.fixture
def chains(tmp_path):
    """All chains of three choices of two, but (1, 1, 1)."""
    ops = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)][:-1], np.int8)
    np.savez(tmp_path / "t.npz", ops=ops, op_names=np.array(["a", "b"]), accuracy=np.arange(7.0))
    return Table(tmp_path / "t.npz").space


def chain(*ops):
    return tuple(map(Choice, ops))


def legal(space, episode):
    state = space.start
    for action in episode:
        assert action in space.actions(state)
        state = space.step(state, action)
    return not space.actions(state)


def test_later_choices_stay(chains):
    assert edited(chains, chain(0, 1, 1), 1, Choice(0), Random(0)) == chain(0, 0, 1)


def test_what_is_not_legal_any_more_is_drawn(chains):
    assert edited(chains, chain(0, 1, 1), 0, Choice(1), Random(0)) == chain(1, 1, 0)


def test_neighbours_are_all_designs_by_one_other_choice(chains):
    assert sorted(neighbours(chains, chain(0, 0, 0))) == [chain(0, 0, 1), chain(0, 1, 0), chain(1, 0, 0)]


def test_a_block_may_end_earlier_or_later():
    episode = SPACE.episode("(1,1,3,0,0) (2,1,1,1,0)")
    found = {SPACE.text(e) for e in neighbours(SPACE, episode)}
    assert "(1,1,3,0,0) (2,7,0,0,0)" in found  # the terminal layer instead of the second
    lengths = {len(parse(code).layers) for code in found}
    assert lengths == {1, 2, 3}  # another layer instead of the terminal one, and then the end
    assert list(neighbours(SPACE, episode)) == list(neighbours(SPACE, episode))


def test_a_mutated_block_is_legal_and_another_one():
    rng = Random(0)
    for _ in range(300):
        episode = walk(SPACE, lambda s: random_action(SPACE, s, rng, "actions"))
        other = mutated(SPACE, episode, rng)
        assert legal(SPACE, other)
        assert other != episode


def test_where_there_is_no_choice_nothing_changes(tmp_path):
    np.savez(tmp_path / "t.npz", ops=np.zeros((1, 2), int), op_names=np.array(["a"]), accuracy=[1.0])
    space = Table(tmp_path / "t.npz").space
    assert mutated(space, chain(0, 0), Random(0)) == chain(0, 0)
    assert list(neighbours(space, chain(0, 0))) == []
