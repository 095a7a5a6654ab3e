"""One supervised child process: started, fed, watched, killed. Any platform; more on POSIX."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, TypeAlias

from pydantic import BaseModel

from blockqnn.machine import held_memory

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_LINE_LIMIT = 1 << 20  # bytes of one answer
_PATIENCE = 0.5  # seconds for what takes milliseconds, or else is given up


Message = tuple["Child", bytes | None]
Inbox: TypeAlias = "queue.SimpleQueue[Message | None]"  # None wakes who reads it


def kill_session(leader: int) -> None:
    """Kills the processes of a session, but for this one: on Linux, also those in groups of their own.

    Ray's workers are such. One that is just starting waits a minute for a head that is gone, and
    does not notice meanwhile that its node's process is gone too.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            pid, session = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()[3]
            if int(session) == leader and pid != os.getpid():
                os.kill(pid, signal.SIGKILL)


class Child:
    """A Python module that runs in a process of its own; lines of JSON in, lines of JSON out.

    Everything it says arrives in `inbox` as (this, line); (this, None) means that it ended, or that
    its answers did.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        opening: Mapping[str, Any],
        inbox: Inbox,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """The `opening` is its first line, with this process's number as `parent`."""
        path = os.pathsep.join(p for p in sys.path if p)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD, **environment, "PYTHONPATH": path},
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.started = time.monotonic()
        self._inbox = inbox
        self.last_words = ""  # the last line that it wrote to standard error
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._hear, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._overhear, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self._write(json.dumps({"parent": os.getpid(), **opening}))

    def send(self, message: BaseModel) -> None:
        """Hands it to the child. A dead one is noticed in the inbox, not here."""
        self._write(message.model_dump_json())

    def memory(self) -> int:
        """Bytes of main memory that the child holds; 0 where the system does not tell."""
        return held_memory(self.pid)

    def kill(self) -> None:
        """Ends the child and every process of its group, whatever state it is in."""
        if os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: it is left there
            self._process.wait(_PATIENCE)
        for reader in self._readers:  # one lives on if a process that left the group holds its pipe
            reader.join(_PATIENCE)
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def close(self, patience: float) -> None:
        """Ends the child's input, at which it should end by itself within so many seconds."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self.kill()

    def is_dead(self) -> bool:
        """Whether it ended; processes that it left behind can keep that out of the inbox."""
        return self._process.poll() is not None

    def ended_by(self) -> int:
        """The child's exit status, -N where signal N ended it; kills what it left behind."""
        with suppress(subprocess.TimeoutExpired):  # its answers end a moment before itself
            self._process.wait(_PATIENCE)
        self.kill()
        status = self._process.returncode
        return -9 if status is None else status

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def _hear(self, pipe: IO[bytes]) -> None:
        with pipe:
            while (line := pipe.readline(_LINE_LIMIT)).endswith(b"\n"):
                self._inbox.put((self, line))
            if len(line) == _LINE_LIMIT:  # endless: no more of it is read
                self._inbox.put((self, line))
        self._inbox.put((self, None))

    def _overhear(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(_LINE_LIMIT):
                if text := line.decode(errors="replace").strip():
                    self.last_words = text[:500]
