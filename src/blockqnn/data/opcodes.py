"""Reads the numbers, texts, containers and arrays of a pickle without running anything in it.

`pickletools` names the opcodes; those below are interpreted as plain values. Nothing is imported or
called: the few functions that NumPy's arrays are written with are recognised by their names.
"""

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from blockqnn.errors import InputError

_ARRAY = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_TYPE, _DTYPE, _ENCODE = "numpy ndarray", "numpy dtype", "_codecs encode"
_SCALAR = ("numpy.core.multiarray scalar", "numpy._core.multiarray scalar")
_NAMES = {*_ARRAY, *_SCALAR, _TYPE, _DTYPE, _ENCODE}

_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
_BYTES = 1 << 28  # of a file; CIFAR-100's largest has 155 million
_STEPS_AT_MOST = 600_000  # of a pickle; CIFAR-100's largest has 200,000
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class _Name(NamedTuple):
    """A function or class that the pickle names; never looked up."""

    text: str


class _Array:
    """What BUILD completes: an array or a number type that was only named so far."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.value: Any = None


class _Refused(Exception):
    pass


class _Mark:
    pass


_MARK = _Mark()


def read_values(path: Path) -> Any:
    """The value that the file holds; texts of Python 2 are bytes or str as `pickletools` gives them.

    Raises InputError that names the file and the opcode that does anything else than hold data.
    """
    try:
        if path.stat().st_size > _BYTES:
            raise InputError(f"data {path}: more than {_BYTES} bytes; CIFAR's files have fewer")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"data {path}: cannot be read ({error.strerror})") from None
    name = "nothing"
    machine = _Machine()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            name = opcode.name
            if number >= _STEPS_AT_MOST:
                raise _Refused(f"more than {_STEPS_AT_MOST} of them")
            if name == "STOP":
                return _finished(machine.pop())
            machine.step(name, argument)
    except (
        _Refused, ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        reason = str(error).partition("\n")[0][:120]
        raise InputError(
            f"data {path}: is no file of plain values and arrays, opcode {name} ({reason})"
        ) from None
    raise InputError(f"data {path}: ends after opcode {name}, without a value")


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._encoded = 0  # bytes; a text of the memo can be encoded again and again

    def pop(self) -> Any:
        return self._stack.pop()

    def step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise _Refused("not allowed")

    def _marked(self) -> list[Any]:
        """What lies above the last mark; the mark goes too."""
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:  # an IndexError below the lowest value
            at -= 1
        values = self._stack[at + 1 :]
        del self._stack[at:]
        return values

    def _mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _drop(self, _: Any) -> None:
        self._stack.pop()

    def _empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def _empty_list(self, _: Any) -> None:
        self._stack.append([])

    def _empty_tuple(self, _: Any) -> None:
        self._stack.append(())

    def _dict(self, _: Any) -> None:
        self._stack.append(_pairs(self._marked()))

    def _list(self, _: Any) -> None:
        self._stack.append(self._marked())

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._marked()))

    def _short_tuple(self, length: int) -> None:
        values = tuple(self._stack[-length:])
        del self._stack[-length:]
        self._stack.append(values)

    def _append(self, _: Any) -> None:
        value = self.pop()
        self._stack[-1].append(value)

    def _appends(self, _: Any) -> None:
        values = self._marked()
        self._stack[-1].extend(values)

    def _set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._stack[-1].update(_pairs([key, value]))

    def _set_items(self, _: Any) -> None:
        values = self._marked()
        self._stack[-1].update(_pairs(values))

    def _global(self, argument: str) -> None:
        if argument not in _NAMES:
            raise _Refused(f"{argument.replace(' ', '.')} is not allowed")
        self._stack.append(_Name(argument))

    def _stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise _Refused("a name that is no text")
        self._global(f"{module} {name}")

    def _reduce(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        value = _called(function, arguments)
        self._encoded += len(value) if isinstance(value, bytes) else 0
        if self._encoded > _BYTES:
            raise _Refused(f"more than {_BYTES} bytes of text")
        self._stack.append(value)

    def _build(self, _: Any) -> None:
        state, target = self.pop(), self._stack[-1]
        if not isinstance(target, _Array):
            raise _Refused(f"state for a {type(target).__name__}")
        target.value = _built(target, state)


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "MEMOIZE": _Machine._memoize,
    "POP": _Machine._drop,
    "EMPTY_DICT": _Machine._empty_dict,
    "EMPTY_LIST": _Machine._empty_list,
    "EMPTY_TUPLE": _Machine._empty_tuple,
    "DICT": _Machine._dict,
    "LIST": _Machine._list,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine, _: machine._short_tuple(1),
    "TUPLE2": lambda machine, _: machine._short_tuple(2),
    "TUPLE3": lambda machine, _: machine._short_tuple(3),
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
}


def _pairs(values: list[Any]) -> dict[Any, Any]:
    """Keys and values in turn. A key is plain: what is nested could take for ever to be hashed."""
    keys = values[::2]
    if not all(isinstance(key, str | bytes | int) for key in keys):
        raise _Refused("a key that is neither text nor number")
    return dict(zip(keys, values[1::2], strict=True))


def _called(function: object, arguments: Any) -> Any:
    """What the named function would give, for the few that arrays are written with."""
    name = function.text if isinstance(function, _Name) else ""
    if name == _ENCODE and arguments[1] in ("latin1", "latin-1"):
        return arguments[0].encode("latin1")
    if name in _ARRAY and arguments[0] == _Name(_TYPE):
        return _Array(_TYPE)
    if name == _DTYPE:
        number = _Array(_DTYPE)
        number.value = np.dtype(_number_type(arguments[0]))
        return number
    if name in _SCALAR:
        return np.frombuffer(_as_bytes(arguments[1]), arguments[0].value, count=1)[0].item()
    raise _Refused(f"a call of {name.replace(' ', '.') or type(function).__name__} is not allowed")


def _number_type(text: Any) -> str:
    """`u1`, `i8` and the like: numbers only, never objects."""
    text = text.decode("ascii") if isinstance(text, bytes) else text
    if not isinstance(text, str) or text.lstrip("<>|=")[:1] not in ("u", "i", "f", "b"):
        raise _Refused(
            f"number type {text[:20]!r} is not allowed" if isinstance(text, str) else "no type"
        )
    return text


def _built(target: _Array, state: Any) -> Any:
    if target.kind == _DTYPE:
        return target.value.newbyteorder(_number_order(state[1]))
    _, shape, number_type, fortran, content = state
    array = np.frombuffer(_as_bytes(content), number_type.value)
    return array.reshape(shape, order="F" if fortran else "C")


def _number_order(text: Any) -> Any:
    return text.decode("ascii") if isinstance(text, bytes) else text


def _as_bytes(content: Any) -> bytes:
    """Python 2 wrote bytes as text of one character a byte."""
    if isinstance(content, str):
        return content.encode("latin1")
    if not isinstance(content, bytes | bytearray):
        raise _Refused(f"an array of {type(content).__name__}")
    return bytes(content)


def _finished(value: Any) -> Any:
    """The value with every array in place of what named it, two levels deep: enough for a batch."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {key: v.value if isinstance(v, _Array) else v for key, v in value.items()}
    return value
