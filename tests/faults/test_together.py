"""Several processes train one network: the same as one alone, told once, and going on after a kill."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import distributed, nn

from blockqnn.network.ops import BatchNorm
from effort import effort

HERE = Path(__file__).parent
STEPS, TOLERANCE = 9, 3e-4  # small differences grow: ReLU turns at other places
# 1,197 images: six steps an epoch, the last one of 197, of which one process has 99 and the other 98
TRAINED = (
    "train", "resnet-like", "--data", "digits", "--skeleton", "small", "--widths", "8,16",
    "--preset", "early-stop", "--set", "batch=200", "--set", f"steps={STEPS}", "--set", "optimizer=sgd",
    "--set", "learning_rate=0.02",
)  # fmt: skip
EVERYTHING = (
    "--set", "class_weights=true", "--set", "label_smoothing=0.1", "--set", "average=0.9",
    "--set", "augmentation.shift=0.1", "--set", "augmentation.erase=0.2",
)  # fmt: skip


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def alone(out, *more):
    command = [sys.executable, "-m", "blockqnn", *TRAINED, *more, "--out", str(out)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)


def together(out, *more, processes=2, killed=-1, step=0, restarts=0):
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    script = [str(HERE / "together.py"), str(killed), str(step)]
    command = [sys.executable, "-m", *torchrun, "--max-restarts", str(restarts), *script]
    return subprocess.run(
        [*command, *TRAINED, *more, "--out", str(out)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def difference(one, other):
    """The largest of any weight, over the largest weight of its tensor, or 0.1 where that is less."""
    first, second = (load_file(out / "model.safetensors") for out in (one, other))
    assert first.keys() == second.keys()
    return max(
        float((a - second[n]).abs().max() / a.abs().max().clamp(min=0.1)) for n, a in first.items()
    )


@pytest.mark.parametrize(
    ("processes", "more"),
    # of the last batch of 2 images one of three processes has none
    [(2, EVERYTHING), (3, ("--set", "batch=239"))],
    ids=["everything", "no image"],
)
def test_several_processes_train_the_model_of_one(tmp_path, processes, more):
    alone(tmp_path / "one", *more)
    run = together(tmp_path / "two", *more, processes=processes)
    assert run.returncode == 0, run.stderr
    assert difference(tmp_path / "one", tmp_path / "two") < TOLERANCE
    one, two = (json.loads((tmp_path / n / "metrics.json").read_text()) for n in ("one", "two"))
    for told in ("test_images", "params", "flops", "steps"):
        assert one[told] == two[told]
    assert [point["loss"] for point in two["history"]] == pytest.approx(
        [point["loss"] for point in one["history"]], rel=1e-3
    )
    assert run.stdout.count("seed 0: test") == run.stdout.count("model in") == 1
    steps = set(re.findall(r"process \d: \d+ steps", run.stderr))
    assert steps == {f"process {rank}: {STEPS} steps" for rank in range(processes)}


def test_two_processes_share_photos_that_are_decoded_anew(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("dark", "light"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(24):
            coarse = rng.integers(0, 140, (5, 5, 3)) + 110 * (name == "light")
            picture = Image.fromarray(coarse.astype(np.uint8)).resize((48, 40))
            picture.save(tmp_path / "photos" / name / f"{i}.png")
    more = ("--data", str(tmp_path / "photos"), "--image-size", "16", "--set", "batch=9")
    more += ("--preset", "paper-imagenet", "--set", "precision=float32", "--set", "epochs=3")
    more += ("--set", "learning_rate=0.05")
    alone(tmp_path / "one", *more)
    run = together(tmp_path / "two", *more)
    assert run.returncode == 0, run.stderr
    assert difference(tmp_path / "one", tmp_path / "two") < TOLERANCE


@pytest.mark.parametrize("rank", range(effort(1, 2)))
def test_one_is_killed_and_the_job_goes_on_from_its_checkpoint(tmp_path, rank):
    alone(tmp_path / "one")
    run = together(tmp_path / "killed", killed=rank, step=6, restarts=1)
    assert run.returncode == 0, run.stderr
    assert difference(tmp_path / "one", tmp_path / "killed") < TOLERANCE
    steps = [int(found) for found in re.findall(r"process \d: (\d+) steps", run.stderr)][-2:]
    assert steps[0] == steps[1] < STEPS, "it began anew"
    assert not (tmp_path / "killed" / "checkpoint").exists()


def test_what_all_would_say_is_said_once(tmp_path):
    run = together(tmp_path / "out", "--set", "batch=1")
    said = [line for line in run.stderr.splitlines() if line.startswith("blockqnn")]
    assert len(said) == 1, run.stderr
    assert "setting batch = 1" in said[0]
    assert not (tmp_path / "out").exists()


@pytest.fixture
def a_group_of_one(tmp_path):
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("a_group_of_one")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_batch_normalisation_across_processes_is_torchs(dtype):
    generator = torch.Generator().manual_seed(0)
    expected, norm = nn.BatchNorm2d(5), BatchNorm(5)
    with torch.no_grad():
        for values in (expected.weight, expected.bias):
            values.copy_(torch.rand(5, generator=generator) + 0.5)
    norm.load_state_dict(expected.state_dict())
    norm.across = True
    near = {"atol": 1e-5, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 0.05, "rtol": 0.05}
    for _ in range(3):
        x = 3 + torch.randn(4, 5, 6, 7, generator=generator).to(dtype)
        one, other = (x.clone().requires_grad_() for _ in range(2))
        wanted, out = expected(one), norm(other)
        assert out.dtype == dtype
        torch.testing.assert_close(out, wanted, **near)
        factors = torch.randn(out.shape, generator=generator)
        for result in (wanted, out):
            (result.float() * factors).sum().backward()
        torch.testing.assert_close(other.grad, one.grad, **near)
    for name, value in norm.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[name], atol=1e-3, rtol=1e-3)
    norm.eval()
    assert torch.equal(norm(x), nn.BatchNorm2d.forward(norm, x))
