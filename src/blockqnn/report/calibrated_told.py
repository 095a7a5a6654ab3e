"""What full trainings told of a run, as lines for people and as JSON. No torch."""

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from blockqnn.report.calibrated import Calibration, Evidence, Proof
from blockqnn.report.resampling import Agreement, Estimate

_OF = {"mu": "FLOPs", "rho": "density"}  # what a weight weighs
_SURE = 0.05  # a p-value below it
_SHORT = "caution: these trainings are no longer than the search's own; full ones need more epochs"


def lines(directory: Path, evidence: Evidence) -> Iterator[str]:
    """Both, as far as they are there."""
    if evidence.calibration:
        yield from _calibration(directory, evidence.calibration)
    if all(evidence):
        yield ""
    if evidence.proof:
        yield from _proof(directory, evidence.proof)


def _calibration(directory: Path, told: Calibration) -> Iterator[str]:
    n = len(told.rows)
    yield (
        f"{directory}: {n} evaluated networks, spread over the ranks of early-stop accuracy, were"
        f" trained fully ({told.how})"
    )
    yield f"how well the search's numbers told the final {_metric(told)} on {_images(told)}:"
    yield f"{'':20}  {'Pearson':22}  {'Spearman':22}  {'Kendall':22}     n"
    yield _agreement("early-stop accuracy", told.by_accuracy)
    if told.corrected:
        yield _agreement("corrected reward", told.by_reward)
    else:
        yield "the run's reward is its early-stop accuracy: mu, rho and the weight of latency are 0"
    yield "(95 % intervals by bootstrap over the networks)"
    if told.failures:
        yield f"failed: {told.failures} of {n}; they count as chance, {told.facts.data.chance:.2f} %"
    if told.short:
        yield _SHORT
    if told.others:
        yield f"left out: {told.others} rows of other trainings"
    yield from _weights(directory, told)


def _agreement(name: str, found: Agreement) -> str:
    cells = (_estimate(one) for one in (found.pearson, found.spearman, found.kendall))
    return f"{name:20}  {'  '.join(f'{cell:22}' for cell in cells)}  {found.n:4}"


def _estimate(found: Estimate | None, signed: str = "") -> str:
    if found is None:
        return "none: all are equal"
    form = f"{signed}.2f"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _weights(directory: Path, told: Calibration) -> Iterator[str]:
    fit = told.fit
    if fit.mu is None and fit.rho is None:
        yield f"weights of the corrected reward (eq. 7): not fitted; {fit.reason}"
        return
    own = told.facts.settings.reward
    base = own.base
    weights = {"mu": fit.mu, "rho": fit.rho}
    known = ", ".join(f"{name} = {_estimate(w)}" for name, w in weights.items() if w)
    logarithms = "natural logarithms" if base == "e" else f"logarithms of base {base}"
    yield f"weights of the corrected reward (eq. 7) fitted to these {fit.n}: {known} ({logarithms};"
    yield f"  the run has mu = {own.mu:g}, rho = {own.rho:g})"
    for name, weight in weights.items():
        if weight is None:
            yield f"  {name}: the {_OF[name]} of all these networks is the same: nothing is known of it"
    silent = [name for name, w in weights.items() if w and w.holds_zero]
    if silent:
        both = "the interval of each holds 0" if len(silent) > 1 else f"{silent[0]}'s interval holds 0"
        what = " or ".join(_OF[name] for name in silent)
        yield f"  {both}: nothing speaks for a correction by {what}"
    changes = [
        part for name, w in weights.items() if w for part in ("--set", f"reward.{name}={w.value:.3g}")
    ]
    new = directory.with_name(f"{directory.absolute().name}-calibrated")
    command = shlex.join(["blockqnn", "fork", str(directory), str(new), *changes])
    purpose = "to judge the run by them" if fit.speaks else "to try them all the same"
    yield f"  {purpose}, with nothing trained again: {command}"


def _proof(directory: Path, told: Proof) -> Iterator[str]:
    found, random = told.found, told.random
    yield (
        f"{directory}: the {len(found)} best blocks of {told.evaluated} evaluated and {len(random)}"
        f" random ones, all trained anew ({told.how}); final {_metric(told)} on {_images(told)}:"
    )
    for name, values in (("found", found), ("random", random)):
        if values:
            each = " ".join(f"{value:.2f}" for value in sorted(values, reverse=True))
            yield f"  {name:6}  mean {fmean(values):6.2f} %  ({each})"
    if told.improvement is None or told.test is None:
        yield "  not enough of them for a comparison yet"
    else:
        relative = "" if told.relative is None else f", {told.relative:+.1f} % of the random mean"
        how = "all" if told.test.exact else "drawn"
        yield (
            f"  found over mean random block: {_estimate(told.improvement, '+')} points{relative}"
            " (95 % interval: Welch)"
        )
        verdict = "better" if told.test.p < _SURE else "not shown to be better"
        yield (
            f"  {verdict} than random: one-sided permutation test, p = {told.test.p:.2g}"
            f" ({told.test.splits:,} splits, {how})"
        )
    if told.failures:
        yield f"  failed: {told.failures}; they count as chance, {told.facts.data.chance:.2f} %"
    if told.short:
        yield f"  {_SHORT}"
    if told.others:
        yield f"  left out: {told.others} rows of other trainings or of an earlier state of the run"
    yield "  the search chose by these images, if with other seeds: this is a little in its favour"


def in_a_line(told: Proof) -> str:
    """The outcome of a proof in one line."""
    if told.improvement is None or told.test is None:
        return "too few of the proof's networks were trained"
    return (
        f"found {fmean(told.found):.2f} %, random {fmean(told.random):.2f} %:"
        f" {_estimate(told.improvement, '+')} points, p = {told.test.p:.2g}"
    )


def _metric(told: Calibration | Proof) -> str:
    return told.rows[0].recipe.metric


def _images(told: Calibration | Proof) -> str:
    return f"the {told.facts.data.sizes[1]} images of the validation part"


def summary(evidence: Evidence) -> dict[str, Any]:
    """The document of `calibrate --json`; a part is null where there is none."""
    calibration, proof = evidence
    return {
        "calibration": calibration
        and {
            "training": calibration.how,
            "n": len(calibration.rows),
            "failed": calibration.failures,
            "other_rows": calibration.others,
            "chance": calibration.facts.data.chance,
            "early_accuracy": asdict(calibration.by_accuracy),
            "reward": asdict(calibration.by_reward),
            "fit": asdict(calibration.fit),
            "rows": [row.model_dump(mode="json") for row in calibration.rows],
        },
        "proof": proof
        and {
            "training": proof.how,
            "evaluated": proof.evaluated,
            "failed": proof.failures,
            "other_rows": proof.others,
            "chance": proof.facts.data.chance,
            "found": proof.found,
            "random": proof.random,
            "improvement": proof.improvement and asdict(proof.improvement),
            "relative": proof.relative,
            "permutation": proof.test and asdict(proof.test),
            "rows": [row.model_dump(mode="json") for row in proof.rows],
        },
    }
