"""Freed memory stays with a training, and goes to the system at its end."""

import subprocess
import sys

import pytest

WORK = """
import os, resource, torch
from contextlib import nullcontext
from blockqnn.evaluation.allocation import memory_kept
from blockqnn.machine import held_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

with {context}():
    for _ in range(10):  # until places are found that fit
        torch.ones(2**24)
    before = faults()
    for _ in range(10):
        torch.ones(2**24)
    print(faults() - before)
    inside = held_memory(os.getpid())
print(inside - held_memory(os.getpid()))
"""


def measured(context):
    """Page faults of ten tensors of 64 MiB, and bytes that are given back at the end."""
    script = [sys.executable, "-c", WORK.format(context=context)]
    out = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    return tuple(map(int, out.split()))


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's way to keep memory")
def test_freed_memory_is_kept_inside_and_given_back_at_the_end():
    plain, _ = measured("nullcontext")
    kept, given_back = measured("memory_kept")
    assert kept < plain / 5
    assert given_back > 2**25
