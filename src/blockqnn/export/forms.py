"""The forms in which a model leaves: each writes one file or directory and is checked."""

import copy
import importlib.util
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from blockqnn.errors import InputError
from blockqnn.export import directory, weights
from blockqnn.export.check import largest_difference
from blockqnn.export.model import Model
from blockqnn.export.place import refuse_unless_new
from blockqnn.export.python_file import python_source
from blockqnn.plugins import Extensions
from blockqnn.users_code import users_code

_Forward = Callable[[Tensor], Tensor]


def export(model: Model, form: str, out: Path, extensions: Extensions) -> float:
    """Writes the model to `out`, and gives the largest difference of its logits from the model's.

    `out` is new; a directory (python, safetensors) may be empty. It appears only when the check was
    passed: InputError for wrong use, ExportDiffers when the logits are not the model's.
    """
    if form not in FORMS:
        raise InputError(f"format {form!r} is unknown; there are {', '.join(FORMS)}")
    there = refuse_unless_new(out, directory=form in _DIRECTORIES)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=there) as scratch:
        made = Path(scratch) / "made"
        difference = largest_difference(model, FORMS[form](model, made, extensions))
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            out.rmdir()
        made.replace(out)
    return difference


def _python(model: Model, out: Path, _: Extensions) -> _Forward:
    source = python_source(model)
    out.mkdir()
    weights.save(model.network.state_dict(), out)
    file = out / "model.py"
    file.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("blockqnn_exported_model", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with users_code("model.py, of which an own operation's source is part"):
        spec.loader.exec_module(module)
        exported: _Forward = module.load()
    shutil.rmtree(out / "__pycache__", ignore_errors=True)
    return exported


def _safetensors(model: Model, out: Path, extensions: Extensions) -> _Forward:
    directory.write(model, out)
    return directory.read(out, extensions)


def _example(model: Model) -> tuple[Tensor]:
    """Two images: of one, exporters would take the batch for a constant."""
    return (torch.zeros(2, *model.config["image"]),)


def _any_batch() -> tuple[dict[int, torch.export.Dim]]:
    return ({0: torch.export.Dim("batch")},)


def _facts(model: Model) -> dict[str, str]:
    """What must travel with a file: JSON by name."""
    names = ("classes", "preprocessing", "code", "data")
    return {name: json.dumps(model.config[name]) for name in names}


def _torch_export(model: Model, out: Path, _: Extensions) -> _Forward:
    # torch's archive takes weights in another memory format for views, and warns of them
    plain = copy.deepcopy(model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    program = torch.export.export(plain, _example(model), dynamic_shapes=_any_batch())
    facts = {f"{name}.json": text for name, text in _facts(model).items()}
    with out.open("wb") as file:  # by its name torch would ask for .pt2
        torch.export.save(program, file, extra_files=facts)
    with out.open("rb") as file:
        exported: _Forward = torch.export.load(file).module()
    return exported


def _onnx(model: Model, out: Path, _: Extensions) -> _Forward:
    import onnxruntime

    # that torchvision's operations are not there is of no matter: the networks have none of them
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # torch's exporter copies trees by a way that torch itself deprecates
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
        program = torch.onnx.export(
            model,
            _example(model),
            dynamo=True,
            dynamic_shapes=_any_batch(),
            input_names=["images"],
            output_names=["logits"],
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update(_facts(model))
    program.save(out, external_data=False)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


FORMS: Mapping[str, Callable[[Model, Path, Extensions], _Forward]] = MappingProxyType(
    {"python": _python, "onnx": _onnx, "torch-export": _torch_export, "safetensors": _safetensors}
)
_DIRECTORIES = ("python", "safetensors")
