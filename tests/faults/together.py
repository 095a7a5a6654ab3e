"""The command blockqnn as torchrun starts it, saving often; one process may kill itself on the way.

    torchrun ... together.py KILLED STEP ARGUMENTS...

In the first round of processes the one of rank KILLED ends at that step; -1: none does.
"""

import os
import signal
import sys

from blockqnn.cli import main
from blockqnn.evaluation.step import Step
from blockqnn.training import session

session.EVERY = 0.0
killed, last = int(sys.argv[1]), int(sys.argv[2])
taken = 0
original = Step.__call__


def told(self: Step, *shown: object) -> None:
    global taken
    taken += 1
    first_round = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if first_round and int(os.environ["RANK"]) == killed and taken == last:
        os.kill(os.getpid(), signal.SIGKILL)
    original(self, *shown)  # type: ignore[arg-type]


Step.__call__ = told  # type: ignore[method-assign]
sys.argv = ["blockqnn", *sys.argv[3:]]
try:
    main()
finally:
    print(f"process {os.environ['RANK']}: {taken} steps", file=sys.stderr, flush=True)
