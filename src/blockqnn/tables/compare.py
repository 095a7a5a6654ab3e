"""Strategies side by side on a measured table, by the real loop and store."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from blockqnn.config import PRESETS, PlanSettings, Plugin, Settings, resolve
from blockqnn.errors import InputError
from blockqnn.plugins import load
from blockqnn.records import Failure, Measurement, Trial
from blockqnn.runtime.search import Problem, Strategy, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store
from blockqnn.strategy.built_in import STRATEGIES
from blockqnn.strategy.finalists import finalists
from blockqnn.strategy.own import OwnStrategy
from blockqnn.strategy.q_agent import QAgent
from blockqnn.tables.gaussian_process import GaussianProcess
from blockqnn.tables.size_first import SizeFirst
from blockqnn.tables.table import Table, TableEvaluator

_MEMORY = Path("/dev/shm")  # no disk to wait for, where there is one
SIZES = {"params-first": ("params",), "flops-first": ("flops", "mflops")}  # columns they go by
Make = Callable[[Table, Settings], Strategy]


def _paper(table: Table, settings: Settings) -> Strategy:
    agent = resolve("small", {"agent": PRESETS["paper"]["agent"]}).agent
    return QAgent(table.space, agent, settings.plan.seed)


def _largest(table: Table, name: str, settings: Settings) -> Strategy:
    columns = SIZES[name]
    known = [column for column in columns if column in table.columns]
    if not known:
        raise InputError(f"{table.where}: has no column {' or '.join(columns)} for {name} to go by")
    return SizeFirst(table.space, table.column(known[0]), settings.plan.seed)


# Beside those that a search may name.
BASELINES: Mapping[str, Make] = MappingProxyType(
    {
        "q-learning-paper": _paper,
        "params-first": lambda table, settings: _largest(table, "params-first", settings),
        "flops-first": lambda table, settings: _largest(table, "flops-first", settings),
        "gaussian-process": lambda table, _: GaussianProcess(table.space),
    }
)


class Found(NamedTuple):
    """What one search found in its first evaluations."""

    reward_best: float
    judge_best: float  # of that row
    judge_top: float  # mean over the rows of highest reward
    judge_selected: float  # over as many that a full training would be given
    seconds: float
    bests: tuple[float, ...]  # highest reward after each evaluation


Results = Mapping[tuple[str, int], Sequence[Found]]  # strategy and evaluations; a search a seed


@dataclass(frozen=True)
class Comparison:
    """What is compared: each strategy with each number of evaluations and each seed."""

    table: str
    reward: str  # the column that guides
    judge: str  # the one that judges
    strategies: tuple[str, ...]
    evaluations: tuple[int, ...]
    seeds: int
    top: int
    architectures: bool
    plugins: tuple[Plugin, ...] = ()

    def table_of(self) -> Table:
        return _table(self.table, self.architectures)


@cache
def _table(path: str, architectures: bool) -> Table:
    return Table(Path(path), architectures=architectures)


def checked(asked: Comparison) -> Comparison:
    """With all strategies that the table can have, where none is named; InputError for wrong use."""
    table = asked.table_of()
    TableEvaluator(table, asked.reward)
    table.column(asked.judge)
    if (most := max(asked.evaluations)) > table.distinct:
        raise InputError(f"evaluations {most}: {table.where} has {table.distinct} different designs")
    lacking = {name for name, columns in SIZES.items() if not table.columns.keys() & set(columns)}
    every = tuple(name for name in (*STRATEGIES, *BASELINES) if name not in lacking)
    asked = replace(asked, strategies=asked.strategies or every)
    for name in asked.strategies:
        _strategy(asked, name, 0)
    return asked


def compared(asked: Comparison, processes: int) -> Results:
    """What each strategy found with each number of evaluations, a search a seed, all in order."""
    results: dict[tuple[str, int], list[Found]] = {}
    jobs = [
        (name, count, seed)
        for name in asked.strategies
        for count in asked.evaluations
        for seed in range(asked.seeds)
    ]
    search_one = partial(_searched, asked)
    if processes == 1:
        found = list(map(search_one, jobs))
    else:
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            found = list(pool.map(search_one, jobs))
    for (name, count, _), one in zip(jobs, found, strict=True):
        results.setdefault((name, count), []).append(one)
    return results


def _searched(asked: Comparison, job: tuple[str, int, int]) -> Found:
    return searched(asked, *job)


def searched(asked: Comparison, name: str, evaluations: int, seed: int) -> Found:
    """One search of so many evaluations, planned as that many; what comes after them is left out."""
    table = asked.table_of()
    problem = _problem(table)
    plan = PlanSettings(seed=seed, trials=evaluations, count="evaluations")
    strategy = _strategy(asked, name, seed)
    begin = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as directory,
        Store.create(Path(directory), {}) as store,
    ):
        executor = SerialExecutor(TableEvaluator(table, asked.reward), slots=plan.iteration_size)
        fold = search(problem, strategy, executor, store, plan)
    seconds = time.perf_counter() - begin
    rows = [table.space.row_of(t.code) for t in fold.trials if t.repeat_of is None][:evaluations]
    rewards, judges = (table.column(name)[rows] for name in (asked.reward, asked.judge))
    order = (-rewards).argsort(kind="stable")
    selected = finalists(rewards.tolist(), table.log_sizes[rows].tolist())
    return Found(
        reward_best=float(rewards.max()),
        judge_best=float(judges[order[0]]),
        judge_top=float(judges[order[: asked.top]].mean()),
        judge_selected=float(judges[selected[: asked.top]].mean()),
        seconds=seconds,
        bests=tuple(np.maximum.accumulate(rewards).tolist()),
    )


def _problem(table: Table) -> Problem[int, Any]:
    return Problem(table.space, lambda _: None, _accuracy, traits=table.traits)


def _accuracy(_: Trial, outcome: Measurement | Failure) -> float:
    assert isinstance(outcome, Measurement)
    return outcome.accuracy


def _strategy(asked: Comparison, name: str, seed: int) -> Strategy:
    table, settings = asked.table_of(), resolve("small", {"plan": {"seed": seed}})
    if name in BASELINES:
        return BASELINES[name](table, settings)
    if name in STRATEGIES:
        return STRATEGIES[name](_problem(table), settings)
    own = load(asked.plugins).strategies
    if name not in own:
        known = ", ".join([*STRATEGIES, *BASELINES, *own])
        raise InputError(f"strategy {name!r} is unknown; there are {known}")
    return OwnStrategy(name, table.space, settings, own[name])
