"""Damaged checkpoints and trained models: what was written, or one line, at once, in little memory.

A few hundred of each; BLOCKQNN_FUZZ=10000 before the command makes it so many.
"""

import hashlib
import os
import shutil
import sys
import time
from pathlib import Path
from random import Random

import pytest
import torch

from blockqnn.config import Recipe
from blockqnn.errors import InputError
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.export import checksums, directory
from blockqnn.plugins import NOTHING
from blockqnn.space.zoo import ZOO
from models import random_model
from stripes import parts, planned

INPUTS = int(os.environ.get("BLOCKQNN_FUZZ", "300"))
SECONDS = 1.0  # of the processor, for one input
MEMORY = 200 << 20  # bytes by which the process may grow
EXTREMES = (
    b"9" * 40,
    b"-1",
    b"1e999",
    b"NaN",
    b"[" * 3000,
    b"{",
    b"null",
    b"\xff\xff\xff\xff",
    b"\0" * 8,
)


def damaged(content: bytes, rng: Random) -> bytes:
    """The content with a flipped bit, or a few pieces changed, lost or put in; never as it was."""
    while True:
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            begin = rng.randrange(len(changed) + 1)
            end = min(len(changed), begin + rng.choice((1, 1, 4, 8, 100)))
            kind = rng.randrange(7)
            if kind == 0 and begin < len(changed):
                changed[begin] ^= 1 << rng.randrange(8)
            elif kind == 1:
                changed[begin:end] = rng.randbytes(end - begin)
            elif kind == 2:
                del changed[begin:end]
            elif kind == 3:
                changed[begin:begin] = rng.choice(EXTREMES)
            elif kind == 4:
                changed[begin:end] = changed[begin:end] * 2
            elif kind == 5:
                del changed[rng.choice((begin, begin, 0)) :]
            else:  # digits are what sizes and places are written in
                places = [i for i, byte in enumerate(changed[:3000]) if 48 <= byte <= 57]
                if places:
                    changed[rng.choice(places)] = rng.randrange(48, 58)
        if changed != content:
            return bytes(changed)


class Watch:
    """The slowest of many calls, and how many were refused."""

    def __init__(self):
        self.slowest, self.refused, self.answered = 0.0, 0, 0

    def call(self, function):
        """What it returns; None where it is refused, which takes one line."""
        begin, answer, line = time.process_time(), None, ""
        try:
            answer = function()
            self.answered += 1
        except InputError as error:
            line = str(error)
            self.refused += 1
        self.slowest = max(self.slowest, time.process_time() - begin)
        assert "\n" not in line
        assert len(line) < 1000
        return answer


def _held(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


@pytest.fixture
def watch():
    watch, linux = Watch(), sys.platform == "linux"
    if linux:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = _held("VmRSS:")
    yield watch
    assert watch.slowest < SECONDS
    if linux:
        assert _held("VmHWM:") - before < MEMORY
    print(f"{watch.refused} refused, {watch.answered} answered, slowest {watch.slowest:.3f} s")


# Checkpoints

RECIPE = Recipe(steps=4, batch=16, learning_rate=0.01, restarts=0)


@pytest.fixture
def checkpoint(tmp_path):
    """A training's file after its first steps."""
    path = tmp_path / "checkpoint"

    class Left(Exception):
        pass

    def report(step, _):
        if step == 3:
            raise Left

    with pytest.raises(Left):
        trained(path, report=report)
    return path


def trained(path, **options):
    kept = Checkpoint(path, "this one", every=0)
    return train_with_restarts(
        planned(), *parts(), RECIPE, chance=-1.0, seed=5, checkpoint=kept, **options
    )


def test_damaged_checkpoints(watch, checkpoint):
    whole, rng = checkpoint.read_bytes(), Random(0)
    for _ in range(INPUTS):
        checkpoint.write_bytes(damaged(whole, rng))
        watch.call(lambda: Checkpoint(checkpoint, "this one").load("cpu"))
    assert watch.refused == INPUTS  # every bit of the file is under its hash, or its hash


def test_damaged_checkpoints_under_a_right_hash(watch, checkpoint):
    """What only somebody who means it can write: the training refuses it, or goes on."""
    head, _, body = checkpoint.read_bytes().partition(b"\n")
    rng = Random(1)
    for number in range(INPUTS):
        text = damaged(body, rng)
        checkpoint.write_bytes(head[:-64] + hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        load = Checkpoint(checkpoint, "this one").load
        if watch.call(lambda load=load: load("cpu")) and number % 10 == 0:
            watch.call(lambda: trained(checkpoint))
    assert watch.refused > INPUTS / 4
    assert watch.answered


def test_a_whole_checkpoint_goes_on_to_the_same_bits(checkpoint):
    resumed, plain = trained(checkpoint), trained(checkpoint.with_name("new"))
    assert torch.equal(resumed.network.head.weight, plain.network.head.weight)


# Trained models


@pytest.fixture(params=["one file", "shards"])
def model(request, tmp_path, monkeypatch):
    """A trained directory whose files are small, so that much of the damage hits what matters."""
    from blockqnn.export import weights

    if request.param == "shards":
        monkeypatch.setattr(weights, "_SHARD_BYTES", 3000)
    directory.write(random_model(ZOO["resnet-like"], widths=(2, 3), repeats=(1, 1)), tmp_path / "model")
    (tmp_path / "model" / "README.md").unlink()
    return tmp_path / "model"


def told(model):
    """All of a model that is read from its directory."""
    weights = {name: value.numpy().tobytes() for name, value in model.network.state_dict().items()}
    return weights, repr(model.config), repr(model.metrics)


def test_damaged_models(watch, model):
    """Never other weights, classes or numbers without a word."""
    whole = told(directory.read(model, NOTHING))
    contents = {path: path.read_bytes() for path in sorted(model.iterdir())}
    rng = Random(2)
    for _ in range(INPUTS):
        path = rng.choice(list(contents))
        path.write_bytes(damaged(contents[path], rng))
        found = watch.call(lambda: directory.read(model, NOTHING))
        assert found is None or told(found) == whole
        path.write_bytes(contents[path])
    assert watch.refused > 0.9 * INPUTS


def test_damaged_models_of_an_earlier_version(watch, model):
    """Nothing tells that a weight is another one; but whatever is read, is read in one piece."""
    (model / checksums.FILE).unlink()
    contents = {path: path.read_bytes() for path in sorted(model.iterdir())}
    rng = Random(3)
    for _ in range(INPUTS):
        path = rng.choice(list(contents))
        path.write_bytes(damaged(contents[path], rng))
        found = watch.call(lambda: directory.read(model, NOTHING))
        if found is not None and found.plan.activations < 10**7:
            found(torch.zeros(1, *found.config["image"]))
        path.write_bytes(contents[path])
    assert watch.refused > INPUTS / 4
    assert watch.answered


def test_files_that_are_missing(watch, model):
    for path in sorted(model.iterdir()):
        shutil.move(path, model.parent / "aside")
        found = watch.call(lambda: directory.read(model, NOTHING))
        assert (found is not None) == (path.name == checksums.FILE)
        shutil.move(model.parent / "aside", path)
