"""Chain tables: a table of two positions and two operations, complete, damaged, and a real one."""

import gc
from itertools import product

import numpy as np
import pytest

from blockqnn.errors import InputError
from blockqnn.records import Measurement, Task
from blockqnn.tables.chain import ChainTable

# Rows in no special order; (skip, conv) and (conv, skip) are one architecture.
TABLE = {
    "ops": np.array([[1, 1], [0, 1], [0, 0], [1, 0]], np.int8),
    "op_names": np.array(["skip", "conv"]),
    "accuracy": np.array([90.5, 80.25, 10.0, 80.5], np.float32),
    "rank": np.array([0, 2, 3, 1]),
    "iso_class": np.array([7, 5, 4, 5], np.int16),
    "note": np.array(["a", "b", "c", "d"]),
    "edges": np.array([[0, 1], [1, 2]]),
}
EPISODES = list(product((0, 1), repeat=2))


def saved(folder, **changes):
    arrays = {name: array for name, array in (TABLE | changes).items() if array is not None}
    np.savez(folder / "table.npz", **arrays)
    return folder / "table.npz"


@pytest.fixture
def table(tmp_path):
    return ChainTable(saved(tmp_path))


def walks(table):
    """Every episode of the process."""
    episodes = [((), table.start)]
    while table.actions(episodes[0][1]):
        episodes = [(*e, a) for e, state in episodes for a in table.actions(state)]
        episodes = [(e, final_state(table, e)) for e in episodes]
    return [episode for episode, _ in episodes]


def final_state(table, episode):
    state = table.start
    for action in episode:
        state = table.step(state, action)
    return state


def test_every_walk_is_a_chain_once(table):
    assert walks(table) == EPISODES
    for episode in EPISODES:
        end = final_state(table, episode)
        assert not table.actions(end)
        assert not table.kinds(end)


def test_the_state_is_the_position_and_the_last_choice(table):
    state = table.start
    assert table.actions(state) == (0, 1)
    assert table.kinds(state) == ((0,), (1,))
    assert final_state(table, (1,)) != final_state(table, (0,))
    assert final_state(table, (0, 1)) == final_state(table, (1, 1))
    assert final_state(table, (1, 1)) != final_state(table, (1,))


def test_text_and_episode_are_inverse(table):
    assert [table.text(e) for e in EPISODES] == ["skip skip", "skip conv", "conv skip", "conv conv"]
    assert [table.episode(table.text(e)) for e in EPISODES] == EPISODES


def test_keys_by_code_and_by_architecture(tmp_path):
    path = saved(tmp_path)
    codes, architectures = ChainTable(path), ChainTable(path, architectures=True)
    assert len({codes.key(e) for e in EPISODES}) == 4
    keys = [architectures.key(e) for e in EPISODES]
    assert keys[1] == keys[2]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("column", "expected"),
    [("accuracy", [10.0, 80.25, 80.5, 90.5]), ("rank", [3.0, 2.0, 1.0, 0.0])],
)
def test_evaluator_looks_the_row_up(table, column, expected):
    evaluate = table.evaluator(column)
    tasks = [Task(number=9, code=table.text(episode), seed=0) for episode in EPISODES]
    outcomes = [evaluate(task) for task in tasks]
    assert outcomes == [Measurement(accuracy=a, flops=0, params=0) for a in expected]


def test_columns_are_numbers_a_row(table):
    assert table.columns.keys() == {"accuracy", "rank", "iso_class"}
    for refused in (table.column, table.evaluator):
        with pytest.raises(InputError, match="'note' is not in the table; it has accuracy, rank, iso_"):
            refused("note")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ops": None}, "is not one of chains"),
        ({"op_names": None}, "is not one of chains"),
        ({"adj": np.zeros((4, 3, 3))}, "is not one of chains"),
        ({"ops": TABLE["ops"][:3]}, r"3 different chains of 2 ops in 3 rows; .* has 2\^2, each once"),
        ({"ops": TABLE["ops"][[0, 1, 2, 2]]}, "3 different chains of 2 ops in 4 rows"),
        ({"ops": TABLE["ops"][[0, 1, 2, 3, 3]]}, "4 different chains of 2 ops in 5 rows"),
        ({"ops": TABLE["ops"] + 1}, "1 different chains of 2 ops in 4 rows"),
        ({"ops": TABLE["ops"] - 1}, "1 different chains of 2 ops in 4 rows"),
        ({"op_names": np.array(["skip", "conv", "pool"])}, r"a complete table has 3\^2"),
        ({"ops": TABLE["ops"][:, 0]}, "whole numbers"),
        ({"ops": TABLE["ops"].astype(float)}, "whole numbers"),
        ({"op_names": np.array("skip")}, "a list"),
    ],
)
def test_a_table_that_is_not_complete_is_refused(tmp_path, changes, reason):
    path = saved(tmp_path, **changes)
    with pytest.raises(InputError, match=f"table {path}: .*{reason}"):
        ChainTable(path)


def test_architectures_need_their_column(tmp_path):
    path = saved(tmp_path, iso_class=None)
    assert ChainTable(path).length == 2
    with pytest.raises(InputError, match="no column `iso_class`"):
        ChainTable(path, architectures=True)


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "one array", "objects", "directory"])
def test_a_file_that_is_no_table_is_refused(tmp_path, damage):
    path = saved(tmp_path)
    if damage == "text":
        path.write_text("ops: 1, 2")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "one array":
        with path.open("wb") as file:
            np.save(file, TABLE["ops"])
    elif damage == "objects":
        saved(tmp_path, ops=np.array([[1, 1], [0, 1], [0, 0], [1, 0]], object))
    elif damage == "directory":
        path = tmp_path
    else:
        path.unlink()
    with pytest.raises(InputError, match=f"table {path}: (cannot be read|no such file)"):
        ChainTable(path)
    gc.collect()  # a file left open is a warning now, and warnings are errors


def test_nas_bench_201(shared_data):
    path = shared_data / "nas" / "nasbench201.npz"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    table = ChainTable(path, architectures=True)
    accuracy = table.column("c10_test_e12")
    assert accuracy.shape == (15_625,)
    assert float(accuracy.max()) == pytest.approx(89.16, abs=0.005)
    best = tuple(np.load(path)["ops"][accuracy.argmax()].tolist())
    assert table.evaluator("c10_test_e12")(
        Task(number=0, code=table.text(best), seed=0)
    ).accuracy == pytest.approx(89.16, abs=0.005)
    chains = list(product(range(5), repeat=6))
    assert len({table.key(chain) for chain in chains}) == len(np.unique(table.column("iso_class")))
