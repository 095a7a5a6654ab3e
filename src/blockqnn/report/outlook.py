"""A survey of a search in words and as JSON: what `blockqnn space` prints."""

from statistics import fmean, median
from typing import Any

from blockqnn.quantity import duration
from blockqnn.report.histogram import histogram, short
from blockqnn.report.survey import Survey
from blockqnn.runtime.facts import RunFacts
from blockqnn.runtime.slots import slots_of


def outlook(facts: RunFacts, found: Survey) -> dict[str, Any]:
    """The survey's numbers; shares are of the drawn blocks, seconds of one candidate on one worker."""
    admitted, workers = found.admitted, slots_of(facts.settings.execution, facts.device).workers
    left = [n for n, ok in zip(found.lengths, admitted, strict=True) if ok]
    plan, seconds = facts.settings.plan, found.candidate_seconds
    return {
        "codes": found.codes,
        "drawn": len(found.params),
        "distinct": found.distinct,
        "params": _spread(found.params),
        "flops": _spread(found.flops),
        "max_params": found.max_params,
        "max_flops": found.max_flops,
        "admitted": len(left) / len(admitted),
        "mean_length": fmean(found.lengths),
        "mean_length_admitted": fmean(left) if left else None,
        "candidate_seconds": seconds and {"mean": seconds, "measured": list(found.seconds)},
        "workers": workers,
        "planned_trials": plan.trials,
        "planned_seconds": seconds * plan.trials / workers if seconds and plan.trials else plan.budget,
        "expected_evaluations": plan.budget * workers / seconds if seconds and plan.budget else None,
    }


def outlook_lines(facts: RunFacts, found: Survey) -> list[str]:
    """The same for people."""
    told, image, settings = outlook(facts, found), facts.data.image, facts.settings
    widths = "/".join(map(str, settings.skeleton.widths))
    shape = f"{image.height}x{image.width}x{image.channels}"
    lines = [
        f"{facts.data.name}: {sum(facts.data.sizes)} images of {shape} in"
        f" {len(facts.data.classes)} classes, {facts.data.sizes[0]} to train on",
        *(f"warning: {warning}" for warning in facts.data.warnings),
        f"preset {settings.preset}: blocks of up to {settings.space.max_layers} layers, widths {widths}",
        f"codes: {_large(found.codes)}; of {told['drawn']} random ones {told['distinct']} are different"
        " networks",
        "",
        "parameters of the search network",
        *histogram(found.params, found.max_params),
        "",
        "FLOPs of one image",
        *histogram(found.flops, found.max_flops),
        "",
        f"limits: max_params {short(found.max_params)},"
        f" max_flops {short(found.max_flops) if found.max_flops else 'none'} leave"
        f" {told['admitted']:.1%} of random blocks",
    ]
    if told["mean_length_admitted"] is None:
        return [*lines, "no random block is left: a search would need wider limits"]
    lines.append(
        f"length: {told['mean_length_admitted']:.1f} layers where the limits leave them,"
        f" {told['mean_length']:.1f} of all"
    )
    return [*lines, _time(told, found, settings.plan.budget)]


def _time(told: dict[str, Any], found: Survey, budget: float | None) -> str:
    low, high = duration(min(found.seconds)), duration(max(found.seconds))
    each = f"a candidate takes about {duration(fmean(found.seconds))} ({low} to {high}; a few steps of"
    each += f" {len(found.seconds)} were timed)"
    if budget is not None:
        fit = f"about {told['expected_evaluations']:.0f} fit into {duration(budget)}"
    else:
        fit = f"{told['planned_trials']} trials take about {duration(told['planned_seconds'])}"
    return f"time: {each}; with {told['workers']} workers {fit}"


def _spread(values: tuple[int, ...]) -> dict[str, int]:
    return {"min": min(values), "median": int(median(values)), "max": max(values)}


def _large(count: int) -> str:
    """A whole number up to a million million, a power of ten above."""
    return f"{count:,}" if count < 10**12 else f"about 1e{len(str(count)) - 1}"
