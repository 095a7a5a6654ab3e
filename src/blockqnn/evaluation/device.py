"""Device and number format, resolved once, and the fingerprint of what computes."""

import os

import torch

from blockqnn.errors import InputError
from blockqnn.machine import held_memory, processor, usable_cores

_SHARED = 1e9  # FLOPs of a step from which threads do not wait for each other most of the time


def resolve_device(name: str) -> str:
    """`auto` is CUDA where there is one, else the CPU. Raises InputError for one that is absent."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(name, False):
        allowed = ", ".join(n for n, there in present.items() if there)
        raise InputError(f"device {name!r} is not on this machine; allowed are auto, {allowed}")
    return name


def fingerprint(device: str) -> str:
    """What the last bits of a measurement may depend on: hardware kind, torch, threads, processor."""
    if device == "cuda":
        major, minor = torch.cuda.get_device_capability()
        kind = f"{torch.cuda.get_device_name()} sm_{major}{minor}"
    else:
        kind = torch.backends.cpu.get_cpu_capability() if device == "cpu" else device
    told = f"{kind}; torch {torch.__version__}; {torch.get_num_threads()} thread"
    return f"{told}; {processor()}" if device == "cpu" else told


def use_one_thread() -> None:
    """One thread a process: faster in sum than many, and the same bits in every worker."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


def use_all_cores(flops: float, processes: int = 1, decoding: int = 0) -> None:
    """Threads for one training alone: one a core, but only one where a step is small.

    `flops` are those of a step's forward pass. Which it is follows from them, not from a measured
    time, so that the same training has the same bits again. So many processes share the cores, each with
    so many that decode images.
    """
    cores = usable_cores() // processes - decoding
    torch.set_num_threads(max(1, cores) if flops >= _SHARED else 1)


def decoding_processes(device: str, processes: int = 1) -> int:
    """How many decode images for each of so many trainings; on a CPU the network needs cores too."""
    cores = usable_cores() // processes
    return max(1, cores // 2 if device == "cpu" else min(16, cores - 1))


def memory_left(device: str, limit: int | None = None) -> int | None:
    """Bytes that this process can still take there; None where nobody tells.

    `limit` is what it may take of the main memory.
    """
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    held = held_memory(os.getpid())
    return max(0, limit - held) if device == "cpu" and limit and held else None


def resolve_precision(name: str, device: str) -> str:
    """`auto` is bfloat16 on CUDA and on CPUs with instructions for it, else float32."""
    if name != "auto":
        return name
    if device == "cpu":
        able = torch.cpu.get_capabilities()  # type: ignore[attr-defined, no-untyped-call, unused-ignore]
        return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"
    if device == "cuda" and not torch.cuda.is_available():  # those of a cluster, taken to be of today
        return "bfloat16"
    fast = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if fast else "float32"
