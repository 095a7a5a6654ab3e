"""The published schedule at full length on digits: 178 iterations of 64 trials, every network trained.

    PYTHONPATH=src python benchmarks/published_schedule.py paper --runs DIR [--hours 2]
    PYTHONPATH=src python benchmarks/published_schedule.py default --runs DIR

Table 2's schedule (95 iterations at random, then epsilon falls to 0.1), staleness 0, seed 0. `paper`
has the preset's agent and reward, `unshaped` the same without the shaped reward (fig. 5); `default`
has the default agent, which keeps its own epsilon, and reward. Images of 8x8, skeleton small with
filters 8/16, blocks of at most 12 layers, 40 steps of 64 images: tenths of a second are what the
paper's 12 minutes are here. It stops after so many hours and goes on in DIR/paper or DIR/default; when
it stops, the run is copied to results/evidence/schedule-NAME, where `blockqnn figure 8` and `report`
read it.
"""

import argparse
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import blockqnn
from blockqnn.config import PRESETS
from blockqnn.network.plan import Skeleton
from blockqnn.report.rows import read

RESULTS = Path(__file__).resolve().parents[1] / "results" / "evidence"
ITERATIONS, SIZE = 178, 64
COMMON: dict[str, Any] = {
    "skeleton": Skeleton(("conv",), (8, 16), (1, 1)),
    "recipe": {"steps": 40, "batch": 64},
    "space": {"max_layers": 12},
    "plan": {"trials": ITERATIONS * SIZE, "iteration": SIZE, "staleness": 0},
}
_PAPER = {key: PRESETS["paper"][key] for key in ("agent", "reward")}
AGENTS: dict[str, dict[str, Any]] = {
    "paper": _PAPER,
    "unshaped": {**_PAPER, "agent": {**_PAPER["agent"], "shaped": False}},
    "default": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description="178 iterations of 64 trials on digits.")
    parser.add_argument("agent", choices=AGENTS)
    parser.add_argument("--runs", type=Path, required=True, help="where the unfinished run lies")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--workers", type=int, default=1, help="the search is the same with any number")
    options = parser.parse_args()
    run = options.runs / options.agent
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
    timer = threading.Timer(3600 * options.hours, _interrupt)
    timer.daemon = True
    timer.start()
    try:
        blockqnn.search(
            "digits",
            run=run,
            preset="small",
            settings={**COMMON, **AGENTS[options.agent]},
            executor="local",
            workers=options.workers,
            device="cpu",
            live=True,
        )
    except KeyboardInterrupt:
        print("stopped; the same command goes on")
    kept = RESULTS / f"schedule-{options.agent}"
    kept.mkdir(exist_ok=True)
    for name in ("run.sqlite3", "config.yaml"):
        shutil.copy(run / name, kept / name)
    view = read(kept)
    print(f"{view.done:,} of {view.planned:,} trials, {view.counts()['evaluated']:,} trained")


def _interrupt() -> None:
    """As Ctrl-C does: what is in flight is dropped."""
    import _thread

    _thread.interrupt_main()


if __name__ == "__main__":
    main()
