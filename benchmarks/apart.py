"""A process of its own for what is measured, kept from one question to the next.

What one loop sets in its process, such as how the C library keeps freed memory, must not reach another
loop, nor may their peak memory be one number.
"""

from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SPAWN = get_context("spawn")
_LOOK, _PATIENCE = 1.0, 10.0  # seconds between looks whether it lives, and until it has to be gone


class Failed(Exception):
    """What went wrong in the process, in one line: an error there, or how it ended."""


class Apart:
    """Calls functions with an object that lives in the other process, one call at a time.

    `make(*arguments)` makes the object there, when it is first asked for. A process that died is
    started anew by the next call, with a new object.
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self._make, self._arguments = make, arguments
        self._process: Any = None

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(object, *arguments)` there; raises Failed."""
        if self._process is None:
            self._start()
        try:
            self._pipe.send((function, arguments))
            while not self._pipe.poll(_LOOK):  # its forks may hold the pipe open after its death
                if not self._process.is_alive() and not self._pipe.poll():
                    raise EOFError
            done, answer = self._pipe.recv()
        except (EOFError, OSError):
            process = self._process
            self.close()
            raise Failed(f"its process ended with exit code {process.exitcode}") from None
        if not done:
            raise Failed(answer)
        return answer

    def _start(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        # not a daemon, which may not have the children that a DataLoader starts
        self._process = _SPAWN.Process(target=_answer, args=(theirs, self._make, self._arguments))
        self._process.start()
        theirs.close()

    def close(self) -> None:
        """Ends the process, which notices that nobody asks any more."""
        if self._process is not None:
            self._pipe.close()
            self._process.join(_PATIENCE)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _answer(pipe: Any, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """The other process: answers until the pipe is closed."""
    there = make(*arguments)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, function(there, *arguments)
        except Exception as error:  # told to who asked; the next question may be answered
            answer = False, said(error)
        pipe.send(answer)


def said(error: Exception) -> str:
    """An error in one line of at most 200 characters."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def forget_peak() -> None:
    """Lets `peak_memory` begin anew, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak becomes what is held now


def peak_memory() -> int | None:
    """Bytes: the most main memory that this process held since `forget_peak`; None but on Linux.

    Not getrusage's: its number begins at what the parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
