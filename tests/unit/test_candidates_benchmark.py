"""The benchmark of candidates: its list is frozen, its counters are exact, and it runs on a CPU."""

import hashlib
import json
import math
import mmap
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import Adam

import accuracy
import candidates
from apart import Apart, Failed, forget_peak, peak_memory
from blockqnn.config import Augmentation
from blockqnn.evaluation.optimizer import learning_rate_at
from blockqnn.network.model import build
from blockqnn.network.ops import BatchNorm
from blockqnn.network.plan import SKELETONS, Image, Skeleton, plan_network
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO
from plain_loop import in_memory, plain_network
from roofline import Counter, Rates, ideal_bytes, ideal_seconds, measured_rates

SKELETON = SKELETONS["cifar"].with_widths((16, 32, 64))
TINY = ["--device", "cpu", "--widths", "2,4", "--batch", "8", "--images", "40", "--window", "2"]
TINY += ["--warmup", "1", "--rounds", "2"]
N = 4 * 6 * 5 * 5  # values of the tensors below


@pytest.fixture(autouse=True)
def _threads():
    """One, as the benchmark sets for its process; the other tests have theirs back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(
        candidates, "measured_rates", lambda _: Rates({"float32": 1e11, "bfloat16": 2e11}, 1e10)
    )


def counted(call):
    with Counter("cpu", Rates({"float32": 100.0, "bfloat16": 200.0}, 10.0)) as counter:
        call()
    return counter


def test_the_list_is_frozen():
    listed = list(candidates.blocks(SKELETON))
    assert [name for name, _ in listed] == [*candidates.NAMED, *(f"random {i}" for i in range(1, 16))]
    assert len({str(block) for _, block in listed}) == 20
    codes = "\n".join(str(block) for _, block in listed)
    assert hashlib.sha256(codes.encode()).hexdigest()[:16] == "3e76a48dbc6ab736"


def test_random_blocks_have_at_most_the_flops_of_block_qnn_s_or_those_given():
    def most(**limit):
        listed = list(candidates.blocks(SKELETON, **limit))[len(candidates.NAMED) :]
        plans = [plan_network(block, SKELETON, candidates.IMAGE, 10) for _, block in listed]
        return max(plan.flops for plan in plans)

    assert most() <= plan_network(ZOO["block-qnn-s"], SKELETON, candidates.IMAGE, 10).flops
    assert most(max_flops=20_000_000) <= 20_000_000


@pytest.mark.parametrize(
    ("call", "values"),
    [
        (lambda x: x.relu(), 2 * N),
        (lambda x: x.relu_(), 2 * N),
        (lambda x: x + x, 3 * N),
        (lambda x: torch.cat([x, x]), 4 * N),
        (lambda x: x.view(-1), 0),
        (lambda x: x.detach(), 0),
        (lambda x: x.zero_(), N),
        (lambda x: x.new_empty(7), 0),
        (lambda x: x.mean(), N + 1),
        (lambda x: x[:1].expand(4, 6, 5, 5).neg(), N / 4 + N),
    ],
)
def test_bytes_are_those_read_and_written(call, values):
    x = torch.randn(4, 6, 5, 5)
    assert counted(lambda: call(x)).bytes == 4 * values


def test_a_cast_counts_in_both_formats():
    x = torch.randn(10)
    assert counted(lambda: x.bfloat16()).bytes == 10 * 4 + 10 * 2


def test_of_a_gathered_tensor_only_what_is_taken_is_read():
    images, index = torch.zeros(1000, 7), torch.arange(3)
    assert counted(lambda: images[index]).bytes == 2 * 3 * 7 * 4 + 3 * 8


def test_the_roofline_is_the_slower_of_memory_and_arithmetic_op_by_op():
    x, w = torch.randn(8, 8), torch.randn(8, 8)
    counter = counted(lambda: (x @ w).relu())
    assert (counter.ops, counter.flops, counter.bytes) == (2, 2 * 8**3, (3 + 2) * 64 * 4)
    assert counter.seconds == pytest.approx(max(2 * 8**3 / 100, 3 * 256 / 10) + 2 * 256 / 10)


def test_backward_and_optimizer_are_counted():
    layer, x = nn.Linear(3, 5, bias=False), torch.randn(2, 3)
    optimizer = Adam(layer.parameters(), fused=True)

    def step():
        layer(x).sum().backward()
        optimizer.step()

    step()
    optimizer.zero_grad()
    counter = counted(step)
    assert counter.flops == 2 * (2 * 2 * 3 * 5)  # the input needs no gradient
    assert counter.bytes > 4 * 15 * 7  # the optimizer reads four and writes three


def test_the_flops_of_a_step_are_three_times_the_plans():
    """But for the stem, whose input needs no gradient."""
    plan = plan_network(ZOO["block-qnn-s"], SKELETONS["small"], candidates.IMAGE, 10)
    options = candidates._options([*TINY, "--precision", "float32"])
    dataset = candidates.dataset_of(None, 40)
    stem = 2 * 9 * 3 * 16 * 32 * 32
    for name in "abc":
        loop = candidates.loop_of(name, plan, dataset, "cpu", options)
        step = candidates.counted(loop, "cpu", Rates({"float32": 1.0}, 1.0))
        assert step.flops == 8 * (3 * plan.flops - stem)


def test_ideal_bytes_by_hand():
    """The block: a convolution 1x1 from 2 to 2 channels, of images of one channel and 4x4 pixels."""
    plan = plan_network(
        parse("(1,1,1,0,0) (2,7,0,0,0)"), Skeleton(("conv",), (2,), (1,)), Image(1, 4, 4), 3
    )
    # stem: the image and twice its 2 filters; block: 2 + 2 * 2; before the pooling: 2
    activations = 16 * (1 + 2 * 2 + 2 + 2 * 2 + 2)
    params = (9 * 1 * 2 + 2 * 2) + (2 * 2 + 2 * 2) + (2 + 1) * 3
    always = 9 * 4 * params + 5 * 16
    assert ideal_bytes(plan, 5, "float32") == 2 * 4 * 5 * activations + always
    assert ideal_bytes(plan, 5, "bfloat16") == 2 * 2 * 5 * activations + always


@pytest.mark.parametrize(("bandwidth", "slower"), [(1.0, "memory"), (1e12, "arithmetic")])
def test_the_ideal_step_is_the_slower_of_memory_and_arithmetic(bandwidth, slower):
    plan = plan_network(ZOO["block-qnn-s"], SKELETONS["small"], candidates.IMAGE, 10)
    rates = Rates({"float32": 100.0, "bfloat16": 200.0}, bandwidth)
    expected = {
        "memory": ideal_bytes(plan, 8, "bfloat16") / bandwidth,
        "arithmetic": 3 * plan.flops * 8 / 200,
    }
    assert ideal_seconds(plan, 8, "bfloat16", rates) == pytest.approx(expected[slower])


def test_plain_loops_have_the_default_memory_layout_and_the_weights_of_the_seed():
    plan = plan_network(ZOO["block-qnn-s"], SKELETONS["small"], candidates.IMAGE, 10)
    network, built = plain_network(plan, "cpu", seed=3), build(plan, seed=3)
    for parameter, other in zip(network.parameters(), built.parameters(), strict=True):
        assert parameter.stride() == torch.empty(parameter.shape).stride()
        assert parameter.equal(other)


def test_plain_loops_train_torchs_own_layers_and_compute_the_same():
    plan = plan_network(ZOO["block-qnn-s"], SKELETONS["small"], candidates.IMAGE, 10)
    network, built = plain_network(plan, "cpu"), build(plan, seed=0)
    assert not any(isinstance(module, BatchNorm) for module in network.modules())
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in n.modules()) for n in (network, built)]
    assert norms[0] == norms[1] > 0
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    for one, other in zip(*(grads(n, images) for n in (network, built)), strict=True):
        torch.testing.assert_close(one, other)


def grads(network, images):
    """Logits and the gradients of all parameters, in float64: BN enlarges what rounding leaves."""
    logits = network.double().train()(images)
    logits.logsumexp(1).sum().backward()
    return [logits.detach(), *(p.grad for p in network.parameters())]


def test_the_loop_in_memory_shows_the_images_as_they_are_if_told_to():
    dataset = candidates.dataset_of(None, 8)
    shown = []

    class Looks(nn.Linear):
        def forward(self, images):
            shown.append(images)
            return super().forward(images.flatten(1))

    def seen(**how):
        shown.clear()
        in_memory(Looks(3 * 32 * 32, 10), dataset, "cpu", 8, **how)(1, lambda *_: None)
        return {tuple(image.flatten().tolist()) for image in shown[0]}

    scale = [torch.tensor(v).float()[:, None, None] for v in (dataset.mean, dataset.deviation)]
    images = (torch.tensor(dataset.train.images).permute(0, 3, 1, 2).float() / 255 - scale[0]) / scale[1]
    real = {tuple(image.flatten().tolist()) for image in images}
    assert seen(varied=False) == real
    assert seen() != real


def test_rates_are_measured_here():
    rates = measured_rates("cpu")
    assert rates.peaks.keys() == {"float32", "bfloat16"}
    assert min(*rates.peaks.values(), rates.bandwidth) > 1e8


def test_it_runs_on_a_cpu(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(candidates, "PROFILE_STEPS", 2)
    out = tmp_path / "rows.jsonl"
    run = ["--blocks", "2", "--loops", "a,b", "--out", str(out), "--precision", "float32", "--profile"]
    candidates.main([*TINY, *run])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(r["name"], r["loop"]) for r in rows] == [
        (name, loop) for name in candidates.NAMED[:2] for loop in "ab"
    ]
    for row in rows:
        middle, least, most = row["images_per_second"]
        assert 0 < least <= middle <= most
        assert row["candidate_seconds"] == pytest.approx(12 * 40 / middle)
        assert row["precision"] == "float32"
        assert row["memory"] > 2**26
        assert 0 < row["ideal_share"] < row["roofline_share"]
        assert ("b/a" in row) == (row["loop"] == "b")
    shown = capsys.readouterr().out
    assert "medians over 2 blocks" in shown
    assert shown.count("aten::convolution_backward") == 2


def _dies(_):
    os._exit(3)


def test_a_block_that_fails_is_skipped_and_what_time_left_out_is_named(capsys, monkeypatch):
    """The first block's plan cannot be built, the second's process dies, the third is measured."""
    plans = iter((replace, None, None))
    windows = iter((_dies, candidates.Bench.window))

    def planned(*arguments):
        plan = plan_network(*arguments)
        change = next(plans)
        monkeypatch.setattr(candidates.Bench, "window", next(windows) if not change else _dies)
        return change(plan, stages=None) if change else plan

    monkeypatch.setattr(candidates, "plan_network", planned)
    candidates.main([*TINY, "--blocks", "3", "--loops", "c"])
    shown = capsys.readouterr().out
    assert "block-qnn-s     skipped: TypeError: 'NoneType' object is not iterable\n" in shown
    assert "block-qnn-a     skipped: its process ended with exit code 3\n" in shown
    assert "block-qnn-b     c float32" in shown
    assert "medians over 1 blocks" in shown
    candidates.main([*TINY, "--blocks", "2", "--seconds", "0"])
    assert "left out after 0 s: block-qnn-s, block-qnn-a" in capsys.readouterr().out


def test_a_process_keeps_its_object_until_it_dies():
    with Apart(list, (1,)) as there:
        there(list.append, 2)
        assert there(list.copy) == [1, 2]
        with pytest.raises(Failed, match=r"^IndexError: pop index out of range$"):
            there(list.pop, 7)
        assert there(list.copy) == [1, 2]
    with Apart(int, 3) as there:
        with pytest.raises(Failed, match=r"^its process ended with exit code 3$"):
            there(os._exit)
        assert there(int.__add__, 2) == 5


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="of Linux")
def test_the_peak_of_memory_begins_anew():
    def grown():
        forget_peak()
        before = peak_memory()
        with mmap.mmap(-1, 2**26) as memory:  # fresh pages, whatever malloc keeps
            memory.write(bytes(2**20) * 64)
        return peak_memory() - before

    assert grown() > 0.9 * 2**26
    assert grown() > 0.9 * 2**26  # again, for the first one's peak is forgotten


def test_paired_differences_by_hand():
    found = accuracy.paired([1.0, 3.0])
    # deviation sqrt(2), standard error 1; Student's t of one degree of freedom: 12.706
    assert found == pytest.approx((2.0, 1.0, 2 - 12.7062, 2 + 12.7062), abs=1e-4)
    assert math.isnan(accuracy.paired([1.0]).error)


def test_accuracy_is_compared_on_digits(tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    few = ["--accuracy", "2", "--data", "digits", "--blocks", "1", "--epochs", "1", "--batch", "256"]
    candidates.main([*few, "--device", "cpu", "--out", str(out)])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    ways = [("c", "float32"), ("b", "float32"), ("b", "bfloat16")]
    assert [(r["seed"], r["loop"], r["precision"]) for r in rows] == [
        (seed, *way) for seed in range(2) for way in ways
    ]
    assert all(row["steps"] == 5 and row["widths"] == [16, 32] for row in rows)
    assert all(10 < row["accuracy"] < 100 for row in rows)
    shown = capsys.readouterr().out
    assert "b bfloat16 - c float32" in shown
    assert "2 pairs of block and seed" in shown


def test_the_recipe_of_both_is_a_constant_rate():
    recipe = accuracy.recipe_for(candidates.IMAGE, 12, 128, varied=True)
    assert {learning_rate_at(share / 10, recipe, 1e-3) for share in range(10)} == {1e-3}
    assert recipe.augmentation == Augmentation(shift=0.125, flip=True)


def test_accuracy_needs_real_data(capsys):
    with pytest.raises(SystemExit):
        candidates.main(["--accuracy", "3"])
    assert "--data" in capsys.readouterr().err
