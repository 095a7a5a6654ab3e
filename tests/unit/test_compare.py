"""Strategies side by side on a table: the counts, the columns, the command line."""

import json
import re

import numpy as np
import pytest

from blockqnn.cli import main
from blockqnn.errors import InputError
from blockqnn.tables.compare import Comparison, checked, compared, searched
from blockqnn.tables.told import drawn, lines, summary

OPS = np.array(np.meshgrid(*[range(3)] * 4)).reshape(4, -1).T  # 81 chains
REWARD = OPS.sum(1) * 10.0
TABLE = {
    "ops": OPS.astype(np.int8),
    "op_names": np.array(list("abc")),
    "reward": REWARD,
    "judge": 100 - OPS[:, 0] * 10.0,
    "params": OPS.sum(1),
    "iso_class": OPS.sum(1) * 3 + OPS[:, 0],  # 3 * 9 - 6 at the ends
}


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "table.npz", **TABLE)
    return tmp_path / "table.npz"


def asked(path, **changes):
    values = {
        "table": str(path),
        "reward": "reward",
        "judge": "judge",
        "strategies": ("random", "params-first"),
        "evaluations": (5, 20),
        "seeds": 3,
        "top": 4,
        "architectures": False,
    }
    return checked(Comparison(**(values | changes)))


def test_largest_first_finds_what_the_table_holds(path):
    """Equal sizes and rewards: the first 5 rows have sums 8, 7, 7, 7, 7."""
    found = searched(asked(path), "params-first", 5, seed=1)
    assert found.reward_best == 80
    assert found.bests == (80,) * 5
    assert found.judge_best == 80  # of the row (2, 2, 2, 2)
    assert found.judge_top in (80, 82.5)  # that row and three of (1, 2, 2, 2) and its like


def test_of_equal_rewards_the_larger_are_chosen(tmp_path):
    ops = np.array(np.meshgrid(*[range(2)] * 4)).reshape(4, -1).T.astype(np.int8)
    number = np.arange(16.0)
    columns = {"reward": 60 + number % 2, "judge": number, "params": 1 + number}
    np.savez(tmp_path / "table.npz", ops=ops, op_names=np.array(list("ab")), **columns)
    all_of_it = asked(tmp_path / "table.npz", evaluations=(16,))
    found = [searched(all_of_it, "random", 16, seed) for seed in range(3)]
    assert [one.judge_selected for one in found] == [12.0] * 3  # 15, 13, 11, 9
    assert all(one.judge_top < 12 for one in found)  # those that came first


def test_evaluations_are_different_designs(path):
    assert asked(path).table_of().distinct == 81
    by_architecture = asked(path, architectures=True)
    assert by_architecture.table_of().distinct == len(set(TABLE["iso_class"].tolist())) == 21
    found = searched(by_architecture, "params-first", 21, seed=0)
    assert len(found.bests) == 21  # one of each, whatever it took
    with pytest.raises(InputError, match=r"evaluations 22: table .* has 21 different designs"):
        asked(path, architectures=True, evaluations=(22,))


def test_a_seed_gives_the_same_and_another_one_another(path):
    one, other = (searched(asked(path), "random", 20, seed)._replace(seconds=0) for seed in (0, 1))
    assert searched(asked(path), "random", 20, 0)._replace(seconds=0) == one != other


def test_processes_change_nothing(path):
    here, there = (compared(asked(path, evaluations=(5,)), processes) for processes in (1, 2))
    assert here.keys() == there.keys()
    for found, others in zip(here.values(), there.values(), strict=True):
        assert [f._replace(seconds=0) for f in found] == [f._replace(seconds=0) for f in others]


def test_means_and_deviations(path):
    results = compared(asked(path), 1)
    rows = summary(results)
    assert [(r["strategy"], r["evaluations"]) for r in rows] == [
        ("random", 5),
        ("random", 20),
        ("params-first", 5),
        ("params-first", 20),
    ]
    bests = [f.reward_best for f in results["random", 20]]
    assert rows[1]["seeds"] == 3
    assert rows[1]["reward_best"]["mean"] == pytest.approx(np.mean(bests))
    assert rows[1]["reward_best"]["std"] == pytest.approx(np.std(bests, ddof=1))
    text = "\n".join(lines(asked(path), results))
    assert f"{np.mean(bests):7.3f} +-" in text
    assert "20 evaluations" in text


def test_the_picture_has_a_line_and_a_band_each(path):
    results = compared(asked(path), 1)
    svg = drawn(asked(path), results)
    assert len(re.findall('class="line of-', svg)) == 2 + 2  # and the legend
    assert len(re.findall('class="band of-', svg)) == 2
    assert "random" in svg


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["blockqnn", "compare", *map(str, arguments)])
    try:
        main()
        status = 0
    except SystemExit as end:
        status = end.code
    return status, *capsys.readouterr()


def test_the_command(path, tmp_path, monkeypatch, capsys):
    how = ["--table", path, "--reward", "reward", "--judge", "judge", "--evaluations", "5,9"]
    how += ["--seeds", "2", "--workers", "1", "--count", "codes"]
    status, out, _ = run(monkeypatch, capsys, *how, "--json", "--svg", tmp_path / "found.svg")
    assert status == 0
    rows = json.loads(out)
    names = ["q-learning", "predictor", "random", "evolution", "local-search"]
    names += ["q-learning-paper", "params-first", "gaussian-process"]  # no column of FLOPs
    assert [row["strategy"] for row in rows] == [name for name in names for _ in (5, 9)]
    assert rows[0].keys() == {
        *("strategy", "evaluations", "seeds", "seconds"),
        *("reward_best", "judge_best", "judge_top", "judge_selected"),
    }
    assert (tmp_path / "found.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--reward", "accuracy"], "no column 'accuracy'; it has reward, judge, params, iso_class"),
        (["--judge", "x"], "no column 'x'"),
        (["--strategies", "random,annealing"], "strategy 'annealing' is unknown; there are q-learning,"),
        (["--strategies", "flops-first"], "no column flops or mflops for flops-first to go by"),
        (["--evaluations", "82", "--count", "codes"], "has 81 different designs"),
        (["--evaluations", "5,0"], "--evaluations '5,0': numbers from 1"),
        (["--evaluations", "many"], "--evaluations 'many': whole numbers"),
        (["--count", "rows"], "--count 'rows': architectures or codes"),
        (["--table", "none.npz"], "table none.npz: no such file"),
        (["--svg", "/nowhere/x.svg"], "--svg /nowhere/x.svg: cannot be written"),
    ],
)
def test_wrong_use(path, monkeypatch, capsys, changes, said):
    how = ["--table", path, "--reward", "reward", "--judge", "judge", "--seeds", "1"]
    how += ["--strategies", "random", "--evaluations", "3", "--workers", "1", *changes]
    status, out, err = run(monkeypatch, capsys, *how)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_strategy_of_the_users_own(path, monkeypatch, capsys, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from blockqnn.strategy.random_search import RandomSearch\n"
        "STRATEGIES = {'mine': lambda mdp, settings, seed: RandomSearch(mdp)}\n"
    )
    how = ["--table", path, "--reward", "reward", "--judge", "judge", "--seeds", "2", "--json"]
    how += ["--evaluations", "5", "--strategies", "mine,random", "--plugin", plugin, "--workers", "1"]
    status, out, _ = run(monkeypatch, capsys, *how)
    assert status == 0
    mine, random = json.loads(out)
    assert mine["reward_best"] == random["reward_best"]


def test_the_gaussian_process_learns(path):
    """The reward is a sum over the places, of which one of 81 rows has the highest."""
    both = asked(path)
    best = {
        name: [searched(both, name, 30, seed).reward_best for seed in range(6)]
        for name in ("gaussian-process", "random")
    }
    assert best["gaussian-process"] == [80] * 6
    assert min(best["random"]) < 80
