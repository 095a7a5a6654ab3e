"""A Ray cluster on this machine, told what to do a line at a time: `python -m faults.ray_nodes`.

Lines in: `add CPUS [NAME=VALUE ...]` (a node; the first is the head), `kill N` (the node's raylet and
all its workers, as when a machine is lost), `freeze N`, `head` (kills the head's control service). Each
is answered by a line: the address, or `done`. The cluster ends with the input.
"""

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from ray.cluster_utils import Cluster


def children(pid: int) -> list[int]:
    """Processes that this one started, and those that they did."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent == pid:
            found += [int(stat.parent.name), *children(int(stat.parent.name))]
    return found


def raylet(node) -> int:
    return node.all_processes["raylet"][0].process.pid


def main() -> None:
    os.umask(0o077)
    logging.disable(logging.ERROR)
    cluster, nodes = Cluster(), []
    for line in sys.stdin:
        command, *words = line.split()
        if command == "add":
            for word in words[1:]:
                name, _, value = word.partition("=")
                os.environ[name] = value
            node = cluster.add_node(wait=False, num_cpus=int(words[0]), include_dashboard=False)
            cluster._wait_for_node(node, 90)  # Ray's 30 s are too few on a busy machine
            nodes.append(node)
            print(cluster.address, flush=True)
            continue
        if command == "head":
            os.kill(nodes[0].all_processes["gcs_server"][0].process.pid, signal.SIGKILL)
        else:
            pid = raylet(nodes[int(words[0])])
            sent = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}[command]
            for process in [pid, *children(pid)]:
                os.kill(process, sent)
        print("done", flush=True)
    begun = {pid for node in nodes for pid in children(raylet(node))}
    cluster.shutdown()
    for pid in begun:  # those that were stopped do not notice, others take their time
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
