"""Ends every process of a session, as Linux tells them."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def kill_session(leader: int) -> None:
    """Kills the session's processes, but for this one: also those in groups of their own.

    Ray's workers are such. One that is just starting waits a minute for a head that is gone, and
    does not notice meanwhile that its node's process is gone too.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            pid, session = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()[3]
            if int(session) == leader and pid != os.getpid():
                os.kill(pid, signal.SIGKILL)
