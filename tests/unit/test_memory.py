"""What a training needs is known before it is tried: refused where it cannot fit."""

import re

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from blockqnn.config import Recipe, resolve
from blockqnn.data.dataset import load
from blockqnn.evaluation import early_stop
from blockqnn.evaluation.early_stop import EarlyStopEvaluator
from blockqnn.network.memory import training_bytes
from blockqnn.network.model import build
from blockqnn.network.plan import SKELETONS, Image, plan_network
from blockqnn.records import Failure, Measurement, Task
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

SKELETON = SKELETONS["cifar"].with_widths((8, 16, 32))
CODES = {
    **{name: str(block) for name, block in ZOO.items()},
    "pools": "(1,2,3,0,0) (2,3,3,1,0) (3,2,1,2,0) (4,2,3,0,0) (5,1,3,4,0)",
    "sums": "(1,1,3,0,0) (2,4,0,1,0) (3,5,0,0,2) (4,5,0,1,3) (5,3,3,4,0)",
    "own concat": "(1,1,3,0,0) (2,1,1,0,0) (3,6,0,1,2) (4,1,5,3,0) (5,5,0,4,0)",
}


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", CODES)
def test_what_is_kept_for_the_backward_pass_is_foreseen(monkeypatch, name, precision):
    """Against what torch keeps, each storage once, parameters and their copies left out."""
    monkeypatch.setattr("blockqnn.network.memory._VALUES_AND_GRADIENTS", 0)
    monkeypatch.setattr("blockqnn.network.memory._COPIES", {"adam": 0})
    batch, plan = 16, plan_network(parse(CODES[name]), SKELETON, Image(3, 32, 32), 10)
    network, kept = build(plan, 0), {}

    def keep(tensor):
        if tensor.shape[:1] == (batch,):
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with (
        saved_tensors_hooks(keep, lambda t: t),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16),
    ):
        loss = network(torch.randn(batch, 3, 32, 32)).float().logsumexp(1).sum()
    measured = sum(t.untyped_storage().nbytes() for t in kept.values())
    assert loss.requires_grad
    assert training_bytes(plan, batch, precision.itemsize) == pytest.approx(measured, rel=0.05)


def test_parameters_count_with_what_the_optimizer_keeps():
    plan = plan_network(ZOO["block-qnn-s"], SKELETON, Image(3, 32, 32), 10)
    assert training_bytes(plan, 0, 4) == training_bytes(plan, 0, 4, "adamw") == 16 * plan.params
    assert training_bytes(plan, 0, 4, "sgd") == 12 * plan.params


def evaluator(**arguments):
    settings = resolve("demo", {"recipe": Recipe(steps=40, batch=64).model_dump()})
    return EarlyStopEvaluator(settings, load(settings.data), "cpu", **arguments)


def test_what_cannot_fit_is_refused_before_it_is_tried(monkeypatch):
    def untouched(*_, **__):
        raise AssertionError("it was tried")

    monkeypatch.setattr(early_stop, "train_with_restarts", untouched)
    outcome = evaluator(memory=1000)(Task(number=0, code="(1,1,3,0,0)", seed=0))
    assert isinstance(outcome, Failure)
    assert outcome.kind == "out_of_memory"
    assert re.fullmatch(r"training needs about [1-9] MB, 0 MB are left", outcome.detail)


@pytest.mark.parametrize("memory", [None, 10**12])
def test_what_fits_is_trained(memory):
    assert isinstance(evaluator(memory=memory)(Task(number=0, code="(1,1,3,0,0)", seed=0)), Measurement)
