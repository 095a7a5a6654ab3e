"""What each choice of the default agent is worth: the agent with one of them made differently.

    PYTHONPATH=src python benchmarks/agent_choices.py --nas DIR [--seeds 30]

On NAS-Bench-201 and NAS-Bench-Macro in DIR and on our own table of blocks, architectures counted,
through the real loop (iterations of 8, one in flight). Prints the mean of the best reward and its
paired difference from the default agent, with a 95 % interval (Student's t). The tables of DIR hold
test accuracies.
"""

import argparse
from pathlib import Path
from statistics import fmean
from typing import Any

import blockqnn.tables.compare as tables
from blockqnn.config import PAPER_EPSILON, AgentSettings
from blockqnn.strategy.q_agent import QAgent
from blockqnn.tables.told import difference

OWN = Path(__file__).resolve().parents[1] / "results" / "digits-blocks" / "table.npz"
DEFAULT = "default"
CHOICES: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "alpha 0.01": {"alpha": 0.01},
    "alpha 0.1": {"alpha": 0.1},
    "alpha 1/visits": {"alpha": "1/visits"},
    "state layer": {"state": "layer"},
    "no bootstrap": {"bootstrap": None},
    "bootstrap 15": {"bootstrap": 15},
    "bootstrap 60": {"bootstrap": 60},
    "returns max": {"returns": "max"},
    "shaped": {"shaped": True},
    "returns max, shaped": {"returns": "max", "shaped": True},
    "initial Q 0": {"initial_q": 0.0},
    "initial Q 100": {"initial_q": 100.0},
    "random step by type": {"exploration": "types"},
    "epsilon of the paper": {"epsilon": PAPER_EPSILON},
    "epsilon 1, 0.2, 0": {"epsilon": ((1.0, 10), (0.2, 30), (0.0, 60))},
    "epsilon 0.1 throughout": {"epsilon": ((0.1, 1),)},
    "1 walk a proposal": {"walks": 1},
    "5 walks a proposal": {"walks": 5},
}


def _agent(changes: dict[str, Any]) -> tables.Make:
    return lambda table, settings: QAgent(table.space, AgentSettings(**changes), settings.plan.seed)


def main() -> None:
    parser = argparse.ArgumentParser(description="The default agent, one choice made differently.")
    parser.add_argument("--nas", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=30)
    options = parser.parse_args()
    tables.BASELINES = {name: _agent(changes) for name, changes in CHOICES.items()}
    for path, reward, judge, counts in (
        (options.nas / "nasbench201.npz", "c10_test_e12", "c10_test_e200", (100, 300)),
        (options.nas / "nasbench_macro.npz", "test_acc_run1", "test_acc_run23", (50, 100)),
        (OWN, "brief_run1", "full_judge", (100, 300)),
    ):
        asked = tables.Comparison(
            str(path), reward, judge, tuple(CHOICES), counts, options.seeds, 10, True
        )
        results = tables.compared(asked, 1)
        print(f"\n{path.stem}: {' / '.join(map(str, counts))} evaluations")
        for name in CHOICES:
            cells = []
            for count in counts:
                found, default = results[name, count], results[DEFAULT, count]
                beside = "" if name == DEFAULT else difference(found, default, "reward_best")
                cells.append(f"{fmean(f.reward_best for f in found):.2f} {beside}")
            print(f"{name:24} {' / '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
