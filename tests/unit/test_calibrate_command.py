"""`calibrate`: which networks are trained, how, what is written, and how it goes on."""

import json
import shutil
from dataclasses import replace
from itertools import count, pairwise

import pytest
from filelock import FileLock

import blockqnn as package
from blockqnn import InputError, fork, parse, search
from blockqnn.calibration import command
from blockqnn.calibration.drawn import random_blocks, sample, spread
from blockqnn.config import Recipe
from blockqnn.data.dataset import load
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.restarts import Trained, train_with_restarts
from blockqnn.network.plan import OverLimit, plan_network
from blockqnn.records import Failure
from blockqnn.report import rows
from blockqnn.report.rows import Entry
from blockqnn.runtime.facts import problem_of
from blockqnn.seeds import derive
from blockqnn.space.graph import canonical_key, density, simplified
from blockqnn.training import recipe as recipes
from blockqnn.training import trainings
from runs import TINY, facts

QUICK = Recipe(steps=15, batch=64, learning_rate=0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """`modern` is 15 steps."""
    monkeypatch.setattr(recipes, "RECIPES", {"modern": QUICK})


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search of 16 candidates, most of which learn a little."""
    settings = TINY | {
        "recipe": {"steps": 15, "learning_rate": 0.01},
        "space": {"max_layers": 3},
        "agent": {"walks": 5},
        "plan": {"trials": 16, "iteration": 4, "seed": 3},
        "reward": {"mu": 1.0, "rho": 8.0},
    }
    return search(
        "digits", run=tmp_path_factory.mktemp("search") / "run", preset="small", settings=settings
    ).path


@pytest.fixture
def run(searched, tmp_path):
    return shutil.copytree(searched, tmp_path / "run")


class Pretended:
    """In place of trainings: counts them, and stops one of them as Ctrl-C does."""

    def __init__(self, monkeypatch):
        self.seeds, self.stop_at = [], None
        monkeypatch.setattr(trainings, "train_with_restarts", self.train)

    def train(self, plan, training, validation, recipe, *, seed, **options):  # noqa: ARG002
        if self.stop_at == len(self.seeds):
            raise KeyboardInterrupt
        self.seeds.append(seed)
        return Trained(None, accuracy=20 + seed % 7000 / 100, steps=15, restarts=0)


@pytest.fixture
def pretended(monkeypatch):
    return Pretended(monkeypatch)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def untimed(found):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in found]


# Which networks


@pytest.mark.parametrize("ranks", [1, 7, 40, 233])
def test_any_number_of_first_ranks_is_spread(ranks):
    for seed in range(5):
        order = list(spread(ranks, seed))
        assert sorted(order) == list(range(ranks))
        for k in range(1, ranks + 1):
            chosen = sorted(order[:k])
            gaps = [b - a for a, b in pairwise([*chosen, chosen[0] + ranks])]
            assert max(gaps) <= 2 * ranks / k + 1
    assert ranks == 1 or any(list(spread(ranks, 0)) != list(spread(ranks, s)) for s in range(1, 9))


def entries(accuracies):
    return [Entry(i, "", accuracy, 0.0, 1, 1) for i, accuracy in enumerate(accuracies)]


def test_a_sample_is_of_all_ranks_and_nested():
    all_ = entries([(37 * i) % 100 for i in range(100)])
    small, large = (sample(all_, (), k, seed=1) for k in (5, 20))
    assert large[:5] == small
    for twentieth in range(10):  # two of twenty in each tenth would be even; at least one is there
        assert any(10 * twentieth <= e.accuracy < 10 * twentieth + 10 for e in large)
    there = {e.trial for e in small}
    assert sample(all_, there, 20, seed=1) == large[5:]
    assert sample(all_, there, 5, seed=1) == []
    assert sample(all_, (), 5, seed=2) != small


def test_random_blocks_are_admitted_and_different():
    known = facts(space={"max_layers": 4, "max_params": 12_000})
    drawn = random_blocks(known, (), frozenset())
    blocks = [block for _, (_, block) in zip(range(40), drawn, strict=False)]
    keys = [canonical_key(block) for block in blocks]
    assert len(set(keys)) == 40
    problem = problem_of(known)
    for block in blocks:
        problem.admit(problem.mdp.episode(str(block)))
    with pytest.raises(OverLimit):  # so the limit leaves something out
        problem.admit(problem.mdp.episode("(1,1,5,0,0) (2,1,5,1,0) (3,1,5,2,0) (4,1,5,3,0)"))
    unwanted = frozenset(keys[::2])
    others = random_blocks(known, (), unwanted)
    assert [canonical_key(next(others)[1]) for _ in range(20)] == keys[1::2]
    another = known.settings.model_copy(
        update={"plan": known.settings.plan.model_copy(update={"seed": 9})}
    )
    assert next(random_blocks(known.model_copy(update={"settings": another}), (), unwanted))


def test_a_space_without_more_blocks_is_refused():
    drawn = random_blocks(facts(space={"max_layers": 1}), (), frozenset())
    with pytest.raises(InputError, match="the space has only 6 random blocks"):
        list(drawn)


# What is trained and written


def test_a_row_is_what_was_trained(run, monkeypatch):
    trained = []

    def train(plan, *args, seed, **options):
        trained.append((plan, seed))
        return train_with_restarts(plan, *args, seed=seed, **options)

    monkeypatch.setattr(trainings, "train_with_restarts", train)
    found = package.Run(run).calibrate(sample=5, device="cpu").calibration
    view, dataset = rows.read(run), load(rows.read(run).facts.settings.data)
    known = {entry.trial: entry for entry in view.entries()}
    written = lines(run / "calibration.jsonl")
    assert len(written) == len(found.rows) == len({row["trial"] for row in written}) == 5
    for row, (plan, seed) in zip(written, trained, strict=True):
        entry = known[row["trial"]]
        assert (row["code"], row["early"], row["reward"]) == (entry.code, entry.accuracy, entry.reward)
        assert (row["params"], row["flops"]) == (entry.params, entry.flops) == (plan.params, plan.flops)
        assert row["density"] == pytest.approx(density(simplified(parse(row["code"]))))
        assert (row["seed"], row["device"]) == (seed, "cpu")
        assert Recipe.model_validate_json(json.dumps(row["recipe"])) == QUICK
        assert row["how"] == "modern, 15 steps"
    searched = {derive(3, "train", trial.number) for trial in view.fold.trials}
    assert not searched & {seed for _, seed in trained}
    last = next(row for row in written if not row["failure"])
    skeleton = view.facts.settings.skeleton
    again = train_with_restarts(
        plan_network(parse(last["code"]), skeleton, dataset.image, 10),
        on_device(dataset.train, dataset, "cpu"),
        on_device(dataset.validation, dataset, "cpu"),
        QUICK,
        chance=dataset.chance(),
        seed=last["seed"],
    )
    assert last["final"] == again.accuracy


def test_the_test_part_is_not_touched(run, monkeypatch):
    class Closed:
        """A part that nobody may look into."""

        def __len__(self):
            return 359

        def __getattr__(self, name):
            raise AssertionError(f"the test part's {name}")

    monkeypatch.setattr(command, "load", lambda settings: replace(load(settings), test=Closed()))
    assert package.calibrate(run, sample=5).calibration


def test_a_proof_compares_the_best_with_random_blocks(run, pretended):
    proof = package.calibrate(run, proof=5).proof
    written = lines(run / "proof.jsonl")
    view = rows.read(run)
    assert [row["group"] for row in written] == ["found", "random"] * 5
    best = view.finalists()[:5]
    found, random = written[::2], written[1::2]
    assert [(row["trial"], row["code"]) for row in found] == [(e.trial, e.code) for e in best]
    keys = {canonical_key(parse(row["code"])) for row in found}
    others = {canonical_key(parse(row["code"])) for row in random}
    assert (len(keys), len(others), keys & others) == (5, 5, set())
    assert {row["evaluated"] for row in written} == {len(view.entries())}
    assert len(set(pretended.seeds)) == 10
    assert not {derive(3, "train", t.number) for t in view.fold.trials} & set(pretended.seeds)
    assert sorted(proof.found) == sorted(row["final"] for row in found)
    assert proof.test.splits == 252


def test_a_larger_number_adds_what_is_missing(run, pretended):
    package.calibrate(run, sample=5, proof=5)
    before = [(run / name).read_text() for name in ("calibration.jsonl", "proof.jsonl")]
    both = package.calibrate(run, sample=7, proof=6)
    assert (len(both.calibration.rows), len(both.proof.found), len(both.proof.random)) == (7, 6, 6)
    assert len(pretended.seeds) == 5 + 10 + 2 + 2
    after = [(run / name).read_text() for name in ("calibration.jsonl", "proof.jsonl")]
    assert all(new.startswith(old) for old, new in zip(before, after, strict=True))
    package.calibrate(run, sample=6, proof=5)
    assert len(pretended.seeds) == 19


def test_rows_of_another_recipe_are_told_apart(run, pretended):
    package.calibrate(run, sample=5)
    other = package.calibrate(run, sample=6, epochs=1).calibration
    assert (len(other.rows), other.others, other.how) == (6, 5, "modern, 1 epoch")
    assert len(pretended.seeds) == 11
    own = package.calibrate(run, sample=5, preset="early-stop").calibration
    assert (len(own.rows), own.others, own.how) == (5, 11, "early-stop, 15 steps")
    assert package.calibrate(run).calibration.rows == other.rows  # which are most


def test_a_failed_training_is_a_row(run, monkeypatch):
    calls = count()

    def fails(*_, **__):
        number = next(calls)
        if number == 0:
            return Failure(kind="no_learning", detail="")
        if number == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 3 bytes")
        return Trained(None, 50.0 + number, steps=15, restarts=0)

    monkeypatch.setattr(trainings, "train_with_restarts", fails)
    found = package.calibrate(run, sample=5).calibration
    assert [row.failure for row in found.rows] == ["no_learning", "out_of_memory", "", "", ""]
    assert [row.final is None for row in found.rows] == [True, True, False, False, False]
    assert next(calls) == 5
    package.calibrate(run, sample=5)
    assert next(calls) == 6  # none is tried again


def test_another_error_ends_it(run, monkeypatch):
    def breaks(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr(trainings, "train_with_restarts", breaks)
    with pytest.raises(RuntimeError, match="broken"):
        package.calibrate(run, sample=5)


# Going on


def test_a_call_that_was_stopped_goes_on(run, pretended, tmp_path):
    straight = shutil.copytree(run, tmp_path / "straight")
    package.calibrate(straight, sample=5, proof=5)
    pretended.seeds.clear()
    for stop_at in (2, 7):
        pretended.stop_at = stop_at
        with pytest.raises(KeyboardInterrupt):
            package.calibrate(run, sample=5, proof=5)
        assert len(pretended.seeds) == stop_at
    pretended.stop_at = None
    package.calibrate(run, sample=5, proof=5)
    assert len(pretended.seeds) == 15
    for name in ("calibration.jsonl", "proof.jsonl"):
        assert untimed(lines(run / name)) == untimed(lines(straight / name))


def test_a_line_that_a_kill_cut_off_is_written_anew(run, pretended):
    package.calibrate(run, sample=5)
    path = run / "calibration.jsonl"
    whole = path.read_text()
    path.write_text(whole[:-100])
    assert len(package.calibrate(run).calibration.rows) == 4
    package.calibrate(run, sample=5)
    assert len(pretended.seeds) == 6
    assert untimed(lines(path)) == untimed(json.loads(line) for line in whole.splitlines())


def test_the_run_is_as_it_was(run, pretended, searched, tmp_path):  # noqa: ARG001
    package.calibrate(run, sample=5, proof=5)
    assert rows.read(run).status() == rows.read(searched).status()
    copied = shutil.copytree(run, tmp_path / "copied")
    assert package.calibrate(copied) == package.calibrate(run)
    forked = fork(run, tmp_path / "forked", settings={"reward": {"mu": -1.5, "rho": 0.5}})
    assert forked.status()["trials"]["finished"] == 16
    assert {p.name for p in forked.path.iterdir()} == {p.name for p in searched.iterdir()}
    assert search(run=run, trials=20).status()["trials"]["finished"] == 20


def test_a_run_that_went_on_has_other_bests(run, pretended):
    package.calibrate(run, sample=5, proof=5)
    search(run=run, trials=20)
    proof = package.calibrate(run, sample=5, proof=5).proof
    assert len(pretended.seeds) == 15 + 10  # the sample still stands
    assert (len(proof.rows), proof.others) == (10, 10)
    assert proof.evaluated == len(rows.read(run).entries())


def test_one_process_at_a_time(run):
    with FileLock(run / "calibration.lock"), pytest.raises(InputError, match="another process"):
        package.calibrate(run, sample=5)


# The command


@pytest.fixture
def here(run, monkeypatch, blockqnn):
    """The working directory has the run."""
    monkeypatch.chdir(run.parent)
    return blockqnn


@pytest.fixture
def folder(run):  # of the fixture `blockqnn`
    return run.parent


def test_the_command_prints_both(here, pretended):
    status, out, err = here("calibrate", "run", "--sample", "8", "--proof", "5")
    assert status == 0
    told = out.splitlines()
    assert told[0].startswith("run: 8 evaluated networks, spread over the ranks of early-stop accuracy")
    found = package.calibrate("run")
    early, reward = found.calibration.by_accuracy, found.calibration.by_reward
    assert f"{early.pearson.value:.2f} [{early.pearson.low:.2f}, {early.pearson.high:.2f}]" in told[3]
    assert told[3].split()[-1] == told[4].split()[-1] == "8"
    assert f"{reward.kendall.value:.2f} [" in told[4]
    assert f"the 5 best blocks of {found.proof.evaluated} evaluated and 5 random ones" in out
    assert f"p = {found.proof.test.p:.2g} (252 splits, all)" in out
    assert "caution: these trainings are no longer than the search's own" in out
    notes = err.splitlines()
    assert notes[0].startswith("18 networks to train, modern, 15 steps each")
    assert sum("final" in line for line in notes) == 18
    again = here("calibrate", "run")
    assert (again.status, again.out, again.err) == (0, out, "")
    assert len(pretended.seeds) == 18


def test_json_is_all_there_is(here, pretended):  # noqa: ARG001
    document = json.loads(here("calibrate", "run", "--sample", "5", "--json").out)
    assert document["proof"] is None
    assert document["calibration"]["n"] == len(document["calibration"]["rows"]) == 5
    assert document["calibration"]["fit"]["reason"].startswith("8 trained networks")
    assert set(document["calibration"]["early_accuracy"]) == {"pearson", "spearman", "kendall", "n"}


def test_an_interrupted_command_says_how_it_goes_on(here, pretended):
    pretended.stop_at = 3
    status, out, err = here("calibrate", "run", "--sample", "5", "--epochs", "2")
    assert (status, out) == (130, "")
    assert err.splitlines()[-1] == (
        "blockqnn: interrupted; go on with: blockqnn calibrate run --sample 5 --epochs 2"
    )
    assert len(lines(package.api.Path("run") / "calibration.jsonl")) == 3


def test_the_fork_that_is_printed_can_be_made(here, run, pretended):  # noqa: ARG001
    """Rows in which the final accuracy follows early stop and size."""
    package.calibrate(run, sample=5)
    model = lines(run / "calibration.jsonl")[0]
    with (run / "calibration.jsonl").open("w") as file:
        for number in range(24):
            early, flops = 50.0 + (7 * number) % 24, 1000 * 2 ** ((5 * number) % 7)
            row = model | {"trial": number, "early": early, "flops": flops}
            row |= {"density": 1.0, "final": early + ((5 * number) % 7)}
            file.write(json.dumps(row) + "\n")
    out = here("calibrate", "run").out
    command = next(line for line in out.splitlines() if "blockqnn fork" in line)
    assert "to judge the run by them" in command
    assert "rho: the density of all these networks is the same" in out
    arguments = command.partition("blockqnn ")[2].split()
    assert arguments == ["fork", "run", "run-calibrated", "--set", "reward.mu=-1.44"]  # 1 / ln 2
    assert here(*arguments).status == 0
    assert rows.read(run.parent / "run-calibrated").facts.settings.reward.mu == -1.44


def never(*_, **__):
    raise AssertionError("something was trained")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sample": 4}, "sample 4: at least 5"),
        ({"proof": 0}, "proof 0: at least 5"),
        ({"sample": 17}, "sample 17: run .* has 1\\d evaluated trials"),
        ({"sample": 5, "preset": "huge"}, "preset 'huge' is unknown; there are modern and early-stop"),
        ({"sample": 5, "epochs": 0}, "setting epochs = 0"),
        ({"sample": 5, "device": "abacus"}, "device 'abacus' is not on this machine"),
        ({"epochs": 5}, "preset and epochs are for trainings; name sample or proof too"),
        ({}, "holds no full trainings yet; name sample, proof or both"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_trained(run, monkeypatch, options, reason):
    monkeypatch.setattr(trainings, "train_with_restarts", never)
    with pytest.raises(InputError, match=reason):
        package.calibrate(run, **options)
    assert {p.name for p in run.iterdir()} == {"config.yaml", "run.lock", "run.sqlite3"}


def test_data_that_changed_are_refused(run, monkeypatch):
    monkeypatch.setattr(command, "load", lambda settings: replace(load(settings), digest="other"))
    with pytest.raises(InputError, match="data digits: changed since the run began"):
        package.calibrate(run, sample=5)
