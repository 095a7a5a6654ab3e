"""How many workers there are, and which GPU each sees."""

from contextlib import closing

import pytest
import torch

from blockqnn.config import ExecutionSettings
from blockqnn.machine import usable_cores
from blockqnn.records import Measurement, Task
from blockqnn.runtime.local import LocalExecutor
from blockqnn.runtime.slots import Slots, slots_of


@pytest.mark.parametrize(
    ("device", "settings", "named", "expected"),
    [
        ("cpu", {}, "0,1", Slots(usable_cores())),
        ("cpu", {"workers": 3, "per_gpu": 2}, None, Slots(3)),
        ("mps", {}, None, Slots(1)),
        ("cuda", {}, None, Slots(4, ("0", "1", "2", "3"))),
        ("cuda", {"per_gpu": 2}, "3, MIG-a", Slots(4, ("3", "MIG-a"))),
        ("cuda", {"workers": 3, "per_gpu": 2}, "3,1", Slots(3, ("3", "1"))),
        ("cuda", {"executor": "serial"}, "3,1", Slots(1)),
    ],
)
def test_one_worker_a_core_or_as_many_a_gpu_as_asked_for(monkeypatch, device, settings, named, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert slots_of(ExecutionSettings(**settings), device) == expected


def test_each_worker_sees_one_gpu_and_knows_its_memory(tmp_path):
    executor = LocalExecutor(
        "faults.evaluators:told_place",
        {"directory": str(tmp_path), "workers": 3},
        workers=3,
        gpus=("7", "5"),
        memory=10**9,
    )
    with closing(executor):
        for number in range(3):
            executor.submit(Task(number=number, code="", seed=0))
        results = []
        while len(results) < 3:
            results += executor.wait()
    outcomes = [result.outcome for result in results]
    assert all(isinstance(outcome, Measurement) for outcome in outcomes), outcomes
    assert sorted(outcome.flops for outcome in outcomes) == [5, 7, 7]
    assert {outcome.params for outcome in outcomes} == {10**9}
