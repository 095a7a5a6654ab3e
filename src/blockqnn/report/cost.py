"""What a search cost, and what it did not have to pay."""

from collections import Counter
from dataclasses import dataclass
from statistics import fmean

from blockqnn.records import Observation
from blockqnn.runtime.fold import Fold


@dataclass(frozen=True)
class Cost:
    """Seconds are those of evaluation, summed over the workers."""

    seconds: float
    trained: int  # evaluations of this run, failures too
    taken: int  # measurements of another run that was named as source
    repeats: int  # trials whose network an earlier one was
    saved: float  # seconds that repeats and taken measurements would have cost, at the mean
    attempts: int
    workers: dict[str, float]  # seconds of each
    fingerprints: dict[str, int]  # evaluations by kind of machine

    @property
    def mean(self) -> float:
        """Seconds an evaluation."""
        return self.seconds / self.trained if self.trained else 0.0


def cost(fold: Fold) -> Cost:
    """Of all results so far. What a repeat saved is what its network had cost."""
    own: dict[int, Observation] = {}
    for number in fold.arrived:
        result = fold.result(fold.trials[number])
        assert result is not None, "arrived"
        own[number] = result.observed
    trained = [o for o in own.values() if not o.source and o.seconds]
    mean = fmean(o.seconds for o in trained) if trained else 0.0
    repeated = [own[t.repeat_of] for t in fold.trials if t.repeat_of in own]
    taken = sum(bool(o.source) for o in own.values())
    workers: Counter[str] = Counter()
    for o in trained:
        workers[o.worker] += o.seconds  # type: ignore[assignment]
    return Cost(
        seconds=sum(o.seconds for o in trained),
        trained=len(trained),
        taken=taken,
        repeats=len(repeated),
        saved=sum(mean if o.source else o.seconds for o in repeated) + taken * mean,
        attempts=sum(o.attempts for o in trained),
        workers=dict(sorted(workers.items())),
        fingerprints=dict(Counter(o.fingerprint for o in trained if o.fingerprint)),
    )
