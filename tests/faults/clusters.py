"""Ray clusters for tests: of this machine, with as many nodes as a test wants."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from blockqnn.runtime.cluster.executor import RayExecutor
from blockqnn.runtime.cluster.messages import Opening
from faults.processes import wait_for

needs_ray = pytest.mark.skipif(
    sys.platform != "linux" or find_spec("ray") is None, reason="Ray is not installed"
)


class RayNodes:
    """A cluster; see faults.ray_nodes for what it can be told."""

    def __init__(self, process):
        self._process = process
        self.address = ""

    def tell(self, order):
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, "the cluster is gone"
        if order.startswith("add"):
            self.address = answer


@contextmanager
def cluster(*orders: str, mode: str = "token") -> Iterator[RayNodes]:
    """A cluster with the nodes that were ordered, until the end of the block."""
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, "RAY_AUTH_MODE": mode}
    command = [sys.executable, "-m", "faults.ray_nodes"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as process:
        nodes = RayNodes(process)
        for order in orders:
            nodes.tell(order)
        yield nodes
        process.stdin.close()
        process.wait(20)


def ray_executor(evaluator, specification, address=None, *, said=None, **changes):
    """An executor of the cluster there, or of one of its own."""
    opening = {
        "evaluator": evaluator,
        "specification": specification,
        "address": address,
        "unauthenticated": False,
        "workers": None,
        "per_gpu": None,
        "timeout": 60.0,
        "memory": None,
        "freight": None,
    }
    return RayExecutor(Opening(**{**opening, **changes}), *([] if said is None else [said.append]))


def when_all_joined(executor, nodes):
    """The executor, once so many nodes have joined."""
    wait_for(lambda: executor._heard_all(0.1) or len(executor._nodes) == nodes, 90)
    return executor
