"""Blocks with a name: the exemplars of fig. 2 and the discovered blocks of fig. 8.

The paper draws A, B and S but prints no codes; these were written down from the drawings and
agree with its depths, parameters and densities (tests/unit/test_zoo.py).
"""

from collections.abc import Mapping
from types import MappingProxyType

from blockqnn.space.code import Block, parse

_CODES = {
    "inception-like": "(1,4,0,0,0) (2,1,1,1,0) (3,1,3,2,0) (4,1,1,1,0) (5,1,5,4,0) (6,6,0,3,5)"
    " (7,2,3,1,0) (8,1,1,7,0) (9,6,0,6,8)",
    "resnet-like": "(1,4,0,0,0) (2,1,3,1,0) (3,1,3,2,0) (4,5,0,1,3)",
    "block-qnn-a": "(1,1,5,0,0) (2,5,0,0,1) (3,1,3,2,0) (4,1,1,0,0) (5,1,3,0,0) (6,2,1,5,0)"
    " (7,1,1,6,0) (8,1,5,0,0) (9,2,1,8,0) (10,3,3,9,0) (11,1,3,0,0) (12,2,3,11,0)",
    "block-qnn-b": "(1,1,1,0,0) (2,1,3,0,0) (3,1,5,2,0) (4,5,0,2,3) (5,6,0,2,3) (6,1,3,5,0)"
    " (7,1,5,0,0) (8,3,3,7,0) (9,1,3,0,0)",
    "block-qnn-s": "(1,1,3,0,0) (2,1,1,1,0) (3,2,3,2,0) (4,1,3,1,0) (5,1,5,4,0) (6,1,3,0,0)"
    " (7,5,0,5,6) (8,2,3,6,0) (9,1,1,0,0) (10,5,0,6,9) (11,1,3,10,0) (12,1,3,9,0) (13,1,1,0,0)",
}

ZOO: Mapping[str, Block] = MappingProxyType({name: parse(code) for name, code in _CODES.items()})
