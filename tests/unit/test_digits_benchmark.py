"""The benchmark of whole searches on digits: its recipe is frozen, and it runs."""

import json

import pytest

import digits
from blockqnn.config import resolve


def test_the_recipe_is_frozen():
    settings = resolve("small", digits.settings_of(digits.STEPS))
    assert (settings.recipe.steps, settings.recipe.batch, settings.space.max_layers) == (216, 64, 8)
    assert (settings.skeleton.stem, settings.skeleton.widths) == (("conv",), (16, 32))
    assert (settings.recipe.optimizer, settings.recipe.precision) == ("adam", "float32")


def test_it_runs(tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    digits.main(["--trials", "3", "--steps", "4", "--workers", "1", "--repeats", "1", "--out", str(out)])
    (row,) = map(json.loads, out.read_text().splitlines())
    assert 0 < row["evaluations"] <= 3
    assert row["search_per_hour"] == pytest.approx(3600 * row["evaluations"] / row["search_seconds"])
    assert row["search/plain"] == pytest.approx(row["search_per_hour"] / row["plain_per_hour"])
    assert row["plain_trial_seconds"] < row["plain_seconds"]
    assert "evaluations an hour, plain loop" in capsys.readouterr().out


def test_the_demos_own_search_is_measured_alone(capsys, monkeypatch):
    one = digits.Candidate("(1,1,3,0,0) (2,7,0,0,0)", 120, 0, 95.0)
    asked = []

    def searched(*arguments):
        asked.append(arguments)
        return digits.Searched(2.0, (one, one), 1.5)

    monkeypatch.setattr(digits, "searched", searched)
    digits.main(["--preset", "demo", "--repeats", "1"])
    assert asked == [("demo", {}, None, 2)]
    shown = capsys.readouterr().out
    assert "demo: 2 evaluations" in shown
    assert "3,600.00" in shown
    assert "plain loop" not in shown
