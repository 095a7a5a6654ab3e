"""`train`: what is trained, what it writes, when it reads the test part, and how it goes on."""

import json
import sys
from dataclasses import replace
from itertools import count
from statistics import mean, stdev
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import blockqnn
from blockqnn import InputError, cli, config, parse, search
from blockqnn.config import RECIPES, Augmentation, DataSettings, Recipe
from blockqnn.data.dataset import load
from blockqnn.evaluation import device, final
from blockqnn.evaluation.early_stop import EarlyStopEvaluator
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.network.model import build
from blockqnn.network.plan import Image, Skeleton, plan_network
from blockqnn.records import Failure
from blockqnn.training import command as training
from blockqnn.training import recipe as recipes
from blockqnn.training import session, trainings
from blockqnn.training.recipe import recipe_for
from runs import TINY

CODE = "(1,1,3,0,0) (2,1,1,1,0)"
STEPS = 30
SEARCH = TINY | {"recipe": {"steps": 20, "learning_rate": 0.01}}
FILES = {
    "SHA256SUMS",
    "model.safetensors",
    "config.json",
    "metrics.json",
    "README.md",
    "confusion.svg",
    "curves.svg",
}
METRICS = {
    "metric",
    "test_accuracy",
    "test_images",
    "test_interval",
    "balanced_accuracy",
    "macro_f1",
    "per_class",
    "confusion",
    "validation_accuracy",
    "params",
    "flops",
    "seconds",
    "history",
    "epochs",
    "steps",
    "test_accuracy_mean",
    "test_accuracy_deviation",
    "test_readings",
}


@pytest.fixture(autouse=True)
def presets(monkeypatch):
    """Every recipe learns for 30 steps only."""
    quick = {"steps": STEPS, "batch": 64, "learning_rate": 0.01}
    monkeypatch.setattr(
        recipes,
        "RECIPES",
        {name: Recipe(**quick, label_smoothing=n / 10) for n, name in enumerate(RECIPES)},
    )
    searched = {name: {**preset, "recipe": quick} for name, preset in config.PRESETS.items()}
    monkeypatch.setattr(config, "PRESETS", searched)


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
    assert files.keys() == FILES
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


def test_the_metrics_tell_of_training_and_classes(tmp_path):
    model = trained(out=tmp_path)
    metrics, test = model.metrics, load(DataSettings()).test
    assert len(metrics["history"]) == 20
    assert metrics["history"][-1]["validation"] == metrics["validation_accuracy"]
    assert metrics["history"][0]["loss"] > metrics["history"][-1]["loss"]
    assert (metrics["steps"], metrics["epochs"]) == (STEPS, pytest.approx(STEPS / 19, abs=1e-3))
    table = np.array(metrics["confusion"])
    assert (table.sum(1) == np.bincount(test.labels)).all()
    assert metrics["test_images"] == table.sum() == len(test)
    assert metrics["test_accuracy"] == pytest.approx(100 * np.trace(table) / table.sum())
    low, high = metrics["test_interval"]
    assert low < metrics["test_accuracy"] < high
    assert [entry["class"] for entry in metrics["per_class"]] == list("0123456789")
    three = metrics["per_class"][3]
    assert three["recall"] == pytest.approx(100 * table[3, 3] / table[3].sum())
    assert three["images"] == table[3].sum()
    written = (tmp_path / "metrics.json").read_text()
    assert f"    {json.dumps(metrics['confusion'][3])}" in written  # a row is a line
    card = (tmp_path / "README.md").read_text()
    assert f"| test macro F1 | {metrics['macro_f1']:.2f} % |" in card
    assert f"| 3 | {three['images']} | {three['recall']:.2f} % |" in card
    for name in ("confusion.svg", "curves.svg"):
        assert f"({name})" in card
        assert (tmp_path / name).read_text().startswith("<svg")


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


def test_a_run_gives_its_best_trial_skeleton_and_data(run):
    model = blockqnn.train(str(run.path))
    best = run.best()
    assert model.config["code"] == best.code
    assert (model.metrics["params"], model.metrics["flops"]) == (best.params, best.flops)
    assert model.config["skeleton"]["widths"] == [4, 8]
    assert model.config["recipe"]["steps"] == STEPS
    assert model.config["data"] == "digits"
    assert "chosen_from" not in model.metrics


def test_a_trial_of_a_run_with_changes(run):
    entry = run.top()[-1]
    model = blockqnn.train(f"{run.path}:{entry.trial}", repeats=(2,))
    assert model.config["code"] == entry.code
    assert model.config["skeleton"] == {"stem": ["conv"], "widths": [4, 8], "repeats": [2, 2]}


def test_a_block_is_carried_to_other_images(run, tmp_path):
    """In one command: another size, other channels, other classes."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = rng.integers(0, 60, (90, 12, 10, 3), np.uint8)
    x[np.arange(90), :, :, y] += 150  # the class is the colour
    np.savez(tmp_path / "other", x_train=x, y_train=y, x_test=x, y_test=y)
    model = blockqnn.train(str(run.path), tmp_path / "other.npz", out=tmp_path / "model")
    assert model.config["code"] == run.best().code
    assert model.config["image"] == [3, 12, 10]
    assert (len(model.classes), model.config["data"]) == (3, "other")
    assert model.config["skeleton"]["widths"] == [4, 8]
    assert model.metrics["test_accuracy"] > 60
    again = blockqnn.load(tmp_path / "model")
    assert again(torch.rand(2, 3, 12, 10)).shape == (2, 3)


def test_the_largest_network_below_a_limit(tmp_path):
    model = trained("resnet-like", max_params="30k", out=tmp_path, widths=None)
    assert 15_000 < model.metrics["params"] <= 30_000
    kept = trained("resnet-like", max_params=30_000, widths=(4, 8))
    assert kept.config["skeleton"]["widths"] == [4, 8]
    assert kept.config["skeleton"]["repeats"][0] > 1


def test_the_most_blocks_below_a_limit_are_told(capsys):
    model = trained("resnet-like", repeats="auto", max_params=10_000, widths=(4, 8), live=True)
    assert model.config["skeleton"] | {"stem": 0} == {"stem": 0, "widths": [4, 8], "repeats": [6, 6]}
    told = f"repeats 6,6, widths 4,8: {model.metrics['params']:,} parameters"
    assert told in capsys.readouterr().err


# Recipes


def images(channels):
    """What a recipe wants to know of data."""
    return SimpleNamespace(image=Image(channels, 8, 8), image_size=(8, 8), train=range(1000))


def test_the_final_recipes(monkeypatch):
    monkeypatch.setattr(recipes, "RECIPES", RECIPES)
    modern = recipe_for("modern", None, images(3), {}, "cpu")
    assert modern.augmentation == Augmentation(shift=0.125, flip=True)
    assert modern.precision in ("float32", "bfloat16")
    assert modern == RECIPES["modern"].model_copy(update={"precision": modern.precision})
    grey = recipe_for("modern", None, images(1), {}, "cpu")
    assert grey.augmentation == Augmentation(shift=0.125)
    assert recipe_for("paper-cifar", None, images(1), {}, "cpu") == RECIPES["paper-cifar"]
    flipped = recipe_for("modern", None, images(1), {"augmentation": {"flip": True}}, "cpu")
    assert flipped.augmentation == modern.augmentation


def test_a_recipe_keeps_the_runs_metric():
    own = Recipe(metric="macro-f1", steps=7)
    for preset in (*RECIPES, "early-stop"):
        assert recipe_for(preset, own, images(3), {}, "cpu").metric == "macro-f1"
    assert recipe_for("early-stop", own, images(3), {}, "cpu") == own


def test_early_stop_is_the_runs_recipe_or_the_presets_that_fits(run):
    model = blockqnn.train(str(run.path), preset="early-stop")
    assert model.config["recipe"]["steps"] == 20
    config.PRESETS["small"]["recipe"] = {"steps": 31}
    assert recipe_for("early-stop", None, images(3), {}, "cpu").steps == 31


def test_changes_of_the_recipe():
    model = trained(settings={"learning_rate": 0.02, "augmentation": {"shift": 0.1}}, epochs=2)
    recipe = model.config["recipe"]
    assert (recipe["learning_rate"], recipe["augmentation"]["shift"]) == (0.02, 0.1)
    assert (recipe["epochs"], recipe["steps"], model.metrics["steps"]) == (2, None, 38)
    assert recipe["batch"] == 64


# The best of a run


def test_top_keeps_the_best_by_validation_and_tests_it_alone(run, tmp_path, monkeypatch):
    tested = []

    def test_part(network, *rest):
        tested.append(network)
        return read_test(network, *rest)

    read_test = training.read_test
    monkeypatch.setattr(training, "read_test", test_part)
    model = blockqnn.train(str(run.path), top=3, seeds=2, out=tmp_path)
    table = model.metrics["chosen_from"]
    assert [row["trial"] for row in table] == [entry.trial for entry in run.top(3)]
    assert len({row["validation_accuracy"] for row in table}) == 3
    best = max(table, key=lambda row: row["validation_accuracy"])
    assert (model.config["code"], model.metrics["params"]) == (best["code"], best["params"])
    assert model.metrics["validation_accuracy"] == best["validation_accuracy"]
    assert len(tested) == len(model.metrics["test_readings"]) == 2
    alone = blockqnn.train(f"{run.path}:{best['trial']}", seeds=2)
    assert alone.metrics["test_readings"] == model.metrics["test_readings"]
    assert (
        "The 3 blocks of highest reward of a search were trained" in (tmp_path / "README.md").read_text()
    )
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_one_of_the_best_that_learns_nothing_is_not_chosen(run, monkeypatch):
    calls = count()

    def fails_first(*args, **options):
        if next(calls) == 0:
            return Failure(kind="no_learning", detail="")
        return train_with_restarts(*args, **options)

    monkeypatch.setattr(trainings, "train_with_restarts", fails_first)
    table = blockqnn.train(str(run.path), top=2).metrics["chosen_from"]
    assert [row["failure"] for row in table] == ["no_learning", None]
    assert table[0]["validation_accuracy"] is None


# All data


def test_all_data_trains_on_the_validation_images_too():
    data = load(DataSettings())
    model = trained(all_data=True, epochs=3)
    steps = -(-(len(data.train) + len(data.validation)) // 64)
    assert model.metrics["steps"] == 3 * steps
    assert model.metrics["validation_accuracy"] is None
    assert {point["validation"] for point in model.metrics["history"]} == {None}
    assert model.metrics["test_readings"][0]["validation_accuracy"] is None
    assert model.config["preprocessing"]["mean"] == data.mean.tolist()


def test_all_data_is_not_for_a_choice(run):
    with pytest.raises(InputError, match="top 2 and all-data"):
        blockqnn.train(str(run.path), top=2, all_data=True)


# The test part


def test_the_test_part_is_read_once_a_model_after_the_last_step(tmp_path, monkeypatch):
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

    def watched(settings, largest, encoded):
        dataset = load(settings, largest, encoded)
        return replace(dataset, test=Watched(dataset.test, "test part"))

    def step(optimizer, *args, **kwargs):
        events.append("step")
        return take_step(optimizer, *args, **kwargs)

    def tested(*args):
        events.append("tested")
        return confusions(*args)

    take_step, confusions = torch.optim.Adam.step, final.confusions
    monkeypatch.setattr(training, "load", watched)
    monkeypatch.setattr(torch.optim.Adam, "step", step)
    monkeypatch.setattr(final, "confusions", tested)
    model = trained(seeds=2, out=tmp_path)
    assert events == ["step"] * (2 * STEPS) + ["test part is read", "tested"] * 2
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


# Going on


class Stop:
    """Ends trainings as Ctrl-C does, after so many steps of all together."""

    def __init__(self, monkeypatch):
        self.steps = []  # the first step of each training
        self.after = None
        monkeypatch.setattr(session, "EVERY", 0.0)
        monkeypatch.setattr(trainings, "train_with_restarts", self.train)

    def train(self, *args, report, **options):
        first = True

        def step(number, progress):
            nonlocal first
            if first:
                self.steps.append(number)
            first = False
            report(number, progress)
            if self.after is not None:
                self.after -= 1
                if self.after < 0:
                    raise KeyboardInterrupt

        return train_with_restarts(*args, report=step, **options)


@pytest.fixture
def stop(monkeypatch):
    return Stop(monkeypatch)


def cut_off(stop, after, **options):
    stop.after = after
    with pytest.raises(KeyboardInterrupt):
        trained(**options)
    stop.after = None


def weights(directory):
    return load_file(directory / "model.safetensors")


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(stop, tmp_path):
    straight, out = trained(seeds=2, out=tmp_path / "straight"), tmp_path / "out"
    stop.steps.clear()
    for after in (10, STEPS, 5):
        cut_off(stop, after, seeds=2, out=out)
        assert [path.name for path in out.iterdir()] == ["checkpoint"]
    model = trained(seeds=2, out=out)
    assert stop.steps == [1, 11, 1, 11, 16]  # a finished seed takes no step again
    assert all(torch.equal(w, weights(out)[name]) for name, w in weights(tmp_path / "straight").items())
    assert model.metrics["history"] == straight.metrics["history"]
    assert model.metrics["test_readings"] == straight.metrics["test_readings"]
    assert {path.name for path in out.iterdir()} == FILES
    with pytest.raises(InputError, match="exists and is not an empty directory"):
        trained(seeds=2, out=out)


def test_the_best_of_a_run_are_trained_once(stop, run, tmp_path):
    options = {"target": str(run.path), "data": None, "top": 2, "skeleton": None, "widths": None}
    straight = trained(**options)
    stop.steps.clear()
    cut_off(stop, STEPS + 5, **options, out=tmp_path)
    assert {path.suffix for path in (tmp_path / "checkpoint").iterdir()} == {".pt", ".json", ".lock"}
    model = trained(**options, out=tmp_path)
    assert stop.steps == [1, 1, 6]
    assert model.metrics["chosen_from"] == straight.metrics["chosen_from"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"epochs": 7}, "recipe.epochs = 12, not 7"),
        ({"seeds": 2}, "seeds = 1, not 2"),
        ({"all_data": True}, "all_data = False, not True"),
        ({"widths": (4, 9)}, "blocks = .*, not"),
        ({"preset": "paper-cifar"}, "recipe.label_smoothing = 0.0, not 0.1"),
    ],
)
def test_another_training_is_refused(stop, tmp_path, change, told):
    cut_off(stop, 3, out=tmp_path)
    with pytest.raises(InputError, match=f"holds another training that was cut off: .*{told}"):
        trained(out=tmp_path, **change)
    trained(out=tmp_path)


def test_a_directory_in_use_is_refused(stop, tmp_path):
    cut_off(stop, 3, out=tmp_path)
    file = tmp_path / "checkpoint" / "training.json"
    held = session.Session(tmp_path, json.loads(file.read_text()))
    with pytest.raises(InputError, match="another process trains into it"):
        trained(out=tmp_path)
    held.close()
    trained(out=tmp_path)


def test_cut_off_in_the_first_moment(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / ".training.json.new").write_text("{")
    trained(out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_foreign_files_are_never_touched(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "mine.pt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not an empty directory"):
        trained(out=tmp_path)
    assert (tmp_path / "checkpoint" / "mine.pt").read_text() == "mine"


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
    assert status == 0
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
    lines = err.splitlines()
    assert len(lines) == 20  # ten of each seed
    assert lines[4].startswith("seed 0  50 %  epoch 0.8 of 1.579  loss ")
    assert f"  validation {metrics['validation_accuracy']:.2f} %" in lines[9]
    assert lines[19].startswith("seed 1  100 %")
    assert lines[19].endswith("  0 s left")


def test_json_is_the_metrics(command, tmp_path):
    status, out, _ = command(CODE, *SMALL, "--json", "--out", tmp_path)
    assert status == 0
    assert json.loads(out) == read_json(tmp_path / "metrics.json")


def test_the_command_shows_the_best_of_a_run(command, run, tmp_path):
    status, out, _ = command(run.path, "--top", 2, "--max-params", "50k", "--out", tmp_path)
    table = read_json(tmp_path / "metrics.json")["chosen_from"]
    assert status == 0
    heading, *lines = out.splitlines()[:3]
    assert heading.split()[:2] == ["trial", "validation"]
    for line, row in zip(lines, table, strict=True):
        assert line.split()[:2] == [f"{row['trial']}", f"{row['validation_accuracy']:.2f}"]
        assert row["params"] <= 50_000


def test_the_command_takes_changes_of_the_recipe(command, tmp_path):
    changes = ("--set", "augmentation.flip=true", "--set", "class_weights=true", "--epochs", 1)
    status, out, _ = command(CODE, *SMALL, *changes, "--all-data", "--out", tmp_path)
    recipe = read_json(tmp_path / "config.json")["recipe"]
    assert (status, recipe["epochs"], recipe["steps"]) == (0, 1, None)
    assert (recipe["augmentation"]["flip"], recipe["class_weights"]) == (True, True)
    assert "validation" not in out


def test_an_interrupted_command_says_how_it_goes_on(command, stop, tmp_path):
    stop.after = 5
    out = tmp_path / "my model"
    arguments = (CODE, *SMALL, "--set", "batch=32", "--out", out)
    status, printed, err = command(*arguments)
    assert (status, printed) == (130, "")
    assert err.splitlines()[-1] == (
        f"blockqnn: interrupted; go on with: blockqnn train '{CODE}' --skeleton small --widths 4,8"
        f" --set batch=32 --out '{out}'"
    )
    stop.after = None
    assert command(*arguments)[0] == 0
    assert stop.steps == [1, 6]


def test_no_learning_writes_nothing(command, tmp_path):
    path = noise(tmp_path)
    status, out, err = command(CODE, *SMALL, "--data", path, "--out", tmp_path / "model")
    assert (status, out) == (1, "")
    assert "blockqnn: training with seed 0: no_learning, not above 9" in err.splitlines()[-1]
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
        ({"out": "new", "preset": "tiny"}, "preset 'tiny' is unknown; there are modern, paper-cifar"),
        ({"out": "new", "preset": "demo"}, "and early-stop"),
        ({"out": "new", "settings": {"epoch": 3}}, "setting epoch = 3: .* did you mean epochs"),
        ({"out": "new", "epochs": 0}, "setting epochs = 0: .* greater than or equal to 1"),
        ({"out": "new", "top": 0}, "top 0: at least 1"),
        ({"out": "new", "top": 2}, "top 2: .* is no run directory"),
        ({"out": "new", "max_params": "few"}, "max_params 'few': write a whole number"),
        ({"out": "new", "max_params": 50}, "max_params 50: the smallest network has 694 parameters"),
        ({"out": "new", "target": "(1,1,2,0,0)"}, "conv allows kernel 1 or 3 or 5, not 2"),
    ],
)
def test_wrong_use_is_refused_before_the_training(tmp_path, monkeypatch, options, reason):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "model.safetensors").touch()
    monkeypatch.setattr(trainings, "train_with_restarts", never)
    with pytest.raises(InputError, match=reason):
        trained(**options | {"out": tmp_path / options["out"]})
    assert {path.name for path in tmp_path.iterdir()} == {"file", "full"}


# Threads


def test_threads_follow_the_size_of_a_step_and_nothing_that_is_measured(monkeypatch):
    monkeypatch.setattr(device, "usable_cores", lambda: 2)
    before = torch.get_num_threads()
    try:
        for flops, threads in ((1e6, 1), (1e10, 2), (1e6, 1)):
            device.use_all_cores(flops)
            assert torch.get_num_threads() == threads
        device.use_all_cores(1e10)
        EarlyStopEvaluator(config.resolve("small", {}), load(DataSettings()), "cpu")
        assert torch.get_num_threads() == 1  # a candidate has one core
    finally:
        torch.set_num_threads(before)
