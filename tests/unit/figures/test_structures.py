"""Structure of the best blocks: features against networkx, intervals against scipy."""

from collections import Counter
from itertools import islice
from math import inf
from random import Random

import networkx as nx
import pytest
from scipy.stats import binomtest, chisquare

from blockqnn.errors import InputError
from blockqnn.report import structures as tested
from blockqnn.report.structures import compared, share, structures, walk_of
from blockqnn.runtime.facts import problem_of
from blockqnn.space.code import Op, parse
from blockqnn.space.graph import simplified
from blockqnn.space.mdp import BlockSpace
from blockqnn.space.zoo import ZOO
from runs import facts
from stored import stored
from walks import uniform_walk

CHAIN = "(1,1,3,0,0) (2,1,3,1,0)"


def has(code):
    graph = simplified(ZOO.get(code) or parse(code))
    return tuple(feature(graph) for feature in tested.FEATURES.values())


@pytest.mark.parametrize(
    ("code", "add", "branch", "short"),
    [
        (CHAIN, False, False, False),
        ("resnet-like", False, True, True),  # of the input and of a convolution, read by none
        ("inception-like", False, True, False),
        ("block-qnn-a", True, True, True),  # Add(input, conv), read by a convolution
        ("block-qnn-b", True, True, True),  # of two convolutions, one of them made of the other
        ("block-qnn-s", True, True, False),  # Adds of two convolutions side by side
        ("(1,1,1,0,0) (2,1,3,0,0) (3,5,0,1,2)", True, True, False),
        ("(1,1,1,0,0) (2,5,0,0,1) (3,2,3,2,0)", False, True, True),  # read by a pooling alone
        ("(1,2,3,0,0) (2,5,0,0,1)", False, True, True),
        ("(1,1,1,0,0) (2,4,0,1,0) (3,5,0,1,2)", False, False, False),  # of a tensor and of itself
        ("(1,4,0,0,0) (2,1,3,1,0) (3,2,1,2,0) (4,1,3,3,0)", False, False, False),  # no-ops are edges
    ],
)
def test_features_of_known_blocks(code, add, branch, short):
    assert has(code) == (add, branch, short)


@pytest.mark.parametrize("seed", range(200))
def test_features_against_networkx(seed):
    g = simplified(uniform_walk(seed, 1 + seed % 14))
    graph = nx.MultiDiGraph()
    graph.add_node(0, op=None)
    for i, node in enumerate(g.nodes, 1):
        graph.add_node(i, op=node.op)
        graph.add_edges_from((p, i) for p in node.preds)
    ops = nx.get_node_attributes(graph, "op")
    convolutions = {i for i, op in ops.items() if op is Op.CONV}
    adds = [i for i, op in ops.items() if op is Op.ADD]
    between = False
    for i in adds:
        above, below = set(graph.predecessors(i)), set(graph.successors(i))
        read = above & convolutions
        between |= len(read) == 2 or bool(read and below & convolutions)
    short = any(
        a != b and (nx.has_path(graph, a, b) or nx.has_path(graph, b, a))
        for a, b in (g.nodes[i - 1].preds for i in adds)
    )
    branch = any(len(set(graph.successors(i))) > 1 for i in graph)
    found = tuple(feature(g) for feature in tested.FEATURES.values())
    assert found == (between, branch, short)


@pytest.mark.parametrize(("count", "blocks"), [(0, 4), (4, 4), (8, 13), (88, 1000), (999, 1000)])
@pytest.mark.parametrize("comparisons", [1, 3])
def test_wilson_as_scipy(count, blocks, comparisons):
    found = share(count, blocks, comparisons)
    expected = binomtest(count, blocks).proportion_ci(1 - 0.05 / comparisons, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.value == count / blocks


def test_newcombe_s_own_example():
    """Newcombe (1998), table II, case a: 56/70 - 48/80 has 0.0524 to 0.3339 by his method 10."""
    found = compared("", [True] * 56 + [False] * 14, [True] * 48 + [False] * 32, 1)
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert found.differs
    assert not compared("", [True, False], [True, False], 1).differs


def test_more_comparisons_make_wider_intervals():
    one, three = share(8, 13, 1), share(8, 13, 3)
    assert three.low < one.low < one.value < one.high < three.high


@pytest.mark.parametrize("by_type", [False, True])
def test_a_walk_of_a_length_is_drawn_as_among_all_walks(by_type):
    """Against rejection: walks of the search that happen to have two operations."""
    mdp, length, rng = BlockSpace(3), 2, Random(1)

    def free():
        while True:
            state, episode = mdp.start, []
            while mdp.actions(state):
                actions = rng.choice(mdp.kinds(state)) if by_type else mdp.actions(state)
                state = mdp.step(state, rng.choice(actions))
                episode.append(state)
            if len(episode) == length + 1:
                yield tuple(episode)

    count = 3000
    expected = Counter(x[1].op for x in islice(free(), count))
    found = Counter(walk_of(mdp, length, rng, by_type)[1].op for _ in range(count))
    ops = sorted(expected)
    assert sorted(found) == ops
    total = [(found[op] + expected[op]) / 2 for op in ops]
    assert chisquare([found[op] for op in ops], total).pvalue > 1e-3
    episode = walk_of(mdp, length, rng, by_type)
    assert [x.index for x in episode] == [1, 2, 3]
    assert episode[-1].op is Op.TERMINAL


def test_random_blocks_have_the_lengths_and_keep_the_limits():
    space = {"max_layers": 6, "max_flops": 400_000, "max_params": 10_000_000}
    problem = problem_of(facts(space=space))
    blocks = list(tested.random_blocks(problem, [2, 5], 60, by_type=False, limited=True))
    assert [len(b.layers) for b in blocks] == [2, 5] * 30
    for block in blocks:
        problem.admit(problem.mdp.episode(str(block)))  # raises OverLimit
    free = list(tested.random_blocks(problem, [2, 5], 60, by_type=False, limited=False))
    assert {str(b) for b in free} - {str(b) for b in blocks}


def test_best_blocks_of_a_run_beside_random_ones(tmp_path, monkeypatch):
    """Chains of convolutions lose against blocks with a short-cut, which are planted."""
    monkeypatch.setattr(tested, "RANDOM", 300)
    short = [
        f"(1,1,{a},0,0) (2,1,{b},1,0) (3,5,0,1,2) (4,1,{c},3,0)"
        for a in (1, 3, 5)
        for b in (1, 3, 5)
        for c in (1, 3)
    ]
    chains = [f"(1,1,{k},0,0) " + " ".join(f"({n},4,0,1,0)" for n in range(2, 4)) for k in (1, 3, 5)]
    lengths = [" ".join(f"({n},1,3,{n - 1},0)" for n in range(1, m)) for m in range(2, 8)]
    poor = chains + lengths
    view = stored(
        tmp_path / "run",
        [[(code, 90.0) for code in short], [(code, 40.0) for code in poor]],
        space={"max_layers": 8},
    )
    monkeypatch.setattr(tested, "BEST", 18 / len(view.entries()))
    found = structures(view)
    assert {str(b) for b in found.best} == {f"{code} (5,7,0,0,0)" for code in short}
    assert (found.evaluated, found.random, found.limited) == (len(view.entries()), 300, True)
    add, branch, cut = found.features
    assert (add.best.count, cut.best.count) == (18, 18)
    assert add.differs
    assert cut.differs
    assert add.random.value < 0.3
    assert -inf < branch.low <= branch.difference <= branch.high


def test_the_best_twentieth_at_least_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tested, "RANDOM", 10)
    view = stored(tmp_path / "run", [[(CHAIN, 40.0), ("(1,1,3,0,0)", 50.0)]], space={"max_layers": 3})
    assert [len(b.layers) for b in structures(view).best] == [1]


def test_nothing_evaluated(tmp_path):
    with pytest.raises(InputError, match="no evaluated trial"):
        structures(stored(tmp_path / "run", [[(CHAIN, None)]]))
