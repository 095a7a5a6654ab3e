"""On a CUDA GPU: the code that the CPU runs, with another device. Skipped where there is none."""

import gc
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

import blockqnn
from blockqnn.api import export
from blockqnn.config import RECIPES, Augmentation, DataSettings, Recipe, resolve
from blockqnn.data.dataset import Dataset, load
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.evaluation.device import resolve_device, resolve_precision
from blockqnn.evaluation.early_stop import EarlyStopEvaluator
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.latency import latency_of
from blockqnn.evaluation.streamed import StreamedPart, placed
from blockqnn.evaluation.train import Watch, fit, score
from blockqnn.network.model import build
from blockqnn.network.plan import SKELETONS, Image, plan_network
from blockqnn.records import Failure, Measurement, Task
from blockqnn.report import rows
from blockqnn.space.zoo import ZOO

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

SKELETON = SKELETONS["cifar"].with_widths((4, 8, 16))
EVERYTHING = Augmentation(shift=0.125, zoom=0.1, flip=True, erase=0.3, color=0.1)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load(DataSettings(source="digits"))


@contextmanager
def exact() -> Iterator[None]:
    """float32 products are float32's, not those of TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def test_auto_takes_the_gpu_and_bfloat16():
    assert resolve_device("auto") == "cuda"
    assert resolve_precision("auto", "cuda") == "bfloat16"


@pytest.mark.parametrize("name", ["block-qnn-a", "block-qnn-b", "block-qnn-s"])
def test_logits_are_those_of_the_cpu(name):
    plan = plan_network(ZOO[name], SKELETON, Image(3, 32, 32), 10)
    network = build(plan, seed=0).eval()
    images = torch.randn(7, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), exact():
        expected = network(images)
        found = network.to("cuda")(images.to("cuda")).cpu()
    assert (found - expected).abs().max() <= 1e-4 * max(1.0, float(expected.abs().max()))


def test_a_latency_waits_for_the_gpu():
    """A hundred times the work takes longer than its launch alone."""
    sizes = (Image(3, 8, 8), Image(3, 512, 512))
    wide = SKELETONS["cifar"].with_widths((256, 512, 512))
    short, long = (latency_of(plan_network(ZOO["resnet-like"], wide, s, 10), "cuda") for s in sizes)
    assert long.milliseconds > 5 * short.milliseconds


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_twenty_steps_are_those_of_the_cpu(digits, optimizer):
    """float32; the images come in the same order and are varied in the same way."""
    recipe = Recipe(
        steps=20, batch=32, optimizer=optimizer, learning_rate=0.003, augmentation=EVERYTHING
    )
    plan = plan_network(ZOO["resnet-like"], SKELETONS["small"], digits.image, 10)
    losses = []
    with exact():
        for device in ("cpu", "cuda"):
            network = build(plan, seed=0).to(device)
            part = on_device(digits.train, digits, device)
            losses.append(fit(network, part, recipe, learning_rate=0.003, seed=1).loss)
    assert losses[0] < math.log(10) + 1
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_captured_steps_are_those_one_by_one(digits, optimizer):
    """float32, 45 steps of which three end an epoch with a smaller batch."""
    recipe = Recipe(
        steps=45,
        batch=96,
        optimizer=optimizer,
        learning_rate=0.003,
        augmentation=EVERYTHING,
        average=0.9,
    )
    plan = plan_network(ZOO["resnet-like"], SKELETONS["small"], digits.image, 10)
    part = on_device(digits.train, digits, "cuda")
    fitted, networks = [], []
    with exact():
        for captured in (False, True):
            networks.append(build(plan, seed=0).to("cuda"))
            fitted.append(
                fit(networks[-1], part, recipe, learning_rate=0.003, seed=1, captured=captured)
            )
    assert fitted[1].obstacle == ""
    assert fitted[1].loss == pytest.approx(fitted[0].loss, rel=1e-4)
    for one, other in zip(*(network.state_dict().values() for network in networks), strict=True):
        assert torch.allclose(one.float(), other.float(), rtol=1e-2, atol=1e-3)


def test_what_a_captured_training_held_is_free_afterwards(digits):
    recipe = Recipe(steps=5, batch=64)
    plan = plan_network(ZOO["block-qnn-a"], SKELETONS["small"], digits.image, 10)
    part = on_device(digits.train, digits, "cuda")
    held = []
    for _ in range(4):
        network = build(plan, seed=0).to("cuda")
        fitted = fit(network, part, recipe, learning_rate=0.001, seed=0, captured=True)
        assert fitted.obstacle == ""
        del network
        gc.collect()
        held.append(torch.cuda.memory_allocated())
    assert held[-1] <= held[0]


def test_nothing_waits_for_the_gpu_inside_an_epoch(digits):
    recipe = RECIPES["modern"].model_copy(
        update={"epochs": 2, "batch": 128, "augmentation": EVERYTHING, "average": 0.99}
    )
    plan = plan_network(ZOO["block-qnn-a"], SKELETONS["small"], digits.image, 10)
    part = on_device(digits.train, digits, "cuda")
    per_epoch = -(-len(part) // recipe.batch)
    torch.cuda.synchronize()

    def report(step: int, _progress: float) -> None:
        inside = 1 <= step < per_epoch - 1  # from the end of the first step on
        torch.cuda.set_sync_debug_mode("error" if inside else "default")

    try:
        fit(
            build(plan, 0).to("cuda"),
            part,
            recipe,
            learning_rate=0.1,
            seed=0,
            watch=Watch(report=report),
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_training_learns_in_bfloat16_and_goes_on_from_its_checkpoint(digits, tmp_path):
    recipe = RECIPES["modern"].model_copy(update={"epochs": 8, "batch": 64, "learning_rate": 0.1})
    plan = plan_network(ZOO["resnet-like"], SKELETONS["small"], digits.image, 10)
    training = on_device(digits.train, digits, "cuda")
    checkpoint = Checkpoint(tmp_path / "training", "this", every=0.0)

    class Stopped(Exception):
        pass

    def stop(step: int, _progress: float) -> None:
        if step == 40:
            raise Stopped

    def trained(start, report) -> torch.nn.Module:
        network = build(plan, seed=0).to("cuda")
        fit(
            network,
            training,
            recipe,
            learning_rate=0.1,
            seed=0,
            watch=Watch(report=report),
            checkpoint=checkpoint,
            start=start,
        )
        return network

    with pytest.raises(Stopped):
        trained(None, stop)
    state = checkpoint.load("cuda")
    assert state is not None
    assert state["state"]["step"] == 39
    network = trained(state, lambda *_: None)
    assert score(network, on_device(digits.validation, digits, "cuda"), "accuracy") > 90


def test_what_does_not_fit_is_a_failure_and_the_gpu_goes_on(digits):
    settings = resolve("small", {"recipe": {"steps": 30}})
    evaluator = EarlyStopEvaluator(settings, digits, "cuda")
    wide = resolve(
        "small", {"recipe": {"steps": 30, "batch": 1024}, "skeleton": {"widths": [1024, 2048]}}
    )
    greedy = EarlyStopEvaluator(wide, digits, "cuda")
    task = Task(number=0, code=str(ZOO["block-qnn-s"]), seed=0)
    torch.cuda.set_per_process_memory_fraction(0.02)
    try:
        failed = greedy(task)
        measured = evaluator(task)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert isinstance(failed, Failure)
    assert failed.kind == "out_of_memory"
    assert isinstance(measured, Measurement)


def test_two_candidates_at_a_time_each_by_graphs(tmp_path):
    run = blockqnn.search(
        "digits",
        run=tmp_path / "run",
        trials=6,
        device="cuda",
        per_gpu=2,
        settings={"execution": {"graphs": True}},
    )
    results = [rows.read(run.path).fold.result(t) for t in rows.read(run.path).fold.trials]
    measured = [r.observed for r in results if isinstance(r.outcome, Measurement)]
    assert {o.fingerprint.rpartition("; ")[2] for o in measured} == {"CUDA graph"}
    assert {o.worker for o in measured} == {"0", "1"}


def test_search_train_and_export(tmp_path):
    run = blockqnn.search("digits", run=tmp_path / "run", trials=6, device="cuda", workers=2, seed=3)
    assert run.best() is not None
    model = blockqnn.train(
        str(run.path), data="digits", out=tmp_path / "model", device="cuda", settings={"epochs": 30}
    )
    assert model.metrics["test_accuracy"] > 60
    assert json.loads((tmp_path / "model" / "metrics.json").read_text())["test_images"] == 359
    assert export(tmp_path / "model", "onnx", tmp_path / "model.onnx") < 1e-4


def test_images_that_would_fill_the_gpu_are_sent_batch_by_batch(digits, monkeypatch):
    """The same images in the same order, so nearly the same weights."""
    assert not isinstance(placed(digits.train, digits, "cuda", 2), StreamedPart)
    monkeypatch.setattr("blockqnn.evaluation.streamed.memory_left", lambda _: 1000)
    recipe = Recipe(steps=10, batch=32, optimizer="sgd", augmentation=EVERYTHING)
    plan = plan_network(ZOO["resnet-like"], SKELETON, digits.image, 10)
    found = []
    with exact():
        for part in (on_device(digits.train, digits, "cuda"), placed(digits.train, digits, "cuda", 2)):
            network = build(plan, seed=0).to("cuda")
            fit(network, part, recipe, learning_rate=0.01, seed=0)
            found.append(network.state_dict())
    assert isinstance(part, StreamedPart)
    for name, values in found[0].items():
        torch.testing.assert_close(values, found[1][name], atol=1e-3, rtol=1e-2)
