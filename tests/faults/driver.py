"""What tests run as a process of its own, to kill it: `python -m faults.driver COMMAND ...`."""

import sys
import time
from contextlib import closing
from pathlib import Path

from blockqnn.records import Task
from blockqnn.runtime.facts import RunFacts, problem_of, strategy_of
from blockqnn.runtime.local import LocalExecutor
from blockqnn.runtime.search import Executor, Progress, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store, is_run
from faults.evaluators import pretend
from runs import Changed, pretended

NAP = 0.15  # seconds; several other results are stored meanwhile, so each run has its own order


def hold(directory: str, moment: str, *codes: str) -> None:
    """One busy worker for each code and an idle one, until this process is ended."""
    specification = {"directory": directory}
    with closing(
        LocalExecutor("faults.evaluators:make", specification, workers=len(codes) + 1)
    ) as executor:
        for number, code in enumerate(codes):
            executor.submit(Task(number=number, code=code, seed=0))
        if moment == "busy":
            executor.submit(Task(number=len(codes), code="good", seed=0))
            executor.wait()
            while len(list(Path(directory).iterdir())) <= len(codes):
                executor.submit(Task(number=len(codes), code="good", seed=0))
                executor.wait()
        print(moment, flush=True)
        time.sleep(1000)


# An agent that often proposes what it proposed before; the predictor has the default one below it.
REPEATING = {"epsilon": ((1.0, 40), (0.1, 60)), "walks": 1, "alpha": 1.0}
REPEATING |= {"state": "layer", "bootstrap": None}


def tight_search(staleness: int, strategy: str, trials: int | None = None) -> RunFacts:
    """A search of 200 trials, or 60, in a tight space: with redraws, repeats and failures."""
    trials = trials or (200 if strategy == "q-learning" else 60)
    changes = {
        "strategy": strategy,
        "evolution": {"population": 12, "sample": 4},
        "plan": {"trials": trials, "iteration": 4, "staleness": staleness, "seed": 5},
        "space": {"max_params": 60_000},
        "agent": REPEATING if strategy == "q-learning" else {},
    }
    return pretended("demo", changes)


def run_pretended(
    directory: Path,
    executor: Executor,
    staleness: int,
    report=lambda _: None,
    strategy: str = "q-learning",
    trials: int | None = None,
) -> None:
    """The search from its beginning or from wherever the store stands, to its end."""
    facts = tight_search(staleness, strategy, trials)
    problem = problem_of(facts)
    if is_run(directory):
        store = Store.resume(directory)
    else:
        store = Store.create(directory, {"run": facts.model_dump_json()})
    strategy = strategy_of(facts.settings, problem)
    with store, closing(executor):
        search(problem, strategy, executor, store, facts.settings.plan, report=report)


def pretend_search(directory: str, workers: str, staleness: str, strategy: str = "q-learning") -> None:
    """`run_pretended`, telling what it has acknowledged: trials, and outcomes still missing."""
    if workers == "serial":
        executor: Executor = SerialExecutor(pretend({"nap": NAP}))
    else:
        executor = LocalExecutor("faults.evaluators:pretend", {"nap": NAP}, workers=int(workers))

    run_pretended(Path(directory), executor, int(staleness), tell, strategy)


def tell(progress: Progress) -> None:
    print(len(progress.fold.trials), len(progress.fold.unfinished()), flush=True)


def train_search(directory: str, workers: str) -> None:
    """A search with real training on the digits."""
    from blockqnn import search

    search(
        "digits",
        run=directory,
        preset="demo",
        trials=24,
        seed=3,
        executor="serial" if workers == "serial" else "local",
        workers=None if workers == "serial" else int(workers),
        device="cpu",
        settings={
            "recipe": {"steps": 20, "batch": 32},
            "plan": {"iteration": 6},
            "space": {"max_params": 60_000},
            "agent": {"walks": 1},
        },
        callbacks=[Changed(tell)],
    )


def train_digits(out: str | Path) -> None:
    """A block trained and tested on the digits, with all that a training can carry along."""
    from blockqnn import train

    train(
        "(1,1,3,0,0) (2,1,1,1,0)",
        "digits",
        skeleton="small",
        widths=(4, 8),
        settings={
            "steps": 700,
            "batch": 32,
            "precision": "float32",
            "average": 0.99,
            "augmentation": {"erase": 0.2},
        },
        out=out,
        device="cpu",
    )


def train_model(out: str) -> None:
    """`train_digits`, kept every tenth of a second, telling each step."""
    from blockqnn.evaluation.restarts import train_with_restarts
    from blockqnn.training import session, trainings

    def told(*parts, report, **options):
        def step(number: int, progress: float) -> None:
            print(number, flush=True)
            report(number, progress)

        return train_with_restarts(*parts, report=step, **options)

    session.EVERY = 0.1
    trainings.train_with_restarts = told
    train_digits(out)


COMMANDS = {
    "hold": hold,
    "pretend": pretend_search,
    "train": train_search,
    "model": train_model,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
