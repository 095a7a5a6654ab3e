"""Processor, memory and GPUs, as torch sees them."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blockqnn.doctor.finding import Finding
from blockqnn.machine import free_memory, processor, usable_cores

_WORKER = 500_000_000  # bytes that a worker takes with torch and a small network
_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Gpu:
    """A GPU that torch can use; memory in bytes."""

    name: str
    free: int
    memory: int


@dataclass(frozen=True)
class Devices:
    """`torch_fault` is why torch cannot be imported, `cuda_fault` why it cannot use a GPU, or empty."""

    processor: str
    cores: int
    memory: int | None  # free bytes
    instructions: str = ""  # the widest that torch uses, part of a result's fingerprint
    gpus: tuple[Gpu, ...] = ()
    mps: bool = False
    nvidia_driver: bool = False
    torch_fault: str = ""
    cuda_fault: str = ""


def measured() -> Devices:
    """What is here. torch is imported."""
    known = (processor(), usable_cores(), free_memory())
    driver = _DRIVER.exists()
    try:
        import torch

        from blockqnn.evaluation.device import fingerprint
    except (ImportError, OSError) as error:  # OSError: a library that it needs is missing
        fault = " ".join(str(error).split())
        return Devices(*known, nvidia_driver=driver, torch_fault=fault)
    instructions = fingerprint("cpu").partition(";")[0]
    gpus, fault = [], ""
    with warnings.catch_warnings(record=True) as caught:  # of a driver that is too old
        warnings.simplefilter("always")
        try:
            for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
                free, whole = torch.cuda.mem_get_info(number)
                gpus.append(Gpu(torch.cuda.get_device_name(number), free, whole))
        except RuntimeError as error:
            fault = str(error)
    fault = fault or "; ".join(str(warning.message) for warning in caught)
    mps = torch.backends.mps.is_available()
    return Devices(*known, instructions, tuple(gpus), mps, driver, "", " ".join(fault.split())[:200])


def findings(devices: Devices) -> Iterator[Finding]:
    """A line for the processor, for the memory and for each GPU."""
    if devices.torch_fault:
        yield Finding(
            "devices",
            "problem",
            f"torch cannot be imported: {devices.torch_fault}",
            "install it anew: pip install --force-reinstall -c constraints.txt torch",
        )
    cores = f"{devices.cores} core{'s' if devices.cores > 1 else ''} for this process"
    with_what = f", {devices.instructions} instructions" if devices.instructions else ""
    yield Finding("devices", "ok", f"CPU {devices.processor}: {cores}{with_what}")
    yield from _memory(devices)
    for number, gpu in enumerate(devices.gpus):
        yield Finding(
            "devices",
            "ok",
            f"cuda:{number} {gpu.name}, {gpu.free / 1e9:.1f} of {gpu.memory / 1e9:.1f} GB free",
        )
    if devices.cuda_fault:
        yield Finding(
            "devices",
            "problem",
            f"CUDA: {devices.cuda_fault}",
            "update the driver, or install the torch made for it; or search with --device cpu",
        )
    elif devices.nvidia_driver and not devices.gpus:
        yield Finding(
            "devices",
            "note",
            "there is an NVIDIA driver, but torch sees no GPU",
            "install a torch with CUDA, and look at CUDA_VISIBLE_DEVICES",
        )
    if devices.mps:
        yield Finding("devices", "ok", "mps: used with --device mps")


def _memory(devices: Devices) -> Iterator[Finding]:
    if devices.memory is None:
        yield Finding("memory", "note", "the system does not tell how much is free")
        return
    text = f"{devices.memory / 1e9:.1f} GB free; a worker takes about {_WORKER / 1e9:.1f} GB"
    fit = devices.memory // _WORKER
    if fit < 1:
        yield Finding("memory", "problem", text, "end other programs: not one worker fits")
    elif fit < devices.cores:
        yield Finding("memory", "note", text, f"search with --workers {fit}")
    else:
        yield Finding("memory", "ok", text)
