"""What an agent learned, against values worked out by hand and by brute force."""

from collections import defaultdict

import pytest

from blockqnn.errors import InputError
from blockqnn.report.policy import learned
from blockqnn.runtime.facts import problem_of
from blockqnn.space.code import layer_name
from stored import stored

# The best target counts, and it is the reward: Q of a step is the best reward of a trial that made it.
BEST = {"alpha": "best", "returns": "monte-carlo", "shaped": False, "state": "position", "gamma": 1.0}
SPACE = {"max_layers": 3}
A = "(1,1,3,0,0)"
B = "(1,1,3,0,0) (2,1,5,1,0)"
C = "(1,2,3,0,0) (2,1,5,0,0)"
D = "(1,1,3,0,0) (2,5,0,0,1) (3,1,1,2,0)"


def run(tmp_path, iterations, **agent):
    return stored(tmp_path / "run", iterations, agent={**BEST, **agent}, space=SPACE)


@pytest.fixture
def view(tmp_path):
    """So often that every trial is replayed; C wins from the third iteration on."""
    first = [(A, 50.0), (B, 60.0)]
    return run(tmp_path, [first * 4, first * 4, [(C, 90.0), (D, 70.0), (C, 90.0), (D, 70.0)] * 4])


def test_values_are_those_of_the_agent_and_of_brute_force(view):
    known = learned(view)
    mdp = problem_of(view.facts).mdp
    best, trials = defaultdict(float), defaultdict(int)
    for trial, reward in zip(view.fold.trials, view.rewards, strict=True):
        for layer in mdp.episode(trial.code):
            place = layer_name(layer), layer.index
            best[place] = max(best[place], reward)
            trials[place] += 1
    assert {(c.kind, c.position): c.value for c in known.choices} == dict(best)
    assert {(c.kind, c.position): c.trials for c in known.choices} == dict(trials)
    assert known.trials == 32
    assert known.positions == 4


def test_the_greedy_block_and_how_sure_it_is(view):
    known = learned(view)
    assert str(known.greedy.block).startswith(C)
    assert (known.greedy.trial, known.greedy.accuracy) == (16, 90.0)
    pool, conv, end = known.steps
    assert [step.value for step in known.steps] == [90.0, 90.0, 90.0]
    assert (pool.second.kind, pool.second.value, pool.margin) == ("conv 3x3", 70.0, 20.0)
    assert (conv.second.kind, conv.margin) == ("add", 20.0)
    assert (end.second.kind, end.margin) == ("conv 1x1", 20.0)
    assert [step.trials for step in known.steps] == [8, 8, 16]  # B ended there too


def test_another_kernel_is_no_other_type(tmp_path):
    view = run(tmp_path, [[(A, 90.0), ("(1,1,1,0,0)", 80.0), ("(1,2,3,0,0)", 60.0)] * 8])
    step = learned(view).steps[0]
    assert (step.second.kind, step.margin) == ("max pool 3x3", 30.0)


def test_the_policy_moved(view):
    known = learned(view)
    assert [m.iteration for m in known.moments] == [1, 2, 3]
    assert [str(m.block).startswith(B) for m in known.moments] == [True, True, False]
    # B: conv 3x3, conv 5x5 of 1, end; C: max pool, conv 5x5 of 0, end: one step of three in common
    assert [m.agreement for m in known.moments] == pytest.approx([1 / 3, 1 / 3, 1])
    assert [m.accuracy for m in known.moments] == [60.0, 60.0, 90.0]
    assert [m.iteration for m in known.changes] == [1, 3]


def test_by_layer_a_step_is_supported_from_the_same_layer_only(tmp_path):
    """Conv 5x5 of the input after two layers: by position both support it, by layer each its own."""
    other = "(1,1,3,0,0) (2,1,5,0,0)"
    iterations = [[(C, 90.0), (other, 80.0)] * 8]
    by_layer = learned(run(tmp_path / "layer", iterations, state="layer"))
    by_position = learned(run(tmp_path / "position", iterations))
    assert [s.trials for s in by_layer.steps] == [8, 8, 16]
    assert [s.trials for s in by_position.steps] == [8, 16, 16]
    assert by_layer.steps[1].second is None


def test_means_of_targets_are_those_of_the_run_s_own_agent(tmp_path):
    view = run(tmp_path, [[(A, 50.0), (B, 60.0), (C, 90.0), (D, 70.0)]] * 3, alpha="1/visits")
    agent, mdp = view.strategy, problem_of(view.facts).mdp
    known = learned(view)
    state = mdp.start
    for step in known.steps:
        assert step.value == agent.value(state, step.layer)
        assert step.value == max(agent.value(state, action) for action in agent.learned(state))
        state = mdp.step(state, step.layer)


def test_a_predictor_has_an_agent_inside(tmp_path):
    iterations = [[(A, 50.0), (B, 60.0), (C, 90.0), (D, 70.0)] * 4] * 2
    plain = stored(tmp_path / "plain", iterations, agent=BEST, space=SPACE)
    chosen = stored(tmp_path / "model", iterations, agent=BEST, space=SPACE, strategy="predictor")
    assert learned(chosen) == learned(plain)


def test_what_was_told_alone_counts(tmp_path):
    """Failures are told with their reward; an iteration that still misses outcomes is not told."""
    view = run(tmp_path, [[(A, None), (B, 60.0)] * 8])
    failure = view.rewards[0]
    values = {(c.kind, c.position): c.value for c in learned(view).choices}
    assert values["terminal", 2] == failure
    assert failure < 10  # below chance
    assert values["conv 3x3", 1] == 60.0


@pytest.mark.parametrize("strategy", ["random", "evolution", "local-search", "luck"])
def test_no_table_no_policy(tmp_path, strategy):
    view = stored(tmp_path / "run", [[(A, 50.0)]], strategy=strategy, space=SPACE)
    with pytest.raises(InputError, match=f"strategy {strategy} has no values"):
        learned(view)


def test_nothing_told_nothing_learned(tmp_path):
    with pytest.raises(InputError, match="no complete iteration"):
        learned(run(tmp_path, []))
