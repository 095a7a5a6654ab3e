"""Why candidates failed, in words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from blockqnn.records import Failure, FailureKind
from blockqnn.runtime.fold import Fold

WORDS: Mapping[FailureKind, str] = MappingProxyType(
    {
        "over_limit": "no proposal within the limits was found in a hundred draws",
        "over_latency": "slower than the limit; it was not trained",
        "no_learning": "never better than always the same answer, learning rate lowered or not",
        "non_finite": "the loss became infinite or no number",
        "out_of_memory": "its training does not fit into the memory",
        "timeout": "its training took longer than is allowed",
        "crashed": "its worker died of it, again when it was tried anew",
        "error": "its training raised an error",
        "bad_result": "what its worker answered is no measurement",
    }
)


class Failed(NamedTuple):
    """Failures of one kind."""

    kind: FailureKind
    candidates: int
    words: str
    example: int  # the first trial
    detail: str  # of that one


def failed(fold: Fold) -> list[Failed]:
    """The most frequent kind first. Repeats of a failure are not counted."""
    found: dict[FailureKind, list[tuple[int, str]]] = {}
    for number in sorted(fold.arrived):
        outcome = fold.outcome(fold.trials[number])
        if isinstance(outcome, Failure):
            found.setdefault(outcome.kind, []).append((number, outcome.detail))
    kinds = sorted(found, key=lambda kind: -len(found[kind]))
    return [Failed(kind, len(found[kind]), WORDS[kind], *found[kind][0]) for kind in kinds]
