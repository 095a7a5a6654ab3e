"""Every form computes what the model does, wherever it runs, and is not there when it does not."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from blockqnn import InputError, parse
from blockqnn.export import forms
from blockqnn.export.check import ExportDiffers
from blockqnn.export.predict import predict
from blockqnn.export.python_file import python_source
from blockqnn.plugins import NOTHING, load, named
from blockqnn.space.zoo import ZOO
from exported import BOUND, disagreement, random_blocks
from models import SEPARABLE, random_model

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = [ZOO[name] for name in ("block-qnn-a", "block-qnn-b", "block-qnn-s")]


def ruff(*arguments):
    done = subprocess.run(["ruff", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(autouse=True, scope="module")
def _ruff_is_found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        yield


# Python


@pytest.mark.parametrize("block", PUBLISHED + random_blocks(22), ids=str)
def test_python_computes_the_same(tmp_path, block):
    model = random_model(block)
    difference = forms.export(model, "python", tmp_path / "new", NOTHING)
    assert difference <= 1e-3
    assert {p.name for p in (tmp_path / "new").iterdir()} == {"model.py", "model.safetensors"}
    assert [p.name for p in tmp_path.iterdir()] == ["new"]


def test_python_runs_without_this_package(tmp_path):
    model = random_model(PUBLISHED[0], stem=("conv", "pool", "conv"), repeats=(2, 1, 2))
    forms.export(model, "python", tmp_path / "new", NOTHING)
    assert disagreement("python", tmp_path / "new", model) <= BOUND


def test_python_is_readable_and_in_form(tmp_path):
    names = (
        'quo"te',
        "back\\slash",
        "new\nline",
        "it's",
        "猫",
        *(f"a long name {n}" for n in range(20)),
    )
    wide = parse(" ".join(f"({n},1,3,0,0)" for n in range(1, 24)))
    folded = parse(" ".join(f"({n},{6 if n > 1 else 1},{0 if n > 1 else 3},0,{n - 1})" for n in (1, 2)))
    models = [
        random_model(block) for block in [*PUBLISHED, *random_blocks(22), wide, parse("(1,4,0,0,0)")]
    ]
    models += [random_model(PUBLISHED[1], classes=names, resize=how) for how in ("letterbox", "stretch")]
    models += [random_model(folded, image=(c, 8, 8), repeats=(9, 1, 1)) for c in (1, 4, 20)]
    for number, model in enumerate(models):
        (tmp_path / f"m{number}.py").write_text(python_source(model), encoding="utf-8")
    ruff("check", "--config", ROOT / "pyproject.toml", tmp_path)
    ruff("check", "--isolated", tmp_path)
    ruff("format", "--check", "--isolated", "--line-length", 105, tmp_path)


def test_python_of_s_is_short_and_named():
    source = python_source(random_model(ZOO["block-qnn-s"], (3, 32, 32), (32, 64, 128)))
    lines = source.splitlines()
    assert len(lines) < 150
    assert "blockqnn" not in source.replace("written by blockqnn", "")
    for layer in ("conv1", "max_pool3", "add7", "conv13"):
        assert any(line.startswith(f"        {layer} = ") for line in lines)
    assert "for " not in source[source.index("class Block1") : source.index("def load")]
    assert str(ZOO["block-qnn-s"]).split()[4] in source


@pytest.mark.parametrize("resize", ["crop", "letterbox", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_python_reads_images_as_predict_does(tmp_path, resize, channels):
    model = random_model(PUBLISHED[2], (channels, 16, 12), resize=resize)
    forms.export(model, "python", tmp_path / "new", NOTHING)
    rng = np.random.default_rng(0)
    pictures = {
        "rgb.png": Image.fromarray(rng.integers(0, 256, (40, 23, 3), np.uint8)),
        "rgba.png": Image.fromarray(rng.integers(0, 256, (23, 40, 4), np.uint8)),
        "grey.png": Image.fromarray(rng.integers(0, 256, (9, 30), np.uint8)),
        "deep.png": Image.fromarray(rng.integers(0, 65536, (30, 30), np.uint16)),
        "palette.png": Image.fromarray(rng.integers(0, 256, (16, 12, 3), np.uint8)).convert("P"),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
    paths = [tmp_path / name for name in pictures]
    told = subprocess.run(
        [sys.executable, tmp_path / "new" / "model.py", *paths],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines() == [
        f"{a['file']}: {a['class']} {a['probability']:.1%}" for a in predict(model, paths)
    ]


def test_python_takes_over_an_own_operation(tmp_path):
    extensions = load(named([SEPARABLE]))
    block = parse("(1,8,3,0,0) (2,5,0,0,1) (3,8,5,2,0)", extensions.operations)
    model = random_model(block, repeats=(2, 1, 1))
    forms.export(model, "python", tmp_path / "new", extensions)
    source = (tmp_path / "new" / "model.py").read_text()
    assert "self.separable1 = separable(3, (inputs,), filters)" in source
    (tmp_path / "lambda.py").write_text(
        "from torch import nn\nfrom blockqnn import Operation\n"
        "OPERATIONS = {9: Operation('bare', (0,), lambda *_: 0, lambda *_: 0,"
        " lambda k, i, o: nn.Identity(), channels=lambda i, f: i[0])}\n"
    )
    extensions = load(named([tmp_path / "lambda.py"]))
    model = random_model(parse("(1,9,0,0,0)", extensions.operations))
    with pytest.raises(InputError, match="operation 9 bare: its source does not define"):
        forms.export(model, "python", tmp_path / "other", extensions)


# The other forms


@pytest.mark.parametrize("block", PUBLISHED + random_blocks(1), ids=str)
def test_onnx(tmp_path, block):
    model, out = random_model(block), tmp_path / "model.onnx"
    forms.export(model, "onnx", out, NOTHING)
    assert disagreement("onnx", out, model) <= BOUND
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == list(model.classes)
    assert json.loads(facts["preprocessing"]) == model.config["preprocessing"]
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("block", [PUBLISHED[2], *random_blocks(2)], ids=str)
def test_torch_export(tmp_path, block):
    model, out = random_model(block), tmp_path / "model.pt2"
    forms.export(model, "torch-export", out, NOTHING)
    assert disagreement("torch-export", out, model) <= BOUND
    facts = {"classes.json": "", "preprocessing.json": ""}
    torch.export.load(out, extra_files=facts)
    assert json.loads(facts["classes.json"]) == list(model.classes)


@pytest.mark.parametrize("form", forms.FORMS)
def test_what_differs_is_no_export(tmp_path, monkeypatch, form):
    model, write = random_model(PUBLISHED[2]), forms.FORMS[form]

    def spoilt(*arguments):
        exported = write(*arguments)
        return lambda images: exported(images) + 0.5

    monkeypatch.setattr(forms, "FORMS", {form: spoilt})
    with pytest.raises(ExportDiffers, match=r"differ by 0\.5"):
        forms.export(model, form, tmp_path / "new", NOTHING)
    assert not list(tmp_path.iterdir())
