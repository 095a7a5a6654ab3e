"""What a search saves, split: the ratios by hand, whole networks, and a measurement end to end."""

import argparse
import json

import numpy as np
import pytest

import compute_factor
from blockqnn.network.plan import Image, Skeleton, plan_network
from blockqnn.space.code import parse
from compute_factor import Stages, factors, projected, reuse_of, whole_network, with_finalists
from unit.test_rows import written

ONE = Stages(full=100.0, brief=20.0, block=4.0, ours=1.0, final=50.0)
OTHER = Stages(full=300.0, brief=60.0, block=6.0, ours=4.0, final=100.0)


def test_factors_are_ratios_of_sums():
    """400, 80, 10 and 5 seconds; the reuse of a quarter."""
    assert factors([ONE, OTHER], 1.25) == pytest.approx(
        {"early stop": 5.0, "block": 8.0, "reuse": 1.25, "speed": 2.0, "product": 100.0}
    )


def test_finalists_cost_what_full_trainings_cost():
    """20 networks: 20 x 1.25 x 200 s against 20 x 2.5 s and five times 75 s."""
    assert with_finalists([ONE, OTHER], 1.25, 20) == pytest.approx(5000 / 425)
    assert with_finalists([ONE], 1.0, 2) == pytest.approx(200 / 102), "no more than there are"


def test_seconds_follow_from_steps():
    steps = {"plain whole": 0.5, "plain block": 0.1, "fit block": 0.02, "fit whole": 0.25}
    row = {"step_seconds": {k: [v, 0, 9] for k, v in steps.items()}, "steps": {"full": 100, "brief": 10}}
    assert projected(row) == pytest.approx((50.0, 5.0, 1.0, 0.2, 25.0))


def test_a_repeat_saves_what_its_network_took(tmp_path):
    """Trial 3 repeats one of 2 s and trial 5 one of 0.5 s; 9.5 s were spent."""
    assert reuse_of(written(tmp_path)) == pytest.approx(12 / 9.5)


def test_a_whole_network_is_the_deepest_within_the_limit():
    block, image = parse("(1,1,3,0,0)"), Image(1, 8, 8)
    thin = Skeleton(("conv",), (2, 4), (1, 1))

    def params(repeats):
        return plan_network(block, thin.with_widths((4, 8)).with_repeats((repeats,)), image, 10).params

    def whole(limit):
        options = argparse.Namespace(widths=(4, 8), repeats=4, max_params=limit)
        return whole_network(block, thin, image, 10, options)

    assert whole(10**6).params == params(4)
    assert whole(params(3)).params == params(3)
    assert whole(params(3) - 1).params == params(2)
    assert whole(params(1) - 1) is None


@pytest.fixture
def run_it(finished, tmp_path):
    rows = tmp_path / "rows.jsonl"

    def run(*more):
        sizes = ["--widths", "4,4", "--repeats", "1", "--epochs", "1", "--rounds", "1"]
        brief = ["--seconds", "0.01", "--device", "cpu", "--rows", str(rows)]
        compute_factor.main([str(finished.path), *sizes, *brief, *more])
        return [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else []

    return run


def test_it_measures_goes_on_and_tells(run_it, capsys):
    assert run_it("--sample", "1", "--estimate") == []
    (row,) = run_it("--sample", "1", "--whole", "1")
    assert set(row["step_seconds"]) == set(compute_factor.WAYS)
    assert all(least > 0 for _, least, _ in row["step_seconds"].values())
    assert set(row["whole"]) == {"full", "brief", "block", "ours"}
    assert run_it("--sample", "1", "--whole", "1") == [row], "what is there is not measured again"
    capsys.readouterr()
    run_it("--table")
    told = capsys.readouterr().out
    assert "1 of them, whole trainings" in told
    assert "Block-QNN          11,392" in told
    direct = row["whole"]["full"] / row["whole"]["brief"]
    (line,) = (line for line in told.splitlines() if line.startswith("early stop"))
    assert line.split()[-2] == f"{direct:.2f}"


def test_images_of_another_shape_are_refused(run_it, tmp_path):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (60, 12, 12, 3), dtype=np.uint8)
    labels = np.arange(60) % 3
    parts = {"x_train": pixels, "y_train": labels, "x_test": pixels[:9], "y_test": labels[:9]}
    np.savez(tmp_path / "other.npz", **parts)
    with pytest.raises(SystemExit, match="the run Image"):
        run_it("--data", str(tmp_path / "other.npz"))
