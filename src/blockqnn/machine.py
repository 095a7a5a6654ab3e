"""The machine: its processor's cores and its main memory."""

import os
import platform
from pathlib import Path

_SHORT_NUMBERS = ("avx512_bf16", "amx_bf16")  # where libraries compute bfloat16 in other ways


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """Its name, and in which ways it computes with bfloat16 where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
    ways = [name for name in _SHORT_NUMBERS if name in told.get("flags", "").split()]
    name = told.get("model name") or platform.processor() or platform.machine()
    return f"{name} with {', '.join(ways)}" if ways else name


def free_memory() -> int | None:
    """Bytes that new processes may take, where the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if kilobytes is None else int(kilobytes) * 1024


def memory_share(workers: int) -> int | None:
    """Bytes for each of so many workers that begin now, of nearly all that is free; None: not told."""
    free = free_memory()
    return int(0.9 * free / workers) if free else None


def held_memory(pid: int) -> int:
    """Bytes of main memory that a process holds; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
