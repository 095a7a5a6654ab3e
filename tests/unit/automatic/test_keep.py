"""The directory holds a whole model at every moment."""

import json

import pytest
import torch

import blockqnn
from blockqnn.automatic import keep
from blockqnn.space.zoo import ZOO
from models import random_model

SMALL = {"widths": (4, 8), "repeats": (1, 1)}


@pytest.fixture(scope="module")
def models():
    return [random_model(ZOO[name]) for name in ("resnet-like", "inception-like")]


def same(model, path):
    images = torch.rand(2, *model.config["image"])
    with torch.inference_mode():
        return torch.equal(model(images), blockqnn.load(path)(images))


def test_a_model_takes_the_place_of_another(models, tmp_path):
    (tmp_path / "mine.txt").write_text("of the user")
    for model in models:
        difference = keep.keep(model, tmp_path)
        assert difference < 1e-4
        assert same(model, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"mine.txt", "model.onnx", "model.py", "model.safetensors", "config.json"} <= names
    assert not [name for name in names if name.startswith(".")]


def test_a_move_that_was_cut_off_is_finished(models, tmp_path, monkeypatch):
    keep.keep(models[0], tmp_path)
    monkeypatch.setattr(keep, "finish", lambda _: None)
    keep.keep(models[1], tmp_path)
    monkeypatch.undo()
    assert same(models[0], tmp_path)  # the new one only waits
    ready = tmp_path / ".ready"
    for name in json.loads((ready / ".names.json").read_text())[:3]:  # as far as it came
        (ready / name).replace(tmp_path / name)
    keep.finish(tmp_path)
    assert same(models[1], tmp_path)
    assert not ready.exists()


def test_shards_that_the_new_model_lacks_go(models, tmp_path):
    stale = tmp_path / "model-00001-of-00002.safetensors"
    stale.touch()
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    keep.keep(models[0], tmp_path)
    assert not stale.exists()
    assert same(models[0], tmp_path)


def test_what_was_being_made_when_killed_is_swept(tmp_path):
    (tmp_path / ".making-abc" / "model").mkdir(parents=True)
    keep.sweep(tmp_path)
    assert not list(tmp_path.iterdir())
