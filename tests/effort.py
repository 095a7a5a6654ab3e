"""How much of what could be tried is tried: BLOCKQNN_TESTS=full tries all of it (`make reliability`)."""

import os

FULL = os.environ.get("BLOCKQNN_TESTS") == "full"


def effort(usual: int, full: int) -> int:
    """A count, or a stride, of this session."""
    return full if FULL else usual
