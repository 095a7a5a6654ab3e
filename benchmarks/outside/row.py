"""One row of the comparison: what a contender reached in its time, and how it is written."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    contender: str
    data: str
    seed: int
    minutes: float  # allowed, for preparing the data, training and validation
    validation_accuracy: float  # percent
    test_accuracy: float  # percent, read once, after the last step
    params: int
    latency_ms: float  # one image, one thread, the median of 50
    threads: int  # in training


def write(row: Row, path: Path) -> None:
    text = json.dumps(asdict(row))
    path.write_text(text + "\n")
    print(text, flush=True)


def median_ms(answer: Callable[[], object], warm_up: int = 5, times: int = 50) -> float:
    """Milliseconds of one call; the first calls, which also prepare, are left out."""
    for _ in range(warm_up):
        answer()
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        answer()
        taken.append(time.perf_counter() - begin)
    return 1000 * statistics.median(taken)
