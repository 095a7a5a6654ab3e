"""The result tables of the paper, with what was measured here beside what it publishes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from blockqnn.errors import InputError
from blockqnn.figures import published
from blockqnn.figures.trained import Errors, ours
from blockqnn.figures.words import aligned, names, number
from blockqnn.report import rows

_HOURS = 24


@dataclass(frozen=True)
class Table:
    """Rows of equal keys: those of the paper, then ours; `texts` are the same cells for people."""

    title: str
    source: str
    heads: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    rows: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()

    def told(self) -> dict[str, Any]:
        """The document of --json."""
        return {
            "title": self.title,
            "source": self.source,
            "rows": list(self.rows),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """The table as text."""
        return [
            self.title,
            *aligned([self.heads, *self.texts]),
            f"published: {self.source}",
            *self.notes,
        ]


class Kind(NamedTuple):
    shows: str
    needs: str
    make: Callable[[Sequence[str]], Table]


def made(name: str, named: Sequence[str]) -> Table:
    """The table of that number with what is named beside; InputError for an unknown one."""
    if name not in TABLES:
        known = "; ".join(f"{n} of {kind.needs} ({kind.shows})" for n, kind in TABLES.items())
        raise InputError(f"table {name[:60]!r}: there are {known}")
    return TABLES[name].make(named)


def lines() -> list[str]:
    """All tables, a line each."""
    table = [("table", "of", "shows"), *((n, kind.needs, kind.shows) for n, kind in TABLES.items())]
    return aligned(table)


def cifar(named: Sequence[str]) -> Table:
    """Table 3."""
    texts: list[tuple[str, ...]] = []
    found: list[dict[str, Any]] = []
    for row in published.CIFAR:
        params = "-" if row.params is None else f"{row.params:.1f}M"
        errors = number(row.cifar10, ".2f"), number(row.cifar100, ".2f")
        texts.append((row.method, number(row.depth, "d"), params, *errors, "published"))
        found.append(
            {
                **row._asdict(),
                "params": None if row.params is None else round(row.params * 1e6),
                "source": "published",
            }
        )
    for mine in ours(named):
        cells = number(mine.depth, "d"), f"{mine.params / 1e6:.1f}M"
        texts.append((mine.method, *cells, _told(mine.cifar10), _told(mine.cifar100), "here"))
        errors_of = {"cifar10": mine.cifar10, "cifar100": mine.cifar100}
        found.append(
            {
                "method": mine.method,
                "depth": mine.depth,
                "params": mine.params,
                **{name: None if e is None else e.mean for name, e in errors_of.items()},
                "source": "here",
                "trainings": {name: e._asdict() for name, e in errors_of.items() if e is not None},
            }
        )
    hint = () if named else ("ours: name directories of train --out, or a file as results/full.jsonl",)
    return Table(
        "Table 3: test error on CIFAR-10 and CIFAR-100 (%)",
        f"{published.SOURCE}, table 3",
        ("method", "depth", "params", "C-10", "C-100", "from"),
        tuple(texts),
        tuple(found),
        hint,
    )


def _told(errors: Errors | None) -> str:
    if errors is None:
        return "-"
    if errors.deviation is None:
        return f"{errors.mean:.2f}"
    return f"{errors.mean:.2f} +- {errors.deviation:.2f} ({errors.trainings} seeds)"


def compute(named: Sequence[str]) -> Table:
    """Table 4."""
    texts: list[tuple[str, ...]] = []
    found: list[dict[str, Any]] = []
    for search in published.COMPUTE:
        hours = search.devices * search.days * _HOURS
        device = f"{search.devices} {search.device}, {search.days:g} days"
        trials = number(search.trials, ",d")
        texts.append((search.method, trials, "-", "-", f"{hours:,.1f}", device, f"{search.cifar10:.2f}"))
        found.append(
            {
                "method": search.method,
                "trials": search.trials,
                "evaluated": None,
                "reused": None,
                "device_seconds": hours * 3600,
                "device": device,
                "cifar10": search.cifar10,
                "source": "published",
            }
        )
    views = [rows.read(Path(text)) for text in named]
    for name, view in zip(names(views), views, strict=True):
        counts, device = view.status()["trials"], _device(view)
        cells = [f"{counts[key]:,}" for key in ("finished", "evaluated", "reused")]
        texts.append((name, *cells, f"{view.seconds / 3600:,.2f}", device, "-"))
        found.append(
            {
                "method": name,
                "trials": counts["finished"],
                "evaluated": counts["evaluated"],
                "reused": counts["reused"],
                "device_seconds": round(view.seconds, 1),
                "device": device,
                "cifar10": None,
                "source": "here",
            }
        )
    notes = (
        f"trials of MetaQNN: {published.METAQNN}; of Block-QNN: table 2",
        "device-hours here are those of evaluation, summed over the workers: one core each on a CPU;"
        " workers that shared a GPU count each",
    )
    return Table(
        "Table 4: what the search cost",
        f"{published.SOURCE}, table 4",
        ("method", "trials", "evaluated", "reused", "device-hours", "device", "C-10 error, %"),
        tuple(texts),
        tuple(found),
        notes,
    )


def _device(view: rows.RunView) -> str:
    """The kind, and on what the candidates were trained, where that is known."""
    told = sorted(fingerprint.split(";")[0] for fingerprint in view.fold.fingerprints)
    return ", ".join([view.facts.device, *dict.fromkeys(told)])


def imagenet(named: Sequence[str]) -> Table:
    """Table 5."""
    if named:
        raise InputError(
            f"table 5: takes nothing, {len(named)} given: no result on ImageNet is read yet"
        )
    return Table(
        "Table 5: error on ImageNet, one crop of 224 x 224 (%)",
        f"{published.SOURCE}, table 5",
        ("method", "depth", "top-1", "top-5", "from"),
        tuple(
            (row.method, str(row.depth), f"{row.top1:.1f}", f"{row.top5:.2f}", "published")
            for row in published.IMAGENET
        ),
        tuple({**row._asdict(), "source": "published"} for row in published.IMAGENET),
        ("there is none of ours yet",),
    )


TABLES: Mapping[str, Kind] = MappingProxyType(
    {
        "3": Kind("test error on CIFAR beside other networks", "[TRAINED_DIR|ROWS.jsonl ...]", cifar),
        "4": Kind("what the search cost", "[RUN ...]", compute),
        "5": Kind("error on ImageNet beside other networks", "nothing", imagenet),
    }
)
