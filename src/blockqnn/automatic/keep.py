"""The model in the directory of `auto`: always a whole one, the best so far."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from blockqnn.export import directory, forms
from blockqnn.export.model import Model
from blockqnn.plugins import NOTHING

_READY, _NAMES = ".ready", ".names.json"
_WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")


def keep(model: Model, out: Path, pictures: Mapping[str, str] = MappingProxyType({})) -> float:
    """Writes the model with model.py and model.onnx into `out`, in place of the one that is there.

    Both are compared with the model before. Gives the largest difference of their logits. `pictures`
    are SVG texts by file name.
    """
    finish(out)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=out) as scratch:
        made = Path(scratch) / "model"
        directory.write(model, made, pictures)
        plain = Path(scratch) / "python"
        differences = [
            forms.export(model, "python", plain, NOTHING),
            forms.export(model, "onnx", made / "model.onnx", NOTHING),
        ]
        (plain / "model.py").replace(made / "model.py")
        names = sorted(path.name for path in made.iterdir())
        (made / _NAMES).write_text(json.dumps(names))
        made.replace(out / _READY)
    finish(out)
    return max(differences)


def finish(out: Path) -> None:
    """Moves a model that is ready to its place; also one whose move was cut off."""
    ready = out / _READY
    if not ready.is_dir():
        return
    names = json.loads((ready / _NAMES).read_text())
    for pattern in _WEIGHTS:
        for stale in out.glob(pattern):
            if stale.name not in names:
                stale.unlink()
    for name in names:
        if (ready / name).exists():
            (ready / name).replace(out / name)
    shutil.rmtree(ready)


def sweep(out: Path) -> None:
    """Removes what a killed session was about to write."""
    for scratch in out.glob(".making-*"):
        shutil.rmtree(scratch, ignore_errors=True)
