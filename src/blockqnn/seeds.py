"""Randomness is derived, never shared: every draw has its own generator."""

import random
from hashlib import blake2b


def derive(seed: int, purpose: str, *numbers: int) -> int:
    """A 63-bit seed for one purpose of one run, the same on every machine and Python.

    Two different (seed, purpose, numbers) give unrelated streams, so no draw depends on how
    many draws were made elsewhere, or in which order.
    """
    path = "/".join((str(seed), purpose, *map(str, numbers)))
    return int.from_bytes(blake2b(path.encode(), digest_size=8).digest()) >> 1


def generator(seed: int, purpose: str, *numbers: int) -> random.Random:
    """A generator of its own for (seed, purpose, numbers)."""
    return random.Random(derive(seed, purpose, *numbers))
