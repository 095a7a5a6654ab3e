"""Blocks for the tests."""

import random

from blockqnn.space.code import Block
from blockqnn.space.mdp import BlockSpace


def uniform_walk(seed: int, max_layers: int) -> Block:
    """Of a walk whose each step is drawn uniformly."""
    space, rng = BlockSpace(max_layers), random.Random(seed)
    episode = [space.start]
    while actions := space.actions(episode[-1]):
        episode.append(rng.choice(actions))
    return space.block(episode[1:])
