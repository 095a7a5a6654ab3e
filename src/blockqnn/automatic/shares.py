"""How a budget of time is shared among the stages."""

from collections.abc import Mapping

from blockqnn.journal import Stage

SHORTEST = 60.0  # seconds; less is eaten by the start of processes
_FIRST = 0.05, 120.0  # share and seconds at most of the first look
_LAST = 0.03, 15.0, 120.0  # share, at least and at most, for test, export and report
_SHARES: Mapping[Stage, float] = {
    "recipe": 0.08,
    "search": 0.32,
    "selection": 0.14,
    "proof": 0.05,
}


def ends(budget: float) -> dict[Stage, float]:
    """Seconds of the budget at which each stage is to end; what one does not use is the next one's.

    The final training gets what is left: about 33 %, and that of a proof that is left out.
    """
    share, most = _FIRST
    end = min(share * budget, most)
    found: dict[Stage, float] = {"baselines": end}
    for stage, share in _SHARES.items():
        end += share * budget
        found[stage] = end
    share, least, most = _LAST
    found["training"] = budget - min(max(share * budget, least), most)
    found["test"] = budget
    return found


def with_half_a_search(ends: Mapping[Stage, float]) -> dict[Stage, float]:
    """The same where a search is unlikely to pay: half of its time is the final training's."""
    saved = (ends["search"] - ends["recipe"]) / 2
    moved: tuple[Stage, ...] = ("search", "selection", "proof")
    return {**ends, **{stage: ends[stage] - saved for stage in moved}}
