"""Directories as `auto` leaves them, finished or not, around the run of a search that took place."""

import json
import math
from pathlib import Path
from shutil import copytree

from blockqnn.config import Augmentation, Recipe, resolve
from blockqnn.journal import STAGES, Journal, Outlook, Point, Row, write
from blockqnn.network.plan import Image, Skeleton, plan_network
from blockqnn.report import rows
from blockqnn.runtime.facts import DataFacts, RunFacts
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGE = Image(3, 32, 32)
THIN = Skeleton(("conv",), (16, 32, 64), (1, 1, 1))
SECONDS = 7200.0
SHARES = (0.05, 0.15, 0.5, 0.7, 0.75, 0.98, 1.0)  # of the budget, at which the stages end


def row(stage, round_, name, accuracy, code=None, seconds=60.0, **fields):
    """A network's row; a block's size is that of its network."""
    plan = plan_network(parse(code), THIN, IMAGE, len(CLASSES)) if code else None
    sizes = {"params": plan.params, "flops": plan.flops} if plan else {"params": 30730, "flops": 61440}
    epochs = seconds / 12
    values = {
        "skeleton": THIN,
        "recipe": Recipe(),
        "epochs": epochs,
        "steps": int(epochs * 63),
        "seconds": seconds,
        **sizes,
        **fields,
    }
    return Row(stage=stage, round=round_, name=name, code=code, accuracy=accuracy, **values)


def rate(value):
    return Recipe(learning_rate=value)


FLIPPED = Recipe(learning_rate=0.003, augmentation=Augmentation(shift=0.125, flip=True))


def rates(code, name, accuracies):
    """A network at three learning rates, of which one fails where there is no accuracy."""
    for value, accuracy in zip((0.001, 0.003, 0.01), accuracies, strict=True):
        failure = "non_finite" if accuracy is None else ""
        fields = {"choice": f"rate {value:g}", "recipe": rate(value), "failure": failure}
        yield row("recipe", 0, name, accuracy, code, 90.0, **fields)


def history(epochs=24, best=90.0):
    """Learning curves of the usual shape."""
    return tuple(
        Point(
            epoch=float(e),
            loss=0.2 + 2.1 * math.exp(-e / 6),
            validation=best - 50 * math.exp(-e / 4) if e % 2 == 0 else None,
        )
        for e in range(1, epochs + 1)
    )


def all_rows(run=None, found=88.4, known=87.0):
    """Every stage; the block of the search that is chosen is the run's best, else a chain."""
    entries = rows.read(run).entries() if run else []
    code, name = (
        (entries[0].code, f"trial {entries[0].trial}")
        if entries
        else ("(1,1,3,0,0) (2,1,3,1,0)", "trial 17")
    )
    resnet, s = str(ZOO["resnet-like"]), str(ZOO["block-qnn-s"])
    return (
        row("baselines", 0, "linear", 38.2, seconds=40.0),
        row("baselines", 0, "resnet-like", 71.5, resnet, 120.0),
        row("baselines", 0, "block-qnn-s", 74.1, s, 120.0),
        *rates(resnet, "resnet-like", (70.2, 73.0, None)),
        *rates(s, "block-qnn-s", (72.2, 74.0, 10.0)),
        row("recipe", 1, "resnet-like", 76.0, resnet, choice="shifts and flips", recipe=FLIPPED),
        row("recipe", 1, "resnet-like", 71.0, resnet, choice="none", recipe=rate(0.003)),
        row("recipe", 2, "resnet-like", 79.1, resnet, 120.0, choice="twice as long", recipe=FLIPPED),
        row("selection", 0, name, 84.0, code, 150.0),
        row("selection", 0, "block-qnn-s", 83.1, s, 150.0),
        row("selection", 0, "resnet-like", 80.3, resnet, 150.0),
        row("selection", 1, name, found, code, 300.0, choice="filters 32/64/128"),
        row("selection", 1, name, found - 3, code, 300.0, choice="filters 16/32/64"),
        row("selection", 1, "block-qnn-s", known, s, 300.0, choice="filters 32/64/128"),
        row(
            "training",
            0,
            name if found > known else "block-qnn-s",
            90.1,
            code if found > known else s,
            2000.0,
            history=history(),
        ),
    )


def journal(until=7, classes=CLASSES, kept=-1, **fields):
    """Of which the first `until` stages are done; by default the model of the last row is kept."""
    done = STAGES[:until]
    known = [r for r in fields.pop("rows", all_rows()) if r.stage in done]
    sizes = fields.pop("sizes", (4000, 1000, 1500))
    warnings = fields.pop("warnings", ())
    data = DataFacts(
        name=fields.pop("name", "animals and vehicles"),
        digest="",
        image=IMAGE,
        classes=classes,
        sizes=sizes,
        chance=10.0,
        warnings=warnings,
        notes=("there is no test folder: a fifth of each class is the test part",),
    )
    source = fields.pop("source", "photos/animals")
    settings = resolve("standard", {"data": {"source": source}})
    outlook = Outlook(
        max_layers=8,
        candidate_seconds=42.0,
        workers=2,
        candidates=118,
        skeleton=THIN,
        recipe=Recipe(),
        max_flops=10**8,
    )
    begins = (0.0, *SHARES)
    values = {
        "version": "1.0.0",
        "facts": RunFacts(version="1.0.0", settings=settings, data=data, device="cpu"),
        "budget": SECONDS,
        "command": "blockqnn auto --data photos/animals --budget 2h --out out",
        "ends": {s: SECONDS * share for s, share in zip(STAGES, SHARES, strict=True)},
        "spent": SECONDS * begins[until] * 0.97,
        "took": {s: SECONDS * (SHARES[i] - begins[i]) * 0.97 for i, s in enumerate(done)},
        "outlook": outlook if until > 1 else None,
        "recipe": FLIPPED if until > 1 else None,
        "rows": tuple(known),
        "kept": (kept % len(known)) if known else None,
    }
    return Journal(**{**values, **fields})


def wilson(right, count):
    share, square = right / count, 1.96**2 / count
    middle = (share + square / 2) / (1 + square)
    reach = 1.96 * math.sqrt((share * (1 - share) + square / 4) / count) / (1 + square)
    return [100 * (middle - reach), 100 * (middle + reach)]


def confusion(classes=10, each=150):
    """A diagonal of decreasing counts, the rest answered with the two next classes."""
    table = [[0] * classes for _ in range(classes)]
    for i in range(classes):
        right = round(each * (0.97 - 0.2 * i / classes))
        table[i][i] = right
        table[i][(i + 1) % classes] += each - right - (each - right) // 3
        table[i][(i + 2) % classes] += (each - right) // 3
    return table


def percent(part, whole):
    return 100 * part / whole if whole else None


def metrics(table=None, classes=CLASSES, tested=True, **fields):
    """metrics.json; its test numbers are those of the table."""
    table = confusion(len(classes)) if table is None else table
    values = {
        "metric": "accuracy",
        "test_accuracy": None,
        "validation_accuracy": 90.1,
        "params": 312_345,
        "flops": 25_123_456,
        "seconds": 2000.0,
        "history": [p.model_dump() for p in history()],
    }
    if tested:
        count, right = sum(map(sum, table)), sum(table[i][i] for i in range(len(table)))
        columns = [sum(c) for c in zip(*table, strict=True)]
        values |= {
            "test_accuracy": 100 * right / count,
            "test_accuracy_mean": 100 * right / count,
            "test_accuracy_deviation": None,
            "test_readings": [{"seed": 0, "test_accuracy": 100 * right / count}],
            "test_images": count,
            "test_interval": wilson(right, count),
            "balanced_accuracy": 85.5,
            "macro_f1": 85.25,
            "per_class": [
                {
                    "class": name,
                    "images": sum(table[i]),
                    "recall": percent(table[i][i], sum(table[i])),
                    "precision": percent(table[i][i], columns[i]),
                    "f1": percent(2 * table[i][i], sum(table[i]) + columns[i]),
                }
                for i, name in enumerate(classes)
            ],
            "confusion": table,
        }
    return values | fields


def directory(path: Path, journal_, metrics_=None, run: Path | None = None) -> Path:
    """The files that the page is made of."""
    path.mkdir(parents=True, exist_ok=True)
    write(journal_, path)
    if run is not None:
        copytree(run, path / "run")
    if metrics_ is not None:
        (path / "metrics.json").write_text(json.dumps(metrics_))
        (path / "config.json").write_text("{}")
        for name in ("model.py", "model.onnx", "README.md"):
            (path / name).write_text("")
    return path
