"""Around a captured step: what the warm-up must not leave behind, and what a replay is fed with.

Without a GPU: the graph is one that does the step again, so all but CUDA's part is as it will be there.
"""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from blockqnn.config import Augmentation, Recipe, resolve
from blockqnn.data.dataset import load
from blockqnn.evaluation import captured, train
from blockqnn.evaluation.captured import Captured
from blockqnn.evaluation.early_stop import EarlyStopEvaluator
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.train import fit
from blockqnn.network.model import build
from blockqnn.records import Task
from stripes import equal, planned, stripes, weights

EVERYTHING = Augmentation(shift=0.2, zoom=0.1, flip=True, erase=0.3, color=0.1)
# 41 images: the last batch of an epoch is smaller
RECIPE = Recipe(steps=12, batch=12, optimizer="sgd", momentum=0.9, average=0.9)


class Repeating(Captured):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._graph.replay = self._again  # type: ignore[method-assign]
        self.replays = 0

    def _again(self) -> None:
        self.replays += 1
        self._step(self._index, self._chances)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Repeating]:
    """The captured steps that `fit` makes."""
    stream = SimpleNamespace(wait_stream=lambda _: None)
    for name, fake in (
        ("Stream", lambda: stream),
        ("current_stream", lambda: stream),
        ("stream", lambda _: nullcontext()),
        ("CUDAGraph", SimpleNamespace),
        ("graph", lambda _: nullcontext()),
    ):
        monkeypatch.setattr(torch.cuda, name, fake)
    made: list[Repeating] = []

    def capture(*arguments: Any) -> Repeating:
        made.append(Repeating(*arguments))
        return made[-1]

    monkeypatch.setattr(captured, "obstacle", lambda _: "")
    monkeypatch.setattr(train, "Captured", capture)
    return made


@pytest.mark.parametrize("augmentation", [Augmentation(), EVERYTHING], ids=["plain", "varied"])
def test_a_captured_training_is_the_same_to_the_bit(made, augmentation):
    recipe = RECIPE.model_copy(update={"augmentation": augmentation})
    part = on_device(stripes().train, stripes(), "cpu")

    def trained(captured: bool):
        network = build(planned(), seed=0)
        fitted = fit(network, part, recipe, learning_rate=0.05, seed=1, captured=captured)
        return network, fitted

    one, expected = trained(False)
    other, found = trained(True)
    assert equal(weights(one), weights(other))
    assert found == expected
    assert [step.replays for step in made] == [9]  # three of four batches of each epoch


def test_without_cuda_it_trains_all_the_same_and_says_why():
    part = on_device(stripes().train, stripes(), "cpu")
    fitted = fit(build(planned(), 0), part, RECIPE, learning_rate=0.05, seed=1, captured=True)
    assert fitted.obstacle == "a graph needs CUDA, not cpu"
    assert fitted.steps == 12


def test_what_a_capture_cannot_bear_is_done_step_by_step_from_the_same_start(made, monkeypatch):
    """As an own operation that reads a value of its own: CUDA breaks the capture off."""

    def broken(_):
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

    part = on_device(stripes().train, stripes(), "cpu")
    one, other = build(planned(), 0), build(planned(), 0)
    expected = fit(one, part, RECIPE, learning_rate=0.05, seed=1)
    monkeypatch.setattr(torch.cuda, "graph", broken)
    found = fit(other, part, RECIPE, learning_rate=0.05, seed=1, captured=True)
    assert equal(weights(one), weights(other))
    assert found == replace(expected, obstacle="operation not permitted when stream is capturing")
    assert not made


def test_a_run_says_which_machine_captured_and_why_one_did_not():
    settings = resolve("demo", {"recipe": {"steps": 40}, "execution": {"graphs": True}})
    evaluate = EarlyStopEvaluator(settings, load(settings.data), "cpu")
    plain = evaluate.fingerprint
    evaluate(Task(number=0, code="(1,1,3,0,0)", seed=0))
    assert evaluate.fingerprint == f"{plain}; no CUDA graph: a graph needs CUDA, not cpu"
