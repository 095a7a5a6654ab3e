"""A search as plainly as it can be told: one trial after another, no executor, no store, no kill.

What any run with the same seed must come to. Written from docs/design.md; of the loop nothing is used.
"""

from functools import cache
from random import Random
from typing import NamedTuple

from blockqnn.config import AgentSettings
from blockqnn.network.plan import OverLimit
from blockqnn.records import Failure, Measurement, Task, Trial
from blockqnn.runtime.search import DRAWS, Problem
from blockqnn.seeds import derive, generator
from blockqnn.space.mdp import BlockSpace
from blockqnn.strategy.q_agent import QAgent

TRIALS, SIZE = 24, 4
SPACE = BlockSpace(2)
AGENT = AgentSettings(epsilon=((1.0, 40), (0.1, 60)), walks=1, alpha=1.0, state="layer", bootstrap=None)


def share_of(text: str, purpose: str) -> float:
    """A number from 0 to 1 that the text alone decides."""
    return Random(derive(0, purpose, len(text)) ^ derive(0, text)).random()


def admit(episode) -> float:
    """One design in four is over a limit."""
    if share_of(SPACE.text(episode), "limit") < 0.25:
        raise OverLimit
    return 1.0


def kills_its_worker(code: str) -> bool:
    return share_of(code, "crash") < 0.1


def evaluate(task: Task) -> Measurement | Failure:
    """An outcome that the task alone decides."""
    if kills_its_worker(task.code):
        return Failure(kind="crashed")
    rng = Random(derive(task.seed, task.code))
    if rng.random() < 0.15:
        return Failure(kind="no_learning")
    return Measurement(accuracy=rng.uniform(20, 99), flops=rng.randrange(10**6), params=10)


def reward(_: Trial, outcome: Measurement | Failure) -> float:
    return outcome.accuracy if isinstance(outcome, Measurement) else -1.0


PROBLEM = Problem(SPACE, admit, reward)


def agent(seed: int) -> QAgent:
    return QAgent(SPACE, AGENT, seed)


class Plain(NamedTuple):
    trials: list[Trial]
    outcomes: list[Measurement | Failure]
    learned: list[str]  # the agent's fingerprint after so many iterations


@cache
def plain(seed: int, staleness: int) -> Plain:
    learner, trials, outcomes, learned = agent(seed), [], [], []
    learned.append(learner.fingerprint())
    first: dict[str, int] = {}

    def tell(iteration):
        told = slice(iteration * SIZE, (iteration + 1) * SIZE)
        pairs = zip(trials[told], outcomes[told], strict=True)
        learner.tell(iteration, [(SPACE.episode(t.code), reward(t, o)) for t, o in pairs])
        learned.append(learner.fingerprint())

    for iteration in range(TRIALS // SIZE):
        if iteration > staleness:
            tell(iteration - 1 - staleness)
        for number in range(iteration * SIZE, (iteration + 1) * SIZE):
            steps = 0
            for draw in range(DRAWS):
                rng = generator(seed, "proposal", number, draw)
                episode = learner.ask(iteration * SIZE / TRIALS, rng, first.keys())
                try:
                    density = admit(episode)
                except OverLimit:
                    steps += len(episode)
                else:
                    break
            code, key = SPACE.text(episode), SPACE.key(episode)
            trial = Trial(
                number=number,
                iteration=iteration,
                code=code,
                key=key,
                density=density,
                redrawn=draw,
                redrawn_steps=steps,
                repeat_of=first.get(key),
            )
            trials.append(trial)
            first.setdefault(key, number)
            if trial.repeat_of is None:
                outcomes.append(
                    evaluate(Task(number=number, code=code, seed=derive(seed, "train", number)))
                )
            else:
                outcomes.append(outcomes[trial.repeat_of])
    for iteration in range(len(learned) - 1, TRIALS // SIZE):
        tell(iteration)
    return Plain(trials, outcomes, learned)
