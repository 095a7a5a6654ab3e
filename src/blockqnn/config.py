"""Settings as frozen values with strict types, and the presets."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from blockqnn.errors import InputError
from blockqnn.network.plan import SKELETONS, Limits, Skeleton

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Level = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(gt=0)]]  # epsilon, weight

PAPER_EPSILON: tuple[Level, ...] = (
    (1.0, 95), (0.9, 7), (0.8, 7), (0.7, 7), (0.6, 10), (0.5, 10), (0.4, 10), (0.3, 10), (0.2, 10),
    (0.1, 12),
)  # table 2: (epsilon, iterations)  # fmt: skip


class Values(BaseModel):
    """Base of all settings: frozen, strict, an unknown key is an error."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class DataSettings(Values):
    source: str = "digits"  # `digits` or a FILE.npz
    test: Share = 0.2  # share of each class, where the source names no test part
    validation: Share = 1 / 6  # share of each class of the training data
    split_seed: Annotated[int, Field(ge=0)] = 0  # never the run's, so that runs share measurements


class SpaceSettings(Values):
    max_layers: Annotated[int, Field(ge=1, le=64)] = 23  # operations (section 4.2)
    max_params: Count = 10_000_000  # of the search network (section 5.2: the paper's limit for S)
    max_flops: Count | None = None  # of the search network, one image, 2 a multiply-add

    @property
    def limits(self) -> Limits:
        return Limits(self.max_params, self.max_flops)


class AgentSettings(Values):
    """Q-learning (section 3.2). The defaults are what measurably learns better (docs/LOG.md)."""

    alpha: Annotated[float, Field(gt=0, le=1)] | Literal["1/visits"] = "1/visits"
    gamma: Annotated[float, Field(gt=0, le=1)] = 1.0
    returns: Literal["max", "monte-carlo"] = "monte-carlo"  # target of every step but the last
    shaped: bool = False  # r_t = r_T / T (eq. 6), else 0
    initial_q: float | Literal["mean"] = "mean"  # "mean": the mean reward told so far
    exploration: Literal["actions", "types"] = "actions"  # what a random step draws uniformly
    epsilon: Annotated[tuple[Level, ...], Field(min_length=1)] = ((1.0, 20), (0.5, 10), (0.3, 70))
    walks: Count = 5  # walks at most for one proposal, while its key is known


class RewardSettings(Values):
    """reward = accuracy in percent - mu log(FLOPs / reference) - rho log(density) (eq. 7)."""

    mu: float = 1.0
    rho: float = 8.0
    base: Literal["e", 2, 10] = "e"
    reference: Annotated[float, Field(gt=0)] | Literal["resnet-like"] = "resnet-like"  # FLOPs
    density: Literal["simplified", "raw"] = "simplified"


class Recipe(Values):
    """How a candidate is trained (section 4.2)."""

    epochs: Count = 12
    steps: Count | None = None  # instead of epochs: a fixed number of batches
    batch: Annotated[int, Field(ge=2)] = 256
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3  # Adam, betas 0.9 and 0.999, eps 1e-8
    drops: tuple[Share, ...] = (5 / 12, 10 / 12)  # shares of the training after which it falls
    drop_factor: Share = 0.2
    restarts: Annotated[int, Field(ge=0)] = 3  # at most, while not above the majority class
    restart_factor: Share = 0.4  # of the learning rate at each restart
    restart_after: Count = 100  # steps at least before that is judged


class PlanSettings(Values):
    seed: Annotated[int, Field(ge=0)] = 0
    trials: Count = 300  # planned
    count: Literal["trials", "evaluations"] = "trials"  # what `trials` counts
    iteration: Count | None = None  # trials of an iteration; None: clamp(trials / 40, 8, 64)
    staleness: Annotated[int, Field(ge=0)] = 1  # ask k sees the outcomes of iterations <= k-1-s

    @property
    def iteration_size(self) -> int:
        return self.iteration or min(64, max(8, self.trials // 40))


class ExecutionSettings(Values):
    """Where it runs; may differ when a run is resumed."""

    executor: Literal["local", "serial"] = "local"
    workers: Count | None = None  # None: one a core
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    timeout: Annotated[float, Field(gt=0)] = 3600.0  # seconds for one candidate
    memory: Count | None = None  # bytes for one worker; None: its share of what is free


class Settings(Values):
    """Everything that decides a run."""

    preset: str = "standard"
    strategy: Literal["q-learning", "random"] = "q-learning"
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    skeleton: Skeleton = SKELETONS["cifar"]
    agent: AgentSettings = AgentSettings()
    reward: RewardSettings = RewardSettings()
    recipe: Recipe = Recipe()
    plan: PlanSettings = PlanSettings()
    execution: ExecutionSettings = ExecutionSettings()
    source: str | None = None  # another run whose measurements may be taken by key


_SMALL: Mapping[str, Any] = {
    "space": {"max_layers": 8},
    "skeleton": SKELETONS["small"],
    "recipe": {"steps": 120, "batch": 64},
}

# Values that differ from the defaults above.
# small: seconds a candidate on one core; digits: about 1 s, validation accuracy 90 to 99 %.
# paper: section 4.2; 12 minutes a candidate on the authors' GPUs, 3 days on 32 of them.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "small": _SMALL,
        "demo": {**_SMALL, "data": {"source": "digits"}, "plan": {"trials": 260}},
        "standard": {"skeleton": SKELETONS["cifar"].with_widths((16, 32, 64))},
        "paper": {
            "agent": {
                "alpha": 0.01,
                "returns": "max",
                "shaped": True,
                "initial_q": 0.0,
                "epsilon": PAPER_EPSILON,
                "walks": 1,
            },
            "reward": {"density": "raw"},
            "plan": {"trials": 178 * 64, "iteration": 64, "staleness": 0},
        },
    }
)


def preset_for(image_side: int, training_images: int) -> str:
    """The preset without `--preset`: `small` up to 16 pixels or below 2,000 training images."""
    return "small" if image_side <= 16 or training_images < 2000 else "standard"


def resolve(preset: str, changes: Mapping[str, Any]) -> Settings:
    """A preset's settings with changes (nested dictionaries) on top.

    Raises InputError, which names the key, the value and what is allowed.
    """
    if preset not in PRESETS:
        raise InputError(f"preset {preset!r} is unknown; there are {', '.join(PRESETS)}")
    return checked(Settings, merged({"preset": preset, **PRESETS[preset]}, changes))


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """The settings with changes (nested dictionaries) on top; InputError as from `resolve`."""
    return checked(Settings, merged(_nested(settings), changes))


def _nested(settings: BaseModel) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {k: _nested(v) if isinstance(v, BaseModel) else v for k, v in values.items()}


M = TypeVar("M", bound=BaseModel)
_UNION_PARTS = ("float", "int", "constrained-float")


def checked(model: type[M], values: Mapping[str, Any]) -> M:
    """The model of these values, or InputError in one line."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        key, value = _key(error.errors()[0]), error.errors()[0]["input"]
        reasons = dict.fromkeys(_reason(model, e) for e in error.errors() if _key(e) == key)
        reason = " or ".join(reasons).replace(" or Input should be ", " or ")
        raise InputError(f"setting {key} = {value!r}: {reason}") from None


def _key(error: ErrorDetails) -> str:
    """The dotted key of what is wrong; for a union pydantic appends which of its types complained."""
    parts = [str(part) for part in error["loc"]]
    return ".".join(p for p in parts if p not in _UNION_PARTS and not p.startswith("literal["))


def _reason(model: type[BaseModel], error: ErrorDetails) -> str:
    """What is allowed instead."""
    if error["type"] != "extra_forbidden":
        return error["msg"].removeprefix("Value error, ")
    for part in error["loc"][:-1]:
        inner = model.model_fields[str(part)].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    return f"no such setting; there are {', '.join(model.model_fields)}"


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of base in which nested values are replaced one by one."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        nested = isinstance(value, Mapping)
        result[key] = merged(old if isinstance(old, Mapping) else {}, value) if nested else value
    return result


def write_yaml(settings: Settings, path: Path) -> None:
    """The resolved settings as a file for people; the run's store holds the ones that count."""
    text = yaml.safe_dump(json.loads(settings.model_dump_json()), sort_keys=False)
    path.write_text(f"# The settings of this run, resolved. Changing them here changes nothing.\n{text}")


def differences(old: Settings, new: Settings) -> list[tuple[str, Any, Any]]:
    """Every setting that differs: (dotted key, old value, new value)."""
    a, b = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    return [(key, a.get(key), b.get(key)) for key in {**a, **b} if a.get(key) != b.get(key)]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat
