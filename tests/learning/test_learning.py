"""The default agent learns: better than random search at equal distinct evaluations, 20 seeds."""

from functools import partial
from statistics import fmean

import pytest

import learning

pytestmark = pytest.mark.slow
SEEDS = 20


@pytest.fixture(scope="module", params=["synthetic", "nasbench201"])
def make(request, shared_data):
    if request.param == "synthetic":
        return learning.synthetic
    return partial(learning.table, shared_data / "nas" / "nasbench201.npz", "c10_test_e12")


@pytest.mark.parametrize("evaluations", [300, 1000])
def test_the_default_agent_beats_random_search(make, evaluations, capsys):
    results = learning.compare(make, evaluations, SEEDS)
    with capsys.disabled():
        print(f"\n{evaluations} distinct evaluations, {SEEDS} seeds")
        print("\n".join(learning.lines(results)))
    for field in ("best", "last_tenth"):
        assert learning.p_value(results, "default", field) < 0.05
    assert fmean(s.new_in_last_tenth for s in results["default"]) >= 0.5
