"""Networks of ours on CIFAR, from a file of results or from directories that `train --out` wrote."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from blockqnn.errors import InputError
from blockqnn.network.plan import Image, Skeleton, plan_network
from blockqnn.space.code import parse

_DATA = ("cifar10", "cifar100")
Percent = Annotated[FiniteFloat, Field(ge=0, le=100)]


class Errors(NamedTuple):
    """Test errors in percent of so many trainings."""

    mean: float
    deviation: float | None  # of one training: None
    trainings: int


class Ours(NamedTuple):
    """A network of ours; trained alike on both data sets."""

    method: str
    depth: int | None
    params: int
    cifar10: Errors | None
    cifar100: Errors | None


class _Training(NamedTuple):
    """One model, tested once."""

    method: str
    code: str
    skeleton: Skeleton | None  # None for what is no block
    depth: int | None
    params: int
    data: str
    accuracy: float


class _Read(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


_Kind = TypeVar("_Kind", bound=_Read)


class _Row(_Read):
    """A line of results/full.jsonl (benchmarks/full.py)."""

    data: str
    network: str
    code: str
    params: int
    preset: str
    epochs: FiniteFloat
    changes: list[str] = []
    widths: list[int] | None = None
    repeats: int | None = None
    test: Percent | None = None  # None: the test part was not read


class _Stages(_Read):
    stem: list[Literal["conv", "pool"]]
    widths: list[int]
    repeats: list[int]


class _Recipe(_Read):
    epochs: FiniteFloat


class _Config(_Read):
    code: str
    data: str
    skeleton: _Stages
    recipe: _Recipe


class _Reading(_Read):
    test_accuracy: Percent


class _Metrics(_Read):
    metric: str
    params: int
    test_readings: list[_Reading] = []


def ours(named: Sequence[str]) -> list[Ours]:
    """One row a network and way of training, in the order of what is named.

    InputError for what holds no result on CIFAR-10 or CIFAR-100, or a damaged one.
    """
    groups: dict[tuple[object, ...], list[_Training]] = {}
    for text in named:
        path = Path(text)
        found = list(_of_directory(path) if path.is_dir() else _of_file(path))
        if not found:
            raise InputError(f"table 3 {text}: holds no test accuracy on {' or '.join(_DATA)}")
        for one in found:
            groups.setdefault((one.method, one.code, one.skeleton), []).append(one)
    return [_together(trainings) for trainings in groups.values()]


def _together(trainings: Sequence[_Training]) -> Ours:
    first = trainings[0]
    ten, hundred = (_errors(t.accuracy for t in trainings if t.data == data) for data in _DATA)
    return Ours(first.method, first.depth, first.params, ten, hundred)


def _errors(accuracies: Iterable[float]) -> Errors | None:
    errors = [100 - accuracy for accuracy in accuracies]
    if not errors:
        return None
    return Errors(fmean(errors), stdev(errors) if len(errors) > 1 else None, len(errors))


def _depth(code: str, skeleton: Skeleton) -> int:
    """As the paper counts it."""
    return plan_network(parse(code), skeleton, Image(3, 32, 32), 10).depth


def _of_file(path: Path) -> Iterator[_Training]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise InputError(f"table 3 {path}: cannot be read ({reason})") from None
    for number, line in enumerate(lines, 1):
        row = _valid(_Row, line, f"{path}: line {number}")
        data = _known(row.data)
        if row.test is None or data is None:
            continue
        skeleton, depth = None, None
        if row.widths is not None and row.repeats is not None:
            with _placed(f"{path}: line {number}"):
                skeleton = Skeleton(("conv",), tuple(row.widths), (row.repeats,) * len(row.widths))
                depth = _depth(row.code, skeleton)
        n = f", N={row.repeats}" if skeleton else f" ({row.code})"
        how = ", ".join([row.preset, f"{row.epochs:g} epochs", *row.changes])
        method = f"{row.network}{n} ({how})"
        yield _Training(method, row.code, skeleton, depth, row.params, data, row.test)


def _of_directory(path: Path) -> Iterator[_Training]:
    config = _valid(_Config, _text(path / "config.json"), str(path / "config.json"))
    metrics = _valid(_Metrics, _text(path / "metrics.json"), str(path / "metrics.json"))
    if metrics.metric != "accuracy":
        raise InputError(f"table 3 {path}: its metric is {metrics.metric}, not accuracy")
    data = _known(config.data)
    if data is None:
        raise InputError(f"table 3 {path}: trained on {config.data!r}, not on {' or '.join(_DATA)}")
    given = config.skeleton
    with _placed(str(path / "config.json")):
        skeleton = Skeleton(tuple(given.stem), tuple(given.widths), tuple(given.repeats))
        depth = _depth(config.code, skeleton)
    repeats = ",".join(
        map(str, skeleton.repeats if len(set(skeleton.repeats)) > 1 else skeleton.repeats[:1])
    )
    method = f"{path.name}, N={repeats} ({config.recipe.epochs:g} epochs)"
    for reading in metrics.test_readings:
        yield _Training(
            method, config.code, skeleton, depth, metrics.params, data, reading.test_accuracy
        )


def _known(data: str) -> str | None:
    """cifar10 or cifar100, as its files and archives are called; None for any other, and for parts."""
    name = re.sub("[^a-z0-9]", "", Path(data.rpartition(":")[2]).name.lower().removesuffix(".npz"))
    return name if name in _DATA else None


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Says of a code or a template that cannot be where it stands."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise InputError(f"{path}: cannot be read ({reason})") from None


def _valid(kind: type[_Kind], text: str, where: str) -> _Kind:
    try:
        return kind.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is damaged: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "content"
        raise InputError(f"{where} is damaged: {place}: {first['msg']}") from None
