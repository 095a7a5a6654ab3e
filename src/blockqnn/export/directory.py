"""A trained directory: what `train --out` writes and `load` reads. No code from it is run."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from blockqnn.errors import InputError
from blockqnn.export import checksums, weights
from blockqnn.export.card import card
from blockqnn.export.checksums import Sums
from blockqnn.export.model import Model, plan_of
from blockqnn.network.model import restored
from blockqnn.network.plan import OverLimit
from blockqnn.place import replace_file
from blockqnn.plugins import Extensions
from blockqnn.space.code import Block, parse

_BYTES = 1 << 24  # of a JSON file
_NUMBERS = re.compile(r"\[\n\s*([-+.\deE]+(?:,\n\s*[-+.\deE]+)*)\n\s*\]", re.ASCII)
_OWN_TYPE = re.compile(r"\(\d+,(?:[89]|\d{2,}),", re.ASCII)
_Number = Annotated[int, Field(ge=1, le=10_000)]
_Side = Annotated[int, Field(ge=1, le=4096)]
_LAYERS = 5000  # of a network; the published ones have a few hundred


class _Stored(BaseModel):
    """Strict where it is read; what other versions add is left alone."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Skeleton(_Stored):
    model_config = ConfigDict(extra="forbid")

    stem: list[Literal["conv", "pool"]] = Field(min_length=1, max_length=32)
    widths: list[_Number] = Field(max_length=32)
    repeats: list[_Number] = Field(max_length=32)


class _Preprocessing(_Stored):
    size: list[_Side] = Field(min_length=2, max_length=2)
    resize: Literal["crop", "letterbox", "stretch"]
    scale: Literal["0..1"]
    mean: list[FiniteFloat]
    deviation: list[Annotated[FiniteFloat, Field(gt=0)]]


class _Config(_Stored):
    code: str
    skeleton: _Skeleton
    image: tuple[_Number, _Side, _Side]
    classes: list[str] = Field(min_length=2)
    preprocessing: _Preprocessing
    data: str


class _Metrics(_Stored):
    metric: Literal["accuracy", "balanced-accuracy", "macro-f1"]  # it becomes text of model.py
    test_accuracy: FiniteFloat | None  # None: the test part was not read
    validation_accuracy: FiniteFloat | None  # None: there was no validation part
    params: int
    flops: int


def write(model: Model, out: Path, pictures: Mapping[str, str] = MappingProxyType({})) -> None:
    """Weights, config.json, metrics.json and their checksums; README.md for people, with pictures by
    file name.

    All but the pictures is on the disk when this returns.
    """
    out.mkdir(parents=True, exist_ok=True)
    weights.save(model.network.state_dict(), out)
    for name, content in (("config", model.config), ("metrics", model.metrics)):
        replace_file(out / f"{name}.json", _as_text(content).encode())
    checksums.write([out / "config.json", out / "metrics.json", *weights.files(out)])
    for name, picture in pictures.items():
        (out / name).write_text(picture, encoding="utf-8")
    (out / "README.md").write_text(card(model, pictures), encoding="utf-8")


def _as_text(content: Mapping[str, Any]) -> str:
    """JSON for people and programs: a list of numbers on one line, as a row of the confusions is."""
    text = json.dumps(content, indent=2)  # in whose texts there is no bare line break
    return _NUMBERS.sub(lambda match: f"[{', '.join(match[1].replace(',', ' ').split())}]", text) + "\n"


def read(directory: Path, extensions: Extensions, num_classes: int | None = None) -> Model:
    """The model on the CPU, ready to be evaluated. InputError names what is missing or does not fit."""
    if not directory.is_dir():
        raise InputError(f"model {directory}: no such directory; name one that train --out wrote")
    sums = checksums.read(directory)
    config = _read_json(directory / "config.json", _Config, sums)
    metrics = _read_json(directory / "metrics.json", _Metrics, sums)
    where = f"model {directory / 'config.json'}"
    channels, scale = config["image"][0], config["preprocessing"]
    if not len(scale["mean"]) == len(scale["deviation"]) == channels:
        raise InputError(f"{where}: mean and deviation must have {channels} numbers, one a channel")
    if scale["size"] != config["image"][1:]:
        raise InputError(f"{where}: size {scale['size']} is not that of image {config['image']}")
    block = _block(config["code"], extensions, where)
    if (layers := len(block.layers) * sum(config["skeleton"]["repeats"])) > _LAYERS:
        raise InputError(f"{where}: {layers} layers; at most {_LAYERS} are read")
    stored = weights.load(directory)
    # the file's own size bounds what is built for it
    held = sum(tensor.numel() for tensor in stored.values())
    try:
        network = restored(plan_of(block, config, held), stored)
    except OverLimit:
        raise InputError(f"{where}: more parameters than the weights have, which is {held}") from None
    except InputError as error:
        raise InputError(f"{where}: {error}"[:600]) from None
    for path in weights.files(directory):  # whose size is the network's, as is known by now
        checksums.refuse_changed(sums, path)
    return Model(network.eval(), block, config, metrics, num_classes).eval()


def _block(code: str, extensions: Extensions, where: str) -> Block:
    own = {int(op) for op in extensions.operations}
    for match in _OWN_TYPE.finditer(code.replace(" ", "")):
        number = int(match[0].split(",")[1])
        if number not in own:
            raise InputError(
                f"{where}: has an operation of type {number}, which belongs to a plugin; name it with"
                " --plugin FILE.py, in Python load(path, plugins=[...])"
            )
    try:
        return parse(code, extensions.operations)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _read_json(path: Path, form: type[BaseModel], sums: Sums | None) -> dict[str, Any]:
    """The object in the file, once it has the form and is as it was written."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise InputError(f"model {path}: is no file")
        with path.open("rb") as file:
            text = file.read(_BYTES + 1)
    except OSError as error:
        raise InputError(f"model {path}: {error.strerror}; train --out writes it") from None
    if len(text) > _BYTES:
        raise InputError(f"model {path}: more than {_BYTES} bytes")
    try:
        form.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "content"
        raise InputError(f"model {path}: damaged: {place}: {first['msg']}"[:300]) from None
    checksums.refuse_changed(sums, path, text)
    content: dict[str, Any] = json.loads(text)
    return content
