"""NePS as a contender: what `neps.run` chooses for categorical parameters, Bayesian optimization."""

import random
import warnings
from collections.abc import Mapping
from typing import Any

import neps
import numpy as np
import torch
from neps.optimizers import load_optimizer
from neps.space.neps_spaces.neps_space import convert_neps_to_classic_search_space


class Neps:
    def __init__(self, choices: Mapping[str, tuple[str, ...]], seed: int) -> None:
        """Its randomness is global, so it is seeded there."""
        warnings.simplefilter("ignore")  # one about numbers with nearly every proposal
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self._choices = choices  # by number there: NePS sorts text by its hash, another one each time
        parameters = {name: neps.Categorical(tuple(range(len(of)))) for name, of in choices.items()}
        space = convert_neps_to_classic_search_space(type("Space", (neps.PipelineSpace,), parameters)())
        self._optimizer = neps.AskAndTell(load_optimizer("auto", space)[0])

    def ask(self) -> tuple[Any, Mapping[str, str]]:
        trial = self._optimizer.ask()
        return trial, {name: of[trial.config[name]] for name, of in self._choices.items()}

    def tell(self, trial: Any, reward: float | None) -> None:
        unmeasured = ValueError("this design was not measured")
        self._optimizer.tell(trial, unmeasured if reward is None else -reward)
