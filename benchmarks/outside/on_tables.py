"""Optuna, NePS and our own strategies on a measured table (docs/tables.md) at equal evaluations.

    python benchmarks/outside/on_tables.py nasbench201.npz --contender optuna-tpe \
        --reward c10_test_e12 --judge c10_test_e200 --evaluations 50,100,300 --seeds 100
    python benchmarks/outside/on_tables.py --table        or --json: what the rows say

What counts, and what is reported, is as in `blockqnn compare`: rows of one architecture are one
evaluation; a repeat is told what is stored and costs nothing. Outside optimizers do not know the planned
count, so one run is read at each; ours plan for it, so each count is a search of its own. A run ends at
--trials-an-evaluation times the greatest count, whatever it has then.

Seconds are of the processor: of an outside one ask and tell; of ours the whole search with its store.
A short run before the first one warms up and is not counted. Rows go to --out as they come; what is
there is not run again.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from counted import Contender, Reading, readings
from encoding import encoding

from blockqnn.tables.table import Table

ROWS = Path(__file__).resolve().parents[2] / "results" / "outside-tables.jsonl"
TOP, WARM_UP = 10, 15
FIRST = "predictor"  # what the others are compared with
HEADS = ("evaluations", "strategy", "n", "best reward", "judge, ten best")
HEADS += (f"best minus {FIRST}", f"ten best minus {FIRST}", "trials", "CPU ms a trial", "an evaluation")
JUDGED = ("reward_best", "judge_best", "judge_top")
TRIALS = ("trials", "unmeasured", "seconds_a_trial", "wall_seconds_a_trial")
Choices = Mapping[str, tuple[str, ...]]
Row = dict[str, Any]


def _optuna(name: str, choices: Choices, seed: int) -> Contender:
    from optuna_sampler import OptunaSampler

    return OptunaSampler(name, choices, seed)


def _neps(choices: Choices, seed: int) -> Contender:
    from neps_default import Neps

    return Neps(choices, seed)


OUTSIDE: dict[str, tuple[str, Callable[[Choices, int], Contender]]] = {  # package; what makes it
    "optuna-tpe": ("optuna", lambda choices, seed: _optuna("TPESampler", choices, seed)),
    "optuna-gp": ("optuna", lambda choices, seed: _optuna("GPSampler", choices, seed)),
    "neps": ("neural-pipeline-search", _neps),
}
OURS = ("q-learning", "evolution", "predictor")


def outside_rows(asked: argparse.Namespace, seed: int, counts: Sequence[int]) -> Iterator[Row]:
    """One run of an outside optimizer, a row at each count."""
    package, made = OUTSIDE[asked.contender]
    table = Table(asked.file)
    designs = encoding(table.space)
    most = asked.trials_an_evaluation * max(counts)
    contender = made(designs.choices, seed)
    for reading in readings(contender, table, designs, asked.reward, counts, most):
        yield {
            "version": version(package),
            "evaluations": reading.evaluations,
            "reached": len(reading.rows),
            **_judged(reading, table, asked),
            "trials": reading.trials,
            "unmeasured": reading.unmeasured,
            "seconds": reading.cpu,
            "seconds_a_trial": reading.cpu / reading.trials,
            "wall_seconds_a_trial": reading.wall / reading.trials,
        }


def _judged(reading: Reading, table: Table, asked: argparse.Namespace) -> Row:
    rows = list(reading.rows)
    rewards, judges = (table.column(name)[rows] for name in (asked.reward, asked.judge))
    order = (-rewards).argsort(kind="stable")
    best, top = judges[order[0]], judges[order[:TOP]].mean()
    return dict(zip(JUDGED, (float(rewards.max()), float(best), float(top)), strict=True))


def our_rows(asked: argparse.Namespace, seed: int, counts: Sequence[int]) -> Iterator[Row]:
    """A search of ours for each count, by the code of `blockqnn compare`."""
    from blockqnn.tables.compare import Comparison, checked, searched
    from blockqnn.version import VERSION

    name = asked.contender
    comparison = checked(
        Comparison(str(asked.file), asked.reward, asked.judge, (name,), tuple(counts), 1, TOP, True)
    )
    for count in counts:
        begin = time.process_time()
        found = searched(comparison, name, count, seed)
        yield {
            "version": VERSION,
            "evaluations": count,
            "reached": len(found.bests),
            **{field: getattr(found, field) for field in JUDGED},
            "seconds": time.process_time() - begin,
        }


def run(asked: argparse.Namespace) -> None:
    counts = sorted({int(count) for count in asked.evaluations.split(",")})
    rows = our_rows if asked.contender in OURS else outside_rows
    known = {_run_of(row) for row in read(asked.out)}
    warm = False
    for seed in range(asked.seeds):
        where = {"table": asked.file.stem, "strategy": asked.contender, "seed": seed}
        if all(_run_of({**where, "evaluations": count}) in known for count in counts):
            continue
        if not warm:
            warm = bool(list(rows(asked, asked.seeds, [min(WARM_UP, *counts)])))
        for row in rows(asked, seed, counts):
            whole = {
                **where,
                "reward": asked.reward,
                "judge": asked.judge,
                **row,
                "date": time.strftime("%F"),
            }
            if _run_of(whole) in known:
                continue
            with asked.out.open("a") as file:
                file.write(json.dumps(whole) + "\n")
            print(json.dumps(whole), flush=True)


def _run_of(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("table", "strategy", "evaluations", "seed"))


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def grouped(rows: Sequence[Row]) -> dict[tuple[str, int, str], list[Row]]:
    """By table, evaluations and strategy, in that order; ours first."""
    groups: dict[tuple[str, int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["table"], row["evaluations"], row["strategy"]), []).append(row)
    names = [*OURS, *OUTSIDE]
    return {group: groups[group] for group in sorted(groups, key=lambda g: (*g[:2], names.index(g[2])))}


def summary(rows: Sequence[Row]) -> list[Row]:
    """As `blockqnn compare --json`, the table beside, and what a trial takes of the processor."""
    return [
        {
            "table": table,
            "strategy": strategy,
            "evaluations": count,
            "seeds": len(found),
            "short": sum(row["reached"] < count for row in found),  # runs that had spent their trials
            **{field: _spread([row[field] for row in found]) for field in JUDGED},
            "seconds": fmean(row["seconds"] for row in found),
            "seconds_an_evaluation": fmean(row["seconds"] / row["reached"] for row in found),
            **{field: fmean(row[field] for row in found) for field in TRIALS if field in found[0]},
        }
        for (table, count, strategy), found in grouped(rows).items()
    ]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": fmean(values), "std": stdev(values) if len(values) > 1 else 0.0}


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown, a table for each measured table."""
    groups, shown = grouped(rows), ""
    for (table, count, strategy), summed in zip(groups, summary(rows), strict=True):
        if table != shown:
            shown = table
            yield f"\n`{table}`:\n\n| {' | '.join(HEADS)} |\n{'| --- ' * len(HEADS)}|"
        found, first = groups[table, count, strategy], groups.get((table, count, FIRST), [])
        beside = ("reward_best", "judge_top") if strategy != FIRST else ()
        cells = [
            *(str(summed[name]) for name in ("evaluations", "strategy", "seeds")),
            *("{mean:.3f} +- {std:.3f}".format(**summed[name]) for name in ("reward_best", "judge_top")),
            *(
                [_difference([r[name] for r in found], [r[name] for r in first]) for name in beside]
                or ["", ""]
            ),
            f"{summed['trials']:.0f}" if "trials" in summed else "",
            f"{1000 * summed['seconds_a_trial']:.2f}" if "trials" in summed else "",
            f"{1000 * summed['seconds_an_evaluation']:.2f}",
        ]
        yield f"| {' | '.join(cells)} |"


def _difference(values: Sequence[float], others: Sequence[float]) -> str:
    """Of the means, with its 95 % interval (Welch: the numbers of seeds differ)."""
    from scipy.stats import t

    if min(len(values), len(others)) < 2:
        return ""
    difference = fmean(values) - fmean(others)
    parts = [stdev(of) ** 2 / len(of) for of in (values, others)]
    if not any(parts):
        return f"{difference:+.3f}"
    free = sum(parts) ** 2 / sum(
        p**2 / (len(of) - 1) for p, of in zip(parts, (values, others), strict=True)
    )
    half = float(t.ppf(0.975, free)) * sum(parts) ** 0.5
    return f"{difference:+.3f} [{difference - half:+.3f}, {difference + half:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description="Outside optimizers on a table of measured designs.")
    parser.add_argument("file", type=Path, nargs="?", help="a table, FILE.npz")
    parser.add_argument("--contender", choices=[*OUTSIDE, *OURS])
    parser.add_argument("--reward", help="the column that guides")
    parser.add_argument("--judge", help="the column that judges")
    parser.add_argument("--evaluations", default="50,100,300")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials-an-evaluation", type=int, default=10)
    parser.add_argument("--out", type=Path, default=ROWS, help="rows are read from it and added to it")
    parser.add_argument("--table", action="store_true", help="only print what the rows say")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    asked = parser.parse_args()
    if asked.json:
        print(json.dumps(summary(read(asked.out)), indent=2))
    elif asked.table:
        print("\n".join(lines(read(asked.out))))
    elif None in (asked.file, asked.contender, asked.reward, asked.judge):
        parser.error("FILE.npz, --contender, --reward and --judge are needed, or --table")
    else:
        run(asked)


if __name__ == "__main__":
    main()
