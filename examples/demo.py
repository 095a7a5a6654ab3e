"""The main job on real input: find a block for handwritten digits, then train and test it.

    python examples/demo.py [RUN_DIRECTORY]

Searches with the preset `demo` (at least 200 candidates trained), compares with random search at
equal evaluations, re-trains the best block with 3 seeds and tests it beside the ResNet-like
exemplar. Started again with the same directory it goes on where it was stopped.
"""

import sys
import time
from datetime import datetime
from pathlib import Path

import blockqnn
from blockqnn.cli import best_block, iteration_table
from blockqnn.config import resolve
from blockqnn.quantity import duration
from blockqnn.report.rows import RunView, read

WIDTHS = resolve("demo", {}).skeleton.widths


def main() -> None:
    begin = time.monotonic()
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else f"runs/demo-{datetime.now():%Y%m%d-%H%M%S}")
    print("Searching a block for 8x8 handwritten digits with Q-learning ...", flush=True)
    found = blockqnn.search("digits", run=directory / "q-learning", preset="demo", live=True)
    view = read(found.path)
    counts = view.status()["trials"]
    print(f"\nThe search moved ({counts['evaluated']} candidates trained, {counts['reused']} reused):\n")
    print(iteration_table(view, rows=8))
    best = view.finalists()[0]  # of near rewards the larger
    print("\n" + best_block(best, blockqnn.parse(best.code)))

    print("\nRandom search for comparison; what both propose is trained once ...", flush=True)
    random = blockqnn.search(
        "digits",
        run=directory / "random",
        preset="demo",
        strategy="random",
        trials=counts["planned"],
        source=found.path,
        live=True,
    )
    print_comparison(view, read(random.path))

    recipe = view.facts.settings.recipe.model_dump(mode="json")
    print("\nTraining this block and the ResNet-like exemplar, 3 seeds each ...", flush=True)
    print(f"\n{'':20} parameters       FLOPs   test accuracy (3 seeds)")
    for name, target in (("found block", str(found.path)), ("resnet-like exemplar", "resnet-like")):
        metrics = blockqnn.train(
            target,
            "digits",
            preset="early-stop",
            settings=recipe,
            skeleton="small",
            widths=WIDTHS,
            seeds=3,
        ).metrics
        mean, spread = metrics["test_accuracy_mean"], metrics["test_accuracy_deviation"]
        print(
            f"{name:20} {metrics['params']:10,}  {metrics['flops']:10,}   {mean:.2f} +- {spread:.2f} %"
        )
    print(f"\n{duration(time.monotonic() - begin)}. Look again: blockqnn status {found.path}")


def print_comparison(learned: RunView, random: RunView) -> None:
    """Best reward and last tenth of both at the same number of evaluations."""
    evaluations = min(len(learned.entries()), len(random.entries()))
    taken = sum(
        r is not None and bool(r.observed.source) for r in map(random.fold.result, random.fold.trials)
    )
    print(
        f"\nAt {evaluations} evaluations each ({taken} of random search's taken from the first search):"
    )
    for name, view in (("Q-learning", learned), ("random", random)):
        first = sorted(view.entries(), key=lambda entry: entry.trial)[:evaluations]
        tail = first[-max(1, evaluations // 10) :]
        print(
            f"  {name:10}  best reward {max(e.reward for e in first):6.2f}"
            f"   mean reward of the last tenth {sum(e.reward for e in tail) / len(tail):6.2f}"
        )


if __name__ == "__main__":
    main()
