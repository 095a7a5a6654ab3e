"""Main memory that a training asks for again and again, kept from step to step.

glibc gives large tensors back to the system when they are freed; the next step then meets fresh pages,
each of which the system must clear: up to half of a step's time on a CPU (docs/LOG.md, 2026-11-26).
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEPT, _LARGEST = 2**31 - 1, 2**30  # bytes kept when freed, and of a tensor that still is


@contextmanager
def memory_kept() -> Iterator[None]:
    """Inside, freed memory stays with this process; at the end what is free goes to the system.

    Trainings need different amounts. Where the C library is not glibc nothing changes.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    glibc = library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    if glibc:
        glibc.mallopt(_MMAP_THRESHOLD, _LARGEST)
        glibc.mallopt(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        if glibc:
            glibc.malloc_trim(0)
