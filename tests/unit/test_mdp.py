"""The block space as a decision process: which layers may come next, and what an episode means."""

import pytest
from hypothesis import given

from blockqnn.space.code import CodeError, Layer, Op, parse, terminal
from blockqnn.space.mdp import BlockSpace
from strategies import STEADY, episodes

PAPER = BlockSpace(23)


def conv(index: int) -> Layer:
    return Layer(index, Op.CONV, 3, 0, 0)


@pytest.mark.parametrize(
    ("index", "count"),
    [
        (1, 8),  # 3 + 2 + 2 + 1 ways to read the input; no pair, no terminal
        (2, 19),  # 8 x 2 + Add and Concat of the one pair + terminal
        (3, 31),  # 8 x 3 + 2 x 3 + 1
        (10, 171),  # 8 x 10 + 2 x 45 + 1
        (23, 691),  # 8 x 23 + 2 x 253 + 1
        (24, 1),  # terminal only
    ],
)
def test_number_of_actions_that_write_a_layer(index, count):
    actions = PAPER.actions(PAPER.start if index == 1 else conv(index - 1))
    assert len(actions) == len(set(actions)) == count
    assert {action.index for action in actions} == {index}


def reachable(space: BlockSpace) -> set[Layer]:
    seen, new = set(), {space.start}
    while new:
        seen |= new
        new = {space.step(s, a) for s in new for a in space.actions(s)} - seen
    return seen


@pytest.mark.parametrize(
    ("max_layers", "operations"),
    [
        (1, 8),
        (2, 26),  # + 18
        (3, 56),  # + 30
        (23, 6_256),  # 8 x (1 + ... + 23) + (1x0 + 2x1 + ... + 23x22) = 2,208 + 4,048
    ],
)
def test_number_of_states(max_layers, operations):
    states = reachable(BlockSpace(max_layers))
    ends = {state for state in states if state.op is Op.TERMINAL}
    assert ends == {terminal(index) for index in range(2, max_layers + 2)}
    assert len(states - ends - {BlockSpace.start}) == operations


def test_the_terminal_layer_is_never_first():
    assert Op.TERMINAL not in {action.op for action in PAPER.actions(PAPER.start)}


@pytest.mark.parametrize("max_layers", [1, 2, 8, 23])
def test_the_terminal_layer_is_legal_from_layer_two_and_forced_at_the_limit(max_layers):
    space = BlockSpace(max_layers)
    for index in range(1, max_layers):
        assert terminal(index + 1) in space.actions(conv(index))
    assert space.actions(conv(max_layers)) == (terminal(max_layers + 1),)


def test_nothing_follows_the_terminal_layer():
    assert PAPER.actions(terminal(5)) == ()
    assert PAPER.kinds(terminal(5)) == ()


@pytest.mark.parametrize("index", [0, 1, 2, 9, 22, 23])
def test_kinds_are_the_actions_by_type(index):
    state = conv(index) if index else PAPER.start
    kinds = PAPER.kinds(state)
    assert tuple(action for kind in kinds for action in kind) == PAPER.actions(state)
    types = [{action.op for action in kind} for kind in kinds]
    assert all(len(ops) == 1 for ops in types)
    assert len(types) == len(set().union(*types))


def test_pairs_are_proposed_once_smaller_index_first():
    adds = [action.preds for action in PAPER.actions(conv(2)) if action.op is Op.ADD]
    assert adds == [(0, 1), (0, 2), (1, 2)]


@STEADY
@given(episodes(max_layers=23))
def test_every_walk_writes_a_legal_block(episode):
    block = PAPER.block(episode)
    assert 1 <= len(block.layers) <= 23
    assert block.leaves
    assert episode == (*block.layers, terminal(len(block.layers) + 1))


@STEADY
@given(episodes(max_layers=23))
def test_text_and_episode_are_inverse(episode):
    text = PAPER.text(episode)
    assert PAPER.episode(text) == episode
    assert PAPER.text(PAPER.episode(text)) == text


@STEADY
@given(episodes(max_layers=8))
def test_an_episode_is_a_path_through_the_space(episode):
    space = BlockSpace(8)
    state = space.start
    for action in episode:
        assert action in space.actions(state)
        state = space.step(state, action)
    assert space.actions(state) == ()


def test_the_key_is_that_of_the_block():
    plain, padded = (PAPER.episode(text) for text in ("(1,1,3,0,0)", "(1,4,0,0,0) (2,1,3,1,0)"))
    assert plain != padded
    assert PAPER.key(plain) == PAPER.key(padded)
    assert PAPER.key(plain) != PAPER.key(PAPER.episode("(1,1,5,0,0)"))
    assert PAPER.block(padded) == parse("(1,4,0,0,0) (2,1,3,1,0)")


@given(episodes(23))
def test_an_episode_that_is_looked_up_is_the_one_that_is_parsed(episode):
    text = PAPER.text(episode)
    layers = parse(text).layers
    found = PAPER.episode(text)
    assert found == (*layers, terminal(len(layers) + 1))
    assert all(type(layer.op) is Op for layer in found)
    assert all(one is other for one, other in zip(found, PAPER.episode(text), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "(1,1,3,0,0) (2,7,0,0,0) (3,7,0,0,0)",  # two ends
        "(1,1,3,0,0) (3,7,0,0,0)",  # a number is left out
        "(1,7,0,0,0)",  # empty
        "(1,1,3,1,0) (2,7,0,0,0)",  # reads itself
        "(1,1,2,0,0) (2,7,0,0,0)",  # no such kernel
        "(1,8,3,0,0) (2,7,0,0,0)",  # no such type
        "",
        " ",
    ],
)
def test_what_is_no_block_is_no_episode(text):
    with pytest.raises(CodeError):
        PAPER.episode(text)


def test_a_block_that_the_space_does_not_hold_can_be_read():
    """Of another space or typed: too long, operands the other way round, no end, other brackets."""
    long = "(1,4,0,0,0) (2,4,0,1,0) (3,4,0,2,0) (4,7,0,0,0)"
    assert BlockSpace(2).episode(long) == (*parse(long).layers, terminal(4))
    turned = "(1,1,3,0,0) (2,5,0,1,0) (3,7,0,0,0)"
    assert PAPER.episode(turned)[1] == Layer(2, Op.ADD, 0, 1, 0)
    for typed in ("(1,1,3,0,0)", "[[1,1,3,0,0], [2,7,0,0,0]]"):
        assert PAPER.episode(typed) == (Layer(1, Op.CONV, 3, 0, 0), terminal(2))
