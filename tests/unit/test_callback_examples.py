"""The examples in examples/callbacks: at most 25 lines each, and each told a whole search.

MLflow and Weights & Biases are not among the project's packages, so stand-ins with the few functions
that the examples call take their place. They show what is handed over, not that a server takes it.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from blockqnn.records import Measurement
from blockqnn.report.rows import read
from watching import session

EXAMPLES = Path(__file__).parents[2] / "examples" / "callbacks"
FUNCTIONS = {
    "mlflow": ("start_run", "log_dict", "log_metrics", "set_tag", "end_run"),
    "wandb": ("init", "define_metric", "log", "finish"),
}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_has_at_most_25_lines(path):
    assert len(path.read_text().splitlines()) <= 25


def test_every_example_is_tried():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {f"{name}_callback" for name in FUNCTIONS}


def searched(directory, monkeypatch, library, callback):
    """What a search hands to the library, as (function, positional, named); and the run."""
    calls = []

    def remember(function):
        return lambda *positional, **named: calls.append((function, positional, named))

    module = ModuleType(library)
    for function in FUNCTIONS[library]:
        setattr(module, function, remember(function))
    monkeypatch.setitem(sys.modules, library, module)
    path = EXAMPLES / f"{library}_callback.py"
    specification = importlib.util.spec_from_file_location(path.stem, path)
    example = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(example)
    session(directory, [getattr(example, callback)()])
    return calls, read(directory)


def measured(outcome):
    """Written by hand, so that it is no dump of the record."""
    if not isinstance(outcome, Measurement):
        return {}
    return {"accuracy": outcome.accuracy, "params": outcome.params, "flops": outcome.flops}


def test_mlflow_has_settings_trials_and_iterations(tmp_path, monkeypatch, capsys):
    calls, run = searched(tmp_path / "run", monkeypatch, "mlflow", "MLflow")
    assert capsys.readouterr().err == ""  # it was not left out
    assert calls[0] == ("start_run", (), {"run_name": "run"})
    assert calls[1][1][0]["plan"]["trials"] == 40
    metrics = [(values, named["step"]) for name, (values,), named in calls[2:-2]]
    trials = sorted((m for m in metrics if "epsilon" not in m[0]), key=lambda metric: metric[1])
    assert trials == [
        ({"reward": reward, **measured(outcome)}, trial.number)
        for trial, outcome, reward in run.outcomes()
    ]
    iterations = [metric for metric in metrics if "epsilon" in metric[0]]
    assert iterations == [
        ({"epsilon": row.epsilon, "mean reward": row.reward}, row.first) for row in run.by_iteration(5)
    ]
    trajectory = run.status()["trajectory"]
    assert calls[-2:] == [("set_tag", ("trajectory", trajectory), {}), ("end_run", (), {})]


def test_wandb_has_settings_trials_and_iterations_and_needs_no_network(tmp_path, monkeypatch, capsys):
    calls, run = searched(tmp_path / "run", monkeypatch, "wandb", "WandB")
    assert capsys.readouterr().err == ""
    name, _, options = calls[0]
    assert (name, options["mode"], options["name"]) == ("init", "offline", "run")
    assert options["config"]["plan"]["trials"] == 40
    assert calls[1:3] == [
        ("define_metric", ("trial/*",), {"step_metric": "trial/number"}),
        ("define_metric", ("iteration/*",), {"step_metric": "iteration/number"}),
    ]
    logged = [values for name, (values,), _ in calls[3:-1]]
    trials = sorted((v for v in logged if "trial/number" in v), key=lambda v: v["trial/number"])
    assert trials == [
        {"trial/number": trial.number, "trial/reward": reward}
        | {f"trial/{name}": value for name, value in measured(outcome).items()}
        for trial, outcome, reward in run.outcomes()
    ]
    assert [v for v in logged if "iteration/number" in v] == [
        {"iteration/number": row.first, "iteration/epsilon": row.epsilon} for row in run.by_iteration(5)
    ]
    assert calls[-1] == ("finish", (), {})
