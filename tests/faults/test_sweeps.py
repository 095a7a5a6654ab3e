"""A search killed, or refused by its disk, at each of its calls; its power lost: nothing else is.

`make reliability` takes every call, and says how many there were; the usual tests some of them.
"""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from effort import FULL, effort
from faults.tracing import why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600 if FULL else 300),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]


def told(program, *arguments):
    """The program's lines, each of JSON. It has one thread, as all that forks should."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", f"faults.{program}", *map(str, arguments)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def points(sweep, *arguments):
    found = told(sweep, *arguments)
    print(f"{sweep} {arguments[1:]}: {len(found)} points, {Counter(p['status'] for p in found)}")
    return found


@pytest.mark.parametrize("staleness", [0, 1])
def test_killed_before_any_call(in_memory, staleness):
    found = points("kill_sweep", in_memory, staleness, staleness, effort(43, 1))
    assert len(found) >= effort(14, 500)
    assert {point["status"] for point in found} == {-9}
    assert sum(point["again"] == -9 for point in found) > len(found) / 2
    assert not [point for point in found if point["lost"] or point["end"] != 0 or not point["same"]]


def test_the_kill_sweep_finds_what_is_acknowledged_before_it_is_stored(in_memory):
    found = points("kill_sweep", in_memory, 1, 0, 61, "acknowledge_before_commit")
    assert any("result" in lost for point in found for lost in point["lost"])


@pytest.mark.parametrize(("kind", "stride"), [("full", 23), ("broken", 43), ("broken for good", 43)])
def test_an_error_at_any_call(in_memory, kind, stride):
    found = points("error_sweep", in_memory, kind, 0, effort(stride, 1))
    assert len(found) >= effort(8, 200)
    assert not [point for point in found if point["lost"] or not point["same"]]
    if kind != "full":  # of which a search may find a way out
        assert sum(point["status"] == 1 for point in found) > len(found) / 2
    for point in found:
        said = point["said"].splitlines()
        assert "Traceback" not in point["said"]
        if point["status"]:
            assert said[-1].startswith("blockqnn: ")
            assert sum(line.startswith("blockqnn: ") for line in said) == 1
        # the disk gives back other bytes than were written, or nothing was begun
        if point["status"] not in (0, 1):
            assert "is damaged" in said[-1] or "is no run file" in said[-1] or not point["begun"]


def test_any_state_that_a_power_loss_leaves(in_memory):
    (found,) = told("power_loss", in_memory, effort(40, 200), effort(7, 1), effort(8, 60))
    print(f"{found['states']} states at {found['steps']} moments")
    assert found["states"] >= effort(100, 10_000)
    assert found["lost"] == []


@pytest.mark.parametrize("place", ["run", "run.sqlite3", "run.sqlite3-journal"])
def test_the_simulation_finds_a_sync_that_is_missing(in_memory, place):
    (found,) = told("power_loss", in_memory, 20, 3, 8, place)
    assert found["lost"]
