"""Which network the final training gets."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from blockqnn.automatic import selection
from blockqnn.automatic.selection import _field, winner
from blockqnn.automatic.shares import ends
from blockqnn.config import RECIPES
from blockqnn.journal import Row, best_of
from blockqnn.network.plan import SKELETONS


def row(name, accuracy, *, stage="selection", number=1, params=100, epochs=10.0, seconds=10.0):
    return Row(
        stage=stage,
        round=number,
        name=name,
        choice=f"{params} parameters",
        code="(1,1,3,0,0)",
        skeleton=SKELETONS["small"],
        recipe=RECIPES["modern"],
        accuracy=accuracy,
        params=params,
        flops=1,
        epochs=epochs,
        steps=1,
        seconds=seconds,
    )


def session(*rows, budget=1000.0):
    """A session whose final training has about 390 seconds."""
    return SimpleNamespace(
        journal=SimpleNamespace(
            rows=rows,
            ends=ends(budget),
            budget=budget,
            data=SimpleNamespace(sizes=(4000, 800, 1000)),
            train_size=None,
        ),
        rows=lambda stage: [r for r in rows if r.stage == stage],
        best=best_of,
    )


def test_the_last_round_chooses_the_block():
    first, last = row("a", 90.0, number=0), [row("b", 70.0), row("c", 80.0)]
    assert winner(session(first, *last), 1) is last[1]


def test_the_best_found_and_the_best_known_block_go_on(monkeypatch):
    accuracies = {"resnet-like": 40.0, "block-qnn-s": 30.0, "trial 1": 70.0, "trial 2": 60.0}
    entries = [SimpleNamespace(trial=n, code="(1,1,3,0,0) (2,7,0,0,0)") for n in (1, 2)]
    run = SimpleNamespace(finalists=lambda: entries)
    monkeypatch.setattr(selection.runs, "read", lambda _: run)
    monkeypatch.setattr(selection, "_field", lambda *_: (2, ((1, 1), (2, 1))))
    monkeypatch.setattr(selection, "_sized", lambda row, sizes, _: [row.name] * len(sizes))
    second = []

    def round(_stage, number, entries, _seconds):
        if number:
            second.extend(entries)
        return [row(e.name, accuracies[e.name]) for e in entries] if not number else []

    known = session()
    known.directory, known.until = Path(), lambda _: 100.0
    races = SimpleNamespace(workers=2, round=round)
    selection.select(known, races, SKELETONS["small"], RECIPES["modern"])
    assert second == ["trial 1", "trial 1", "resnet-like", "resnet-like"]


@pytest.mark.parametrize(("accuracy", "wins"), [(60.0, False), (62.0, False), (63.0, True)])
def test_a_block_found_must_lead_by_more_than_the_noise(accuracy, wins):
    # 800 images: the standard error of the difference is 2.4 points
    known, found = row("resnet-like", 60.0), row("trial 3", accuracy)
    assert winner(session(known, found), 1) is (found if wins else known)


@pytest.mark.parametrize(("epochs", "larger"), [(10.0, True), (2.0, True), (0.5, False)])
def test_the_size_is_the_largest_that_the_final_training_shows_enough(epochs, larger):
    small, large = row("a", 80.0), row("a", 40.0, params=400, epochs=epochs)
    other = row("b", 60.0, params=900)
    assert winner(session(small, large, other), 1) is (large if larger else small)


def test_a_journal_from_before_there_was_a_proof_chooses_too():
    found = row("a", 80.0)
    known = session(found)
    del known.journal.ends["proof"]
    assert winner(known, 1) is found


def test_more_workers_make_room_for_a_larger_network():
    rows = row("a", 80.0), row("a", 40.0, params=400, epochs=0.8)
    assert [winner(session(*rows), workers).params for workers in (1, 2)] == [100, 400]


def test_without_a_round_the_best_so_far_and_without_one_an_error():
    early = row("a", 50.0, stage="baselines", number=0)
    assert winner(session(early), 1) is early
    with pytest.raises(RuntimeError, match="no network"):
        winner(session(row("a", None)), 1)


@pytest.mark.parametrize(
    ("budget", "epoch", "expected"),
    [
        (600.0, 3.5, (2, 2)),
        (600.0, 100.0, (1, 0)),
        (600.0, 0.1, (4, 3)),
        (7200.0, 3.5, (8, 5)),
        (7200.0, 100.0, (1, 0)),
    ],
)
def test_the_field_is_as_large_as_leaves_each_job_its_time(budget, epoch, expected):
    first = row("resnet-like", 50.0, stage="baselines", number=0, epochs=5.0, seconds=5.0 * epoch)
    few, sizes = _field(session(first, budget=budget), 2)
    assert (few, len(sizes)) == expected
