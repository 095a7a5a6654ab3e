"""Outside optimizers on tables: what counts as an evaluation, and how designs become parameters."""

import json
import sys
from itertools import product

import numpy as np
import on_tables
import pytest
from counted import readings
from encoding import NO, YES, encoding

from blockqnn.tables.table import Table

CHAINS = {
    "ops": np.array([[0, 0], [0, 1], [1, 0]], np.int8),  # (1, 1) was not measured
    "op_names": np.array(["a", "b"]),
    "reward": np.array([10.0, 20.0, 30.0]),
    "judge": np.array([3.0, 2.0, 1.0]),
    "iso_class": np.array([0, 1, 1]),
}
GRAPHS = {  # input -> conv -> pool -> output; input -> conv -> output
    "ops": np.array([[-1, 0, 1, -2], [-1, 0, -2, -3]], np.int8),
    "op_names": np.array(["conv", "pool"]),
    "adj": np.array(
        [
            [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]],
            [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        ],
        np.int8,
    ),
    "reward": np.array([10.0, 20.0]),
}


class Scripted:
    """Proposes what it was given, again and again, and keeps what it was told."""

    def __init__(self, script):
        self._script, self.told = script, []

    def ask(self):
        a, b = self._script[len(self.told) % len(self._script)]
        return len(self.told), {"op0": a, "op1": b}

    def tell(self, trial, reward):
        assert trial == len(self.told)
        self.told.append(reward)


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "chains.npz", **CHAINS)
    return tmp_path / "chains.npz"


def read(path, contender, counts, most_trials=100):
    table = Table(path)
    return list(readings(contender, table, encoding(table.space), "reward", counts, most_trials))


def test_repeats_and_unmeasured_designs_do_not_count(path):
    """ab and ba are one architecture: ba is told what ab had."""
    contender = Scripted(["ab", "ba", "bb", "ab", "aa", "bb"])
    one, two = read(path, contender, [1, 2])
    assert (one.rows, one.trials, one.unmeasured) == ((1,), 1, 0)
    assert (two.rows, two.trials, two.unmeasured) == ((1, 0), 5, 1)
    assert contender.told == [20.0, 20.0, None, 20.0, 10.0]
    assert 0 < one.cpu <= two.cpu
    assert 0 < one.wall <= two.wall


def test_a_run_that_stands_still_ends(path):
    contender = Scripted(["ab", "bb"])
    one, two = read(path, contender, [1, 2], most_trials=7)
    assert (one.evaluations, one.rows, one.trials) == (1, (1,), 1)
    assert (two.evaluations, two.rows, two.trials, two.unmeasured) == (2, (1,), 7, 3)
    assert len(contender.told) == 7


def test_chains_have_a_parameter_a_position(path):
    chains = encoding(Table(path).space)
    assert chains.choices == {"op0": ("a", "b"), "op1": ("a", "b")}
    rows = [chains.row({"op0": a, "op1": b}) for a, b in product("ab", repeat=2)]
    assert rows == [0, 1, 2, None]


def test_graphs_drop_what_no_path_needs_and_forget_the_order(tmp_path):
    np.savez(tmp_path / "graphs.npz", **GRAPHS)
    graphs = encoding(Table(tmp_path / "graphs.npz").space)
    nothing = dict.fromkeys(graphs.choices, NO)
    assert list(graphs.choices)[:2] == ["op1", "op2"]
    assert len(graphs.choices) == 2 + 6

    def row(op1, op2, *edges):
        ops = {"op1": str(op1), "op2": str(op2)}
        return graphs.row(nothing | ops | {f"edge{edge}": YES for edge in edges})

    assert row(0, 1, "0-1", "1-2", "2-3") == 0
    assert row(1, 0, "0-1", "1-2", "2-3") is None  # pool before conv: not in the table
    assert row(0, 1, "0-1", "1-3") == 1
    assert row(1, 0, "0-2", "2-3") == 1  # the second vertex alone
    assert row(0, 1, "0-1", "1-3", "0-2") == 1  # the second one leads nowhere
    assert row(0, 1, "0-1", "2-3") is None  # no path


def test_graphs_that_differ_in_order_are_one_row(tmp_path):
    side_by_side = np.zeros((1, 4, 4), np.int8)
    side_by_side[0, [0, 0, 1, 2], [1, 2, 3, 3]] = 1
    table = GRAPHS | {"ops": GRAPHS["ops"][:1], "adj": side_by_side, "reward": np.array([1.0])}
    np.savez(tmp_path / "graphs.npz", **table)
    graphs = encoding(Table(tmp_path / "graphs.npz").space)
    edges = {
        name: YES if name in ("edge0-1", "edge0-2", "edge1-3", "edge2-3") else NO
        for name in graphs.choices
    }
    assert graphs.row(edges | {"op1": "0", "op2": "1"}) == 0
    assert graphs.row(edges | {"op1": "1", "op2": "0"}) == 0
    assert graphs.row(edges | {"op1": "1", "op2": "1"}) is None


def test_every_connected_graph_is_a_row_of_ec_nas(shared_data):
    path = shared_data / "nas" / "ecnas_4v.npz"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    graphs = encoding(Table(path).space)
    asked = (
        dict(zip(graphs.choices, values, strict=True)) for values in product(*graphs.choices.values())
    )
    rows = [graphs.row(chosen) for chosen in asked]
    assert len(rows) == 3**2 * 2**6
    assert set(rows) == {None, *range(91)}
    # no path: without 0-3, by which of 0-1 and 0-2 there are: 8 + 3 + 4 + 2 of 32 sets of edges
    assert rows.count(None) == 3**2 * 17


def called(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["on_tables.py", *map(str, arguments)])
    on_tables.main()


def test_rows_are_kept_and_summed(path, tmp_path, monkeypatch, capsys):
    made = []

    def scripted(choices, seed):
        assert list(choices) == ["op0", "op1"]
        made.append(seed)
        return Scripted(["ab", "ab", "aa"])

    monkeypatch.setitem(on_tables.OUTSIDE, "optuna-tpe", ("numpy", scripted))
    out = tmp_path / "rows.jsonl"
    run = [path, "--contender", "optuna-tpe", "--reward", "reward", "--judge", "judge", "--out", out]
    called(monkeypatch, *run, "--evaluations", "1,2", "--seeds", 1)
    called(monkeypatch, *run, "--evaluations", "1,2", "--seeds", 2)
    assert made == [1, 0, 2, 1]  # what warms up has a seed of its own; seed 0 was there
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["seed"], row["evaluations"]) for row in rows] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert rows[1]["reward_best"] == 20
    assert rows[1]["judge_best"] == 2
    assert rows[1]["judge_top"] == 2.5
    assert rows[1]["seconds_a_trial"] == rows[1]["seconds"] / 3

    capsys.readouterr()
    called(monkeypatch, "--json", "--out", out)
    one, two = json.loads(capsys.readouterr().out)
    assert (one["evaluations"], one["seeds"], one["trials"]) == (1, 2, 1)
    assert two["judge_top"] == {"mean": 2.5, "std": 0.0}
    assert two["short"] == 0
    called(monkeypatch, "--table", "--out", out)
    assert (
        "| 2 | optuna-tpe | 2 | 20.000 +- 0.000 | 2.500 +- 0.000 |  |  | 3 |" in capsys.readouterr().out
    )


def test_ours_are_searched_as_compare_does(path, tmp_path, monkeypatch, capsys):
    out = tmp_path / "rows.jsonl"
    run = [path, "--contender", "q-learning", "--reward", "reward", "--judge", "judge", "--out", out]
    called(monkeypatch, *run, "--evaluations", "1,2", "--seeds", 2)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["reached"] for row in rows] == [1, 2, 1, 2]
    assert all(row["seconds"] > 0 and "trials" not in row for row in rows)
    capsys.readouterr()
    called(monkeypatch, "--table", "--out", out)
    assert "| 1 | q-learning | 2 |" in capsys.readouterr().out


def test_differences_stand_beside_the_predictor():
    """Welch by hand: variances 2/2 and 0, so one degree of freedom: 12.706 times 1."""
    numbers = {
        "table": "t",
        "evaluations": 1,
        "reached": 1,
        "judge_best": 0.0,
        "judge_top": 5.0,
        "seconds": 0.1,
    }
    rows = [
        numbers | {"strategy": name, "seed": seed, "reward_best": best}
        for name, bests in (("evolution", (10.0, 12.0)), ("predictor", (10.0, 10.0)))
        for seed, best in enumerate(bests)
    ]
    text = "\n".join(on_tables.lines(rows))
    assert (
        "| 1 | evolution | 2 | 11.000 +- 1.414 | 5.000 +- 0.000 | +1.000 [-11.706, +13.706] | +0.000 |"
        in text
    )
    assert "| 1 | predictor | 2 | 10.000 +- 0.000 | 5.000 +- 0.000 |  |  |" in text
