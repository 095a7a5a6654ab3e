"""Full trainings as they are read: statistics beside scipy's or by hand, planted weights, files."""

import json
import math
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from blockqnn import InputError
from blockqnn.config import Recipe
from blockqnn.report import resampling
from blockqnn.report.calibrated import CALIBRATION, PROOF, read, rows_in
from blockqnn.report.calibrated import CalibrationRow as Row
from blockqnn.report.resampling import agreement, difference, permutation
from blockqnn.report.reward_fit import fitted
from blockqnn.runtime.store import Store
from runs import facts

RECIPE = Recipe(epochs=60)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Correlations


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_are_scipys(rng, ties):
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    if ties:
        x, y = x.round(), y.round()
    found = agreement(x, y)
    assert found.n == 30
    assert found.pearson.value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.kendall.value == pytest.approx(stats.kendalltau(x, y).statistic)


def test_an_interval_is_that_of_scipys_bootstrap(rng):
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    found = agreement(x, y).pearson
    other = stats.bootstrap(
        (x, y),
        lambda a, b: stats.pearsonr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=1,
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.02)


def test_seeds_give_the_same_interval_again(rng):
    x, y = rng.normal(size=(2, 20))
    assert agreement(x, y) == agreement(x, y)
    assert agreement(x, y, seed=1) != agreement(x, y)


def test_what_is_constant_has_no_correlation():
    found = agreement([1.0, 2.0, 3.0, 4.0], [5.0] * 4)
    assert (found.pearson, found.spearman, found.kendall, found.n) == (None, None, None, 4)


def test_order_alone_counts_for_ranks():
    x = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = agreement(x, [math.exp(v) for v in x])
    assert found.spearman.value == found.kendall.value == pytest.approx(1.0)
    assert found.pearson.value < 0.95


# Differences and permutations


def test_the_interval_of_a_difference_is_welchs(rng):
    one, other = rng.normal(3, 1, size=6), rng.normal(2, 3, size=9)
    found = difference(one, other)
    theirs = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(one.mean() - other.mean())
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    constant = difference([3.0, 3.0], [1.0, 1.0])
    assert (constant.value, constant.low, constant.high) == (2.0, 2.0, 2.0)


def brute_force(one, other):
    """By all orders of the values, in exact numbers."""
    values = [Fraction(v) for v in (*one, *other)]
    few, many = len(one), len(other)

    def gap(order):
        return sum(order[:few]) / few - sum(order[few:]) / many

    at_least = [gap(order) >= gap(values) for order in permutations(values)]
    return sum(at_least) / len(at_least)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([5, 6, 7], [1, 2, 3]),
        ([1, 2, 3], [5, 6, 7]),
        ([97.5, 97.5, 96], [97.5, 95, 94, 97.5]),
        ([2, 2], [2, 2, 2]),
    ],
)
def test_a_p_value_is_that_of_brute_force(one, other):
    found = permutation(one, other)
    assert found.p == pytest.approx(brute_force(one, other))
    assert (found.splits, found.exact) == (math.comb(len(one) + len(other), len(one)), True)


def test_known_p_values():
    assert permutation([5, 6, 7, 8, 9], [0, 1, 2, 3, 4]).p == pytest.approx(1 / 252)
    assert permutation([0, 1, 2, 3, 4], [5, 6, 7, 8, 9]).p == 1.0


def test_many_splits_are_drawn(rng):
    one, other = rng.normal(0.6, size=11), rng.normal(size=11)
    assert math.comb(22, 11) > resampling.MOST_SPLITS
    found = permutation(one, other)
    theirs = stats.permutation_test(
        (one, other),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        vectorized=True,
        alternative="greater",
        n_resamples=100_000,
        rng=1,
    )
    assert (found.exact, found.splits) == (False, 100_000)
    assert 0.01 < found.p == pytest.approx(theirs.pvalue, abs=0.005)
    assert permutation(np.arange(30) + 100.0, np.arange(30)).p == pytest.approx(1 / 100_001)


# Weights


def planted(rng, n, mu, rho, noise):
    """Networks whose final accuracy follows the corrected reward, and how much early stop sees."""
    flops, density = rng.normal(size=n), rng.uniform(-0.5, 1, size=n)
    early = 70 + 10 * rng.normal(size=n) + 3 * flops
    final = 20 + 0.5 * (early - mu * flops - rho * density) + noise * rng.normal(size=n)
    return early, flops, density, final


def test_planted_weights_are_found_again(rng):
    fit = fitted(*planted(rng, 40, mu=-1.5, rho=4.0, noise=0.0))
    assert (fit.mu.value, fit.rho.value, fit.n) == (pytest.approx(-1.5), pytest.approx(4.0), 40)
    noisy = fitted(*planted(rng, 60, mu=-3.0, rho=0.0, noise=1.0))
    assert noisy.mu.low < -3 < noisy.mu.high < 0
    assert noisy.rho.holds_zero
    assert noisy.speaks


def test_weights_are_those_of_least_squares(rng):
    early, flops, density, final = planted(rng, 30, mu=1.0, rho=8.0, noise=2.0)
    fit = fitted(early, flops, density, final)
    columns = np.column_stack([np.ones(30), early, flops, density])
    _, b, c, d = np.linalg.lstsq(columns, final)[0]
    assert (fit.mu.value, fit.rho.value) == (pytest.approx(-c / b), pytest.approx(-d / b))


def test_nothing_speaks_for_a_correction_where_accuracy_tells_all(rng):
    fit = fitted(*planted(rng, 50, mu=0.0, rho=0.0, noise=2.0))
    assert fit.mu.holds_zero
    assert fit.rho.holds_zero
    assert not fit.speaks


def test_no_weights_without_reason(rng):
    early, flops, density, final = planted(rng, 40, 1.0, 1.0, 0.1)
    assert "8 trained networks" in fitted(early[:7], flops[:7], density[:7], final[:7]).reason
    assert (
        "slope of early-stop accuracy may be 0"
        in fitted(early, flops, density, rng.normal(size=40)).reason
    )
    assert "slope of early-stop accuracy may be 0" in fitted(early, flops, density, -final).reason
    assert "the same in all" in fitted(np.full(40, 90.0), flops, density, final).reason
    assert "are the same in" in fitted(early, np.ones(40), np.zeros(40), final).reason
    assert "differ in FLOPs and density" in fitted(early, flops, 2 * flops, final).reason


def test_a_weight_alone_is_fitted_where_the_other_has_nothing_to_weigh(rng):
    early, flops, _, _ = planted(rng, 30, 0.0, 0.0, 0.0)
    fit = fitted(early, flops, np.zeros(30), early + 2 * flops)
    assert (fit.mu.value, fit.rho) == (pytest.approx(-2.0), None)


# Files


def line(trial, early, final, **fields):
    """A row as calibration.jsonl holds it."""
    return {
        "code": "(1,1,3,0,0) (2,7,0,0,0)",
        "final": final,
        "failure": "" if final is not None else "no_learning",
        "params": 1000,
        "flops": 10_000 * (trial + 1),
        "density": 1.0 + trial / 10,
        "seconds": 1.5,
        "seed": trial,
        "device": "cpu",
        "how": "modern, 60 epochs",
        "recipe": RECIPE.model_dump(mode="json"),
        "trial": trial,
        "early": early,
        "reward": -early,
        **fields,
    }


def of_proof(group, final, **fields):
    row = {k: v for k, v in line(0, 0.0, final).items() if k not in ("early", "reward")}
    trial = 3 if group == "found" else None
    return row | {"group": group, "trial": trial, "evaluated": 50} | fields


@pytest.fixture
def run(tmp_path):
    """A run without trials: chance is 10 %, early stop 120 steps of 64 of 1,000 images."""
    known = facts(reward={"mu": 1.0, "rho": 8.0, "base": 10})
    Store.create(tmp_path / "run", {"run": known.model_dump_json()}).close()
    return tmp_path / "run"


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_missing_files_are_nothing(run):
    assert read(run) == (None, None)
    (run / CALIBRATION).touch()
    assert read(run) == (None, None)
    with pytest.raises(InputError, match="holds no run"):
        read(run.parent)


def test_a_calibration_is_told(run):
    pairs = [(60.0, 70.0), (70.0, 75.0), (80.0, 90.0), (90.0, 85.0)]
    write(run / CALIBRATION, [line(i, *pair) for i, pair in enumerate(pairs)])
    found = read(run).calibration
    assert [row.trial for row in found.rows] == [0, 1, 2, 3]
    assert found.by_accuracy.spearman.value == pytest.approx(0.8)  # ranks 1 2 3 4 against 1 2 4 3
    assert found.by_accuracy.kendall.value == pytest.approx(4 / 6)  # one pair of six is turned round
    assert found.by_reward.spearman.value == pytest.approx(-0.8)
    assert (found.how, found.failures, found.others) == ("modern, 60 epochs", 0, 0)
    assert found.corrected
    assert not found.short
    assert read(run).proof is None


def test_a_failed_training_counts_as_chance(run):
    rows = [line(0, 60.0, None), line(1, 70.0, 12.0), line(2, 80.0, 8.0), line(3, 90.0, 50.0)]
    write(run / CALIBRATION, rows)
    found = read(run).calibration
    assert (found.finals, found.failures) == ([10.0, 12.0, 8.0, 50.0], 1)
    # ranks 2 3 1 4 against 1 2 3 4: squared differences 1 1 4 0
    assert found.by_accuracy.spearman.value == pytest.approx(1 - 6 * 6 / (4 * 15))
    assert found.fit.n == 3


def test_weights_are_in_the_base_of_the_run(run):
    rng, rows = np.random.default_rng(0), []
    for trial in range(20):
        row = line(trial, float(rng.uniform(60, 90)), 0.0, density=float(rng.uniform(1, 2)))
        corrected = -2 * math.log10(row["flops"]) - 5 * math.log10(row["density"])
        rows.append(row | {"final": row["early"] + corrected})
    write(run / CALIBRATION, rows)
    fit = read(run).calibration.fit
    assert (fit.mu.value, fit.rho.value) == (pytest.approx(2), pytest.approx(5))


def test_trainings_are_told_apart(run):
    short = {"how": "modern, 3 epochs", "recipe": Recipe(epochs=3).model_dump(mode="json")}
    rows = [line(0, 60.0, 70.0), line(1, 70.0, 75.0, **short), line(2, 80.0, 90.0)]
    write(run / CALIBRATION, rows)
    found = read(run).calibration
    assert ([row.trial for row in found.rows], found.others) == ([0, 2], 1)
    asked = read(run, ("modern, 3 epochs", Recipe(epochs=3))).calibration
    assert ([row.trial for row in asked.rows], asked.others) == ([1], 2)
    assert asked.short  # 3 epochs, early stop has 7.7
    assert read(run, ("modern, 3 epochs", RECIPE)).calibration is None
    write(run / CALIBRATION, rows[:2])
    assert [row.trial for row in read(run).calibration.rows] == [1]  # of equals the last one used


def test_a_proof_is_told(run):
    found, random = [98.0, 97.0, 99.0], [90.0, 91.0, None]
    write(
        run / PROOF,
        [
            of_proof("found", 20.0, evaluated=40),
            *(of_proof("found", v) for v in found),
            *(of_proof("random", v) for v in random),
        ],
    )
    proof = read(run).proof
    assert (proof.found, proof.random) == ([98.0, 97.0, 99.0], [90.0, 91.0, 10.0])
    assert (proof.evaluated, proof.others, proof.failures) == (50, 1, 1)
    assert proof.improvement.value == pytest.approx(98 - 191 / 3)
    assert proof.relative == pytest.approx(100 * (98 - 191 / 3) / (191 / 3))
    assert (proof.test.p, proof.test.splits, proof.test.exact) == (1 / 20, 20, True)


def test_a_proof_that_has_only_begun(run):
    write(run / PROOF, [of_proof("found", 98.0), of_proof("random", 90.0), of_proof("found", 97.0)])
    proof = read(run).proof
    assert (proof.complete, proof.improvement, proof.relative, proof.test) == (False, None, None, None)


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        ("{", "content"),
        ("", "content"),
        (json.dumps(line(1, 70.0, 101.0)), "final: Input should be less than or equal to 100"),
        (json.dumps(line(1, 70.0, None, failure="")), "content: Value error, either a final"),
        (json.dumps(line(1, 70.0, 75.0, density=0.0)), "density: Input should be greater than 0"),
        (json.dumps(line(1, 70.0, 75.0, recipe={"epoch": 3})), "recipe.epoch: "),
        ("\udcff", "content"),
    ],
)
def test_a_damaged_line_is_named(run, damaged, told):
    path = run / CALIBRATION
    text = json.dumps(line(0, 60.0, 70.0)) + f"\n{damaged}\n"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=f"calibration.jsonl: line 2 is damaged: {told}"):
        read(run)


def test_what_a_kill_cut_off_is_no_row(run):
    path = run / CALIBRATION
    whole = json.dumps(line(0, 60.0, 70.0)) + "\n"
    path.write_text(whole + whole[: len(whole) // 2])
    assert [row.trial for row in rows_in(path, Row)] == [0]
