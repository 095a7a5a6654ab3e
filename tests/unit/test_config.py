"""Settings: the values of the presets, strict types, and errors that a user can act on."""

import json
from dataclasses import replace
from functools import reduce

import pytest
import yaml
from pydantic import ValidationError

from blockqnn.config import (
    PRESETS,
    Settings,
    changed,
    differences,
    merged,
    preset_for,
    resolve,
)
from blockqnn.config_file import write_settings
from blockqnn.errors import InputError
from blockqnn.network.plan import SKELETONS, Limits


def value(settings, key):
    return reduce(getattr, key.split("."), settings)


# The presets

PAPER_LEVELS = [95, 7, 7, 7, 10, 10, 10, 10, 10, 12]  # iterations at epsilon 1.0, 0.9, ... 0.1
EVERYWHERE = {
    "data.validation": 1 / 6,
    "data.split_seed": 0,
    "data.test": 0.2,
    "space.max_params": 10_000_000,
    "space.max_flops": None,
    "reward.base": "e",
    "reward.reference": "resnet-like",
    "agent.gamma": 1.0,
    "agent.exploration": "actions",
    "recipe.learning_rate": 1e-3,
    "execution.device": "auto",
    "plan.count": "trials",
}
PAPER_RECIPE = {
    "recipe.epochs": 12,
    "recipe.steps": None,
    "recipe.batch": 256,
    "recipe.drops": (5 / 12, 10 / 12),
    "recipe.drop_factor": 0.2,
    "recipe.restart_factor": 0.4,
    "recipe.restarts": 3,
    "space.max_layers": 23,
    "skeleton.stem": ("conv",),
    "skeleton.repeats": (1, 1, 1),
}
DEFAULT_AGENT = {
    "reward.mu": 0.0,
    "reward.rho": 0.0,
    "agent.alpha": "best",
    "agent.state": "position",
    "agent.bootstrap": 30,
    "agent.returns": "monte-carlo",
    "agent.initial_q": "mean",
    "reward.density": "simplified",
    "plan.staleness": 1,
}
SMALL = DEFAULT_AGENT | {
    "space.max_layers": 8,
    "skeleton.stem": ("conv",),
    "skeleton.widths": (16, 32),
    "skeleton.repeats": (1, 1),
}
EXPECTED = {
    "small": SMALL,
    "demo": SMALL | {"data.source": "digits", "plan.trials": 260},
    "standard": PAPER_RECIPE
    | DEFAULT_AGENT
    | {"skeleton.widths": (16, 32, 64), "recipe.precision": "auto"},
    "paper": PAPER_RECIPE
    | {
        "skeleton.widths": (32, 64, 128),
        "reward.mu": 1.0,
        "reward.rho": 8.0,
        "agent.alpha": 0.01,
        "agent.state": "layer",
        "agent.bootstrap": None,
        "agent.returns": "max",
        "agent.shaped": True,
        "agent.initial_q": 0.0,
        "agent.walks": 1,
        "agent.epsilon": tuple(
            zip((1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1), PAPER_LEVELS, strict=True)
        ),
        "reward.density": "raw",
        "plan.iteration": 64,
        "plan.staleness": 0,
        "plan.trials": 178 * 64,
    },
}


@pytest.mark.parametrize("preset", PRESETS)
def test_values_of_a_preset(preset):
    settings = resolve(preset, {})
    expected = EVERYWHERE | EXPECTED[preset] | {"preset": preset}
    assert {key: value(settings, key) for key in expected} == expected


def test_small_and_demo_train_for_a_fixed_number_of_steps():
    small, demo = resolve("small", {}), resolve("demo", {})
    assert 100 <= small.recipe.steps <= 200
    assert 32 <= small.recipe.batch <= 64
    assert {key for key, _, _ in differences(small, demo)} <= {"preset", "plan.trials"}


@pytest.mark.parametrize(
    ("trials", "size"),
    [(1, 8), (320, 8), (359, 8), (360, 9), (2560, 64), (2600, 64), (100_000, 64)],
)
def test_iteration_is_a_fortieth_of_the_trials_from_8_to_64(trials, size):
    plan = {"trials": trials}
    assert resolve("small", {"plan": plan}).plan.iteration_size == size
    assert resolve("small", {"plan": plan | {"iteration": 5}}).plan.iteration_size == 5


@pytest.mark.parametrize(
    ("side", "images", "preset"),
    [
        (16, 2_000, "small"),
        (17, 2_000, "standard"),
        (17, 1_999, "small"),
        (8, 1_199, "small"),
        (8, 1_000_000, "small"),
        (32, 50_000, "standard"),
        (224, 100, "small"),
    ],
)
def test_preset_by_the_data(side, images, preset):
    assert preset_for(side, images) == preset


# Strictness

INT, NUMBER = "valid integer", "valid number"


@pytest.mark.parametrize(
    ("changes", "key", "shown", "allowed"),
    [
        ({"plan": {"trials": "5"}}, "plan.trials", "'5'", INT),
        ({"plan": {"trials": 5.0}}, "plan.trials", "5.0", INT),
        ({"plan": {"trials": True}}, "plan.trials", "True", INT),
        ({"plan": {"trials": 0}}, "plan.trials", "0", "greater than or equal to 1"),
        ({"plan": {"seed": -1}}, "plan.seed", "-1", "greater than or equal to 0"),
        ({"plan": {"count": "networks"}}, "plan.count", "'networks'", "'trials' or 'evaluations'"),
        (
            {"plan": {"trails": 5}},
            "plan.trails",
            "5",
            "did you mean plan.trials?; there are seed, trials",
        ),
        ({"plan": 5}, "plan", "5", "should be an object"),
        (
            {"plans": {}},
            "plans",
            "{}",
            "did you mean plan?; there are preset, strategy",
        ),
        ({"trials": 5}, "trials", "5", "did you mean plan.trials?"),
        ({"skeleton": {"width": [4]}}, "skeleton.width", "[4]", "did you mean skeleton.widths?"),
        ({"plan": {"trials": 5, "budget": "3m"}}, "plan", None, "either trials"),
        ({"plan": {"trials": None}}, "plan", None, "either trials or a budget"),
        ({"plan": {"budget": "3"}}, "plan.budget", "'3'", "write a duration as 90s, 30m or 2h"),
        ({"plan": {"budget": "0s"}}, "plan.budget", "'0s'", "greater than 0"),
        ({"execution": {"timeout": "soon"}}, "execution.timeout", "'soon'", "90s, 30m or 2h"),
        ({"space": {"max_params": "2.5"}}, "space.max_params", "'2.5'", "such as 2M, 1.5k or 300M"),
        ({"space": {"max_flops": "many"}}, "space.max_flops", "'many'", "such as 2M, 1.5k or 300M"),
        ({"data": {"image_size": "big"}}, "data.image_size", "'big'", "as 64, or height and width"),
        ({"data": {"image_size": 9999}}, "data.image_size.0", "9999", "less than or equal to 4096"),
        ({"data": {"image_size": [3, 4, 5]}}, "data.image_size", "(3, 4, 5)", "at most 2 items"),
        ({"data": {"resize": "zoom"}}, "data.resize", "'zoom'", "'crop', 'letterbox' or 'stretch'"),
        ({"recipe": {"metric": "auc"}}, "recipe.metric", "'auc'", "'balanced-accuracy' or 'macro-f1'"),
        ({"data": {"test": 1.0}}, "data.test", "1.0", "less than 1"),
        ({"data": {"split_seed": -1}}, "data.split_seed", "-1", "greater than or equal to 0"),
        ({"space": {"max_layers": 65}}, "space.max_layers", "65", "less than or equal to 64"),
        ({"space": {"max_params": None}}, "space.max_params", "None", INT),
        ({"recipe": {"batch": 1}}, "recipe.batch", "1", "greater than or equal to 2"),
        ({"recipe": {"steps": 0}}, "recipe.steps", "0", "greater than or equal to 1"),
        ({"recipe": {"learning_rate": "1e-3"}}, "recipe.learning_rate", "'1e-3'", NUMBER),
        ({"recipe": {"learning_rate": float("nan")}}, "recipe.learning_rate", "nan", "finite number"),
        ({"recipe": {"drops": (0.5, 1.0)}}, "recipe.drops.1", "1.0", "less than 1"),
        ({"agent": {"alpha": "high"}}, "agent.alpha", "'high'", f"{NUMBER} or '1/visits'"),
        ({"agent": {"alpha": 2}}, "agent.alpha", "2", "less than or equal to 1 or '1/visits'"),
        ({"agent": {"initial_q": None}}, "agent.initial_q", "None", f"{NUMBER} or 'mean'"),
        ({"agent": {"epsilon": ()}}, "agent.epsilon", "[]", "at least 1 item"),
        ({"agent": {"epsilon": ((1.1, 5),)}}, "agent.epsilon.0.0", "1.1", "less than or equal to 1"),
        ({"agent": {"epsilon": ((1.0, 0),)}}, "agent.epsilon.0.1", "0", "greater than 0"),
        ({"reward": {"base": 3}}, "reward.base", "3", "'e', 2 or 10"),
        ({"reward": {"reference": 0}}, "reward.reference", "0", "greater than 0 or 'resnet-like'"),
        ({"execution": {"workers": 0}}, "execution.workers", "0", "greater than or equal to 1"),
        (
            {"execution": {"device": "tpu"}},
            "execution.device",
            "'tpu'",
            "'auto', 'cpu', 'cuda' or 'mps'",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(changes, key, shown, allowed):
    for refused in (lambda: resolve("small", changes), lambda: changed(resolve("small", {}), changes)):
        with pytest.raises(InputError) as error:
            refused()
        message = str(error.value)
        value = "" if shown is None else f" = {shown}"  # a group as a whole is not repeated
        assert message.startswith(f"setting {key}{value}: "), message
        assert allowed in message
        assert "\n" not in message


def test_unknown_preset():
    with pytest.raises(InputError, match="'tiny' is unknown; there are small, demo, standard, paper"):
        resolve("tiny", {})


def test_settings_are_frozen():
    settings = resolve("small", {})
    with pytest.raises(ValidationError, match="frozen"):
        settings.preset = "paper"
    with pytest.raises(ValidationError, match="frozen"):
        settings.plan.trials = 5


@pytest.mark.parametrize(
    ("changes", "trials", "budget"),
    [
        ({"budget": "3m"}, None, 180.0),
        ({"budget": 90}, None, 90.0),
        ({"budget": "1h30m"}, None, 5400.0),
        ({"trials": 5}, 5, None),
        ({"trials": None, "budget": "1.5h"}, None, 5400.0),
    ],
)
def test_a_budget_takes_the_place_of_trials(changes, trials, budget):
    for old in (resolve("demo", {}), resolve("demo", {"plan": {"budget": "9s"}})):
        plan = changed(old, {"plan": changes}).plan
        assert (plan.trials, plan.budget) == (trials, budget)
    assert resolve("small", {"plan": {"budget": "9s"}}).plan.iteration_size == 8
    assert resolve("paper", {"plan": {"budget": "9s"}}).plan.iteration_size == 64


@pytest.mark.parametrize(
    ("text", "size"), [(64, (64, 64)), ("64", (64, 64)), ("48x64", (48, 64)), ([48, 64], (48, 64))]
)
def test_image_sizes(text, size):
    assert resolve("small", {"data": {"image_size": text}}).data.image_size == size


def test_sizes_with_a_letter():
    space = resolve("small", {"space": {"max_params": "1.5k", "max_flops": "300M"}}).space
    assert (space.max_params, space.max_flops) == (1500, 300_000_000)


@pytest.mark.parametrize(
    ("text", "limit"), [("5ms", 5.0), ("0.5 ms", 0.5), ("800us", 0.8), ("1.5s", 1500.0), (7, 7.0)]
)
def test_a_latency_is_milliseconds(text, limit):
    assert resolve("small", {"latency": {"limit": text}}).latency.limit == limit


@pytest.mark.parametrize(
    ("changes", "measured"),
    [
        ({}, False),
        ({"latency": {"measure": True}}, True),
        ({"latency": {"limit": 5}}, True),
        ({"reward": {"latency": 0.5}}, True),
    ],
)
def test_latency_is_measured_where_something_asks_for_it(changes, measured):
    assert resolve("small", changes).measures_latency is measured


# JSON and YAML


@pytest.mark.parametrize("preset", PRESETS)
def test_json_gives_equal_settings(preset):
    changes = {"agent": {"epsilon": ((1.0, 3), (0.1, 0.5))}, "source": "elsewhere"}
    for settings in (resolve(preset, {}), resolve(preset, changes)):
        assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_yaml_is_the_settings(tmp_path):
    settings = resolve("paper", {"plan": {"seed": 7}})
    write_settings(settings, tmp_path / "config.yaml")
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert Settings.model_validate_json(json.dumps(written)) == settings
    assert list(written) == list(Settings.model_fields)


# Changes


def test_merged_replaces_nested_values_one_by_one():
    base = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    before = json.dumps(base)
    assert merged(base, {}) == base
    assert merged(base, {"a": {"c": {"d": 5, "f": 6}}, "g": {"h": 7}}) == {
        "a": {"b": 1, "c": {"d": 5, "f": 6}},
        "e": 3,
        "g": {"h": 7},
    }
    assert merged(base, {"a": 4}) == {"a": 4, "e": 3}
    assert json.dumps(base) == before


def test_changed_keeps_all_else():
    old = resolve("demo", {"plan": {"seed": 3}})
    new = changed(old, {"plan": {"trials": 400}, "space": {"max_flops": 5}})
    assert differences(old, new) == [("space.max_flops", None, 5), ("plan.trials", 260, 400)]
    assert changed(old, {}) == old


def test_differences_reach_into_the_skeleton():
    old = resolve("small", {})
    new = changed(old, {"skeleton": replace(SKELETONS["small"], repeats=(2, 2))})
    assert differences(old, new) == [("skeleton.repeats", [1, 1], [2, 2])]


def test_limits_of_the_space():
    assert resolve("small", {"space": {"max_flops": 5}}).space.limits == Limits(10_000_000, 5)
