"""Weights in safetensors files: one, or numbered shards with an index as Hugging Face's libraries do."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from blockqnn.errors import InputError

_FILE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors", re.ASCII)
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
        save_file(shards[0], directory / _FILE)
        return
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, directory / file)
        places |= dict.fromkeys(shard, file)
    total = sum(weight.nbytes for weight in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (directory / _INDEX).write_text(json.dumps(index, indent=2) + "\n")


def load(directory: Path) -> dict[str, Tensor]:
    """All tensors by name. InputError names the file that is missing or damaged."""
    if (directory / _FILE).exists() or not (directory / _INDEX).exists():
        return _load_file(directory / _FILE)
    index = directory / _INDEX
    try:
        places = dict(json.loads(index.read_bytes())["weight_map"])
        files = sorted(set(map(str, places.values())))
    except (ValueError, KeyError, TypeError, OSError):
        raise InputError(f"weights {index}: damaged; must map names to files in weight_map") from None
    if foreign := [file for file in files if not _SHARD.fullmatch(file)]:
        raise InputError(f"weights {index}: names {foreign[0]!r}, which is no shard beside it")
    weights: dict[str, Tensor] = {}
    for file in files:
        weights |= _load_file(directory / file)
    if weights.keys() != places.keys():
        odd = min(weights.keys() ^ places.keys())
        raise InputError(f"weights {index}: tensor {odd!r} is not where it says")
    return weights


def _load_file(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"weights {path}: no such file") from None
    except (SafetensorError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"weights {path}: cannot be read as safetensors ({reason})") from None
