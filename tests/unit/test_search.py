"""The loop by its rules: what a strategy sees and when, repeats, limits, plans."""

from random import Random

import pytest

from blockqnn.config import PlanSettings
from blockqnn.network.plan import OverLimit
from blockqnn.records import Failure, Latency, Measurement, Observation, Result, Trial
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.search import ALARM, DRAWS, LATE, Problem, ask_iteration, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store


class Numbers:
    """One step: choose a number from 0 to 99."""

    start = -1

    def actions(self, state):
        return tuple(range(100)) if state < 0 else ()

    def kinds(self, state):
        return (self.actions(state),) if state < 0 else ()

    def step(self, _, action):
        return action

    def view(self, state):
        return state

    def allows(self, state, action):
        return action in self.actions(state)

    def position(self, state):
        return int(state >= 0)

    def key(self, episode):
        return str(episode[0] % 50)  # two numbers each share a key

    def text(self, episode):
        return str(episode[0])

    def episode(self, text):
        return (int(text),)


class Diary:
    """Proposes given numbers, else random ones, and writes down what it sees."""

    def __init__(self, numbers=()):
        self.numbers = list(numbers)
        self.asked, self.told, self.rewards = [], [], []

    def ask(self, share, rng: Random, known):
        self.asked.append((len(self.told), round(share, 3), frozenset(known)))
        return (self.numbers.pop(0) if self.numbers else rng.randrange(100),)

    def tell(self, iteration, told):
        assert iteration == len(self.told)
        self.told.append([episode[0] for episode, _ in told])
        self.rewards += [reward for _, reward in told]

    def epsilon(self, _):
        return 1.0

    def fingerprint(self):
        return str(self.rewards)


def reward(_, outcome):
    return outcome.accuracy if isinstance(outcome, Measurement) else -1.0


def evaluate(task):
    return Measurement(accuracy=float(task.code), flops=0, params=0)


def run(directory, diary, admit=lambda _: 1.0, evaluate=evaluate, executor=None, known=None, **plan):
    problem = Problem(Numbers(), admit, reward)
    settings = PlanSettings(**{"trials": 12, "iteration": 4, "staleness": 1} | plan)
    with Store.create(directory, {}) as store:
        executor = executor or SerialExecutor(evaluate)
        return search(problem, diary, executor, store, settings, known=known, source="other")


@pytest.mark.parametrize(
    ("staleness", "told_before"), [(0, [0, 1, 2]), (1, [0, 0, 1]), (2, [0, 0, 0]), (9, [0, 0, 0])]
)
def test_ask_sees_exactly_the_iterations_up_to_k_minus_1_minus_s(tmp_path, staleness, told_before):
    diary = Diary(range(12))
    run(tmp_path, diary, staleness=staleness)
    assert [seen for seen, _, _ in diary.asked] == [n for n in told_before for _ in range(4)]
    assert diary.told == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]  # in trial order, all of them


def test_ask_knows_the_keys_of_all_earlier_trials_those_in_flight_too(tmp_path):
    diary = Diary([7, 8, 57, 9])
    run(tmp_path, diary, trials=4)
    assert [known for _, _, known in diary.asked] == [
        frozenset(),
        frozenset({"7"}),
        frozenset({"7", "8"}),
        frozenset({"7", "8"}),
    ]


def test_the_share_of_the_plan_at_each_iteration(tmp_path):
    diary = Diary(range(10))
    fold = run(tmp_path, diary, trials=10)
    assert [share for _, share, _ in diary.asked] == [0.0] * 4 + [0.333] * 4 + [0.667] * 2
    assert [len(iteration) for iteration in fold.iterations] == [4, 4, 2]


def test_progress_shows_the_share_at_which_the_last_iteration_was_asked(tmp_path):
    seen = []
    problem = Problem(Numbers(), lambda _: 1.0, reward)
    with Store.create(tmp_path, {}) as store:
        plan = PlanSettings(trials=8, iteration=4, staleness=0)
        executor = SerialExecutor(evaluate)
        search(problem, Diary(range(8)), executor, store, plan, report=lambda p: seen.append(p.share))
    assert seen == [0.0] * 4 + [0.5] * 5  # before each wait, and at the end


class Slots:
    """An executor of so many slots that finishes the newest first and remembers the load."""

    def __init__(self, slots):
        self.slots, self.tasks, self.most = slots, [], 0

    @property
    def free(self):
        return self.slots - len(self.tasks)

    def submit(self, task):
        assert self.free
        self.tasks.append(task)
        self.most = max(self.most, len(self.tasks))

    def wait(self, _=None):
        task = self.tasks.pop()
        return [Result(number=task.number, outcome=evaluate(task))]

    def close(self):
        pass


@pytest.mark.parametrize(("staleness", "most"), [(0, 4), (1, 8), (2, 12)])
def test_in_flight_are_at_most_size_times_s_plus_1(tmp_path, staleness, most):
    executor, diary = Slots(100), Diary(range(40))
    run(tmp_path, diary, executor=executor, trials=40, staleness=staleness)
    assert executor.most == most
    assert [n for iteration in diary.told for n in iteration] == list(range(40))


def test_a_repeat_takes_the_outcome_of_the_earliest_with_its_key_and_never_trains(tmp_path):
    trained = []

    def remember(task):
        trained.append(task.code)
        return evaluate(task)

    diary = Diary([3, 53, 3, 4])
    fold = run(tmp_path, diary, evaluate=remember, trials=4)
    assert [t.repeat_of for t in fold.trials] == [None, 0, 0, None]
    assert trained == ["3", "4"]
    assert diary.rewards == [3.0, 3.0, 3.0, 4.0]


def test_an_ask_finds_repeats_within_its_iteration_and_leaves_the_fold_as_it_was():
    """What was asked is no state before it is stored."""
    fold, problem = Fold(), Problem(Numbers(), lambda _: 1.0, reward)
    fold.add_trials([Trial(number=0, iteration=0, code="3", key="3")])
    diary = Diary([4, 53, 54, 5])
    trials, _ = ask_iteration(problem, diary, fold, 0, 4, 0.0, {}, "")
    assert [t.repeat_of for t in trials] == [None, 0, 1, None]
    assert [known for _, _, known in diary.asked] == [{"3"}, {"3", "4"}, {"3", "4"}, {"3", "4"}]
    assert fold.first_with_key == {"3": 0}
    assert fold.trials == [Trial(number=0, iteration=0, code="3", key="3")]


def test_a_repeat_of_a_failure_fails_without_training(tmp_path):
    diary = Diary([3, 53, 3, 4])
    fold = run(tmp_path, diary, evaluate=lambda _: Failure(kind="no_learning"), trials=4)
    assert [t.repeat_of for t in fold.trials] == [None, 0, 0, None]
    assert diary.rewards == [-1.0] * 4


def only(numbers):
    def admit(episode):
        if episode[0] not in numbers:
            raise OverLimit
        return 1.0

    return admit


def test_proposals_over_a_limit_are_drawn_again(tmp_path):
    fold = run(tmp_path, Diary([50, 51, 7, 8]), admit=only({7, 8}), trials=2)
    assert [(t.code, t.redrawn, t.redrawn_steps) for t in fold.trials] == [("7", 2, 2), ("8", 0, 0)]


def test_the_hundredth_proposal_over_a_limit_is_a_failure_that_is_told(tmp_path):
    trained = []
    diary = Diary([50] * DRAWS + [7])
    fold = run(
        tmp_path, diary, admit=only({7}), evaluate=lambda t: trained.append(t) or evaluate(t), trials=2
    )
    first, second = fold.trials
    assert (first.code, first.redrawn, first.density) == ("50", DRAWS - 1, None)
    assert fold.outcome(first).kind == "over_limit"
    assert diary.rewards == [-1.0, 7.0]
    assert [task.code for task in trained] == ["7"]
    assert (second.redrawn, second.repeat_of) == (0, None)


def test_known_measurements_count_without_training(tmp_path):
    known = {"3": Measurement(accuracy=77.0, flops=0, params=0)}
    diary = Diary([53, 4])
    fold = run(tmp_path, diary, known=known, trials=2)
    assert diary.rewards == [77.0, 4.0]
    assert fold.evaluated(fold.trials) == 2
    assert [fold.result(t).observed.source for t in fold.trials] == ["other", ""]
    assert [fold.result(t).observed.attempts for t in fold.trials] == [0, 1]


def test_a_plan_of_evaluations_goes_on_until_they_are_reached(tmp_path):
    fold = run(tmp_path, Diary([3] * 10), trials=12, count="evaluations")
    assert fold.evaluated(fold.trials) >= 12
    assert len(fold.trials) > 12 + 9


def test_a_plan_of_evaluations_ends_in_an_exhausted_space(tmp_path):
    fold = run(tmp_path, Diary(), trials=51, count="evaluations", iteration=64)
    assert fold.evaluated(fold.trials) == 50  # there are no more keys
    assert 50 * 51 <= len(fold.trials) < 50 * 51 + 3 * 64


def test_random_draws_depend_on_seed_number_and_draw_alone(tmp_path):
    one = run(tmp_path / "a", Diary(), trials=12, iteration=4)
    two = run(tmp_path / "b", Diary(), trials=12, iteration=3, staleness=0)
    assert [t.code for t in one.trials] == [t.code for t in two.trials]
    other = run(tmp_path / "c", Diary(), trials=12, seed=1)
    assert [t.code for t in one.trials] != [t.code for t in other.trials]


def test_a_resumed_search_tells_no_more_than_the_unbroken_one_before_it_asks(tmp_path):
    """Killed between the commit of the last results in flight and the next ask."""

    class Killed(SerialExecutor):
        def wait(self, _=None):
            raise KeyboardInterrupt

    diary = Diary(range(8))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, diary, executor=Killed(evaluate))
    with Store.resume(tmp_path) as store:
        numbers = [t.number for t in store.trials()]
        assert numbers == list(range(8))  # iterations 0 and 1: as far as staleness 1 lets it ask
        measured = [Measurement(accuracy=float(n), flops=0, params=0) for n in numbers]
        store.add(results=[Result(number=n, outcome=m) for n, m in zip(numbers, measured, strict=True)])
        resumed = Diary(range(8, 12))
        plan = PlanSettings(trials=12, iteration=4, staleness=1)
        search(Problem(Numbers(), lambda _: 1.0, reward), resumed, SerialExecutor(evaluate), store, plan)
    assert [seen for seen, _, _ in resumed.asked] == [1] * 4
    assert resumed.told == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


class Echo(SerialExecutor):
    """Says of each task what it is worth, and at once something else too."""

    def __init__(self, change):
        super().__init__(evaluate)
        self._change = change

    def wait(self, timeout=None):
        first = [
            r.model_copy(update={"observed": Observation(fingerprint="A")})
            for r in super().wait(timeout)
        ]
        return first + [self._change(result) for result in first]


def other(result, accuracy=None, milliseconds=None, fingerprint="A"):
    """The result with something about it changed."""
    changes = {} if accuracy is None else {"accuracy": accuracy}
    if milliseconds:
        changes["latency"] = Latency(milliseconds=milliseconds, noise=0.1)
    outcome = result.outcome.model_copy(update=changes)
    observed = Observation(fingerprint=fingerprint)
    return result.model_copy(update={"outcome": outcome, "observed": observed})


@pytest.mark.parametrize(
    ("change", "alarms"),
    [
        (lambda result: result, False),
        (lambda result: other(result, accuracy=99.0), True),
        (lambda result: other(result, milliseconds=1.0), False),  # never the same
        (lambda result: other(result, accuracy=99.0, fingerprint="B"), False),  # another machine
        (lambda result: result.model_copy(update={"outcome": Failure(kind="timeout")}), False),
    ],
)
def test_the_first_outcome_counts_and_a_later_one_is_kept_aside(tmp_path, change, alarms):
    executor, diary = Echo(change), Diary(range(4))
    fold = run(tmp_path, diary, executor=executor, trials=4)
    assert diary.rewards == [0.0, 1.0, 2.0, 3.0]
    assert fold.arrived == [0, 1, 2, 3]
    with Store.read(tmp_path) as store:
        assert [result.outcome.accuracy for result in store.results()] == [0.0, 1.0, 2.0, 3.0]
        first = {result.number: result for result in store.results()}
        late = [Result.model_validate(body) for kind, body in store.events() if kind == LATE]
        assert late == [change(first[number]) for number in range(4)]
        assert [body for kind, body in store.events() if kind == ALARM] == [0, 1, 2, 3] * alarms


def test_what_an_earlier_session_began_may_arrive_before_it_is_begun_again(tmp_path):
    """No one waits for a trial that has its outcome, and none is evaluated a second time."""

    class Earlier(Slots):
        submitted, early = (), (0, 2)

        def submit(self, task):
            self.submitted += (task.number,)
            super().submit(task)

        def wait(self, _=None):
            early, self.early = self.early, ()
            outcomes = [Measurement(accuracy=float(n), flops=0, params=0) for n in early]
            results = [Result(number=n, outcome=o) for n, o in zip(early, outcomes, strict=True)]
            return results or super().wait()

    executor, diary = Earlier(1), Diary(range(4))
    run(tmp_path, diary, executor=executor, trials=4)
    assert executor.submitted == (0, 1, 3)
    assert diary.rewards == [0.0, 1.0, 2.0, 3.0]


def test_two_kinds_of_machines_from_the_first_results_on(tmp_path):
    class Mixed(SerialExecutor):
        def wait(self, timeout=None):
            return [
                result.model_copy(update={"observed": Observation(fingerprint="BA"[result.number % 2])})
                for result in super().wait(timeout)
            ]

    run(tmp_path, Diary(range(4)), executor=Mixed(evaluate, slots=4), trials=4)
    with Store.read(tmp_path) as store:
        assert store.events() == [("fingerprint", ["A", "B"])]
