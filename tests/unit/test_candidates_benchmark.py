"""The benchmark of candidates: its list is frozen, its counters are exact, and it runs on a CPU."""

import hashlib
import json

import pytest
import torch
from torch import nn
from torch.optim import Adam

import candidates
from blockqnn.network.plan import SKELETONS, plan_network
from blockqnn.space.zoo import ZOO
from roofline import Counter, Rates, measured_rates

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
    loops = candidates.loops_of(["a", "b", "c"], plan, dataset, "cpu", options)
    stem = 2 * 9 * 3 * 16 * 32 * 32
    for loop in loops.values():
        step = candidates.counted(loop, "cpu", Rates({"float32": 1.0}, 1.0))
        assert step.flops == 8 * (3 * plan.flops - stem)


def test_plain_loops_have_the_default_memory_layout():
    plan = plan_network(ZOO["block-qnn-s"], SKELETONS["small"], candidates.IMAGE, 10)
    for parameter in candidates._plain(plan, "cpu").parameters():
        assert parameter.stride() == torch.empty(parameter.shape).stride()


def test_rates_are_measured_here():
    rates = measured_rates("cpu")
    assert rates.peaks.keys() == {"float32", "bfloat16"}
    assert min(*rates.peaks.values(), rates.bandwidth) > 1e8


def test_it_runs_on_a_cpu(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(candidates, "PROFILE_STEPS", 2)
    out = tmp_path / "rows.jsonl"
    candidates.main([*TINY, "--blocks", "2", "--out", str(out), "--precision", "float32", "--profile"])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(r["name"], r["loop"]) for r in rows] == [
        (name, loop) for name in candidates.NAMED[:2] for loop in "abc"
    ]
    for row in rows:
        middle, least, most = row["images_per_second"]
        assert 0 < least <= middle <= most
        assert row["candidate_seconds"] == pytest.approx(12 * 40 / middle)
        assert row["precision"] == "float32"
        assert ("b/a" in row) == ("b/c" in row) == (row["loop"] == "b")
    shown = capsys.readouterr().out
    assert "medians over 2 blocks" in shown
    assert shown.count("aten::convolution_backward") == 2


def test_a_block_that_fails_is_skipped_and_what_time_left_out_is_named(capsys, monkeypatch):
    real = candidates.loops_of

    def broken(names, plan, *rest):
        if plan.flops == plan_network(ZOO["block-qnn-s"], *small).flops:
            raise torch.OutOfMemoryError("no memory\nat all")
        return real(names, plan, *rest)

    small = SKELETONS["cifar"].with_widths((2, 4)), candidates.IMAGE, 10
    monkeypatch.setattr(candidates, "loops_of", broken)
    candidates.main([*TINY, "--blocks", "2", "--loops", "b,c"])
    shown = capsys.readouterr().out
    assert "block-qnn-s     skipped: OutOfMemoryError: no memory\n" in shown
    assert "medians over 1 blocks" in shown
    candidates.main([*TINY, "--blocks", "2", "--seconds", "0"])
    assert "left out after 0 s: block-qnn-s, block-qnn-a" in capsys.readouterr().out
