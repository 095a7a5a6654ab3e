"""What the devices say they consumed, where they count it: joules since some moment.

Intel and AMD processors count by package (RAPL; readable by root alone on most systems), NVIDIA's
GPUs since Volta each by itself (NVML). What else the machine does is in these numbers too.
"""

import ctypes
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blockqnn.runtime.pace import Event

ENERGY = "energy"  # event: joules of one session, by device
_RAPL = Path("/sys/class/powercap")
_PACKAGES = "intel-rapl:?"  # AMD's too; their parts have a second number


class Meter:
    """Counts from when it is made. `rapl` is where the processor's counters lie."""

    def __init__(self, device: str, rapl: Path = _RAPL) -> None:
        self._device, self._rapl = device, rapl
        self._begun = self._read()

    def passed(self) -> list[Event]:
        """An event with what was consumed since; none where no device counts."""
        now = self._read()
        used = {
            name: round(joules - self._begun[name], 3)
            for name, joules in now.items()
            if joules >= self._begun.get(name, float("inf"))  # a counter began anew: not told
        }
        return [(ENERGY, used)] if used else []

    def _read(self) -> Mapping[str, float]:
        found = {}
        for package in sorted(self._rapl.glob(_PACKAGES)):
            try:
                found[package.name] = int((package / "energy_uj").read_text()) / 1e6
            except (OSError, ValueError):  # not ours to read
                continue
        return found | (_gpus() if self._device == "cuda" else {})


def spent_energy(events: Iterable[Event]) -> float | None:
    """Joules of all sessions and devices; None where none told."""
    told = [sum(body.values()) for kind, body in events if kind == ENERGY]
    return sum(told) if told else None


def _gpus() -> dict[str, float]:
    """Joules of each GPU since its driver was loaded; empty where NVML does not tell."""
    try:
        nvml: Any = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return {}
    if nvml.nvmlInit_v2():
        return {}
    found, count = {}, ctypes.c_uint()
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    for number in range(count.value):
        gpu, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
        if nvml.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(gpu)):
            continue
        if nvml.nvmlDeviceGetTotalEnergyConsumption(gpu, ctypes.byref(millijoules)) == 0:
            found[f"gpu{number}"] = millijoules.value / 1000
    nvml.nvmlShutdown()
    return found
