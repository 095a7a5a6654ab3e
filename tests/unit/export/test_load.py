"""A trained directory read again: the same model, and one line for each thing that can be wrong."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import blockqnn
from blockqnn import InputError, api
from blockqnn.config import DataSettings
from blockqnn.data.dataset import load as load_data
from blockqnn.export import checksums, directory, weights
from blockqnn.plugins import NOTHING, load, named
from blockqnn.space.zoo import ZOO
from models import SEPARABLE, random_model

RECIPE = {"steps": 60, "batch": 64, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A directory of a small model of the digits."""
    from blockqnn import config

    out = tmp_path_factory.mktemp("trained") / "model"
    with pytest.MonkeyPatch.context() as patch:
        quick = {name: {**preset, "recipe": RECIPE} for name, preset in config.PRESETS.items()}
        patch.setattr(config, "PRESETS", quick)
        blockqnn.train(
            "(1,1,3,0,0) (2,1,1,1,0)", skeleton="small", widths=(4, 8), preset="early-stop", out=out
        )
    return out


def test_the_loaded_model_is_the_tested_one(trained):
    model, test = blockqnn.load(trained), load_data(DataSettings()).test
    images = torch.from_numpy(test.images / np.float32(255)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        right = np.mean(model(images).argmax(1).numpy() == test.labels)
    assert 100 * right == pytest.approx(model.metrics["test_accuracy"])
    assert not model.training
    assert model.plan.params == model.metrics["params"]


def test_the_face_is_timms(trained):
    model = blockqnn.load(trained)
    images = torch.rand(3, 1, 8, 8)
    assert (model.in_chans, model.num_classes, model.num_features) == (1, 10, 8)
    features = model.forward_features(images)
    assert features.shape == (3, 8, 4, 4)
    assert torch.equal(model.forward_head(features), model(images))
    pooled = blockqnn.load(trained, num_classes=0)
    assert pooled.num_classes == 0
    assert torch.equal(pooled(images), model.forward_head(features, pre_logits=True))
    assert torch.equal(model.network.head(pooled(images)), model(images))
    with pytest.raises(InputError, match="num_classes 5: 10, or 0"):
        blockqnn.load(trained, num_classes=5)


def test_predict(trained, tmp_path):
    test = load_data(DataSettings()).test
    paths = [tmp_path / f"{n}.png" for n in range(20)]
    for path, image in zip(paths, test.images, strict=False):
        Image.fromarray(image[..., 0]).convert("RGB").save(path)
    answers = api.predict(trained, paths)
    model = blockqnn.load(trained)
    with torch.inference_mode():
        images = torch.from_numpy(test.images[:20] / np.float32(255)).permute(0, 3, 1, 2)
        best = model(images).softmax(1).max(1)
    assert [answer["file"] for answer in answers] == list(map(str, paths))
    assert [answer["class"] for answer in answers] == [model.classes[i] for i in best.indices]
    assert [a["probability"] for a in answers] == pytest.approx(best.values.tolist(), abs=1e-5)


def test_the_card_tells(trained):
    model, text = blockqnn.load(trained), (trained / "README.md").read_text()
    assert f"{model.metrics['test_accuracy']:.2f} %" in text
    assert f"{model.metrics['params']:,}" in text
    assert "read once" in text
    assert "conv 3x3" in text


def test_large_weights_are_numbered_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_SHARD_BYTES", 20_000)
    model = random_model(ZOO["block-qnn-s"])
    directory.write(model, tmp_path / "new")
    shards = sorted((tmp_path / "new").glob("model-*"))
    assert len(shards) > 2
    assert shards[0].name == f"model-00001-of-{len(shards):05}.safetensors"
    assert all(shard.stat().st_size <= 20_000 for shard in shards)
    index = json.loads((tmp_path / "new" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == model.network.state_dict().keys()
    again, images = directory.read(tmp_path / "new", NOTHING), torch.rand(2, 3, 16, 12)
    assert torch.equal(again(images), model(images))
    shards[1].unlink()
    with pytest.raises(InputError, match=f"{shards[1].name}: no such file"):
        directory.read(tmp_path / "new", NOTHING)


def earlier(trained, new):
    """A copy as a version wrote it that knew no checksums: whatever is in it is read."""
    shutil.copytree(trained, new)
    (new / checksums.FILE).unlink()
    return new


def test_a_model_of_an_earlier_version_is_read(tmp_path, trained):
    old, images = blockqnn.load(earlier(trained, tmp_path / "new")), torch.rand(3, 1, 8, 8)
    assert torch.equal(old(images), blockqnn.load(trained)(images))


@pytest.mark.parametrize("sharded", [False, True])
def test_a_flipped_bit_anywhere_is_refused_by_name(tmp_path, monkeypatch, sharded):
    if sharded:
        monkeypatch.setattr(weights, "_SHARD_BYTES", 8000)
    directory.write(random_model(ZOO["resnet-like"]), tmp_path)
    read = {path for path in tmp_path.iterdir() if path.name != "README.md"}
    assert len(read) == (7 if sharded else 4)
    rng = np.random.default_rng(0)
    for path in sorted(read):
        whole = path.read_bytes()
        for bit in rng.integers(0, 8 * len(whole), 40):
            content = bytearray(whole)
            content[bit // 8] ^= 1 << (bit % 8)
            path.write_bytes(content)
            with pytest.raises(InputError) as refused:
                directory.read(tmp_path, NOTHING)
            assert str(tmp_path) in str(refused.value)
            assert "\n" not in str(refused.value)
        path.write_bytes(whole)
    directory.read(tmp_path, NOTHING)


def test_other_weights_of_the_same_form_are_refused(tmp_path, trained):
    shutil.copytree(trained, tmp_path / "new")
    path = tmp_path / "new" / "model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(path).items()}, path)
    with pytest.raises(InputError, match=r"model\.safetensors: is not as it was written"):
        blockqnn.load(tmp_path / "new")


def test_a_file_that_is_not_listed_is_refused(tmp_path, trained):
    shutil.copytree(trained, tmp_path / "new")
    path = tmp_path / "new" / checksums.FILE
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "metrics" not in line))
    with pytest.raises(InputError, match=r"metrics\.json: is not as it was written"):
        blockqnn.load(tmp_path / "new")


def test_the_checksums_are_those_of_sha256sum(trained):
    lines = (trained / checksums.FILE).read_text().splitlines()
    found = {name: digest for digest, name in map(str.split, lines)}
    assert found.keys() == {"config.json", "metrics.json", "model.safetensors"}
    for name, digest in found.items():
        assert hashlib.sha256((trained / name).read_bytes()).hexdigest() == digest


def test_what_is_written_is_on_the_disk(tmp_path, monkeypatch):
    synced, plain = set(), os.fsync

    def fsync(number):
        synced.add(Path(f"/proc/self/fd/{number}").resolve().name)
        plain(number)

    monkeypatch.setattr(os, "fsync", fsync)
    directory.write(random_model(ZOO["resnet-like"]), tmp_path / "new")
    files = {".SHA256SUMS.new", ".config.json.new", ".metrics.json.new", ".model.safetensors.new"}
    assert files | {"new"} <= synced


def test_what_the_metrics_say_is_no_code_of_an_export(tmp_path, trained):
    new = earlier(trained, tmp_path / "new")
    mark = tmp_path / "mark"
    metrics = json.loads((new / "metrics.json").read_text())
    metrics["metric"] = f'"""; import os; os.mkdir({str(mark)!r}); """'
    (new / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(InputError, match="damaged: metric"):
        api.export(new, "python", tmp_path / "out")
    assert not mark.exists()


def test_an_index_names_only_shards(tmp_path, trained):
    earlier(trained, tmp_path / "new")
    (tmp_path / "new" / "model.safetensors").rename(tmp_path / "x.safetensors")
    index = {"weight_map": {"head.bias": "../x.safetensors"}}
    (tmp_path / "new" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="no shard beside it"):
        blockqnn.load(tmp_path / "new")


def test_an_own_operation_needs_its_plugin(tmp_path):
    extensions = load(named([SEPARABLE]))
    model = random_model(blockqnn.parse("(1,8,3,0,0)", extensions.operations))
    directory.write(model, tmp_path / "new")
    with pytest.raises(InputError, match="type 8, which belongs to a plugin"):
        blockqnn.load(tmp_path / "new")
    again, images = blockqnn.load(tmp_path / "new", plugins=[SEPARABLE]), torch.rand(2, 3, 16, 12)
    assert torch.equal(again(images), model(images))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code": "(1,1,2,0,0)"}, "kernel 1 or 3 or 5, not 2"),
        ({"code": "(1,1,1,0,0) (2,1,1,1,0)"}, "tensor .*conv1.conv.weight: its shape is"),
        ({"code": 5}, "damaged: code"),
        ({"classes": ["0", "1"]}, "tensor head.bias: its shape is"),
        ({"classes": []}, "damaged: classes"),
        ({"image": [1, 8]}, "damaged: image"),
        ({"image": [3, 8, 8]}, "must have 3 numbers, one a channel"),
        ({"image": [1, 9, 9]}, "size .8, 8. is not that of image"),
        (
            {"skeleton": {"stem": ["conv"], "widths": [4000, 8000], "repeats": [9, 9]}},
            "more parameters than",
        ),
        ({"skeleton": {"stem": ["run"], "widths": [4], "repeats": [1]}}, "damaged: skeleton.stem.0"),
        ({"skeleton": {"stem": ["conv"], "widths": [4], "repeats": [1, 1]}}, "one for each stage"),
        (
            {"skeleton": {"stem": ["conv"], "widths": [4, 8], "repeats": [9999, 1]}},
            "20000 layers",
        ),
        ({"skeleton": {"stem": ["conv"], "widths": [1] * 40, "repeats": [1] * 40}}, "at most 32 items"),
        ({"image": [1, 5000, 8]}, "image.1: Input should be less than or equal to 4096"),
    ],
)
def test_a_configuration_that_does_not_fit(tmp_path, trained, changes, reason):
    earlier(trained, tmp_path / "new")
    path = tmp_path / "new" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=reason) as caught:
        blockqnn.load(tmp_path / "new")
    assert "\n" not in str(caught.value)


def test_foreign_weights(tmp_path, trained):
    earlier(trained, tmp_path / "new")
    path = tmp_path / "new" / "model.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "more": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"tensor more: its shape is \(2,\), not None"):
        blockqnn.load(tmp_path / "new")
    del tensors["head.bias"]
    save_file(tensors, path)
    with pytest.raises(InputError, match=r"head\.bias|more parameters than"):
        blockqnn.load(tmp_path / "new")
