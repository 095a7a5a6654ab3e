"""Measured tables of each form as decision process and evaluator: small, damaged, and real ones."""

import gc
from itertools import product

import numpy as np
import pytest

from blockqnn.config import AgentSettings
from blockqnn.errors import InputError
from blockqnn.records import Measurement, Task
from blockqnn.seeds import generator
from blockqnn.space.graph import canonical_key
from blockqnn.strategy.q_agent import QAgent
from blockqnn.tables.designs import Choice, Vertex
from blockqnn.tables.table import Table, TableEvaluator

# Rows in no special order; (skip, conv) and (conv, skip) are one architecture.
CHAINS = {
    "ops": np.array([[1, 1], [0, 1], [0, 0], [1, 0]], np.int8),
    "op_names": np.array(["skip", "conv"]),
    "accuracy": np.array([90.5, 80.25, 10.0, 80.5], np.float32),
    "rank": np.array([0, 2, 3, 1]),
    "iso_class": np.array([7, 5, 4, 5], np.int16),
    "note": np.array(["a", "b", "c", "d"]),
    "edges": np.array([[0, 1], [1, 2]]),
}
# input -> conv -> output; input -> pool -> output beside input -> output; a padded vertex in the middle
GRAPHS = {
    "ops": np.array([[-1, 0, -3, -2], [-1, 1, -3, -2], [-1, 0, 1, -2]], np.int8),
    "adj": np.array(
        [
            [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]],
            [[0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]],
            [[0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]],
        ],
        np.int8,
    ),
    "op_names": np.array(["conv 3x3", "pool"]),
    "accuracy": np.array([1.0, 2.0, 3.0]),
}
CODES = [
    "(1,1,3,0,0) (2,1,1,1,0) (3,7,0,0,0)",
    "(1,1,3,0,0) (2,4,0,1,0) (3,7,0,0,0)",  # an Identity: the network of the next one
    "(1,1,3,0,0) (2,7,0,0,0)",
    "(1,2,3,0,0) (2,5,0,0,1) (3,7,0,0,0)",
]
BLOCKS = {"codes": np.array(CODES), "accuracy": np.array([1.0, 2.0, 3.0, 4.0])}


def saved(folder, table, **changes):
    arrays = {name: array for name, array in (table | changes).items() if array is not None}
    np.savez(folder / "table.npz", **arrays)
    return folder / "table.npz"


def walks(space):
    """Every episode of the process."""
    found, begun = [], [((), space.start)]
    while begun:
        episode, state = begun.pop()
        begun += [((*episode, a), space.step(state, a)) for a in space.actions(state)]
        if not space.actions(state):
            assert space.kinds(state) == ()
            found.append(episode)
    return found


@pytest.mark.parametrize("form", [CHAINS, GRAPHS, BLOCKS])
def test_every_walk_is_a_row_once(tmp_path, form):
    space = Table(saved(tmp_path, form)).space
    found = walks(space)
    assert sorted(found) == sorted(space.episodes)
    assert len(found) == len(form["accuracy"])
    for row, episode in enumerate(space.episodes):
        assert space.episode(space.text(episode)) == episode
        assert space.row_of(space.text(episode)) == row


def test_what_rows_are_called(tmp_path):
    chains = Table(saved(tmp_path, CHAINS)).space
    assert [chains.text(e) for e in chains.episodes] == [
        "conv conv",
        "skip conv",
        "skip skip",
        "conv skip",
    ]
    graphs = Table(saved(tmp_path, GRAPHS)).space
    assert [graphs.text(e) for e in graphs.episodes] == [
        "conv_3x3(0) output(1)",
        "pool(0) output(0,1)",
        "conv_3x3(0) pool(1) output(1,2)",
    ]
    assert graphs.episodes[1] == (Vertex(1, (0,)), Vertex(-2, (0, 1)))
    blocks = Table(saved(tmp_path, BLOCKS)).space
    assert [blocks.text(e) for e in blocks.episodes] == CODES


def test_a_sample_offers_what_leads_to_a_row(tmp_path):
    kept = {name: CHAINS[name][:2] for name in ("ops", "accuracy")}
    space = Table(saved(tmp_path, {"op_names": CHAINS["op_names"], **kept})).space
    skip, conv = Choice(0), Choice(1)
    assert space.actions(space.start) == (skip, conv)
    assert space.actions(space.step(space.start, skip)) == (conv,)
    assert space.actions(space.step(space.start, conv)) == (conv,)


def test_kinds_are_actions_of_one_operation(tmp_path):
    space = Table(saved(tmp_path, BLOCKS)).space
    (state,) = {space.step(space.start, e[0]) for e in space.episodes if e[0].op == 1}
    kinds = space.kinds(state)
    assert [{layer.op for layer in kind} for kind in kinds] == [{1}, {4}, {7}]
    assert sorted(layer for kind in kinds for layer in kind) == sorted(space.actions(state))


def test_the_view_is_the_position_and_the_last_choice(tmp_path):
    space = Table(saved(tmp_path, CHAINS)).space

    def view(*ops):
        state = space.start
        for op in ops:
            state = space.step(state, Choice(op))
        return space.view(state)

    assert view(0, 1) == view(1, 1)
    assert len({view(), view(0), view(1), view(1, 1)}) == 4


def test_keys_by_code_and_by_architecture(tmp_path):
    path = saved(tmp_path, CHAINS)
    codes, architectures = Table(path, architectures=False), Table(path)
    assert len({codes.space.key(e) for e in codes.space.episodes}) == codes.distinct == 4
    keys = [architectures.space.key(e) for e in architectures.space.episodes]
    assert keys[1] == keys[3]
    assert len(set(keys)) == architectures.distinct == 3


def test_blocks_of_one_network_are_one_architecture(tmp_path):
    path = saved(tmp_path, BLOCKS)
    table = Table(path)
    keys = [table.space.key(e) for e in table.space.episodes]
    assert keys[1] == keys[2]
    assert table.distinct == 3
    assert Table(path, architectures=False).distinct == 4


def test_evaluator_looks_the_row_up(tmp_path):
    table = Table(saved(tmp_path, CHAINS))
    evaluate = TableEvaluator(table, "accuracy")
    codes = ["skip skip", "skip conv", "conv skip", "conv conv"]
    outcomes = [evaluate(Task(number=9, code=code, seed=0)) for code in codes]
    assert outcomes == [Measurement(accuracy=a, flops=0, params=0) for a in (10.0, 80.25, 80.5, 90.5)]


def test_columns_are_numbers_a_row(tmp_path):
    table = Table(saved(tmp_path, CHAINS, broken=np.array([1, np.nan, np.inf, 2])))
    assert table.columns.keys() == {"accuracy", "rank", "iso_class", "broken"}
    with pytest.raises(InputError, match="no column 'note'; it has accuracy, rank, iso_class, broken"):
        table.column("note")
    with pytest.raises(InputError, match="2 values of 'broken' are no finite numbers"):
        table.column("broken")


def test_a_reward_is_in_percent(tmp_path):
    table = Table(saved(tmp_path, CHAINS, flops=np.array([1, 2, 3, 400])))
    with pytest.raises(InputError, match="'flops' goes from 1 to 400; accuracies are percent"):
        TableEvaluator(table, "flops")


@pytest.mark.parametrize(
    ("form", "changes", "reason"),
    [
        (CHAINS, {"ops": None}, "has neither `ops` nor `codes`"),
        (CHAINS, {"op_names": None}, "needs `ops` and `op_names`"),
        (CHAINS, {"ops": CHAINS["ops"][[0, 1, 2, 2]]}, "skip skip stands in it more than once"),
        (CHAINS, {"ops": CHAINS["ops"][:0]}, "must be from 0 to 1"),
        (CHAINS, {"ops": CHAINS["ops"] + 1}, r"from 0 to 1, not \[2\]"),
        (CHAINS, {"ops": CHAINS["ops"] - 1}, r"from 0 to 1, not \[-1\]"),
        (CHAINS, {"ops": CHAINS["ops"][:, 0]}, "whole numbers"),
        (CHAINS, {"ops": CHAINS["ops"].astype(float)}, "whole numbers"),
        (CHAINS, {"op_names": np.array("skip")}, "a list"),
        (CHAINS, {"op_names": np.array(["a b", "a  b"])}, "must differ"),
        (GRAPHS, {"adj": GRAPHS["adj"][:2]}, r"`adj` must be \(N, V, V\)"),
        (GRAPHS, {"adj": GRAPHS["adj"].transpose(0, 2, 1)}, "row 0: `adj` must be upper triangular"),
        (GRAPHS, {"adj": np.triu(np.ones_like(GRAPHS["adj"]), 1)}, "row 0: .* without edges of padding"),
        (GRAPHS, {"ops": GRAPHS["ops"] * 0}, r"row 0: `ops` must be -1 \(input\)"),
        (GRAPHS, {"ops": np.abs(GRAPHS["ops"])}, r"row 0: `ops` must be -1 \(input\)"),
        (BLOCKS, {"codes": np.array([*CODES[:3], "(1,9,3,0,0)"])}, "row 3: "),
        (BLOCKS, {"codes": np.arange(4)}, r"`codes` must be \(N,\) text"),
        (BLOCKS, {"codes": np.array([], "U9")}, "has no rows"),
        (BLOCKS, {"codes": np.array([*CODES[:3], CODES[0]])}, "more than once"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, form, changes, reason):
    path = saved(tmp_path, form, **changes)
    with pytest.raises(InputError, match=f"table {path}: .*{reason}"):
        Table(path)


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "one array", "objects", "directory"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, damage):
    path = saved(tmp_path, CHAINS)
    if damage == "text":
        path.write_text("ops: 1, 2")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "one array":
        with path.open("wb") as file:
            np.save(file, CHAINS["ops"])
    elif damage == "objects":
        saved(tmp_path, CHAINS, ops=np.array([[1, 1], [0, 1], [0, 0], [1, 0]], object))
    elif damage == "directory":
        path = tmp_path
    else:
        path.unlink()
    with pytest.raises(InputError, match=f"table {path}: (cannot be read|no such file)"):
        Table(path)
    gc.collect()  # a file left open is a warning now, and warnings are errors


@pytest.mark.parametrize("returns", ["max", "monte-carlo"])
def test_the_agent_chooses_legal_actions_where_a_view_has_others_too(tmp_path, returns):
    """After (0, 0) only 0 is legal, after (1, 0) only 1; both states have one view."""
    ops = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], np.int8)
    form = {"ops": ops, "op_names": CHAINS["op_names"], "accuracy": np.arange(4.0)}
    space = Table(saved(tmp_path, form)).space
    agent = QAgent(space, AgentSettings(returns=returns), seed=0)
    for iteration in range(20):
        asked = [agent.ask(0.9, generator(0, "ask", iteration, n), set()) for n in range(8)]
        assert set(asked) <= set(space.episodes)
        agent.tell(iteration, [(e, float(space.row[e])) for e in asked])
    assert space.row[agent.ask(0.99, generator(1, "ask"), set())] in range(4)


def test_nas_bench_201(shared_data):
    path = shared_data / "nas" / "nasbench201.npz"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    table = Table(path)
    accuracy = table.column("c10_test_e12")
    assert accuracy.shape == (15_625,)
    assert float(accuracy.max()) == pytest.approx(89.16, abs=0.005)
    best = table.space.text(table.space.episodes[int(accuracy.argmax())])
    found = TableEvaluator(table, "c10_test_e12")(Task(number=0, code=best, seed=0))
    assert found.accuracy == pytest.approx(89.16, abs=0.005)
    assert sorted(table.space.episodes) == [tuple(map(Choice, c)) for c in product(range(5), repeat=6)]
    assert table.distinct == len(np.unique(table.column("iso_class")))


def test_ec_nas(shared_data):
    path = shared_data / "nas" / "ecnas_4v.npz"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    table = Table(path)
    assert table.distinct == len(table.space.episodes) == 91
    raw = np.load(path)
    for row, episode in enumerate(table.space.episodes):
        edges = {(a, b) for b, vertex in enumerate(episode, 1) for a in vertex.preds}
        assert len(edges) == raw["adj"][row].sum()


def test_keys_of_blocks_are_canonical(tmp_path):
    space = Table(saved(tmp_path, BLOCKS)).space
    from blockqnn.space.code import parse

    assert [space.key(e) for e in space.episodes] == [canonical_key(parse(code)) for code in CODES]
