"""Training: the paper's schedule, the order of images, restarts, and what an evaluation may touch."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from blockqnn.config import DataSettings, Recipe, Settings, resolve
from blockqnn.data.dataset import Part, load
from blockqnn.errors import InputError
from blockqnn.evaluation import early_stop, restarts, train
from blockqnn.evaluation.early_stop import EarlyStopEvaluator, make_evaluator
from blockqnn.evaluation.images import DevicePart, on_device
from blockqnn.evaluation.length import batches_per_epoch, total_steps
from blockqnn.evaluation.optimizer import learning_rate_at
from blockqnn.evaluation.restarts import Trained, train_with_restarts
from blockqnn.evaluation.train import Fitted, Watch, fit, score
from blockqnn.network.model import build
from blockqnn.records import Failure, Measurement, Task
from stripes import CONV, SKELETON, equal, parts, planned, stripes, weights

PAPER = Recipe()
QUICK = Recipe(steps=20, batch=16, learning_rate=0.01, restart_after=5)


def settings(recipe: Recipe = QUICK) -> Settings:
    return resolve("small", {"skeleton": SKELETON, "recipe": recipe.model_dump()})


# The schedule


@pytest.mark.parametrize(
    ("epochs", "rate"), [(range(1, 6), 1e-3), (range(6, 11), 2e-4), (range(11, 13), 4e-5)]
)
def test_learning_rate_of_the_paper(epochs, rate):
    per_epoch = batches_per_epoch(PAPER, 50_000)
    steps = total_steps(PAPER, 50_000)
    assert (per_epoch, steps) == (196, 2352)
    for epoch in epochs:
        for step in ((epoch - 1) * 196, epoch * 196 - 1):  # its first and last batch
            assert learning_rate_at(step / steps, PAPER, 1e-3) == pytest.approx(rate)
            assert learning_rate_at(step / steps, PAPER, 4e-4) == pytest.approx(0.4 * rate)


def test_the_schedule_scales_with_the_steps():
    rates = [learning_rate_at(step / 120, PAPER, 1.0) for step in range(120)]
    assert rates == pytest.approx([1.0] * 50 + [0.2] * 50 + [0.04] * 20)


@pytest.mark.parametrize(
    ("images", "batch", "batches"),
    [
        (50_000, 256, 196),  # 195 full ones and one of 80
        (512, 256, 2),
        (513, 256, 2),  # a last batch of one image is left out
        (514, 256, 3),
        (100, 256, 1),
        (2, 256, 1),
        (3, 2, 1),
    ],
)
def test_batches_of_an_epoch(images, batch, batches):
    recipe = Recipe(batch=batch)
    assert batches_per_epoch(recipe, images) == batches
    assert total_steps(recipe, images) == 12 * batches
    assert total_steps(recipe.model_copy(update={"steps": 120}), images) == 120


# Data on the device


def test_batches_are_normalised_and_in_torch_order():
    images = np.arange(2 * 3 * 4 * 2, dtype=np.uint8).reshape(2, 3, 4, 2)
    data = replace(stripes(), mean=np.array([0.2, 0.4]), deviation=np.array([0.1, 0.5]))
    part = on_device(Part(images, np.array([1, 0])), data, "cpu")
    assert part.images.dtype == torch.uint8
    batch, labels = part.batch(torch.tensor([1, 0]))
    assert batch.shape == (2, 2, 3, 4)
    assert batch.dtype == torch.float32
    assert labels.tolist() == [0, 1]
    # image 1, row 2, column 3: channels 46 and 47; in 0..1 minus the mean, over the deviation
    expected = [(46 / 255 - 0.2) / 0.1, (47 / 255 - 0.4) / 0.5]
    assert batch[0, :, 2, 3].tolist() == pytest.approx(expected, rel=1e-5)


def test_the_training_part_has_mean_zero_and_deviation_one():
    training, _ = parts()
    images, _ = training.batch(slice(None))
    assert images.mean().item() == pytest.approx(0, abs=1e-5)
    assert images.std(correction=0).item() == pytest.approx(1, abs=1e-5)


# The training loop


def recorded_batches(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """From now on: the images of each batch that training takes."""
    seen: list[list[int]] = []
    original = DevicePart.batch

    def batch(part: DevicePart, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        if isinstance(index, Tensor):
            seen.append(index.tolist())
        return original(part, index)

    monkeypatch.setattr(DevicePart, "batch", batch)
    return seen


def test_each_epoch_is_a_permutation_without_a_last_batch_of_one(monkeypatch):
    seen = recorded_batches(monkeypatch)
    recipe = Recipe(epochs=2, batch=8)
    fitted = fit(build(planned(), 0), parts()[0], recipe, learning_rate=0.01, seed=0)
    assert fitted.steps == len(seen) == 10  # 41 images: 5 batches of 8, the 41st is left out
    assert {len(batch) for batch in seen} == {8}
    first, second = (list(chain(*seen[begin : begin + 5])) for begin in (0, 5))
    assert len(set(first)) == len(set(second)) == 40
    assert first != second
    assert first != sorted(first)


def test_a_last_batch_of_several_images_is_used(monkeypatch):
    seen = recorded_batches(monkeypatch)
    recipe = Recipe(epochs=2, batch=16)
    fit(build(planned(), 0), parts()[0], recipe, learning_rate=0.01, seed=0)
    assert [len(batch) for batch in seen] == [16, 16, 9] * 2
    assert sorted(chain(*seen[:3])) == list(range(41))


def test_fit_depends_on_its_seed_alone(monkeypatch):
    seen = recorded_batches(monkeypatch)

    def trained(seed: int, global_seed: int) -> tuple[list[Tensor], list[list[int]]]:
        torch.manual_seed(global_seed)
        seen.clear()
        network = build(planned(), 0)
        fit(network, parts()[0], QUICK, learning_rate=0.01, seed=seed)
        return weights(network), seen.copy()

    with torch.random.fork_rng():
        one, again, other = trained(1, 10), trained(1, 20), trained(2, 10)
    assert equal(one[0], again[0])
    assert one[1] == again[1]
    assert one[1] != other[1]
    assert not equal(one[0], other[0])


def test_fit_follows_the_schedule(monkeypatch):
    rates = []

    class Spy(torch.optim.Adam):
        def step(self, *args: Any) -> None:
            rates.extend(group["lr"] for group in self.param_groups)
            assert [group["betas"] for group in self.param_groups] == [(0.9, 0.999)]
            assert [group["eps"] for group in self.param_groups] == [1e-8]
            assert [group["weight_decay"] for group in self.param_groups] == [0]
            super().step(*args)

    monkeypatch.setattr(torch.optim, "Adam", Spy)
    recipe = Recipe(steps=12, batch=16)
    fit(build(planned(), 0), parts()[0], recipe, learning_rate=0.5, seed=0)
    assert rates == pytest.approx([0.5] * 5 + [0.1] * 5 + [0.02] * 2)


def test_fit_learns():
    training, validation = parts()
    network = build(planned(), 0)
    fitted = fit(network, training, QUICK, learning_rate=0.01, seed=0)
    assert 0 < fitted.loss < 0.6  # below ln 2, that of a guess
    assert score(network, validation, "accuracy") == 100


@pytest.mark.parametrize(
    ("judge_at", "asked_at"), [(1, 1), (7, 7), (20, 20), (1000, 20)]
)  # of 20 steps: not after the last one
@pytest.mark.parametrize("answer", [True, False])
def test_the_judge_is_asked_once(monkeypatch, judge_at, asked_at, answer):
    seen = recorded_batches(monkeypatch)
    network, asked = build(planned(), 0), []

    def judge(judged: nn.Module) -> bool:
        assert judged is network
        asked.append(len(seen))
        network.eval()
        return answer

    watch = Watch(judge, judge_at)
    fitted = fit(network, parts()[0], QUICK, learning_rate=0.01, seed=0, watch=watch)
    assert asked == [asked_at]
    assert fitted.steps == (20 if answer else asked_at)
    assert math.isfinite(fitted.loss)


def test_after_the_judge_training_goes_on_as_without_it():
    training, validation = parts()
    plain, judged = build(planned(), 0), build(planned(), 0)
    fit(plain, training, QUICK, learning_rate=0.01, seed=0)
    fit(
        judged,
        training,
        QUICK,
        learning_rate=0.01,
        seed=0,
        watch=Watch(lambda network: score(network, validation, "accuracy") >= 0, 7),
    )
    assert equal(weights(plain), weights(judged))


@pytest.mark.parametrize("broken_at", [0, 3, 4, 19])
def test_a_loss_that_is_not_finite_is_told(monkeypatch, broken_at):
    original, calls = nn.functional.cross_entropy, []

    def cross_entropy(*args: Any, **options: Any) -> Tensor:
        calls.append(None)
        loss = original(*args, **options)
        return loss * torch.nan if len(calls) == broken_at + 1 else loss

    monkeypatch.setattr(nn.functional, "cross_entropy", cross_entropy)
    asked = []
    fitted = fit(
        build(planned(), 0),
        parts()[0],
        QUICK,
        learning_rate=0.01,
        seed=0,
        watch=Watch(lambda _: not asked.append(None), 4),
    )
    assert not math.isfinite(fitted.loss)
    assert (fitted.steps, len(asked)) == ((4, 0) if broken_at < 4 else (20, 1))


# Accuracy


class Scripted(nn.Module):
    """Answers with the class that the first pixel holds."""

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        return nn.functional.one_hot(images[:, 0, 0, 0].round().long(), 10).float()


@pytest.mark.parametrize(("size", "right"), [(1, 1), (1, 0), (8, 5), (512, 511), (1300, 1217)])
def test_accuracy_is_the_percentage_of_right_answers(size, right):
    answers = torch.arange(size) % 10
    labels = torch.where(torch.arange(size) >= size - right, answers, (answers + 3) % 10)
    images = answers.to(torch.uint8).reshape(-1, 1, 1, 1)
    unscaled = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    assert score(Scripted(), DevicePart(images, labels, *unscaled), "accuracy") == 100 * right / size


def test_accuracy_changes_no_weight_and_no_running_statistic():
    network = build(planned(), 0)
    before = weights(network)
    score(network, parts()[1], "accuracy")
    assert equal(weights(network), before)


# Restarts


def restarted(monkeypatch: pytest.MonkeyPatch, outcomes: list[tuple[float, float]], **recipe: Any):
    """What `train_with_restarts` gives for attempts of these (accuracy, loss), and its calls of fit."""
    calls: list[dict[str, Any]] = []
    script: Iterator[tuple[float, float]] = iter(outcomes)
    now: list[float] = []

    def scripted_fit(network: nn.Module, *_: Any, watch: Watch, **arguments: Any) -> Fitted:
        percent, loss = next(script)
        now[:] = [percent]
        calls.append({**arguments, "weights": weights(network)})
        assert watch.judge is not None
        stopped = math.isnan(percent) or not watch.judge(network)
        return Fitted(5 if stopped else 20, loss, stopped=stopped)

    monkeypatch.setattr(restarts, "fit", scripted_fit)
    monkeypatch.setattr(restarts, "score", lambda *_: now[0])
    found = train_with_restarts(
        planned(), *parts(), QUICK.model_copy(update=recipe), chance=50.0, seed=7
    )
    assert next(script, None) is None
    return found, calls


GOOD, POOR, GUESS = (80.0, 0.5), (49.0, 0.7), (50.0, 0.7)
BROKEN = (math.nan, math.nan)  # fit ends before the judge is asked
LATE = (80.0, math.nan)  # breaks after the judge


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([GOOD], 0),
        ([POOR, GOOD], 1),
        ([GUESS, GOOD], 1),  # chance itself is not enough
        ([POOR, POOR, POOR, GOOD], 3),
        ([BROKEN, GOOD], 1),
        ([POOR] * 4, "no_learning"),
        ([GUESS] * 4, "no_learning"),
        ([BROKEN, BROKEN, BROKEN, POOR], "no_learning"),
        ([BROKEN] * 4, "non_finite"),
        ([POOR, POOR, POOR, BROKEN], "non_finite"),
        ([LATE, GOOD], 1),
        ([LATE] * 4, "non_finite"),
        ([POOR, POOR, POOR, LATE], "non_finite"),
    ],
)
def test_the_rule_of_restarts(monkeypatch, attempts, expected):
    found, calls = restarted(monkeypatch, attempts)
    if isinstance(found, Failure):
        assert found.kind == expected
    else:
        assert (found.restarts, found.accuracy, found.steps) == (expected, 80.0, 20)
    rates = [0.01, 0.004, 0.0016, 0.00064][: len(attempts)]  # x 0.4 each time
    assert [call["learning_rate"] for call in calls] == pytest.approx(rates)


@pytest.mark.parametrize(("allowed", "tries"), [(0, 1), (1, 2), (5, 6)])
def test_the_number_of_restarts_is_a_setting(monkeypatch, allowed, tries):
    found, calls = restarted(monkeypatch, [POOR] * tries, restarts=allowed, restart_factor=0.5)
    assert found.kind == "no_learning"
    assert f"not above 50.0 % after {allowed} restarts" in found.detail
    assert calls[-1]["learning_rate"] == pytest.approx(0.01 * 0.5**allowed)


def test_each_restart_begins_with_new_weights_and_another_order(monkeypatch):
    _, calls = restarted(monkeypatch, [POOR] * 4)
    assert len({call["seed"] for call in calls}) == 4
    for i, call in enumerate(calls):
        assert not any(equal(call["weights"], other["weights"]) for other in calls[:i])


@pytest.mark.parametrize(
    ("images", "batch", "at_least", "judged_at"),
    [
        (50_000, 256, 100, 196),  # the paper: after the first epoch
        (1_198, 64, 100, 100),  # digits: 19 batches an epoch, but not before 100 steps
        (6_401, 64, 100, 100),
        (6_402, 64, 100, 101),
        (1_198, 64, 1, 19),
    ],
)
def test_when_learning_is_judged(monkeypatch, images, batch, at_least, judged_at):
    seen = []

    def fake(*_: Any, watch: Watch, **__: Any) -> Fitted:
        seen.append(watch.judge_at)
        return Fitted(0, math.nan, stopped=True)

    monkeypatch.setattr(restarts, "fit", fake)
    training, validation = parts()
    many = replace(
        training,
        images=torch.zeros(images, 1, 1, 1, dtype=torch.uint8),
        labels=torch.zeros(images, dtype=torch.long),
    )
    recipe = Recipe(batch=batch, restart_after=at_least, restarts=0)
    train_with_restarts(planned(), many, validation, recipe, chance=50.0, seed=0)
    assert seen == [judged_at]


def test_the_settings_of_a_search_judge_no_sooner_than_after_100_steps():
    assert {resolve(preset, {}).recipe.restart_after for preset in ("demo", "standard", "paper")} == {
        100
    }


# Real evaluations


def test_training_that_never_beats_chance_is_no_learning(monkeypatch):
    rates, original = [], restarts.fit

    def fit(*args: Any, **arguments: Any) -> Fitted:
        rates.append(arguments["learning_rate"])
        fitted = original(*args, **arguments)
        assert fitted.steps == 5
        return fitted

    monkeypatch.setattr(restarts, "fit", fit)
    found = train_with_restarts(planned(), *parts(), QUICK, chance=101.0, seed=0)
    assert isinstance(found, Failure)
    assert found.kind == "no_learning"
    assert rates == pytest.approx([0.01, 0.004, 0.0016, 0.00064])


def test_a_huge_learning_rate_is_non_finite():
    recipe = QUICK.model_copy(update={"learning_rate": 1e30})
    found = train_with_restarts(planned(), *parts(), recipe, chance=50.0, seed=0)
    assert isinstance(found, Failure)
    assert found.kind == "non_finite"


def test_a_training_that_breaks_ends_at_the_next_look(monkeypatch):
    original = train.learning_rate_at

    def learning_rate_at(progress: float, *args: Any) -> float:
        return 1e30 if progress == 0.5 else original(progress, *args)

    monkeypatch.setattr(train, "learning_rate_at", learning_rate_at)
    fitted = fit(
        build(planned(), 0), parts()[0], QUICK, learning_rate=0.01, seed=0, watch=Watch(looks=5)
    )
    assert fitted.stopped
    assert (fitted.steps, len(fitted.history)) == (12, 3)  # broken by step 11 of 20, a look each 4


def test_a_network_that_the_last_step_breaks_is_non_finite(monkeypatch):
    # no later loss shows it: the accuracy would be that of always answering class 0
    original = train.learning_rate_at

    def learning_rate_at(progress: float, *args: Any) -> float:
        return 1e30 if progress == 19 / 20 else original(progress, *args)

    monkeypatch.setattr(train, "learning_rate_at", learning_rate_at)
    recipe = QUICK.model_copy(update={"restarts": 0})
    found = train_with_restarts(planned(), *parts(), recipe, chance=50.0, seed=0)
    assert isinstance(found, Failure)
    assert found.kind == "non_finite"


def test_an_evaluation_is_a_measurement_of_the_planned_network():
    evaluator = EarlyStopEvaluator(settings(), stripes(), "cpu")
    found = evaluator(Task(number=1, code=CONV, seed=3))
    plan = planned()
    assert found == Measurement(
        accuracy=100.0, flops=plan.flops, params=plan.params, steps=20, restarts=0
    )
    assert "torch" in evaluator.fingerprint


def test_a_block_without_convolution_may_learn():
    # of digits: stem, one pooling, linear layer
    demo = resolve("demo", {})
    evaluator = EarlyStopEvaluator(demo, load(demo.data), "cpu")
    found = evaluator(Task(number=1, code="(1,2,3,0,0)", seed=0))
    assert isinstance(found, Measurement)
    assert 20 < found.accuracy <= 100
    assert found.steps == 120


def test_the_same_task_gives_the_same_bits():
    task = Task(number=1, code=CONV, seed=3)
    first = EarlyStopEvaluator(settings(), stripes(), "cpu")
    measured = first(task)
    first(Task(number=2, code="(1,1,5,0,0)", seed=4))  # what came between does not matter
    torch.manual_seed(99)
    assert first(task) == measured
    assert EarlyStopEvaluator(settings(), stripes(), "cpu")(task) == measured

    def trained(seed: int) -> list[Tensor]:
        found = train_with_restarts(planned(), *parts(), QUICK, chance=50.0, seed=seed)
        assert isinstance(found, Trained)
        return weights(found.network)

    assert equal(trained(3), trained(3))
    assert not equal(trained(3), trained(4))


def test_an_evaluation_leaves_the_global_generators_alone():
    evaluator = EarlyStopEvaluator(settings(), stripes(), "cpu")
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    evaluator(Task(number=1, code=CONV, seed=3))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


class Unreadable:
    """Whatever is asked of it, it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the test part was read: {name}")

    def __len__(self) -> int:
        raise AssertionError("the test part was measured")


def test_accuracy_is_that_of_the_validation_part_and_the_test_part_is_not_read():
    data, task = replace(stripes(), test=Unreadable()), Task(number=1, code=CONV, seed=3)
    found = EarlyStopEvaluator(settings(), data, "cpu")(task)
    assert isinstance(found, Measurement)
    assert found.accuracy == 100
    # with one validation label in five turned round, one answer in five is wrong
    turned = data.validation.labels.copy()
    turned[::5] = 1 - turned[::5]
    data = replace(data, validation=Part(data.validation.images, turned))
    found = EarlyStopEvaluator(settings(), data, "cpu")(task)
    assert isinstance(found, Measurement)
    assert found.accuracy == 80


def test_chance_is_that_of_the_data_set():
    # every validation image is of the training part's majority class: 100 % is not above chance
    data = stripes()
    ones = data.validation.labels == 0  # 21 of the 41 training images are of class 0
    only = Part(data.validation.images[ones], data.validation.labels[ones])
    found = EarlyStopEvaluator(settings(), replace(data, validation=only), "cpu")(
        Task(number=1, code=CONV, seed=3)
    )
    assert isinstance(found, Failure)
    assert found.kind == "no_learning"
    assert "100.0 %" in found.detail


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nand more lines"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_too_little_memory_is_a_failure(monkeypatch, error):
    def raising(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(early_stop, "train_with_restarts", raising)
    found = EarlyStopEvaluator(settings(), stripes(), "cpu")(Task(number=1, code=CONV, seed=3))
    assert isinstance(found, Failure)
    assert found.kind == "out_of_memory"
    assert "\n" not in found.detail


def test_other_errors_are_not_hidden(monkeypatch):
    def raising(*_: Any, **__: Any) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(early_stop, "train_with_restarts", raising)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        EarlyStopEvaluator(settings(), stripes(), "cpu")(Task(number=1, code=CONV, seed=3))


def test_a_worker_refuses_data_that_changed(tmp_path: Path):
    source, data = tmp_path / "stripes.npz", stripes()

    def save(first_pixel: int) -> None:
        images = data.train.images.copy()
        images[0, 0, 0] = first_pixel
        np.savez(
            source,
            x_train=images,
            y_train=data.train.labels,
            x_test=data.test.images,
            y_test=data.test.labels,
        )

    save(1)
    asked = settings().model_copy(update={"data": DataSettings(source=str(source))})
    specification = {
        "settings": asked.model_dump_json(),
        "digest": load(asked.data).digest,
        "device": "cpu",
    }
    found = make_evaluator(specification)(Task(number=1, code=CONV, seed=3))
    assert isinstance(found, Measurement)
    save(2)
    with pytest.raises(InputError) as refused:
        make_evaluator(specification)
    assert f"data {str(source)!r} changed since the run began" in str(refused.value)
