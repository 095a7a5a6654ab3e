"""What benchmarks/scale.py prints, where it can be worked out by hand."""

import pytest

from blockqnn.config import PlanSettings
from blockqnn.report.rows import read
from coordinator import facts, fill_at_random
from scale import CLUSTER, cluster, durable, idle_percent, quantile, repeat


def test_quantiles():
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile(list(range(100)), 0.99) == 99


@pytest.mark.parametrize(
    ("workers", "size", "staleness", "idle"),
    [
        (1, 4, 0, 0.0),  # one worker always has the next one
        (2, 1, 0, 50.0),  # one candidate at a time on two workers
        (4, 1, 0, 75.0),
    ],
)
def test_idle_time_that_follows_from_the_numbers(workers, size, staleness, idle):
    assert idle_percent(workers, size, staleness, False, 0) == pytest.approx(idle)


def test_two_of_four_workers_are_busy_most_of_the_time_with_two_iterations_of_one():
    """50 % at least: the second one in flight may have to wait for the first, never the reverse."""
    assert 50.0 <= idle_percent(4, 1, 1, False, 0) < 75.0


def test_a_small_cluster_as_a_row_of_the_table(tmp_path):
    row = cluster(8, PlanSettings(trials=64, iteration=16, staleness=1), 1.0, tmp_path)
    cells = dict(zip(*(line.strip("| ").split(" | ") for line in (CLUSTER, row)), strict=True))
    assert (cells["workers"], cells["iteration"], cells["results"]) == ("8", "16", "64")
    assert 0 < float(cells["results/s"]) < 8 / 0.5  # no more than 8 workers can give
    assert list(tmp_path.iterdir()) == []


def test_a_run_repeated_is_that_many_runs_one_after_another(tmp_path):
    fill_at_random(tmp_path / "one", facts(128, "standard"), 128)
    repeat(tmp_path / "one", tmp_path / "three", 3)
    one, three = (read(tmp_path / name) for name in ("one", "three"))
    assert len(three.fold.trials) == 3 * len(one.fold.trials) == 3 * 128
    assert three.fold.complete_iterations() == 3 * one.fold.complete_iterations() == 6
    assert three.counts()["evaluated"] == 3 * one.counts()["evaluated"]
    assert len({trial.key for trial in three.fold.trials}) == 3 * len(
        {trial.key for trial in one.fold.trials}
    )


def test_each_commit_is_timed(tmp_path):
    assert len(durable(tmp_path / "run", group=4, commits=3)) == 3
