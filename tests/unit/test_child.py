"""A session's end, with those of its processes that have groups of their own."""

import subprocess
import sys
import time

import pytest

from blockqnn.runtime.child import kill_session
from faults.processes import nothing_left, wait_for

APART = "import os, sys, time; os.setpgid(0, 0); print(1, flush=True); time.sleep(60)"
LEADER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {APART!r}])"


@pytest.mark.skipif(sys.platform != "linux", reason="sessions as Linux tells them")
def test_all_processes_of_a_session_and_no_others():
    command = [sys.executable, "-c", LEADER]
    with nothing_left() as alive:
        first, second = (
            subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) for _ in range(2)
        )
        with first, second:
            assert first.stdout.readline() == second.stdout.readline() == b"1\n"
            assert len(alive()) == 4
            kill_session(first.pid)
            assert first.wait(2) == -9
            wait_for(lambda: len(alive()) == 2, 2)
            time.sleep(0.1)
            assert len(alive()) == 2
            assert second.poll() is None
            kill_session(second.pid)
