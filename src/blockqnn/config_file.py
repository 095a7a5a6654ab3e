"""Settings as text: YAML files, `key=value` on the command line, the commented file of `init`.

YAML is read as YAML 1.2 means it: `1e-3` is a number; `1:30`, `010` and `on` are text, which no
setting mistakes for 90, 8 or true. Repeated keys, aliases and tags are refused.
"""

import json
import re
from collections.abc import Hashable
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from blockqnn.config import Settings
from blockqnn.errors import InputError

_BYTES = 1 << 18  # of a file; ours have 3,000
_DEPTH = 50  # of brackets; ours have 3


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core scalars, no repeated key, no alias, no tag."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own attribute

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:  # their constructors fail in many ways
            raise yaml.YAMLError("tags (!name) are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            names = [key.value for key, _ in node.value]
            twice = next(name for name in names if names.count(name) > 1)
            raise yaml.YAMLError(f"key {twice!r} stands there twice")
        return mapping


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", "n~\0"),
    ("int", r"[-+]?(0|[1-9][0-9]{0,40})", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.inf|\.nan", "-+."),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(rf"(?!0[0-9])({_pattern})\Z"),
        ["" if c == "\0" else c for c in _first],
    )
_Loader.add_constructor(
    "tag:yaml.org,2002:float",
    lambda _, node: float(node.value.replace(".inf", "inf").replace(".nan", "nan")),
)


def read_settings(path: Path) -> dict[str, Any]:
    """The nested values of a YAML file; InputError that names the file and what is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES + 1)
        if len(data) > _BYTES:
            raise InputError(f"config {path}: over {_BYTES} bytes")
        values = _parsed(data.decode())
    except OSError as error:
        raise InputError(f"config {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"config {path}: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"config {path}: must be a list of `name: value`, as `blockqnn init` writes it")
    return values


def read_assignment(text: str) -> dict[str, Any]:
    """`plan.trials=100` as nested values; the value is read as YAML. InputError if it is none."""
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > 9:
        raise InputError(f"--set {text[:80]!r}: write key.path=value, as plan.trials=100")
    try:
        nested = _parsed(value)
    except ValueError as error:
        raise InputError(f"--set {text[:80]!r}: {error}") from None
    for part in reversed(parts):
        nested = {part: nested}
    return dict(nested)


def _parsed(text: str) -> Any:
    """The value that a YAML text means; ValueError in one line."""
    depths = accumulate((char in "[{") - (char in "]}") for char in text)
    if max(depths, default=0) > _DEPTH:  # the scanner's time grows with the square of it
        raise ValueError("nested too deep")
    try:
        return yaml.load(text, _Loader)  # a SafeLoader
    except RecursionError:
        raise ValueError("nested too deep") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"no valid YAML{where} ({error.problem or error.context})") from None
    except yaml.YAMLError as error:
        raise ValueError(f"no valid YAML ({' '.join(str(error).split())})") from None


def write_settings(settings: Settings, path: Path) -> None:
    """The resolved settings of a run, for people; the run's store holds the ones that count."""
    header = "# The settings of this run, resolved. Changing them here changes nothing.\n"
    path.write_text(header + resolved(settings))


def resolved(settings: Settings) -> str:
    """All settings as YAML, without comments."""
    text: str = yaml.safe_dump(json.loads(settings.model_dump_json()), sort_keys=False)
    return text


def commented(settings: Settings) -> str:
    """The settings as YAML, each with what it means and what is allowed."""
    lines = [
        "# Settings of a search: blockqnn search --config THIS_FILE",
        "# Lines left out take the preset's values; --set and the other options go before this file.",
    ]
    _write_group(settings, "", lines)
    return "\n".join(lines) + "\n"


def _write_group(group: BaseModel, indent: str, lines: list[str]) -> None:
    plain = json.loads(group.model_dump_json())
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            lines += ["", f"{indent}{name}:"]
            _write_group(value, f"{indent}  ", lines)
        elif isinstance(plain[name], dict):
            lines += ["", f"{indent}{name}:  # {field.description}"]
            lines += [f"{indent}  {part}: {_flow(v)}" for part, v in plain[name].items()]
        else:
            text = f"{indent}{name}: {_flow(plain[name])}"
            lines.append(f"{text:34}  # {field.description}" if field.description else text)


def _flow(value: Any) -> str:
    """The value on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1 << 20)
    return text.removesuffix("\n").removesuffix("\n...")
