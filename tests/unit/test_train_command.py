"""`train`: what it writes, when it reads the test part, and that the written model is the tested one."""

import json
import sys
from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import blockqnn
from blockqnn import InputError, cli, config, parse, search, training
from blockqnn.config import DataSettings
from blockqnn.data.dataset import load
from blockqnn.evaluation import final
from blockqnn.network.model import build
from blockqnn.network.plan import Image, Skeleton, plan_network
from runs import TINY

CODE = "(1,1,3,0,0) (2,1,1,1,0)"
STEPS = 30
SEARCH = TINY | {"recipe": {"steps": 20, "learning_rate": 0.01}}
METRICS = {
    "metric",
    "test_accuracy",
    "validation_accuracy",
    "params",
    "flops",
    "seconds",
    "test_accuracy_mean",
    "test_accuracy_deviation",
    "test_readings",
}


@pytest.fixture(autouse=True)
def presets(monkeypatch):
    """Every preset learns for 30 steps only."""
    recipe = {"steps": STEPS, "batch": 64, "learning_rate": 0.01}
    quick = {name: {**preset, "recipe": recipe} for name, preset in config.PRESETS.items()}
    monkeypatch.setattr(config, "PRESETS", quick)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished search with a skeleton of its own."""
    directory = tmp_path_factory.mktemp("search") / "run"
    return search("digits", run=directory, preset="small", settings=SEARCH)


def trained(target=CODE, data="digits", **options):
    """A training in this process."""
    return blockqnn.train(target, data, **{"skeleton": "small", "widths": (4, 8)} | options)


def noise(folder):
    """Images of noise, nineteen of twenty of one class: nothing can be learned."""
    x, y = np.random.default_rng(0).integers(0, 256, (120, 8, 8), np.uint8), np.zeros(120, int)
    y[::20] = 1
    np.savez(folder / "noise", x_train=x, y_train=y, x_test=x, y_test=y)
    return folder / "noise.npz"


def stripes(folder):
    """Upright and level stripes: two classes that are soon learned."""
    images = np.tile(np.array([[50, 200] * 4], np.uint8), (40, 8, 1))
    y = np.arange(40) % 2
    images[y == 1] = images[y == 1].transpose(0, 2, 1)
    images += np.random.default_rng(0).integers(0, 50, images.shape, np.uint8)
    np.savez(folder / "stripes", x_train=images, y_train=y, x_test=images, y_test=y)
    return folder / "stripes.npz"


def read_json(path):
    return json.loads(path.read_text())


# What is trained


def test_a_code_gives_a_directory(tmp_path):
    model = trained(out=tmp_path / "new" / "model")
    files = {path.name: path for path in (tmp_path / "new" / "model").iterdir()}
    assert files.keys() == {"model.safetensors", "config.json", "metrics.json", "README.md"}
    assert read_json(files["config.json"]) == model.config
    assert read_json(files["metrics.json"]) == model.metrics
    assert model.metrics.keys() == METRICS
    plan = plan_network(parse(CODE), Skeleton(("conv",), (4, 8), (1, 1)), Image(1, 8, 8), 10)
    assert (model.metrics["params"], model.metrics["flops"]) == (plan.params, plan.flops)
    assert 20 < model.metrics["test_accuracy"] < 100
    assert 20 < model.metrics["validation_accuracy"] < 100
    assert model.metrics["seconds"] > 0
    assert model.config["code"] == str(parse(CODE))
    assert model.config["skeleton"] == {"stem": ["conv"], "widths": [4, 8], "repeats": [1, 1]}
    assert (model.config["image"], model.config["classes"]) == ([1, 8, 8], list("0123456789"))
    assert (model.config["data"], model.config["recipe"]["steps"]) == ("digits", STEPS)


@pytest.mark.parametrize("target", [CODE, parse(CODE)])
def test_what_is_left_out_for_a_code(target):
    model = blockqnn.train(target)
    assert model.config["skeleton"]["widths"] == [32, 64, 128]
    assert model.config["skeleton"]["repeats"] == [1, 1, 1]
    assert model.config["data"] == "digits"


def test_a_name_in_any_case(tmp_path):
    assert trained("ResNet-Like", out=tmp_path).config["code"] == str(
        blockqnn.parse("(1,4,0,0,0) (2,1,3,1,0) (3,1,3,2,0) (4,5,0,1,3)")
    )


def test_a_run_gives_its_best_trial_skeleton_recipe_and_data(run):
    model = blockqnn.train(str(run.path))
    best = run.best()
    assert model.config["code"] == best.code
    assert (model.metrics["params"], model.metrics["flops"]) == (best.params, best.flops)
    assert model.config["skeleton"]["widths"] == [4, 8]
    assert model.config["recipe"]["steps"] == 20
    assert model.config["data"] == "digits"


def test_a_trial_of_a_run_with_changes(run):
    entry = run.top()[-1]
    model = blockqnn.train(f"{run.path}:{entry.trial}", preset="demo", repeats=(2,))
    assert model.config["code"] == entry.code
    assert model.config["skeleton"] == {"stem": ["conv"], "widths": [4, 8], "repeats": [2, 2]}
    assert model.config["recipe"]["steps"] == STEPS


def test_a_preset_for_a_run_keeps_the_runs_data(tmp_path):
    found = search(stripes(tmp_path), run=tmp_path / "run", preset="small", settings=SEARCH, trials=4)
    for data, name in ((None, "stripes"), ("digits", "digits")):
        model = blockqnn.train(str(found.path), data, preset="demo")
        assert (model.config["data"], model.config["recipe"]["steps"]) == (name, STEPS)


# The test part


def test_the_test_part_is_read_once_a_seed_after_the_last_step(tmp_path, monkeypatch):
    events = []

    class Watched:
        """A part that tells when it is read."""

        def __init__(self, part, name):
            self._part, self._name = part, name

        def __len__(self):
            return len(self._part)

        @property
        def labels(self):
            return self._part.labels

        @property
        def images(self):
            events.append(f"{self._name} is read")
            return self._part.images

    def watched(settings, largest):
        dataset = load(settings, largest)
        return replace(dataset, test=Watched(dataset.test, "test part"))

    def step(optimizer, *args, **kwargs):
        events.append("step")
        return take_step(optimizer, *args, **kwargs)

    def tested(*args):
        events.append("tested")
        return score(*args)

    take_step, score = torch.optim.Adam.step, final.score
    monkeypatch.setattr(training, "load", watched)
    monkeypatch.setattr(torch.optim.Adam, "step", step)
    monkeypatch.setattr(final, "score", tested)
    model = trained(seeds=2, out=tmp_path)
    one = ["step"] * STEPS + ["test part is read", "tested"]
    assert events == one * 2
    assert len(model.metrics["test_readings"]) == 2


def test_the_written_model_is_the_tested_one(tmp_path):
    trained(out=tmp_path)
    written, metrics = read_json(tmp_path / "config.json"), read_json(tmp_path / "metrics.json")
    skeleton = Skeleton(**{name: tuple(v) for name, v in written["skeleton"].items()})
    plan = plan_network(
        parse(written["code"]), skeleton, Image(*written["image"]), len(written["classes"])
    )
    network = build(plan, seed=99)
    network.load_state_dict(load_file(tmp_path / "model.safetensors"))
    network.eval()
    scale = written["preprocessing"]
    assert scale["scale"] == "0..1"
    dataset = load(DataSettings())
    for part, key in ((dataset.test, "test_accuracy"), (dataset.validation, "validation_accuracy")):
        images = (part.images / 255 - scale["mean"]) / scale["deviation"]
        with torch.inference_mode():
            scores = network(torch.from_numpy(images).permute(0, 3, 1, 2).float())
        right = np.mean(scores.argmax(1).numpy() == part.labels)
        assert 100 * right == pytest.approx(metrics[key])
    assert sum(t.numel() for t in network.parameters()) == metrics["params"]


def test_seeds_give_mean_and_deviation_and_the_first_model(tmp_path):
    one, two = trained(), trained(seeds=2, out=tmp_path)
    readings = two.metrics["test_readings"]
    assert [reading["seed"] for reading in readings] == [0, 1]
    accuracies = [reading["test_accuracy"] for reading in readings]
    assert two.metrics["test_accuracy_mean"] == pytest.approx(mean(accuracies))
    assert two.metrics["test_accuracy_deviation"] == pytest.approx(stdev(accuracies))
    assert accuracies[0] != accuracies[1]
    assert one.metrics["test_readings"] == readings[:1]
    assert one.metrics["test_accuracy_deviation"] is None
    for key in ("test_accuracy", "validation_accuracy"):
        assert one.metrics[key] == two.metrics[key] == readings[0][key]
    kept = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(kept[name], t) for name, t in one.network.state_dict().items())


# The command


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs `blockqnn train ...` in this process: exit status, standard output, standard error."""
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["blockqnn", "train", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as end:
            return end.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return call


SMALL = ("--skeleton", "small", "--widths", "4,8")


def test_the_command_prints_what_was_read(command, tmp_path):
    status, out, err = command(CODE, *SMALL, "--seeds", 2, "--out", tmp_path)
    metrics = read_json(tmp_path / "metrics.json")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        *(
            f"seed {seed}: test {metrics['test_readings'][seed]['test_accuracy']:.2f} %,"
            f" validation {metrics['test_readings'][seed]['validation_accuracy']:.2f} %"
            for seed in (0, 1)
        ),
        f"test mean {metrics['test_accuracy_mean']:.2f} %, deviation"
        f" {metrics['test_accuracy_deviation']:.2f}",
        f"{metrics['params']:,} parameters; model in {tmp_path}",
    ]


def test_json_is_the_metrics(command, tmp_path):
    status, out, err = command(CODE, *SMALL, "--json", "--out", tmp_path)
    assert (status, err) == (0, "")
    assert json.loads(out) == read_json(tmp_path / "metrics.json")


def test_no_learning_writes_nothing(command, tmp_path):
    path = noise(tmp_path)
    status, out, err = command(CODE, *SMALL, "--data", path, "--out", tmp_path / "model")
    assert (status, out) == (1, "")
    assert err.startswith("blockqnn: training with seed 0: no_learning, not above 9")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


def never(*_, **__):
    raise AssertionError("something was trained")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"out": "file"}, "out .*file: exists and is not an empty directory"),
        ({"out": "full"}, "out .*full: exists and is not an empty directory"),
        ({"out": "file/model"}, "file is not a directory that can be written"),
        ({"out": "new", "seeds": 0}, "seeds 0: at least 1"),
        ({"out": "new", "widths": (4,) * 5}, "8x8 pixels is too small for 4 poolings"),
        (
            {"out": "new", "device": "abacus"},
            "device 'abacus' is not on this machine; allowed are auto, cpu",
        ),
        ({"out": "new", "data": "missing.npz"}, "missing.npz: no such file"),
        ({"out": "new", "preset": "tiny"}, "preset 'tiny' is unknown"),
        ({"out": "new", "target": "(1,1,2,0,0)"}, "conv allows kernel 1 or 3 or 5, not 2"),
    ],
)
def test_wrong_use_is_refused_before_the_training(tmp_path, monkeypatch, options, reason):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "model.safetensors").touch()
    monkeypatch.setattr(training, "train_and_test", never)
    with pytest.raises(InputError, match=reason):
        trained(**options | {"out": tmp_path / options["out"]})
    assert {path.name for path in tmp_path.iterdir()} == {"file", "full"}
