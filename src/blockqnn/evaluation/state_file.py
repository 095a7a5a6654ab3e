"""A state as the content of one file: tensors, numbers, texts and containers of them, with a hash.

The first line names the format and the SHA-256 of all that follows; the second is JSON, in which a
tensor is a number; the rest are the tensors as safetensors. Nothing in it can be run, and no tensor can
be larger than the file.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

_FORMAT = b"blockqnn state 1 "


class Damaged(Exception):
    """The content is not what was written; the text says why."""


def to_bytes(state: Any) -> bytes:
    """The content of the file."""
    tensors = _Tensors()
    structure = json.dumps(_plain(state, tensors)).encode()
    body = structure + b"\n" + save(tensors.by_name)
    return _FORMAT + sha256(body).hexdigest().encode() + b"\n" + body


def from_bytes(content: bytes, device: torch.device | str) -> Any:
    """The state, its tensors on the device; Damaged unless it is what was written."""
    head, _, _ = content[:200].partition(b"\n")
    if not head.startswith(_FORMAT):
        raise Damaged("not a state of this version")
    body = len(head) + 1
    if sha256(memoryview(content)[body:]).hexdigest().encode() != head.removeprefix(_FORMAT):
        raise Damaged("SHA-256 differs")
    end = content.find(b"\n", body)
    try:
        structure = json.loads(content[body:end])
        tensors = {name: tensor.to(device) for name, tensor in load(content[end + 1 :]).items()}
        return _state(structure, tensors)
    except Exception as error:  # of safetensors, JSON, or a structure that nobody of ours wrote
        raise Damaged(type(error).__name__) from None


class _Tensors:
    """Tensors under the numbers that stand for them; one that is met again has the same."""

    def __init__(self) -> None:
        self.by_name: dict[str, Tensor] = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def name(self, tensor: Tensor) -> tuple[str, bool]:
        """Its number, and whether it lies in memory with its channels last."""
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        last = tensor.ndim == 4 and not tensor.is_contiguous() and _lies_channels_last(tensor)
        if place not in self._names:
            self._names[place] = str(len(self._names))
            stored = tensor.permute(0, 2, 3, 1) if last else tensor
            self.by_name[self._names[place]] = stored.detach().cpu().contiguous()
        return self._names[place], last


def _lies_channels_last(tensor: Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)


def _plain(value: Any, tensors: _Tensors) -> Any:
    """The value as JSON has it; what JSON has not is an object with one key that names its kind."""
    if isinstance(value, Tensor):
        name, last = tensors.name(value)
        return {"channels last" if last else "tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[_plain(k, tensors), _plain(v, tensors)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_plain(item, tensors) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a state cannot hold {type(value).__name__}")


def _state(plain: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `_plain` was given."""
    if isinstance(plain, list):
        return [_state(item, tensors) for item in plain]
    if not isinstance(plain, dict):
        return plain
    ((kind, content),) = plain.items()
    if kind == "dict":
        return {_state(k, tensors): _state(v, tensors) for k, v in content}
    if kind == "tuple":
        return tuple(_state(item, tensors) for item in content)
    if kind == "channels last":  # as it lay: sums over another order have other last bits
        return tensors[content].permute(0, 3, 1, 2)
    if kind == "tensor":
        return tensors[content]
    raise Damaged(f"unknown kind {kind!r}")
