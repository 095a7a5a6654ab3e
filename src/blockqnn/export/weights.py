"""Weights in safetensors files: one, or numbered shards with an index as Hugging Face's libraries do."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from blockqnn.errors import InputError
from blockqnn.place import replace_file

_FILE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors", re.ASCII)
_INDEX_BYTES = 1 << 24
_SHARD_BYTES = 15_000_000  # what many forges and mail gateways still take; a header included


def save(weights: Mapping[str, Tensor], directory: Path) -> None:
    """Writes the tensors in order, one file or as few shards as hold them.

    A tensor that is larger than a shard gets one of its own.
    """
    shards: list[dict[str, Tensor]] = [{}]
    room = _SHARD_BYTES
    for name, weight in weights.items():
        needed = weight.nbytes + 200  # its entry in the header
        if needed > room and shards[-1]:
            shards.append({})
            room = _SHARD_BYTES
        shards[-1][name] = weight.detach().cpu().contiguous()
        room -= needed
    if len(shards) == 1:
        replace_file(directory / _FILE, to_bytes(shards[0]))
        return
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        replace_file(directory / file, to_bytes(shard))
        places |= dict.fromkeys(shard, file)
    total = sum(weight.nbytes for weight in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    replace_file(directory / _INDEX, (json.dumps(index, indent=2) + "\n").encode())


def files(directory: Path) -> list[Path]:
    """The files that hold the weights, the index too. InputError as of `load`."""
    if _is_one(directory):
        return [directory / _FILE]
    return [
        directory / _INDEX,
        *(directory / shard for shard in sorted(set(_places(directory).values()))),
    ]


def _is_one(directory: Path) -> bool:
    return (directory / _FILE).exists() or not (directory / _INDEX).exists()


def load(directory: Path) -> dict[str, Tensor]:
    """All tensors by name. InputError names the file that is missing or damaged."""
    if _is_one(directory):
        return _load_file(directory / _FILE)
    index, places = directory / _INDEX, _places(directory)
    weights: dict[str, Tensor] = {}
    for file in sorted(set(places.values())):
        weights |= _load_file(directory / file)
    if weights.keys() != places.keys():
        odd = min(weights.keys() ^ places.keys())
        raise InputError(f"weights {index}: tensor {odd[:60]!r} is not where it says")
    return weights


def _places(directory: Path) -> dict[str, str]:
    """The shard that each tensor is in, by the index."""
    index = directory / _INDEX
    try:
        with index.open("rb") as file:
            found = dict(json.loads(file.read(_INDEX_BYTES))["weight_map"])
        places = {str(name): str(shard) for name, shard in found.items()}
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        raise InputError(f"weights {index}: damaged; must map names to files in weight_map") from None
    if foreign := [shard for shard in places.values() if not _SHARD.fullmatch(shard)]:
        raise InputError(f"weights {index}: names {foreign[0][:60]!r}, which is no shard beside it")
    return places


def _load_file(path: Path) -> dict[str, Tensor]:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise InputError(f"weights {path}: is no file")
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"weights {path}: no such file") from None
    except (SafetensorError, OSError, MemoryError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise InputError(f"weights {path}: cannot be read as safetensors ({reason})") from None
