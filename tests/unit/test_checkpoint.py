"""A training on disk: it goes on to the same bits, and only its own, whole file is believed."""

import hashlib
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from blockqnn.config import Augmentation, Recipe
from blockqnn.errors import InputError
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.evaluation.restarts import Trained, train_with_restarts
from blockqnn.evaluation.train import Fitted, Watch, fit, score
from blockqnn.network.model import build
from stripes import equal, parts, planned, weights

STEPS = 8  # of an epoch of 3
QUICK = Recipe(steps=STEPS, batch=16, learning_rate=0.01, restart_after=4)
FULL = {
    "augmentation": Augmentation(shift=0.2, flip=True, zoom=0.2, erase=0.3, color=0.2),
    "average": 0.9,
    "precision": "bfloat16",
    "class_weights": True,
    "label_smoothing": 0.1,
    "schedule": "cosine",
    "warmup": 0.2,
}
RECIPES: dict[str, dict[str, Any]] = {
    "adam": {},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.05},
    "sgd": {"optimizer": "sgd", "nesterov": True, "weight_decay": 5e-4},
    **{name: {name: FULL[name]} for name in FULL if name not in ("schedule", "warmup")},
    "all of it": {"optimizer": "sgd", **FULL},
}


class Kept(Checkpoint):
    """Keeps every file that was written."""

    files: list[bytes]

    def save(self, state: dict[str, Any]) -> None:
        super().save(state)
        self.files.append(self.path.read_bytes())


def kept(path: Path) -> Kept:
    checkpoint = Kept(path, "this one", every=0)
    checkpoint.files = []
    return checkpoint


def told(fitted: Fitted) -> str:
    return repr(fitted)  # NaN included, unlike equality


# Going on


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES)
def test_a_training_goes_on_from_any_step_to_the_same_bits(tmp_path, changes):
    recipe, (training, validation) = QUICK.model_copy(update=changes), parts()
    path = tmp_path / "checkpoint"

    def trained(init: int, **options: Any) -> tuple[nn.Module, Fitted]:
        network = build(planned(), init)
        watch = Watch(
            judge=lambda _: True,
            judge_at=4,
            look=lambda counts: score(counts, validation, "accuracy"),
            looks=3,
        )
        fitted = fit(network, training, recipe, learning_rate=0.01, seed=3, watch=watch, **options)
        return network, fitted

    plain, expected = trained(0)
    checkpoint = kept(path)
    whole, fitted = trained(0, checkpoint=checkpoint)
    assert equal(weights(whole), weights(plain))  # saving changes nothing
    assert told(fitted) == told(expected)
    assert len(checkpoint.files) == STEPS
    for file in checkpoint.files:
        path.write_bytes(file)
        state = Checkpoint(path, "this one").load("cpu")
        resumed, fitted = trained(99, start=state)  # other weights at first: they are replaced
        assert equal(weights(resumed), weights(plain))
        assert told(fitted) == told(expected)


class Killed(Exception):
    pass


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd", **FULL}], ids=["adam", "all of it"])
@pytest.mark.parametrize("kill_after", [1, 2, 4, 5, 6, 11])
def test_a_training_with_restarts_goes_on(tmp_path, changes, kill_after):
    # the first rate breaks the network, which a look sees after 3 steps; the second is fit for it
    impossible = {"learning_rate": 1e30, "restart_factor": 1e-32}
    recipe = QUICK.model_copy(update={**changes, **impossible})
    steps = 0

    def report(_step: int, _progress: float) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_after:
            raise Killed

    def trained(**options: Any) -> Trained:
        found = train_with_restarts(planned(), *parts(), recipe, chance=1.0, seed=5, looks=3, **options)
        assert isinstance(found, Trained)
        return found

    expected = trained()
    assert (expected.restarts, expected.steps) == (1, STEPS)
    checkpoint = Checkpoint(tmp_path / "checkpoint", "this one", every=0)
    with pytest.raises(Killed):
        trained(checkpoint=checkpoint, report=report)
    again = Checkpoint(tmp_path / "checkpoint", "this one", every=0)
    steps = 100
    resumed = trained(checkpoint=again, report=report)
    known = 2 if kill_after == 4 else kill_after - 1  # of the step that a look ends nothing is kept
    assert steps - 100 == 3 + STEPS - known
    assert equal(weights(resumed.network), weights(expected.network))
    assert (resumed.accuracy, resumed.restarts, resumed.steps) == (
        expected.accuracy,
        expected.restarts,
        expected.steps,
    )
    assert repr(resumed.history) == repr(expected.history)


# The file


def saved(path: Path) -> dict[str, Any]:
    state = {"weights": torch.arange(1000.0), "numbers": {"step": 3, "text": "five"}}
    Checkpoint(path, "this one").with_facts(restart=2).save(state)
    return state


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "checkpoint"
    assert Checkpoint(path, "this one").load("cpu") is None
    state = saved(path)
    loaded = Checkpoint(path, "this one").load("cpu")
    assert loaded is not None
    assert torch.equal(loaded.pop("weights"), state["weights"])
    assert (loaded["restart"], loaded["numbers"]) == (2, state["numbers"])
    assert list(tmp_path.iterdir()) == [path]


def test_when_it_is_time_to_save(tmp_path):
    assert Checkpoint(tmp_path / "checkpoint", "this one", every=0).due()
    checkpoint = Checkpoint(tmp_path / "checkpoint", "this one", every=1000)
    assert not checkpoint.due()
    checkpoint._saved -= 1000
    assert checkpoint.due()
    checkpoint.save({})
    assert not checkpoint.due()


def flipped(content: bytes) -> bytes:
    """One bit of one weight is another."""
    place = content.index(torch.tensor([500.0, 501.0]).numpy().tobytes()) + 2
    return content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"no such format",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[100:],
        flipped,
        lambda _: pickle.dumps({"training": "this one"}),
    ],
    ids=["empty", "text", "half", "last byte", "first bytes", "a flipped bit", "pickle"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "checkpoint"
    saved(path)
    path.write_bytes(damage(path.read_bytes()))
    refused_by_name(path, "cannot be read")


@pytest.mark.parametrize("content", [[1, 2], {"weights": torch.zeros(2)}, torch.zeros(2), "this one"])
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, content):
    path = tmp_path / "checkpoint"
    torch.save(content, path)
    refused_by_name(path, "cannot be read")


def test_a_file_of_another_training_is_refused_by_name(tmp_path):
    path = tmp_path / "checkpoint"
    Checkpoint(path, "that one").save({})
    refused_by_name(path, "belongs to another training")


def refused_by_name(path: Path, reason: str) -> None:
    before = path.read_bytes()
    with pytest.raises(InputError) as refused:
        Checkpoint(path, "this one").load("cpu")
    assert str(path) in str(refused.value)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == before


class Armed:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def hashed(body: bytes) -> bytes:
    return b"blockqnn state 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


TENSORS = safetensors.torch.save({"0": torch.zeros(2)})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}\n" + TENSORS,
        b"[" * 10**6 + b"\n" + TENSORS,
        b'{"code": "0"}\n' + TENSORS,
        b'{"tensor": "1"}\n' + TENSORS,
        b'{"channels last": "0"}\n' + TENSORS,
        b'{"dict": [[{"dict": []}, 1]]}\n' + TENSORS,
        b'{"dict": [["training", "this one"]]}\n' + TENSORS,
        b'{"dict": [["training", "this one"], ["seconds", "nine"]]}\n' + TENSORS,
        b"5\n" + TENSORS,
        b"null\n" + (2**62).to_bytes(8, "little") + b"{}",
        b"null\n" + TENSORS.replace(b"[2]", b"[9]"),
        b"null\n" + pickle.dumps({"training": "this one"}),
    ],
)
def test_a_hostile_content_with_a_right_hash_is_refused_by_name(tmp_path, body):
    path = tmp_path / "checkpoint"
    path.write_bytes(hashed(body))
    refused_by_name(path, "cannot be read")


@pytest.mark.parametrize(
    "state",
    [{}, {"network": {}}, {"network": 5, "optimizer": [], "counts": "x"}, {"network": {"a": [1]}}],
)
def test_a_whole_file_of_another_state_is_refused_by_name(tmp_path, state):
    path = tmp_path / "checkpoint"
    Checkpoint(path, "this one").with_facts(restart=0).save(state)
    with pytest.raises(InputError, match="does not hold this training's state") as refused:
        train_with_restarts(
            planned(), *parts(), QUICK, chance=1.0, seed=5, checkpoint=Checkpoint(path, "this one")
        )
    assert str(path) in str(refused.value)


def test_tensors_lie_in_memory_as_they_did(tmp_path):
    tensors = {
        "plain": torch.arange(24.0).reshape(2, 3, 2, 2),
        "last": torch.arange(24.0).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last),
        "half": torch.arange(3).bfloat16(),
        "whole": torch.tensor(7),
        "none": torch.zeros(0, 4),
    }
    Checkpoint(tmp_path / "a", "this one").save({"tensors": tensors, "again": tensors["last"]})
    found = Checkpoint(tmp_path / "a", "this one").load("cpu")
    assert found is not None
    for name, tensor in tensors.items():
        assert torch.equal(found["tensors"][name], tensor)
        assert found["tensors"][name].dtype == tensor.dtype
        assert found["tensors"][name].stride() == tensor.stride()
    assert torch.equal(found["again"], tensors["last"])


def test_what_json_has_not_is_loaded_as_it_was(tmp_path):
    values = {3: (1, [2.5, None, True]), "nan": float("nan"), "inf": -math.inf, "tiny": 5e-324, "": {}}
    Checkpoint(tmp_path / "a", "this one").save({"values": values})
    found = Checkpoint(tmp_path / "a", "this one").load("cpu")
    assert found is not None
    assert repr(found["values"]) == repr(values)


@pytest.mark.parametrize("zipped", [True, False])
def test_loading_runs_no_code(tmp_path, zipped):
    path, mark = tmp_path / "checkpoint", tmp_path / "mark"
    content = {"training": "this one", "state": Armed(mark)}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    refused_by_name(path, "cannot be read")
    assert not mark.exists()
    # whoever believes the file does run it
    if zipped:
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())
    assert mark.exists()


def test_a_kill_between_writing_and_renaming_leaves_the_old_file(tmp_path):
    path = tmp_path / "checkpoint"
    state = saved(path)
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys; from pathlib import Path; from blockqnn.place import replace_file\n"
            "Path.replace = lambda *_: os._exit(9)\n"
            "replace_file(Path(sys.argv[1]), b'new')",
            str(path),
        ]
    )
    assert killed.returncode == 9
    assert len(list(tmp_path.iterdir())) == 2  # what was written lies beside
    loaded = Checkpoint(path, "this one").load("cpu")
    assert loaded is not None
    assert torch.equal(loaded["weights"], state["weights"])
    saved(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"
    saved(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        saved(path)
    assert path.read_bytes() == before
