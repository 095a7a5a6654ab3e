"""What follows from trials and outcomes, checked by hand on one small run."""

import pytest

from blockqnn.records import Failure, Measurement, Observation, Result, Trial
from blockqnn.runtime.fold import Fold

GOOD = Measurement(accuracy=90.0, flops=100, params=10)
BETTER = Measurement(accuracy=95.0, flops=200, params=20)
BAD = Failure(kind="no_learning", detail="not above 10 %")


def trial(number, iteration, key, repeat_of=None, **others):
    return Trial(number=number, iteration=iteration, code=f"c{number}", key=key, repeat_of=repeat_of) \
        .model_copy(update=others)  # fmt: skip


# Three iterations. Trial 1 repeats 0 in flight, 4 repeats the failure 2, 5 repeats 0 again.
TRIALS = [
    trial(0, 0, "a"), trial(1, 0, "a", 0), trial(2, 0, "b"),
    trial(3, 1, "c"), trial(4, 1, "b", 2),
    trial(5, 2, "a", 0),
]  # fmt: skip
OUTCOMES = {0: GOOD, 2: BAD, 3: BETTER}


class Told:
    """A learner that remembers; its one Q-value can be set."""

    def __init__(self, value=0.0):
        self.told, self.value = [], value

    def tell(self, iteration, told):
        self.told.append((iteration, list(told)))

    def fingerprint(self):
        return str(self.value)


def fold_of(trials=TRIALS, outcomes=OUTCOMES, **observed):
    fold = Fold()
    fold.add_trials(trials)
    observation = Observation(**observed)
    fold.add_results(Result(number=n, outcome=o, observed=observation) for n, o in outcomes.items())
    return fold


def test_a_repeat_takes_the_outcome_of_the_earliest_trial_with_its_key():
    fold = fold_of()
    assert [fold.outcome(t) for t in fold.trials] == [GOOD, GOOD, BAD, BETTER, BAD, GOOD]
    assert fold.result(TRIALS[4]).number == 2
    assert fold.first_with_key == {"a": 0, "b": 2, "c": 3}
    assert [[t.number for t in iteration] for iteration in fold.iterations] == [[0, 1, 2], [3, 4], [5]]


def test_evaluated_are_measurements_that_are_no_repeats():
    fold = fold_of()
    assert fold.evaluated(fold.trials) == 2
    assert [fold.evaluated([t]) for t in fold.trials] == [1, 0, 0, 1, 0, 0]
    assert fold_of(outcomes={3: BETTER}).evaluated(TRIALS) == 1


@pytest.mark.parametrize(
    ("outcomes", "complete", "unfinished"),
    [
        ({}, 0, [0, 2, 3]),
        ({0: GOOD}, 0, [2, 3]),
        ({3: BETTER}, 0, [0, 2]),
        ({0: GOOD, 3: BETTER}, 0, [2]),
        ({2: BAD, 0: GOOD}, 1, [3]),
        ({3: BETTER, 2: BAD, 0: GOOD}, 3, []),  # the last iteration needs no outcome of its own
    ],
)
def test_an_iteration_is_complete_with_all_outcomes_up_to_it(outcomes, complete, unfinished):
    fold = fold_of(outcomes=outcomes)
    assert fold.complete_iterations() == complete
    assert [t.number for t in fold.unfinished()] == unfinished


def test_complete_iterations_follow_trials_and_results_as_they_come():
    fold, seen = Fold(), []

    def look():
        seen.append(fold.complete_iterations())

    look()
    for iteration in range(3):
        fold.add_trials(t for t in TRIALS if t.iteration == iteration)
        look()
    for number in (3, 0, 2):
        fold.add_results([Result(number=number, outcome=OUTCOMES[number])])
        look()
    assert seen == [0, 0, 0, 0, 0, 0, 3]


def test_told_evaluated_counts_the_evaluations_that_the_learner_knows():
    fold = fold_of()
    assert fold.told_evaluated == 0
    for told, evaluated in ((1, 1), (2, 2), (3, 2)):
        fold.tell_until(told, Told(), episode, reward)
        assert fold.told_evaluated == evaluated
        assert fold.told_evaluated == fold.evaluated(t for i in fold.iterations[:told] for t in i)


def test_fingerprints_are_those_of_measurements_that_have_one():
    assert fold_of().fingerprints == set()
    assert fold_of(fingerprint="f").fingerprints == {"f"}


def episode(code):
    return tuple(code)


def reward(trial, outcome):
    """Its own density goes in, so the trial's: a repeat is not told with another's."""
    return trial.number + (outcome.accuracy if isinstance(outcome, Measurement) else -1000)


def test_the_learner_is_told_each_iteration_once_and_in_trial_order():
    learner, fold = Told(), fold_of(outcomes=dict(reversed(OUTCOMES.items())))
    fold.tell_until(0, learner, episode, reward)
    assert learner.told == []
    fold.tell_until(2, learner, episode, reward)
    assert fold.told == 2
    fold.tell_until(1, learner, episode, reward)
    fold.tell_until(3, learner, episode, reward)
    assert learner.told == [
        (0, [(("c", "0"), 90.0), (("c", "1"), 91.0), (("c", "2"), -998.0)]),
        (1, [(("c", "3"), 98.0), (("c", "4"), -996.0)]),
        (2, [(("c", "5"), 95.0)]),
    ]


def test_what_is_not_known_cannot_be_told():
    with pytest.raises(AssertionError, match="trial 2 has no outcome yet"):
        fold_of(outcomes={0: GOOD}).tell_until(1, Told(), episode, reward)


def with_trial(number, **changes):
    return [t.model_copy(update=changes) if t.number == number else t for t in TRIALS]


@pytest.mark.parametrize(
    "other",
    [
        lambda: (fold_of(with_trial(3, code="c9")), Told()),
        lambda: (fold_of(with_trial(3, key="d")), Told()),
        lambda: (fold_of(with_trial(3, density=1.0)), Told()),
        lambda: (fold_of(with_trial(3, redrawn=1)), Told()),
        lambda: (fold_of(with_trial(3, redrawn_steps=1)), Told()),
        lambda: (fold_of(with_trial(5, repeat_of=3)), Told()),
        lambda: (fold_of(TRIALS[:5]), Told()),
        lambda: (fold_of(outcomes={**OUTCOMES, 3: GOOD}), Told()),
        lambda: (fold_of(outcomes={**OUTCOMES, 3: BETTER.model_copy(update={"restarts": 1})}), Told()),
        lambda: (fold_of(outcomes={**OUTCOMES, 3: BAD}), Told()),
        lambda: (fold_of(outcomes={**OUTCOMES, 2: Failure(kind="timeout")}), Told()),
        lambda: (fold_of(outcomes={0: GOOD, 2: BAD}), Told()),
        lambda: (fold_of(), Told(value=1e-300)),
    ],
)
def test_every_decision_and_outcome_changes_the_trajectory(other):
    fold, learner = other()
    assert fold.trajectory(learner) != fold_of().trajectory(Told())


@pytest.mark.parametrize(
    "fold",
    [
        fold_of(seconds=9.0),
        fold_of(worker="3"),
        fold_of(attempts=2),
        fold_of(fingerprint="f"),
        fold_of(source="another run"),
        fold_of(outcomes=dict(reversed(OUTCOMES.items()))),
        fold_of(outcomes={**OUTCOMES, 2: Failure(kind="no_learning", detail="in other words")}),
    ],
)
def test_how_an_outcome_came_about_does_not(fold):
    assert fold.trajectory(Told()) == fold_of().trajectory(Told())
