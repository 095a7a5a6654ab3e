"""The page of a run: what stands in it, and that it needs nothing else."""

import json
import re

import pytest

from blockqnn.api import Run
from blockqnn.pages.chart import Chart, Span, Trace, plotted
from blockqnn.pages.chart_markup import values
from blockqnn.pages.run_charts import against_cost, by_trial
from blockqnn.pages.run_page import run_page
from blockqnn.records import Observation, Result
from blockqnn.report import calibrated
from blockqnn.report.calibrated import CALIBRATION, PROOF
from blockqnn.report.cost import cost
from blockqnn.report.failed import failed
from blockqnn.report.rows import Entry, read
from blockqnn.runtime.energy import ENERGY, Meter, spent_energy
from blockqnn.runtime.store import Store
from runs import facts
from unit.test_calibrated import line, of_proof, write
from unit.test_rows import CONVS, RESULTS, measured, written


@pytest.fixture
def run(tmp_path):
    written(tmp_path)
    return read(tmp_path)


def page_of(run):
    return run_page(run, calibrated.read(run.directory))


def without_scripts(page):
    return re.sub(r"<script.*?</script>", "", page, flags=re.S)


def test_it_says_what_happened(run):
    text = without_scripts(page_of(run))
    for told in (
        "70.00",  # the best
        "4 networks were trained briefly",
        "2 proposals were networks already known",  # of the four repeats those whose outcome is known
        "3 failed",
        "The search is not finished.",
        CONVS[2],
        "never better than always the same answer",
        "no proposal within the limits",
        "max_layers: 8",
        "seed 0",
    ):
        assert told in text, told


def test_it_asks_for_nothing_from_elsewhere(run):
    page = page_of(run)
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", without_scripts(page))
    assert not re.findall(r"<(?:link|img|iframe)\b", without_scripts(page))


def test_names_cannot_become_markup(tmp_path):
    run_facts = facts()
    data = run_facts.data.model_copy(update={"name": "</script><b>x", "warnings": ("<i>y</i>",)})
    stored = run_facts.model_copy(update={"data": data}).model_dump_json()
    Store.create(tmp_path / "a", {"run": stored}).close()
    page = page_of(read(tmp_path / "a"))
    assert "<b>x" not in page
    assert "<i>y" not in page
    assert "</script><b>" not in values(["</script><b>"])
    assert json.loads(re.search(r">(.*)<", values(["</script>"]))[1]) == ["</script>"]


def test_a_run_without_trials_has_a_page_too(tmp_path):
    written(tmp_path, trials=(), results=())
    assert "Nothing measured yet." in page_of(read(tmp_path))


def test_what_the_agent_learned_stands_there(tmp_path):
    """The values of the first iteration: its best block is of three operations."""
    written(tmp_path)
    assert "highest Q of a layer at each place" in Run(tmp_path).report().read_text()


def test_a_strategy_without_values_has_no_such_part(tmp_path):
    written(tmp_path, strategy="random")
    assert "What the agent learned" not in Run(tmp_path).report().read_text()


def test_it_is_written_where_it_is_asked_for(tmp_path):
    written(tmp_path / "run")
    assert Run(tmp_path / "run").report() == tmp_path / "run" / "report.html"
    out = Run(tmp_path / "run").report(tmp_path / "other.html")
    assert out.read_text() == (tmp_path / "run" / "report.html").read_text()


# Charts


def test_dots_and_the_best_so_far(run):
    entries = sorted(run.entries(), key=lambda entry: entry.trial)
    dots, best = by_trial(entries, "accuracy").traces
    assert list(dots.x) == [0, 2, 4, 7]
    assert list(dots.y) == [50.0, 70.0, 70.0, 5.0]
    assert list(best.y) == [50.0, 70.0, 70.0, 70.0]


def test_what_is_beaten_by_none(run):
    """FLOPs are 1000 + the trial's number: trial 2 has the 70 % of trial 4 for less."""
    _, front = against_cost(run.entries(), "accuracy", "flops").traces
    assert list(zip(front.x, front.y, strict=True)) == [(1000, 50.0), (1002, 70.0)]


def test_few_low_values_do_not_press_the_others_together():
    accuracies = [10.0, 20.0, *(90 + n / 10 for n in range(38))]
    entries = [read_entry(n, a) for n, a in enumerate(accuracies)]
    chart = by_trial(entries, "accuracy")
    assert 80 < chart.seen[0] < 92
    assert chart.seen[1] > 93.7
    assert "lower ones are out of sight" in chart.told
    assert by_trial(entries[2:], "accuracy").seen is None


def read_entry(number, accuracy):
    return Entry(number, "", accuracy, accuracy, 1, 1)


def test_a_chart_as_plotly_takes_it():
    trace = Trace("one", [1, 2], [3.0, None], "step", right=True)
    told = plotted(Chart("n", "t", "x", "y", (trace,), "", True, "z", (Span(1, 2, "s"),)))
    assert told["data"] == [
        {
            "name": "one",
            "x": [1, 2],
            "y": [3.0, None],
            "type": "scatter",
            "mode": "lines",
            "line": {"width": 2, "shape": "hv"},
            "yaxis": "y2",
        }
    ]
    assert told["layout"]["xaxis"]["type"] == "log"
    assert told["layout"]["yaxis2"]["title"]["text"] == "z"
    assert (told["layout"]["shapes"][0]["x0"], told["layout"]["shapes"][0]["x1"]) == (1, 2)


# Costs and failures


def test_costs_by_hand(run):
    """Seven results: 4 measurements of 2 s, 3 failures of 0.5 s; repeats of trials 0 and 1 are known."""
    spent = cost(run.fold)
    assert (spent.seconds, spent.trained, spent.repeats, spent.saved) == (9.5, 7, 2, 2.5)
    assert spent.mean == pytest.approx(9.5 / 7)


def test_what_was_taken_from_another_run_saves_the_mean(tmp_path):
    taken = Result(
        number=8, outcome=measured(8, 60.0).outcome, observed=Observation(source="other", attempts=0)
    )
    written(tmp_path, results=[*RESULTS, taken])
    spent = cost(read(tmp_path).fold)
    # the two repeats of trial 8 save the mean of the trained ones too
    assert spent.taken == 1
    assert spent.saved == pytest.approx(2.5 + 3 * 9.5 / 7)


def test_failures_by_kind_the_most_frequent_first(run):
    found = [(one.kind, one.candidates, one.example) for one in failed(run.fold)]
    assert found == [("no_learning", 2, 1), ("over_limit", 1, 6)]


# Energy


def counters(directory, **microjoules):
    for name, value in microjoules.items():
        package = directory / name.replace("_", ":")
        package.mkdir(exist_ok=True)
        (package / "energy_uj").write_text(f"{value}\n")


def test_energy_is_what_the_counters_moved(tmp_path):
    counters(tmp_path, **{"intel-rapl_0": 5_000_000, "intel-rapl_1": 9_000_000, "intel-rapl_0_0": 1})
    meter = Meter("cpu", tmp_path)
    counters(tmp_path, **{"intel-rapl_0": 7_500_000, "intel-rapl_1": 100})
    assert meter.passed() == [(ENERGY, {"intel-rapl:0": 2.5})]  # the other one began anew


def test_where_nothing_counts_nothing_is_told(tmp_path, run):
    assert Meter("cpu", tmp_path).passed() == []
    assert spent_energy([]) is None
    assert "does not tell what it consumed" in page_of(run)


def test_energy_of_all_sessions(tmp_path):
    events = [(ENERGY, {"a": 1.8e6, "b": 0.0}), ("share", 0.5), (ENERGY, {"a": 1.8e6})]
    written(tmp_path, events=events)
    assert read(tmp_path).energy == 3.6e6
    assert "1 kWh" in page_of(read(tmp_path))


# Full trainings


def test_it_says_which_command_proves_the_search(run):
    text = without_scripts(page_of(run))
    assert "whether brief trainings tell the full ones and whether what was found beats" in text
    assert f"blockqnn calibrate {run.directory} --sample 24 --proof 5" in text


def test_what_full_trainings_told_stands_there(run):
    """Five found and five random: every found one is better, so p is one of 252 splits."""
    rows = [of_proof("found", 90.0 + n) for n in range(5)] + [
        of_proof("random", 80.0 + n) for n in range(5)
    ]
    write(run.directory / PROOF, rows)
    text = without_scripts(page_of(run))
    assert "Was it worth it? By full trainings found 92.00 %, random 82.00 %: +10.00" in text
    assert "p = 0.004" in text
    assert 'id="chart-proof"' in text
    assert f"blockqnn calibrate {run.directory} --sample 24<" in text
    write(run.directory / CALIBRATION, [line(n, 60.0 + n, 70.0 + n) for n in range(4)])
    text = without_scripts(page_of(run))
    assert 'id="chart-calibration"' in text
    assert "rank correlation 1.00" in text
    assert "Not measured yet" not in text
