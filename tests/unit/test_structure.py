"""The structure of a block as numbers."""

from blockqnn.space.code import parse
from blockqnn.space.structure import _EDGES, _KINDS, structure
from blockqnn.space.zoo import ZOO

SHAPE = ("depth", "density", "outputs", "longest", "shortest", "shared")


def told(code):
    """The numbers that are not 0, by name."""
    names = [*_KINDS, *_EDGES, *SHAPE]
    values = structure(parse(code))
    assert len(values) == len(names)
    return {name: value for name, value in zip(names, values, strict=True) if value}


def test_a_chain():
    assert told("(1,1,3,0,0) (2,2,3,1,0)") == {
        "conv3": 1,
        "max": 1,
        ("input", "conv3"): 1,
        ("conv3", "max"): 1,
        ("max", "output"): 1,
        "depth": 1,
        "density": 2 / 3,
        "outputs": 1,
        "longest": 2,
        "shortest": 2,
    }


def test_a_short_cut_and_two_leaves():
    found = told("(1,1,1,0,0) (2,5,0,0,1) (3,1,5,0,0)")
    assert found["add"] == found["conv1"] == found["conv5"] == 1
    assert found["input", "add"] == found["conv1", "add"] == 1
    assert found["add", "output"] == found["conv5", "output"] == 1
    assert (found["outputs"], found["longest"], found["shortest"], found["shared"]) == (2, 2, 1, 1)


def test_what_does_nothing_is_not_seen():
    assert told("(1,1,3,0,0) (2,4,0,1,0) (3,2,1,2,0)") == told("(1,1,3,0,0)")


def test_every_block_has_as_many_numbers():
    assert len({len(structure(block)) for block in ZOO.values()}) == 1
