"""Files of the user's with operations, strategies or evaluators: the one place that imports them.

A plugin is a Python file with any of these, each a plain dict:

    OPERATIONS = {8: Operation(...)}     type number -> operation
    STRATEGIES = {"name": make}          make(mdp, settings, seed) -> strategy
    EVALUATORS = {"name": evaluate}      evaluate(network, dataset, task) -> percent

Its code runs only where the user names the file, and only with the content that the run began
with. Reading a run never runs it.
"""

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.abc import SourceLoader
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

from blockqnn.config import Plugin, Settings
from blockqnn.errors import InputError
from blockqnn.space.code import Op, op_name
from blockqnn.space.operation import FIRST_OWN, Operation, OwnOp
from blockqnn.strategy.built_in import STRATEGIES
from blockqnn.strategy.own import Make
from blockqnn.users_code import MODULE, users_code

Evaluate = Callable[[Any, Any, Any], float]  # (network, dataset, task) -> percent

EVALUATORS = ("early-stop",)  # the built-in ones
_TABLES = ("OPERATIONS", "STRATEGIES", "EVALUATORS")
_NAME = re.compile(r"[a-z][a-z0-9_. -]{0,39}", re.ASCII)
_LAST_OWN, _LARGEST_KERNEL = 999, 99
_BYTES = 1 << 20  # of a file


@dataclass(frozen=True)
class Extensions:
    """What the named plugins bring; by default nothing."""

    plugins: tuple[Plugin, ...] = ()
    operations: tuple[OwnOp, ...] = ()
    strategies: Mapping[str, Make] = field(default_factory=dict)
    evaluators: Mapping[str, Evaluate] = field(default_factory=dict)

    def refuse_unknown(self, settings: Settings) -> None:
        """InputError unless strategy and evaluator are built in or a plugin's."""
        for kind, name, known in (
            ("strategy", settings.strategy, (*STRATEGIES, *self.strategies)),
            ("evaluator", settings.evaluator, (*EVALUATORS, *self.evaluators)),
        ):
            if name not in known:
                raise InputError(
                    f"{kind} {name!r} is unknown; there are {', '.join(known)}, and those of --plugin"
                )


NOTHING = Extensions()


def named(paths: Iterable[str | PathLike[str]]) -> tuple[Plugin, ...]:
    """The files with the hashes of their contents; nothing is run. The same content counts once."""
    found: dict[str, Plugin] = {}
    for path in paths:
        absolute = Path(path).absolute()
        plugin = Plugin(path=str(absolute), sha256=sha256(_content(absolute)).hexdigest())
        found.setdefault(plugin.sha256, plugin)
    return tuple(found.values())


def named_again(begun: Sequence[Plugin], now: Sequence[Plugin], what: str) -> None:
    """InputError unless the plugins named now have the contents that `what` was begun with."""
    old, new = {p.sha256: p for p in begun}, {p.sha256: p for p in now}
    files = {Path(p.path).name: p for p in now if p.sha256 not in old}
    for plugin in begun:
        if plugin.sha256 in new:
            continue
        name = Path(plugin.path).name
        if name in files:
            raise InputError(
                f"{what}: was begun with --plugin {name} of sha256 {plugin.sha256[:12]};"
                f" {files[name].path} has {files[name].sha256[:12]}"
            )
        raise InputError(f"{what}: was begun with --plugin {plugin.path}; name it again")
    for plugin in files.values():
        raise InputError(f"{what}: was begun without --plugin {plugin.path}; leave it out")


def load(plugins: Sequence[Plugin]) -> Extensions:
    """Runs the files and takes what they define.

    Raises InputError in one line for a content that is not the one of the hash, for what the
    file raises, and for what breaks a rule. A file that this process has run is not run again.
    """
    extensions = NOTHING
    for plugin in plugins:
        extensions = _joined(extensions, plugin, _defined(plugin))
    return extensions


def _joined(before: Extensions, plugin: Plugin, new: Extensions) -> Extensions:
    """Both, unless they give one number or name to two things."""
    for kind, taken, names in (
        ("type", [int(op) for op in before.operations], [int(op) for op in new.operations]),
        ("operation", [o.name for o in before.operations], [o.name for o in new.operations]),
        ("strategy", before.strategies, new.strategies),
        ("evaluator", before.evaluators, new.evaluators),
    ):
        for name in names:
            if name in taken:
                others = ", ".join(p.path for p in before.plugins)
                raise InputError(f"plugin {plugin.path}: {kind} {name!r} is taken by {others}")
    return Extensions(
        (*before.plugins, plugin),
        (*before.operations, *new.operations),
        {**before.strategies, **new.strategies},
        {**before.evaluators, **new.evaluators},
    )


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES + 1)
    except OSError as error:
        raise InputError(f"plugin {path}: cannot be read ({error.strerror}); name a FILE.py") from None
    if path.suffix != ".py" or len(content) > _BYTES:
        raise InputError(f"plugin {path}: must be a Python file (.py) of at most {_BYTES} bytes")
    return content


class _Loader(SourceLoader):
    """Imports the bytes that were hashed, not what the file holds a moment later; no cache."""

    def __init__(self, path: str, content: bytes) -> None:
        self._path, self._content = path, content

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        return self._path

    def get_data(self, path: str) -> bytes:  # noqa: ARG002
        return self._content


def _imported(plugin: Plugin) -> ModuleType:
    """The file as a module of its own name, run once a process."""
    name = MODULE + sha256(f"{plugin.path}\n{plugin.sha256}".encode()).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    content = _content(Path(plugin.path))
    found = sha256(content).hexdigest()
    if found != plugin.sha256:
        raise InputError(
            f"plugin {plugin.path}: changed; sha256 was {plugin.sha256[:12]}, is {found[:12]}"
        )
    spec = importlib.util.spec_from_loader(name, _Loader(plugin.path, content))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and inspect look there
    try:
        with users_code(f"plugin {plugin.path}"), redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _defined(plugin: Plugin) -> Extensions:
    """What one file defines, checked."""
    module, where = _imported(plugin), f"plugin {plugin.path}"
    tables = {name: getattr(module, name) for name in _TABLES if name in vars(module)}
    if not any(tables.values()):
        raise InputError(f"{where}: defines nothing; it needs one of {', '.join(_TABLES)}")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{where}: {name} must be a dict, not {type(table).__name__}")
    strategies, evaluators = tables.get("STRATEGIES", {}), tables.get("EVALUATORS", {})
    _check_functions(f"{where}: STRATEGIES", strategies, STRATEGIES)
    _check_functions(f"{where}: EVALUATORS", evaluators, EVALUATORS)
    operations = tables.get("OPERATIONS", {}).items()
    return Extensions(
        operations=tuple(_own_op(f"{where}: OPERATIONS", *item) for item in operations),
        strategies=strategies,
        evaluators=evaluators,
    )


def _check_functions(where: str, table: Mapping[Any, Any], built_in: Iterable[str]) -> None:
    for name, function in table.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(
                f"{where}: name {name!r}: allowed are letters a-z, digits and -_. after one"
            )
        if name in built_in:
            raise InputError(f"{where}: {name!r} is taken by the built-in one")
        if not callable(function):
            raise InputError(f"{where}: {name!r} must be a function or a class, not {function!r}"[:300])


def _own_op(where: str, number: object, operation: object) -> OwnOp:
    """The layer type; InputError unless all it states is possible."""
    if not isinstance(number, int) or not FIRST_OWN <= number <= _LAST_OWN:
        raise InputError(f"{where}: type {number!r}: whole numbers from {FIRST_OWN} to {_LAST_OWN}")
    where = f"{where}[{number}]"
    if not isinstance(operation, Operation):
        raise InputError(f"{where}: must be a blockqnn.Operation, not {operation!r}"[:300])
    name, kernels = operation.name, operation.kernels
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in map(op_name, Op):
        raise InputError(
            f"{where}: name {name!r}: allowed are letters a-z, digits and -_. after one, but none of"
            f" {', '.join(map(op_name, Op))}"
        )
    if (
        not isinstance(kernels, tuple)
        or not kernels
        or any(not isinstance(k, int) or not 0 <= k <= _LARGEST_KERNEL for k in kernels)
        or len(set(kernels)) < len(kernels)
    ):
        raise InputError(
            f"{where}: kernels {kernels!r}: a tuple of different whole numbers up to {_LARGEST_KERNEL},"
            " (0,) for none"
        )
    if operation.predecessors not in (1, 2):
        raise InputError(f"{where}: predecessors {operation.predecessors!r}: 1 or 2")
    for part in ("params", "flops", "build", "channels", "activations"):
        value = getattr(operation, part)
        if not callable(value) and not (part == "activations" and value is None):
            raise InputError(f"{where}: {part} must be a function, not {value!r}"[:300])
    if not operation.source:
        with suppress(OSError, TypeError):  # a partial, a C function
            operation = replace(operation, source=inspect.getsource(operation.build))
    return OwnOp.of(number, operation)
