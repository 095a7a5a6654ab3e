"""Settings as frozen values with strict types, and the presets.

Each field's description is what `blockqnn init` writes beside it.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from blockqnn import quantity
from blockqnn.errors import InputError
from blockqnn.network.plan import SKELETONS, Limits, Skeleton


def _seconds(value: object) -> object:
    return quantity.seconds(value) if isinstance(value, str) else value


def checked_seconds(value: float | str | None) -> float | None:
    """A duration as a user gives it, in seconds; InputError for what is none."""
    seconds: float | None = _checked_alone("budget", Duration, value)
    return seconds


def checked_size(value: int | str | None) -> int | None:
    """A number of parameters as a user gives it, 2M; InputError for what is none."""
    count: int | None = _checked_alone("max_params", Size, value)
    return count


def checked_sides(value: object, name: str = "image_size") -> tuple[int, int] | None:
    """Height and width as a user gives them, 64 or 48x64; InputError for what is none."""
    sides: tuple[int, int] | None = _checked_alone(name, Sides, value)
    return sides


def _checked_alone(name: str, kind: Any, value: object) -> Any:
    """A value that stands outside of any settings, None where it was not given."""
    try:
        return None if value is None else TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"{name} {str(value)[:60]!r}: {reason}") from None


def _milliseconds(value: object) -> object:
    return quantity.milliseconds(value) if isinstance(value, str) else value


def _whole(value: object) -> object:
    return quantity.size(value) if isinstance(value, str) else value


def height_and_width(value: object) -> object:
    """`64` or `48x64` as (height, width); anything else as it is."""
    if isinstance(value, str):
        sides = value.lower().split("x")
        if not 1 <= len(sides) <= 2 or not all(s.isascii() and s.isdecimal() for s in sides):
            raise ValueError("write a side of the image, as 64, or height and width, as 48x64")
        value = [int(side[:9]) for side in sides]
    elif isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    return tuple(value * 2 if len(value) == 1 else value) if isinstance(value, list) else value


Share = Annotated[float, Field(gt=0, lt=1)]
Part = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Size = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10**18)]  # 2M
Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]  # 90s
Milliseconds = Annotated[float, BeforeValidator(_milliseconds), Field(gt=0)]  # 5ms
Side = Annotated[int, Field(ge=1, le=4096)]
Sides = Annotated[tuple[Side, Side], BeforeValidator(height_and_width)]  # 48x64
Level = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(gt=0)]]  # epsilon, weight

PAPER_EPSILON: tuple[Level, ...] = (
    (1.0, 95), (0.9, 7), (0.8, 7), (0.7, 7), (0.6, 10), (0.5, 10), (0.4, 10), (0.3, 10), (0.2, 10),
    (0.1, 12),
)  # table 2: (epsilon, iterations)  # fmt: skip


class Values(BaseModel):
    """Base of all settings: frozen, strict, an unknown key is an error."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class DataSettings(Values):
    source: str = Field("digits", description="digits, DIR, FILE.npz or hf:NAME[:CONFIG]")
    labels: str | None = Field(
        None, description="FILE.csv with the columns path, label[, group][, part]"
    )
    image_size: Sides | None = Field(
        None, description="64 or 48x64; null: the median short side, at most 64"
    )
    resize: Literal["crop", "letterbox", "stretch"] = Field(
        "crop", description="how an image of another shape is fitted: crop, letterbox or stretch"
    )
    unreadable: Literal["refuse", "skip"] = Field(
        "refuse", description="what an image that cannot be read does: refuse or skip"
    )
    test: Share = Field(0.2, description="share of each class, where the source names no test part")
    validation: Share = Field(1 / 6, description="share of each class of the training data")
    split_seed: Seed = Field(0, description="never the run's, so that runs share measurements")


class SpaceSettings(Values):
    max_layers: Annotated[int, Field(ge=1, le=64)] = Field(
        23, description="operations of a block (section 4.2)"
    )
    max_params: Size = Field(10_000_000, description="of the search network, as 2M (section 5.2)")
    max_flops: Size | None = Field(None, description="of the search network, one image, as 300M")

    @property
    def limits(self) -> Limits:
        return Limits(self.max_params, self.max_flops)


class AgentSettings(Values):
    """Q-learning (section 3.2). The defaults are what measurably learns better (docs/LOG.md)."""

    alpha: Annotated[float, Field(gt=0, le=1)] | Literal["1/visits", "best"] = Field(
        "best", description="step size: a number up to 1, 1/visits, or best: Q is the highest target"
    )
    state: Literal["layer", "position"] = Field(
        "position", description="what values are told apart by: the last layer, or its number alone"
    )
    bootstrap: Count | None = Field(
        30, description="a proposal follows what so many drawn trials teach; null: all of them"
    )
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="discount")
    returns: Literal["max", "monte-carlo"] = Field(
        "monte-carlo", description="target of every step but the last: max or monte-carlo"
    )
    shaped: bool = Field(False, description="r_t = r_T / T (eq. 6), else 0")
    initial_q: float | Literal["mean"] = Field(
        "mean", description="a number, or mean: the mean reward told so far"
    )
    exploration: Literal["actions", "types"] = Field(
        "actions", description="what a random step draws uniformly: actions or types"
    )
    epsilon: Annotated[tuple[Level, ...], Field(min_length=1)] = Field(
        ((1.0, 10), (0.2, 30), (0.1, 60)), description="[epsilon, weight] of each part of the plan"
    )
    walks: Count = Field(20, description="walks at most for one proposal, while its key is known")


class EvolutionSettings(Values):
    """Regularized evolution."""

    population: Count = Field(50, description="designs that may be parents: the last ones told")
    sample: Count = Field(10, description="of them, drawn for one child, whose best is its parent")


class RewardSettings(Values):
    """reward = accuracy in percent - mu log(FLOPs / reference) - rho log(density) (eq. 7).

    Where latency has a weight, less that times log(latency / 1 ms). The paper's mu = 1 and rho = 8
    rank networks less like their full training than the accuracy alone does (docs/LOG.md,
    "Does the corrected reward help?"), so they are the preset paper's only.
    """

    mu: float = Field(0.0, description="weight of the FLOPs; the paper's is 1")
    rho: float = Field(0.0, description="weight of the density; the paper's is 8")
    latency: Annotated[float, Field(ge=0)] = Field(
        0.0, description="weight of the latency, whose reference is 1 ms"
    )
    base: Literal["e", 2, 10] = Field("e", description="of the logarithms: e, 2 or 10")
    reference: Annotated[float, Field(gt=0)] | Literal["resnet-like"] = Field(
        "resnet-like", description="FLOPs: a number, or resnet-like, the exemplar's"
    )
    density: Literal["simplified", "raw"] = Field(
        "simplified", description="of the simplified block, or of the raw code"
    )

    @property
    def corrects(self) -> bool:
        """Whether the reward is anything but the accuracy."""
        return any((self.mu, self.rho, self.latency))


class LatencySettings(Values):
    """Latency of one image on the run's device, taken before a candidate is trained."""

    measure: bool = Field(
        False, description="whether it is measured; a limit, or a weight in the reward, measures it too"
    )
    limit: Milliseconds | None = Field(None, description="milliseconds at most, as 5ms; null: none")


class Augmentation(Values):
    """How training images are varied, each time they are shown; all shares of an image's side."""

    shift: Part = Field(
        0.0, description="moved by at most, mirrored at the border; 0.125: 4 of 32 pixels"
    )
    zoom: Part = Field(0.0, description="left out of the image at most, the rest enlarged")
    flip: bool = Field(False, description="left and right exchanged in half of the images")
    erase: Part = Field(0.0, description="side of a square that is made grey")
    crop: Part = Field(
        0.0,
        description="least share of the area of a window cut out of the image as it is stored; `train`"
        " alone; 0: none, images are prepared once",
    )
    color: Part = Field(0.0, description="brightness and contrast changed by at most")


class Recipe(Values):
    """How a network is trained; by default as a candidate is (section 4.2)."""

    epochs: Count = Field(12, description="passes over the training part")
    steps: Count | None = Field(None, description="instead of epochs: a fixed number of batches")
    batch: Annotated[int, Field(ge=2)] = Field(256, description="images of a batch")
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="adam, adamw (betas 0.9 and 0.999, eps 1e-8) or sgd"
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="at its highest")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="of sgd")
    nesterov: bool = Field(False, description="whether it is Nesterov's")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="of all parameters")
    schedule: Literal["drops", "cosine", "linear"] = Field(
        "drops", description="of the learning rate: drops, or cosine or linear to zero"
    )
    warmup: Part = Field(0.0, description="share of the training in which the rate rises from zero")
    drops: tuple[Share, ...] = Field(
        (5 / 12, 10 / 12), description="shares of the training after which the rate falls"
    )
    drop_factor: Share = Field(0.2, description="of the rate at each drop")
    label_smoothing: Part = Field(0.0, description="probability spread over all classes")
    average: Part = Field(0.0, description="decay a step of the averaged weights that count; 0: none")
    augmentation: Augmentation = Augmentation()
    class_weights: bool = Field(False, description="whether rare classes weigh more in the loss")
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        "float32", description="of forward and backward pass; auto: bfloat16 where it is fast"
    )
    restarts: Annotated[int, Field(ge=0)] = Field(
        3, description="at most, while not above the majority class"
    )
    restart_factor: Share = Field(0.4, description="of the rate at each restart")
    restart_after: Count = Field(100, description="steps at least before that is judged")
    metric: Literal["accuracy", "balanced-accuracy", "macro-f1"] = Field(
        "accuracy", description="the measured accuracy: accuracy, balanced-accuracy or macro-f1"
    )


class PlanSettings(Values):
    """How long a search is: planned trials, or a budget of time."""

    seed: Seed = Field(0, description="one seed, one search")
    trials: Count | None = Field(300, description="planned; null with a budget")
    budget: Duration | None = Field(None, description="of time instead of trials, as 90s, 30m or 2h")
    count: Literal["trials", "evaluations"] = Field(
        "trials", description="what the planned number counts: trials or evaluations"
    )
    iteration: Count | None = Field(
        None, description="trials of an iteration; null: trials / 40, from 8 to 64; 8 with a budget"
    )
    staleness: Annotated[int, Field(ge=0)] = Field(
        1, description="iteration k is proposed from the outcomes of iterations <= k - 1 - staleness"
    )

    @model_validator(mode="after")
    def _one_end(self) -> "PlanSettings":
        if (self.trials is None) == (self.budget is None):
            raise ValueError("name either trials or a budget, the other one null")
        return self

    @property
    def iteration_size(self) -> int:
        return self.iteration or (8 if self.trials is None else min(64, max(8, self.trials // 40)))


class ExecutionSettings(Values):
    """Where it runs; may differ when a run is resumed."""

    executor: Literal["local", "ray", "serial"] = Field("local", description="local, ray or serial")
    address: str | None = Field(None, description="of a Ray cluster, as HOST:PORT; null: its own")
    unauthenticated: bool = Field(False, description="whether a Ray cluster without tokens will do")
    workers: Count | None = Field(None, description="processes; null: one a core, or as per_gpu says")
    per_gpu: Count = Field(1, description="candidates at a time on each GPU that is visible")
    graphs: bool = Field(False, description="whether a GPU repeats a step by itself (a CUDA graph)")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto, cpu, cuda or mps")
    timeout: Duration = Field(3600.0, description="for one candidate, as 90s, 30m or 2h")
    memory: Size | None = Field(
        None, description="bytes for one worker, as 2G; null: its share of what is free"
    )


FREE_ON_RESUME = frozenset(
    f"execution.{name}" for name in ExecutionSettings.model_fields if name != "device"
)  # what decides no result


class Plugin(Values):
    """A file of the user's whose code a run uses."""

    path: str = Field(description="FILE.py")
    sha256: str = Field(description="of its contents; another content is refused")


class Settings(Values):
    """Everything that decides a run."""

    preset: str = Field("standard", description="whose values stand where none is given")
    strategy: str = Field(
        "q-learning", description="q-learning, predictor, random, evolution, local-search, or a plugin's"
    )
    evaluator: str = Field("early-stop", description="early-stop, or a plugin's")
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    skeleton: Skeleton = Field(
        SKELETONS["cifar"], description="the stem's layers, then filters and blocks of each stage"
    )
    agent: AgentSettings = AgentSettings()
    evolution: EvolutionSettings = EvolutionSettings()
    reward: RewardSettings = RewardSettings()
    latency: LatencySettings = LatencySettings()
    recipe: Recipe = Recipe()
    plan: PlanSettings = PlanSettings()
    execution: ExecutionSettings = ExecutionSettings()
    source: str | None = Field(
        None, description="another run of the same protocol whose measurements are taken by key"
    )
    plugins: tuple[Plugin, ...] = Field((), description="files named with --plugin")

    @model_validator(mode="after")
    def _of_prepared_images(self) -> "Settings":
        if self.recipe.augmentation.crop:
            raise ValueError(
                "recipe.augmentation.crop is for `train`: a search prepares its images once, so that no"
                " window can be cut out of them; write 0"
            )
        return self

    @property
    def measures_latency(self) -> bool:
        asked = self.latency
        return asked.measure or asked.limit is not None or self.reward.latency > 0


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
        "standard": {
            "skeleton": SKELETONS["cifar"].with_widths((16, 32, 64)),
            "recipe": {"precision": "auto"},
        },
        "paper": {
            "agent": {
                "alpha": 0.01,
                "state": "layer",
                "bootstrap": None,
                "returns": "max",
                "shaped": True,
                "initial_q": 0.0,
                "epsilon": PAPER_EPSILON,
                "walks": 1,
            },
            "reward": {"mu": 1.0, "rho": 8.0, "density": "raw"},
            "plan": {"trials": 178 * 64, "iteration": 64, "staleness": 0},
        },
    }
)


# Recipes of a final training, the presets of `train`. paper-cifar: section 4.2; what the paper leaves
# open is as usual for CIFAR: each drop to a tenth, images moved by up to 4 of 32 pixels (mirrored at
# the border, not black).
# paper-imagenet: section 4.2; its "random crop" is taken for that of Szegedy et al. 2015, 8 to 100 % of
# the area, as usual for ImageNet.
# modern: lowest validation error for the same epochs of those measured (benchmarks/RESULTS.md); images
# of one channel are not flipped.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "modern": Recipe(
            epochs=60,
            batch=128,
            optimizer="sgd",
            learning_rate=0.4,
            nesterov=True,
            weight_decay=5e-4,
            schedule="cosine",
            warmup=0.05,
            label_smoothing=0.1,
            augmentation=Augmentation(shift=0.125, flip=True),
            precision="auto",
        ),
        "paper-cifar": Recipe(
            epochs=300,
            batch=128,
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=5e-4,
            drops=(0.5, 0.75),
            drop_factor=0.1,
            augmentation=Augmentation(shift=0.125, flip=True),
        ),
        "paper-imagenet": Recipe(
            epochs=90,
            batch=256,
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=1e-4,
            drops=(30 / 90, 60 / 90),
            drop_factor=0.1,
            augmentation=Augmentation(crop=0.08, flip=True),
            precision="auto",
        ),
    }
)


def preset_for(image_side: int, training_images: int) -> str:
    """The preset without `--preset`: `small` up to 16 pixels or below 2,000 training images."""
    return "small" if image_side <= 16 or training_images < 2000 else "standard"


def resolve(preset: object, changes: Mapping[str, Any]) -> Settings:
    """A preset's settings with changes (nested dictionaries) on top.

    Raises InputError, which names the key, the value and what is allowed.
    """
    return checked(Settings, merged(values_of(preset), changes))


def values_of(preset: object) -> dict[str, Any]:
    """The nested values that a preset names, its own name among them; InputError for no preset."""
    if not isinstance(preset, str) or preset not in PRESETS:  # of a file it may be anything
        raise InputError(f"preset {repr(preset)[:60]} is unknown; there are {', '.join(PRESETS)}")
    return {"preset": preset, **PRESETS[preset]}


def _nested(settings: BaseModel) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {k: _nested(v) if isinstance(v, BaseModel) else v for k, v in values.items()}


M = TypeVar("M", bound=BaseModel)
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")  # pydantic's names of an unknown key


def changed(settings: M, changes: Mapping[str, Any]) -> M:
    """The settings with changes (nested dictionaries) on top; InputError as from `resolve`."""
    return checked(type(settings), merged(_nested(settings), changes))


def checked(model: type[M], values: Mapping[str, Any]) -> M:
    """The model of these values, or InputError in one line."""
    try:
        # as JSON, where a list is the strict form of a tuple and an object that of a dataclass
        return model.model_validate_json(to_json(values, inf_nan_mode="constants"))
    except PydanticSerializationError as error:
        reason = str(error).removeprefix("Error serializing to JSON: ")
        raise InputError(f"settings: a value that cannot be written down ({reason})") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = _key(model, first)
        reasons = dict.fromkeys(_reason(model, e) for e in error.errors() if _key(model, e) == key)
        reason = " or ".join(reasons).replace(" or Input should be ", " or ")
        raise InputError(f"setting {key}{_shown(first['input'])}: {reason}") from None


def _shown(value: object) -> str:
    """` = value`, shortened; nothing for a whole group of settings."""
    text = "" if isinstance(value, dict) and value else f" = {value!r}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _key(model: type[BaseModel], error: ErrorDetails) -> str:
    """The dotted key of what is wrong, without what pydantic says of unions and validators in it."""
    known = {part for key in known_keys(model) for part in key.split(".")}
    *parts, last = error["loc"] or ("",)
    kept = [str(p) for p in parts if isinstance(p, int) or p in known]
    if isinstance(last, int) or last in known or error["type"] in _UNKNOWN:
        name = str(last)
        kept.append(name if isinstance(last, int) or name.isidentifier() else repr(name[:60]))
    return ".".join(kept)


def _reason(model: type[BaseModel], error: ErrorDetails) -> str:
    """What is allowed instead."""
    if error["type"] not in _UNKNOWN:
        return error["msg"].removeprefix("Value error, ")
    keys = known_keys(model)
    prefix = "".join(f"{part}." for part in error["loc"][:-1])
    wrong = str(error["loc"][-1])
    siblings = [k.removeprefix(prefix) for k in keys if k.startswith(prefix)]
    own = list(dict.fromkeys(k.split(".")[0] for k in siblings))
    return f"no such setting{_nearest(wrong, prefix, keys)}; there are {', '.join(own)}"


def _nearest(wrong: str, prefix: str, keys: list[str]) -> str:
    """`, did you mean plan.trials?`: a sibling of nearly that name, else any key that ends so."""
    wrong = wrong[:60]
    siblings = [k for k in keys if k.startswith(prefix) and "." not in k.removeprefix(prefix)]
    for choices in (siblings, keys):
        names = {k.rpartition(".")[2]: k for k in reversed(choices)}
        if close := get_close_matches(wrong, names, n=1):
            return f", did you mean {names[close[0]]}?"
    return ""


def known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The dotted keys of all settings, groups before what they hold."""
    keys = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        keys.append(f"{prefix}{name}")
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += known_keys(inner, f"{prefix}{name}.")
        elif inner is Skeleton:
            keys += [f"{prefix}{name}.{part}" for part in Skeleton.__dataclass_fields__]
    return keys


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of base in which nested values are replaced one by one.

    A plan that changes from trials to a budget, or back, loses the other.
    """
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Skeleton):
            old = {part: getattr(old, part) for part in Skeleton.__dataclass_fields__}
        nested = isinstance(value, Mapping)
        result[key] = merged(old if isinstance(old, Mapping) else {}, value) if nested else value
    if changes.get("budget") is not None and "trials" not in changes:
        result["trials"] = None
    if changes.get("trials") is not None and "budget" not in changes:
        result["budget"] = None
    return result


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The nested values that are not None: what a user named."""
    inner = {k: given(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    return {k: v for k, v in inner.items() if v is not None and v != {}}


def differences(old: Settings, new: Settings) -> list[tuple[str, Any, Any]]:
    """Every setting that differs: (dotted key, old value, new value)."""
    return flat_differences(old.model_dump(mode="json"), new.model_dump(mode="json"))


def flat_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Every value of nested dictionaries that differs: (dotted key, old value, new value)."""
    a, b = _flat(old), _flat(new)
    return [(key, a.get(key), b.get(key)) for key in {**a, **b} if a.get(key) != b.get(key)]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat
