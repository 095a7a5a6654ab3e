"""Optuna as a contender: a sampler with its defaults, one categorical parameter a choice."""

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState


class OptunaSampler:
    def __init__(self, name: str, choices: Mapping[str, tuple[str, ...]], seed: int) -> None:
        """`name` is that of a class in optuna.samplers."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = getattr(optuna.samplers, name)(seed=seed)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._asked = {name: CategoricalDistribution(values) for name, values in choices.items()}

    def ask(self) -> tuple[Any, Mapping[str, str]]:
        trial = self._study.ask(self._asked)
        return trial, trial.params

    def tell(self, trial: Any, reward: float | None) -> None:
        if reward is None:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, reward)
