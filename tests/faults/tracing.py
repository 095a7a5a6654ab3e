"""Runs work in a forked child and stands before each call that it makes on the files of a directory.

There the call can be recorded, failed with an error, or the child killed: between any two calls, never
by chance. This is what `strace --inject` does, without strace, and from a process that has imported all,
so that a child costs no start of Python. The calls are those of Linux on x86-64.
"""

import ctypes
import os
import platform
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KILL = -1  # as an answer: the child dies before the call
_CALLS = {
    1: "write",
    2: "open",
    17: "pread64",
    18: "pwrite64",
    74: "fsync",
    75: "fdatasync",
    77: "ftruncate",
    82: "rename",
    83: "mkdir",
    87: "unlink",
    257: "openat",
    263: "unlinkat",
}
_BY_DESCRIPTOR = {"write", "pread64", "pwrite64", "fsync", "fdatasync", "ftruncate"}
_AT = {"openat", "unlinkat"}  # the path is their second argument; Python and SQLite give whole paths
_TRACEME, _GETREGS, _SETREGS, _NEXT_CALL, _SETOPTIONS = 0, 12, 13, 24, 0x4200
_MARKED_CALLS, _DIES_WITH_TRACER = 1, 0x100000
_RAX, _RDX, _RSI, _RDI, _ORIG_RAX, _R10 = 10, 12, 13, 14, 15, 7  # places in the registers
_Registers = ctypes.c_ulong * 27
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True)
class Call:
    """A call that is about to happen."""

    process: int
    name: str
    path: str  # of the file, whole
    arguments: tuple[int, int, int, int]

    def data(self) -> bytes:
        """What a write is about to write."""
        return _read(self.process, self.arguments[1], self.arguments[2])

    @property
    def creates(self) -> bool:
        """Whether an `open` is about to make its file."""
        flags = self.arguments[2 if self.name in _AT else 1]
        return self.name.startswith("open") and bool(flags & os.O_CREAT) and not Path(self.path).exists()


def why_not() -> str:
    """Why nothing can be traced here; empty where it can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "traces the system calls of Linux on x86-64"
    try:
        watch(lambda: None, Path("/"), lambda _: None)
    except OSError as error:
        return f"may not trace its own child ({error})"
    return ""


def watch(work: Callable[[], None], directory: Path, at: Callable[[Call], int | None]) -> int:
    """The exit status of a child that does the work, -N where signal N ended it.

    `at` is asked before each call on the directory or what lies below it; it answers None (go on), an
    errno (the call fails with it) or `KILL`.
    """
    child = os.fork()
    if child == 0:
        _traced(work)
    try:
        return _follow(child, str(directory), at)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


def _traced(work: Callable[[], None]) -> None:
    """In the child. Never returns."""
    status = 70
    try:
        _ptrace(_TRACEME, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        work()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _follow(child: int, directory: str, at: Callable[[Call], int | None]) -> int:
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise PermissionError("it ended before its first stop")
    _ptrace(_SETOPTIONS, child, 0, _MARKED_CALLS | _DIES_WITH_TRACER)
    registers, signal_number, inside, error = _Registers(), 0, False, None
    while True:
        _ptrace(_NEXT_CALL, child, 0, signal_number)
        _, status = os.waitpid(child, 0)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        stopped_by = os.WSTOPSIG(status)
        signal_number = 0 if stopped_by == signal.SIGTRAP | 0x80 else stopped_by
        if signal_number:
            continue
        inside = not inside
        if inside:
            _ptrace(_GETREGS, child, 0, ctypes.addressof(registers))
            call = _call(child, registers, directory)
            error = at(call) if call else None
            if error == KILL:
                os.kill(child, signal.SIGKILL)
            elif error:
                registers[_ORIG_RAX] = ctypes.c_ulong(-1).value  # no call at all
                _ptrace(_SETREGS, child, 0, ctypes.addressof(registers))
        elif error:
            _ptrace(_GETREGS, child, 0, ctypes.addressof(registers))
            registers[_RAX] = ctypes.c_ulong(-error).value
            _ptrace(_SETREGS, child, 0, ctypes.addressof(registers))


def _call(child: int, registers: "ctypes.Array[ctypes.c_ulong]", directory: str) -> Call | None:
    """The call that these registers ask for, if it is one of ours."""
    name = _CALLS.get(registers[_ORIG_RAX])
    if name is None:
        return None
    arguments = (registers[_RDI], registers[_RSI], registers[_RDX], registers[_R10])
    if name in _BY_DESCRIPTOR:
        try:
            path = str(Path(f"/proc/{child}/fd/{arguments[0]}").readlink())
        except OSError:
            return None
    else:
        path = os.fsdecode(_read(child, arguments[name in _AT], 4096, text=True))
    if path == directory or path.startswith(f"{directory}/"):
        return Call(child, name, path, arguments)
    return None


def _read(child: int, address: int, count: int, text: bool = False) -> bytes:
    with Path(f"/proc/{child}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        if not text:
            return memory.read(count)
        page = 4096 - address % 4096
        found = memory.read(min(page, count))
        if b"\0" not in found:
            found += memory.read(count)
        return found.split(b"\0")[0]


def _ptrace(request: int, child: int, address: int, data: int) -> None:
    if _libc.ptrace(request, child, address, data) == -1:
        number = ctypes.get_errno()
        if number == 3 and request == _NEXT_CALL:  # it was killed meanwhile; waiting tells
            return
        raise OSError(number, os.strerror(number))
