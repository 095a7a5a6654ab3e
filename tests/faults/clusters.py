"""Ray clusters for tests: of this machine, with as many nodes as a test wants."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from tempfile import TemporaryFile

import pytest

from blockqnn.runtime.cluster.executor import RayExecutor
from blockqnn.runtime.cluster.messages import Opening
from faults.processes import wait_for

needs_ray = pytest.mark.skipif(
    sys.platform != "linux" or find_spec("ray") is None, reason="Ray is not installed"
)


class RayNodes:
    """A cluster; see faults.ray_nodes for what it can be told."""

    def __init__(self, process, said):
        self._process, self._said = process, said
        self.address = ""

    def tell(self, order):
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, f"the cluster is gone:\n{self._said.seek(0) or self._said.read()[-4000:]}"
        if order.startswith("add"):
            self.address = answer


@contextmanager
def cluster(*orders: str, mode: str = "token") -> Iterator[RayNodes]:
    """A cluster with the nodes that were ordered, until the end of the block."""
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, "RAY_AUTH_MODE": mode}
    for again in (True, True, False):  # where Ray itself does not start: two clusters may want a port
        with _cluster(environment) as nodes:
            try:
                for order in orders:
                    nodes.tell(order)
            except AssertionError:
                if again:
                    continue
                raise
            yield nodes
            return


@contextmanager
def _cluster(environment: dict[str, str]) -> Iterator[RayNodes]:
    command, pipe = [sys.executable, "-m", "faults.ray_nodes"], subprocess.PIPE
    with (
        TemporaryFile("w+") as said,
        subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, stderr=said, text=True
        ) as process,
    ):
        yield RayNodes(process, said)
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


# seconds are thousandths: what docs/cluster.md recommends on all nodes
TUNED = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "5",
}


class Cable:
    """The link between the head and the machine that is another network."""

    def __init__(self, device, address):
        self._device, self.address = device, address

    def set(self, state):
        _run("ip", "link", "set", self._device, state)


def can_have_networks() -> bool:
    """Whether this process may make networks of its own; others may try at the same time."""
    space, here, there = (f"bq-{name}{os.getpid()}" for name in "sab")
    try:
        _run("ip", "netns", "add", space)
        try:
            _run("ip", "link", "add", here, "type", "veth", "peer", "name", there)
            _run("ip", "link", "delete", here)
        finally:
            _run("ip", "netns", "delete", space)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@contextmanager
def two_networks(settings: dict[str, str]) -> Iterator[Cable]:
    """A head and a node with a core each, in networks of their own, joined by one cable."""
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, "RAY_AUTH_MODE": "token", **settings}
    space, here, there = "bq-far", "bq-here", "bq-there"
    head, far = "10.77.31.1", "10.77.31.2"
    port = "6397"
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus=1", "--block"]
    with ExitStack() as stack:
        _run("ip", "netns", "add", space)
        stack.callback(_run, "ip", "netns", "delete", space)
        _run("ip", "link", "add", here, "type", "veth", "peer", "name", there)
        stack.callback(subprocess.run, ["ip", "link", "delete", here], capture_output=True)
        _run("ip", "link", "set", there, "netns", space)
        _run("ip", "addr", "add", f"{head}/24", "dev", here)
        _run("ip", "link", "set", here, "up")
        inside = ["ip", "netns", "exec", space]
        _run(*inside, "ip", "addr", "add", f"{far}/24", "dev", there)
        for device in ("lo", there):
            _run(*inside, "ip", "link", "set", device, "up")
        for command in (
            [*ray, "--head", f"--node-ip-address={head}", f"--port={port}", "--include-dashboard=false"],
            [*inside, *ray, f"--address={head}:{port}", f"--node-ip-address={far}"],
        ):
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            wait_for(lambda: _accepts(head, int(port)), 60)
        yield Cable(here, f"{head}:{port}")


def _accepts(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
