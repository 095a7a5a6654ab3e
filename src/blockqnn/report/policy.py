"""What the agent of a run learned: its values, the block it would build, and how that changed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from blockqnn.errors import InputError
from blockqnn.records import Measurement
from blockqnn.report.rows import RunView
from blockqnn.runtime.facts import problem_of, strategy_of
from blockqnn.runtime.fold import Fold
from blockqnn.space.code import OP_RULES, Block, Layer, Op, layer_name, op_name
from blockqnn.space.mdp import MDP
from blockqnn.strategy.q_agent import QAgent

WITH_AN_AGENT = ("q-learning", "predictor")


@dataclass(frozen=True)
class Choice:
    """All layers of one type and kernel at one position of the code, from 1 on."""

    position: int
    kind: str  # as people write it: `conv 3x3`
    value: float | None  # the highest Q among them; None: none was ever updated
    trials: int  # that the agent was told of and that have such a layer there


@dataclass(frozen=True)
class Second:
    """The best of the other types of layer at a step."""

    kind: str
    value: float


@dataclass(frozen=True)
class Step:
    """One step of the greedy block, and how sure the agent is of it."""

    layer: Layer
    value: float  # Q
    second: Second | None  # None: no other type was ever updated there
    trials: int  # told trials that made this very step

    @property
    def margin(self) -> float | None:
        """Its value less that of the best other type."""
        return None if self.second is None else self.value - self.second.value


@dataclass(frozen=True)
class Moment:
    """The policy after an iteration (from 1 on) was told."""

    iteration: int
    block: Block  # what the greedy walk builds
    agreement: float  # share of its steps, 0 to 1, that the last greedy block has too; of the longer one
    trial: int | None  # the first with that network
    accuracy: float | None  # percent, validation; None where it was never measured


@dataclass(frozen=True)
class Learned:
    """What the agent learned from the complete iterations of a run.

    Values are expected rewards of a finished block, in the reward's units (with shaped rewards, sums of
    them). Where the agent keeps the best of its targets (`alpha: best`) they are the best rewards seen.
    """

    positions: int
    kinds: tuple[str, ...]
    choices: tuple[Choice, ...]  # by kind, then by position; those that were tried
    steps: tuple[Step, ...]  # of the greedy block, the terminal layer last
    moments: tuple[Moment, ...]  # one an iteration
    trials: int  # told

    @property
    def greedy(self) -> Moment:
        """The block that the agent would build now, were it never to explore."""
        return self.moments[-1]

    @property
    def changes(self) -> tuple[Moment, ...]:
        """The moments at which the greedy block became another one."""
        first = self.moments[:1]
        pairs = zip(self.moments, self.moments[1:], strict=False)
        return (*first, *(after for before, after in pairs if after.block != before.block))


def learned(view: RunView) -> Learned:
    """The run's iterations told once more to an agent that knew nothing, and what it knows after each.

    InputError for a strategy without a table of values, and where no iteration is complete.
    """
    settings = view.facts.settings
    if settings.strategy not in WITH_AN_AGENT:
        raise InputError(
            f"run {view.directory}: strategy {settings.strategy} has no values of its choices;"
            f" those of {' and '.join(WITH_AN_AGENT)} have"
        )
    if not view.fold.complete_iterations():
        raise InputError(f"run {view.directory}: has no complete iteration yet, so nothing was learned")
    problem = problem_of(view.facts)
    agent = strategy_of(settings.model_copy(update={"strategy": "q-learning"}), problem)
    assert isinstance(agent, QAgent)
    fold, episodes = _again(view.fold), []
    for iteration in range(1, view.fold.complete_iterations() + 1):
        fold.tell_until(iteration, agent, problem.mdp.episode, problem.reward)
        episodes.append(_greedy(agent, problem.mdp))
    told = [problem.mdp.episode(t.code) for trials in fold.iterations[: fold.told] for t in trials]
    return Learned(
        positions=max(map(len, told)),
        kinds=tuple(_kinds(told)),
        choices=tuple(_choices(agent, problem.mdp, told)),
        steps=tuple(_steps(agent, problem.mdp, told, episodes[-1], settings.agent.state == "layer")),
        moments=tuple(
            _moment(view, problem.mdp, number, episode, episodes[-1])
            for number, episode in enumerate(episodes, 1)
        ),
        trials=len(told),
    )


def _again(fold: Fold) -> Fold:
    """The same trials and outcomes, told to none."""
    new = Fold()
    new.add_trials(fold.trials)
    results = (fold.result(fold.trials[number]) for number in fold.arrived)
    new.add_results(result for result in results if result is not None)
    return new


def _best(values: dict[Layer, float]) -> Layer:
    """The action of the highest value, the first of them in the order of the codes."""
    return min(values, key=lambda action: (-values[action], action))


def _greedy(agent: QAgent[Any, Any], mdp: MDP[Any, Any]) -> tuple[Layer, ...]:
    """The walk along the highest values that were learned; a told walk goes on from each of them."""
    state, episode = mdp.start, []
    while mdp.actions(state):
        action = _best(agent.learned(state))
        episode.append(action)
        state = mdp.step(state, action)
    return tuple(episode)


def _pairs(mdp: MDP[Any, Any], episode: tuple[Layer, ...]) -> Iterator[tuple[Any, Layer]]:
    """State and action of each step."""
    state = mdp.start
    for action in episode:
        yield state, action
        state = mdp.step(state, action)


def _kinds(told: list[tuple[Layer, ...]]) -> Iterator[str]:
    """Those of table 1 in its order, then those of the run's own, then the terminal layer."""
    known = (Layer(0, op, k, 0, 0) for op, rule in OP_RULES.items() for k in rule.kernels)
    yield from (layer_name(layer) for layer in known if layer.op is not Op.TERMINAL)
    own = {a for episode in told for a in episode if not isinstance(a.op, Op)}
    yield from sorted({layer_name(layer) for layer in own})
    yield op_name(Op.TERMINAL)


def _choices(
    agent: QAgent[Any, Any], mdp: MDP[Any, Any], told: list[tuple[Layer, ...]]
) -> Iterator[Choice]:
    trials = Counter((layer_name(a), a.index) for episode in told for a in episode)
    values: dict[tuple[str, int], float] = {}
    for state, action in {pair for episode in told for pair in _pairs(mdp, episode)}:
        value, place = agent.learned(state).get(action), (layer_name(action), action.index)
        if value is not None:
            values[place] = max(value, values.get(place, value))
    for kind, position in sorted(trials):
        place = kind, position
        yield Choice(position, kind, values.get(place), trials[place])


def _steps(
    agent: QAgent[Any, Any],
    mdp: MDP[Any, Any],
    told: list[tuple[Layer, ...]],
    greedy: tuple[Layer, ...],
    by_layer: bool,
) -> Iterator[Step]:
    made = Counter(
        (state if by_layer else None, action)
        for episode in told
        for state, action in _pairs(mdp, episode)
    )
    for state, action in _pairs(mdp, greedy):
        values = agent.learned(state)
        others = {a: q for a, q in values.items() if a.op != action.op}
        second = _best(others) if others else None
        yield Step(
            layer=action,
            value=values[action],
            second=None if second is None else Second(layer_name(second), others[second]),
            trials=made[state if by_layer else None, action],
        )


def _moment(
    view: RunView,
    mdp: MDP[Any, Any],
    iteration: int,
    episode: tuple[Layer, ...],
    last: tuple[Layer, ...],
) -> Moment:
    same = sum(a == b for a, b in zip(episode, last, strict=False))
    trial = view.fold.first_with_key.get(mdp.key(episode))
    outcome = None if trial is None else view.fold.outcome(view.fold.trials[trial])
    return Moment(
        iteration=iteration,
        block=view.facts.block(mdp.text(episode)),
        agreement=same / max(len(episode), len(last)),
        trial=trial,
        accuracy=outcome.accuracy if isinstance(outcome, Measurement) else None,
    )
