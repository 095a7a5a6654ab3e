"""The examples of docs/extend.md: each at most 20 lines, and each a whole search."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from blockqnn import InputError, Run, search, train
from blockqnn.network.model import Network
from blockqnn.network.plan import plan_network
from blockqnn.plugins import load, named
from blockqnn.records import Measurement
from blockqnn.report import rows
from blockqnn.report.describe import describe
from blockqnn.report.drawing import draw
from blockqnn.report.target import find
from blockqnn.runtime.facts import problem_of, strategy_of
from blockqnn.seeds import generator
from runs import TINY

EXAMPLES = Path(__file__).parents[2] / "examples" / "plugins"
OPTIONS = {
    "operation": {"settings": TINY | {"recipe": TINY["recipe"] | {"steps": 20}}},
    "strategy": {"settings": TINY, "strategy": "prefix"},
    "evaluator": {"settings": TINY, "evaluator": "one-cycle"},
}


def begun(name: str, directory: Path, plugin: Path | None = None, **options) -> Run:
    """The example's search of 12 trials."""
    path = EXAMPLES / f"{name}.py" if plugin is None else plugin
    what = {"preset": "small", **OPTIONS[name], **options}
    return search("digits", run=directory, plugins=[path], **what)


@pytest.fixture(scope="module", params=OPTIONS)
def example(request, tmp_path_factory):
    """Name, and the run that two workers made with a copy of the plugin that is gone now."""
    directory = tmp_path_factory.mktemp(request.param)
    copy = Path(shutil.copy(EXAMPLES / f"{request.param}.py", directory))
    run = begun(request.param, directory / "run", copy, executor="local", workers=2)
    copy.unlink()
    return request.param, run


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_has_at_most_20_lines(path):
    assert sum(bool(line.strip()) for line in path.read_text().splitlines()) <= 20


def test_every_example_is_tried():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == OPTIONS.keys()


def test_two_workers_search_what_one_process_does(example, tmp_path):
    name, run = example
    status = run.status()
    assert status["trials"]["finished"] == 12
    assert status["trials"]["evaluated"] > 2
    assert not status["failures"].keys() - {"no_learning"}
    assert begun(name, tmp_path / "run").status()["trajectory"] == status["trajectory"]


def test_a_fresh_process_reads_the_run_without_the_plugin(example):
    _, run = example
    code = "import sys; from blockqnn.cli import main; sys.argv[1:] = {}; main();"
    code += " assert not [m for m in sys.modules if m.startswith('blockqnn_plugin')]"
    read = {}
    for command in ("status", "top"):
        arguments = [command, str(run.path), "--json"]
        call = [sys.executable, "-c", code.format(arguments)]
        read[command] = json.loads(subprocess.run(call, check=True, capture_output=True).stdout)
    assert read["status"]["trajectory"] == run.status()["trajectory"]
    assert [entry["trial"] for entry in read["top"]] == [entry.trial for entry in run.top()]


def test_a_run_goes_on_only_with_its_plugin_as_it_was(example, tmp_path):
    name, run = example
    directory = Path(shutil.copytree(run.path, tmp_path / "run"))
    with pytest.raises(InputError, match=rf"was begun with --plugin .*{name}\.py; name it again"):
        search(run=directory, trials=16)
    changed = tmp_path / f"{name}.py"
    changed.write_text((EXAMPLES / changed.name).read_text() + "\n")
    hashes = [plugin.sha256[:12] for plugin in named([EXAMPLES / changed.name, changed])]
    with pytest.raises(InputError, match=f"sha256 {hashes[0]}; .* has {hashes[1]}"):
        search(run=directory, trials=16, plugins=[changed])
    other = tmp_path / "other.py"
    other.write_text("raise RuntimeError")
    with pytest.raises(InputError, match=r"was begun without --plugin .*other\.py; leave it out"):
        search(run=directory, trials=16, plugins=[EXAMPLES / changed.name, other])
    moved = Path(shutil.copy(EXAMPLES / changed.name, tmp_path / "moved.py"))
    extended = search(run=directory, trials=16, plugins=[moved], executor="serial")
    assert extended.status()["trials"]["finished"] == 16
    again = Path(shutil.copytree(run.path, tmp_path / "again"))
    resumed = Run(again).resume(trials=16, plugins=[moved], executor="local", workers=1)
    assert resumed.status()["trajectory"] == extended.status()["trajectory"]


def test_the_operation_is_searched_with_the_sizes_that_torch_counts(tmp_path):
    path = EXAMPLES / "operation.py"
    run, (op,) = begun("operation", tmp_path / "run"), load(named([path])).operations
    view, counted = rows.read(run.path), 0
    for trial in view.fold.trials:
        outcome = view.fold.outcome(trial)
        block = find(f"{run.path}:{trial.number}", load(named([path]))).block
        if op not in {layer.op for layer in block.layers}:
            continue
        plan = plan_network(block, view.facts.settings.skeleton, view.facts.data.image, 10)
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            network = Network(plan)
            network(torch.empty(1, *plan.image))
        sizes = (sum(p.numel() for p in network.parameters()), counter.get_total_flops())
        assert sizes == (plan.params, plan.flops)
        if isinstance(outcome, Measurement):
            assert sizes == (outcome.params, outcome.flops)
            counted += 1
    assert counted


def test_a_block_with_the_operation_is_shown_and_trained(tmp_path):
    run = begun("operation", tmp_path / "run")
    view = rows.read(run.path)
    number = next(t.number for t in view.fold.trials if ",8," in t.code)
    target, extensions = f"{run.path}:{number}", load(named([EXAMPLES / "operation.py"]))
    unnamed, known = find(target), find(target, extensions)
    assert "separable" in draw(unnamed.block) == draw(known.block)
    shape = (known.skeleton(), known.image, known.classes)
    with pytest.raises(InputError, match="separable: belongs to a plugin"):
        describe(unnamed.block, *shape)
    assert describe(known.block, *shape)["params"] > 0
    with pytest.raises(InputError, match="name it again"):
        find(target, load(named([EXAMPLES / "strategy.py"])))
    model = train("(1,8,3,0,0)", "digits", preset="early-stop", plugins=[EXAMPLES / "operation.py"])
    assert model.metrics["test_accuracy"] > 50


def test_the_strategy_builds_on_the_best_block(tmp_path):
    view = rows.read(begun("strategy", tmp_path / "run").path)
    assert {row.epsilon for row in view.by_iteration(4)} == {1.0}
    problem, strategies = problem_of(view.facts), load(named([EXAMPLES / "strategy.py"])).strategies
    chooser = strategy_of(view.facts.settings, problem, strategies)
    best, worse = map(problem.mdp.episode, ("(1,1,5,0,0) (2,2,3,1,0)", "(1,4,0,0,0)"))
    chooser.tell(0, [(worse, 3.0), (best, 5.0), (worse, 4.0)])
    asked = [chooser.ask(0.5, generator(0, "test", number), set()) for number in range(60)]
    kept = [sum(episode[:n] == best[:n] for n in (1, 2)) for episode in asked]
    assert all(kept.count(n) > 10 for n in (0, 1, 2))


def test_the_evaluator_trains_better_and_sees_no_test_image(tmp_path):
    run = begun("evaluator", tmp_path / "run")
    assert run.best().accuracy > 40  # 5 steps of the settings' own recipe give 15
    text = "EVALUATORS = {'spy': lambda network, data, task: 100.0 * len(data.test) + len(data.classes)}"
    spy = tmp_path / "spy.py"
    spy.write_text(text)
    seen = begun("evaluator", tmp_path / "spied", spy, evaluator="spy", trials=2)
    assert [entry.accuracy for entry in seen.top()] == [10.0, 10.0]


@pytest.mark.parametrize(
    ("value", "kind"),
    [("float('nan')", "non_finite"), ("101.0", "error"), ("None", "error"), ("1 / 0", "error")],
)
def test_what_an_evaluator_may_not_give_is_a_failure(tmp_path, value, kind):
    plugin = tmp_path / "wrong.py"
    plugin.write_text(f"EVALUATORS = {{'wrong': lambda *_: {value}}}")
    run = begun("evaluator", tmp_path / "run", plugin, evaluator="wrong", trials=2)
    assert run.status()["failures"] == {kind: 2}
