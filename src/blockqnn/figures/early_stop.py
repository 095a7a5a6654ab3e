"""Figure 6: what early-stop accuracy and corrected reward tell of the final accuracy."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.diagram.sheet import Panel, sheet
from blockqnn.figures.drawn import Drawn
from blockqnn.figures.words import aligned, names
from blockqnn.report import calibrated
from blockqnn.report.rows import RunView
from blockqnn.runtime.facts import reward_rule
from blockqnn.strategy.reward import RewardRule, corrected_reward

MU, RHO = 1.0, 8.0  # the paper's, section 4.2
_WIDTH, _TALL, _LOW = 860, 360, 180
_FEWEST = 3  # for a rank correlation
_SAMPLE = 24  # networks that are proposed to be trained fully


class Model(NamedTuple):
    """A candidate; accuracies in percent of the validation part."""

    early: float
    final: float | None
    reward: float  # the run's
    corrected: float  # with the paper's mu and rho
    flops: int  # of one image
    density: float


def draw(views: Sequence[RunView]) -> Drawn:
    """Of one run: the fully trained candidates, or without such all that were evaluated."""
    (view,) = views
    models = sorted(models_of(view), key=lambda model: -model.early)
    complete = bool(models) and models[0].final is not None
    corrects = _own_reward(view)
    across = "networks, sorted by early-stop accuracy"
    above = [
        _series("early-stop accuracy (%)", models, lambda m: m.early, "line"),
        _series("reward, mu = 1, rho = 8", models, lambda m: m.corrected),
    ]
    if corrects:
        above.append(_series(f"reward of the run, {_weights(view)}", models, lambda m: m.reward))
    if complete:
        above.append(_series("final accuracy (%)", models, lambda m: m.final))
    charts = [
        curves_picture(above, "accuracy and reward", across, _WIDTH, _TALL),
        curves_picture(
            [_series("MFLOPs", models, lambda m: m.flops / 1e6)],
            "MFLOPs of one image",
            across,
            _WIDTH,
            _LOW,
        ),
        curves_picture(
            [_series("density", models, lambda m: m.density)],
            "density, edges / nodes",
            across,
            _WIDTH,
            _LOW,
        ),
    ]
    lines = _lines(view, models, complete, corrects)
    heading = f"Figure 6: early stop and corrected reward in {names(views)[0]}"
    return Drawn(sheet([[Panel(c)] for c in charts], heading, "; ".join(lines)), tuple(lines))


def models_of(view: RunView) -> list[Model]:
    """The fully trained candidates of the run; where there are none, the evaluated ones."""
    rule = reward_rule(view.facts)
    paper = replace(rule, mu=MU, rho=RHO, nu=0.0)
    calibration = calibrated.read(view.directory).calibration
    trained = [row for row in calibration.rows if row.final is not None] if calibration else []
    if trained:
        rewards = {entry.trial: entry.reward for entry in view.entries()}
        return [
            Model(
                row.early,
                row.final,
                rewards.get(row.trial, _reward(rule, row.early, row.flops, row.density)),
                _reward(paper, row.early, row.flops, row.density),
                row.flops,
                row.density,
            )
            for row in trained
        ]
    found = []
    for entry in view.entries():
        density = view.fold.trials[entry.trial].density
        assert density is not None, "an evaluated block has a density"
        corrected = _reward(paper, entry.accuracy, entry.flops, density)
        found.append(Model(entry.accuracy, None, entry.reward, corrected, entry.flops, density))
    return found


def _reward(rule: RewardRule, accuracy: float, flops: int, density: float) -> float:
    return corrected_reward(replace(rule, nu=0.0), accuracy, flops, density)


def _series(
    label: str,
    models: Sequence[Model],
    value: Callable[[Model], float | None],
    form: Literal["line", "dots"] = "dots",
) -> Series:
    """By place from 1 on."""
    numbers = [(float(place), value(model)) for place, model in enumerate(models, 1)]
    points = tuple((x, y) for x, y in numbers if y is not None)
    return Series(label, points, form)


def _own_reward(view: RunView) -> bool:
    """Whether the run's reward is neither the accuracy nor what the paper's weights make of it."""
    reward = view.facts.settings.reward
    return reward.corrects and (reward.mu, reward.rho, reward.latency) != (MU, RHO, 0.0)


def _weights(view: RunView) -> str:
    reward = view.facts.settings.reward
    latency = f", latency {reward.latency:g}" if reward.latency else ""
    return f"mu = {reward.mu:g}, rho = {reward.rho:g}{latency}"


def _lines(view: RunView, models: Sequence[Model], complete: bool, corrects: bool) -> list[str]:
    if not models:
        return [f"run {view.directory}: has no evaluated trial yet"]
    lines = []
    if not corrects:
        own = "that of the paper" if view.facts.settings.reward.corrects else "its accuracy"
        lines = [f"the reward of this run is {own}"]
    if not complete:
        return [
            f"{len(models)} evaluated networks, none of them trained fully; final accuracies come by:"
            f" blockqnn calibrate {view.directory} --sample {_SAMPLE}",
            *lines,
        ]
    lines.insert(0, f"{len(models)} networks that were also trained fully")
    if len(models) < _FEWEST:
        return lines
    told = [("rank correlation with the final accuracy", "Spearman")]
    told.append(("early-stop accuracy", _rank_correlation(models, lambda m: m.early)))
    told.append(("reward, mu = 1, rho = 8", _rank_correlation(models, lambda m: m.corrected)))
    if corrects:
        told.append(
            (f"reward of the run, {_weights(view)}", _rank_correlation(models, lambda m: m.reward))
        )
    told.append(("FLOPs", _rank_correlation(models, lambda m: m.flops)))
    told.append(("density", _rank_correlation(models, lambda m: m.density)))
    return [*lines, *aligned(told)]


def _rank_correlation(models: Sequence[Model], value: Callable[[Model], float]) -> str:
    from scipy.stats import spearmanr

    values = [value(model) for model in models]
    finals = [model.final for model in models]
    if len(set(values)) < 2 or len(set(finals)) < 2:
        return "-"
    return f"{float(spearmanr(values, finals).statistic):+.2f}"
