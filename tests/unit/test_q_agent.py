"""The agent on a decision process so small that the whole table is known."""

from collections import Counter
from random import Random
from typing import ClassVar

import pytest

from blockqnn.config import AgentSettings
from blockqnn.seeds import generator
from blockqnn.strategy.q_agent import QAgent
from blockqnn.strategy.random_search import RandomSearch

PLAIN = AgentSettings(alpha="1/visits", state="layer", bootstrap=None, epsilon=((0.0, 1),), walks=1)
PAPER = PLAIN.model_copy(update={"alpha": 0.5, "returns": "max", "shaped": True, "initial_q": 0.0})


class TwoSteps:
    """Choose a or b, then c or d: states are what was chosen so far."""

    start = ""

    def actions(self, state):
        return {0: ("a", "b"), 1: ("c", "d")}.get(len(state), ())

    def kinds(self, state):
        return (self.actions(state),) if self.actions(state) else ()

    def step(self, state, action):
        return state + action

    def view(self, state):
        return state

    def allows(self, state, action):
        return action in self.actions(state)

    def position(self, state):
        return len(state)

    def key(self, episode):
        return "".join(episode)

    def text(self, episode):
        return "".join(episode)

    def episode(self, text):
        return tuple(text)


def taught(settings, *iterations):
    agent = QAgent(TwoSteps(), settings, seed=0)
    for number, told in enumerate(iterations):
        agent.tell(number, [(tuple(code), reward) for code, reward in told])
    return agent


def test_one_trajectory_by_equations_3_to_6():
    agent = taught(PAPER, [("ac", 8.0)])
    assert agent.value("a", "c") == 4.0  # eq. 4: 0.5 * 0 + 0.5 * 8
    assert agent.value("", "a") == 4.0  # eq. 5 and 6: 0.5 * (8 / 2 + max(4, 0))
    assert agent.value("", "b") == 0.0


def test_the_same_trajectory_again():
    agent = taught(PAPER, [("ac", 8.0)], [("ac", 8.0)])
    assert agent.value("a", "c") == 6.0  # 0.5 * 4 + 0.5 * 8
    assert agent.value("", "a") == 7.0  # 0.5 * 4 + 0.5 * (4 + 6)


def test_each_ask_follows_what_was_told_last():
    """Nothing that an earlier ask found out stays after an update."""
    agent, asked = QAgent(TwoSteps(), PAPER.model_copy(update={"alpha": 1.0, "shaped": False}), 0), []
    for number, code in enumerate(("ac", "bd")):
        agent.tell(number, [(tuple(code), 10.0 + number)] * 20)
        asked.append("".join(agent.ask(0.0, Random(0), set())))
    assert asked == ["ac", "bd"]


def test_max_looks_at_untried_actions_too():
    settings = PAPER.model_copy(update={"shaped": False})
    agent = taught(settings, [("ac", -8.0)])
    assert agent.value("a", "c") == -4.0
    assert agent.value("", "a") == 0.0  # max(-4, 0 of the untried d), not -4


def test_monte_carlo_with_one_over_visits_is_the_mean_of_what_followed():
    agent = taught(PLAIN, [("ac", 8.0)], [("ac", 8.0)])
    assert agent.value("", "a") == agent.value("a", "c") == 8.0


def test_the_initial_value_is_the_mean_reward():
    agent = taught(PLAIN, [("ac", 8.0), ("bd", 2.0)])
    assert agent.value("b", "c") == 5.0


def test_replays_are_as_many_as_trials_and_come_from_all_told():
    counts = Counter()
    for seed in range(400):
        agent = QAgent(TwoSteps(), PLAIN, seed)
        agent.tell(0, [(("a", "c"), 1.0), (("b", "d"), 2.0)])
        counts[tuple(sorted((s, a) for s, acts in agent._visits.items() for a in acts))] += 1
        assert sum(agent._visits[""].values()) == 2
    both = next(n for pairs, n in counts.items() if len(pairs) == 4)
    assert 150 < both < 250  # with replacement: both are drawn half of the time


def test_greedy_takes_the_best_and_breaks_ties_at_random():
    agent = taught(PLAIN, [("ac", 8.0)], [("bd", 1.0)], [("ac", 8.0)], [("bd", 1.0)])
    assert {agent.ask(1.0, Random(seed), set())[0] for seed in range(20)} == {"a"}
    equal = QAgent(TwoSteps(), PLAIN, seed=0)
    assert {"".join(equal.ask(1.0, Random(s), set())) for s in range(60)} == {"ac", "ad", "bc", "bd"}


def test_an_untried_action_is_taken_when_the_tried_are_worse():
    agent = taught(PAPER, [("ac", -8.0)])  # Q of a: 0.5 * (-8 / 2 + 0) = -2, of the untried b: 0
    assert {"".join(agent.ask(1.0, Random(seed), set())) for seed in range(60)} == {"bc", "bd"}


@pytest.mark.parametrize(("epsilon", "low", "high"), [(0.0, 0, 0), (0.5, 180, 320), (1.0, 420, 580)])
def test_epsilon_is_the_share_of_random_steps(epsilon, low, high):
    settings = PLAIN.model_copy(update={"epsilon": ((epsilon, 1),)})
    agent = taught(settings, [("ac", 8.0)], [("ac", 8.0)], [("bd", 1.0)], [("bd", 1.0)])
    other = sum(agent.ask(0.0, Random(seed), set())[0] == "b" for seed in range(1000))
    assert low <= other <= high


def test_known_proposals_are_walked_again():
    settings = AgentSettings(epsilon=((1.0, 1),), walks=50)
    agent = QAgent(TwoSteps(), settings, seed=0)
    for seed in range(20):
        assert agent.ask(0.0, Random(seed), {"ac", "ad", "bc"}) == ("b", "d")
    assert agent.ask(0.0, Random(0), {"ac", "ad", "bc", "bd"})  # all known: a repeat


def test_ask_changes_nothing():
    agent = taught(PLAIN, [("ac", 8.0)])
    before = agent.fingerprint()
    agent.ask(0.5, Random(1), set())
    assert agent.fingerprint() == before


def test_random_search_proposes_what_the_agent_explores():
    agent = QAgent(TwoSteps(), AgentSettings(epsilon=((1.0, 1),), walks=1), seed=0)
    search = RandomSearch(TwoSteps())
    for number in range(50):
        rngs = [generator(3, "proposal", number, 0) for _ in range(2)]
        assert agent.ask(0.0, rngs[0], set()) == search.ask(0.0, rngs[1], set())


def test_exploring_types_draws_the_type_first():
    space_kinds = TwoSteps()
    space_kinds.kinds = lambda s: (("a",), ("b",)) if not s else TwoSteps.kinds(space_kinds, s)
    search = RandomSearch(space_kinds, exploration="types")
    first = Counter(search.ask(0.0, Random(seed), set())[0] for seed in range(400))
    assert 150 < first["a"] < 250


def test_the_default_agent_is_the_one_that_was_measured():
    """docs/LOG.md, "What makes a tabular agent as good as evolution"."""
    agent = {"alpha": "best", "state": "position", "bootstrap": 30, "returns": "monte-carlo"}
    agent |= {"shaped": False, "initial_q": "mean", "exploration": "actions", "walks": 20}
    agent |= {"gamma": 1.0, "epsilon": ((1.0, 10), (0.2, 30), (0.1, 60))}
    assert AgentSettings().model_dump() == agent


def test_best_keeps_the_highest_target():
    settings = PLAIN.model_copy(update={"alpha": "best"})
    agent = taught(settings, [("ac", 2.0)], [("ac", 8.0)] * 30, [("ad", 5.0)] * 30)
    assert agent.value("", "a") == agent.value("a", "c") == 8.0
    assert agent.value("a", "d") == 5.0


def test_by_position_what_was_learned_behind_one_action_counts_behind_the_other():
    settings = PLAIN.model_copy(update={"alpha": "best", "state": "position"})
    agent = taught(settings, [("ac", 8.0), ("ad", 2.0)] * 20)
    assert agent.value("b", "c") == 8.0
    assert {agent.ask(1.0, Random(s), set()) for s in range(20)} == {("a", "c")}


@pytest.mark.parametrize("state", ["layer", "position"])
def test_the_fast_way_is_the_equations(state, monkeypatch):
    settings = AgentSettings(state=state)
    rng, told = Random(0), []
    for _ in range(20):
        codes = [rng.choice("ab") + rng.choice("cd") for _ in range(8)]
        told.append([(code, rng.gauss(80.0, 5.0)) for code in codes])
    fast = taught(settings, *told)
    asked = [fast.ask(0.9, Random(s), set()) for s in range(50)]
    drawn = [fast._drawn(Random(s)).fingerprint() for s in range(50)]

    def equations(self):
        for trajectory, reward in self._replay:
            self._learn(trajectory, reward)

    monkeypatch.setattr(QAgent, "_lift", equations)
    slow = taught(settings, *told)
    assert asked == [slow.ask(0.9, Random(s), set()) for s in range(50)]
    assert drawn == [slow._drawn(Random(s)).fingerprint() for s in range(50)]


class Numbered(TwoSteps):
    """ac or bd: states are numbers, and so are positions, but not the same ones."""

    start = 0
    after: ClassVar = {(0, "a"): 1, (0, "b"): 2, (1, "c"): 3, (2, "d"): 4}

    def actions(self, state):
        return tuple(action for at, action in self.after if at == state)

    def step(self, state, action):
        return self.after[state, action]

    def position(self, state):
        return (0, 1, 1, 2, 2)[state]


def test_by_position_only_what_is_legal_is_done_also_where_states_are_numbers():
    settings = PLAIN.model_copy(update={"alpha": "best", "state": "position"})
    agent = QAgent(Numbered(), settings, seed=0)
    agent.tell(0, [(("b", "d"), 9.0), (("a", "c"), 9.0), (("a", "c"), 1.0)] * 20)
    assert {agent.ask(1.0, Random(s), set()) for s in range(40)} == {("a", "c"), ("b", "d")}


def test_with_a_bootstrap_each_walk_follows_some_trials():
    settings = PLAIN.model_copy(update={"alpha": "best", "bootstrap": 1, "initial_q": 0.0})
    agent = taught(settings, [("ac", 8.0), ("bd", 2.0)])
    counts = Counter("".join(agent.ask(1.0, Random(s), set())) for s in range(400))
    assert counts.keys() == {"ac", "bd"}  # the whole memory would always say ac
    assert 150 < counts["bd"] < 250
    before = agent.fingerprint()
    agent.ask(1.0, Random(0), set())
    assert agent.fingerprint() == before


def test_a_known_walk_is_varied_where_the_sample_has_a_second_best():
    settings = PLAIN.model_copy(update={"alpha": "best", "bootstrap": 3, "initial_q": 0.0, "walks": 30})
    agent = taught(settings, [("ac", 8.0), ("ad", 2.0), ("bd", 1.0)])
    drawn = []
    agent._drawn = lambda rng: drawn.append(QAgent._drawn(agent, rng)) or drawn[-1]
    asked = Counter("".join(agent.ask(1.0, Random(s), {"ac"})) for s in range(300))
    assert len(drawn) == 300  # one sample an ask, however many walks
    # from ac: without the value of c, d is next; without that of a, b is
    assert asked.keys() == {"ad", "bd"}
    assert 100 < asked["ad"] < 200
    assert agent.value("a", "c") == 8.0  # only samples forget
