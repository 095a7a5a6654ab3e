"""The proof of `auto`: which blocks race, what is written, and when it is left out."""

from types import SimpleNamespace

import pytest

from blockqnn import parse, search
from blockqnn.automatic.proof import prove
from blockqnn.automatic.session import Session
from blockqnn.automatic.shares import ends
from blockqnn.calibration.drawn import random_blocks
from blockqnn.config import RECIPES
from blockqnn.journal import Journal, Outlook, Row
from blockqnn.journal import read as read_journal
from blockqnn.network.plan import SKELETONS
from blockqnn.report import calibrated, rows
from blockqnn.report.calibrated import PROOF
from runs import TINY

RECIPE = RECIPES["modern"].model_copy(update={"epochs": 10**6})


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The directory of `auto` after a search of 16 candidates."""
    out = tmp_path_factory.mktemp("auto")
    settings = TINY | {
        "recipe": {"steps": 15, "learning_rate": 0.01},
        "space": {"max_layers": 3},
        "agent": {"walks": 5},
        "plan": {"trials": 16, "iteration": 4, "seed": 3},
    }
    search("digits", run=out / "run", preset="small", settings=settings)
    return out


def row(stage, name, accuracy, code="(1,1,3,0,0)", **fields):
    values = {
        "skeleton": SKELETONS["small"],
        "recipe": RECIPE,
        "params": 1,
        "flops": 1,
        "epochs": 30.0,
        "steps": 300,
        "seconds": 6.0,
    }
    return Row(stage=stage, round=0, name=name, code=code, accuracy=accuracy, **values | fields)


class Racing:
    """In place of trainings: the found reach 90 %, the random 80 %, the third random one fails."""

    workers = 2

    def __init__(self, session):
        self.session, self.rounds = session, []

    def round(self, stage, number, entries, seconds):
        self.rounds.append((stage, number, entries, seconds))
        for n, entry in enumerate(entries):
            kind = entry.name.split()[0]
            accuracy = (90.0 if kind == "trial" else 80.0) + n / 10
            failed = entry.name == "random 3"
            fields = {"params": 0, "flops": 0, "epochs": 0.0, "failure": "non_finite loss"}
            self.session.add(
                row(
                    stage,
                    entry.name,
                    None if failed else accuracy,
                    entry.code,
                    **(fields if failed else {}),
                )
            )
        return self.session.rows(stage)


@pytest.fixture
def begun(searched, tmp_path):
    """A session of a budget in which an epoch of the exemplar takes 0.2 s."""

    def begin(budget=600.0, run=searched / "run", **fields):
        (tmp_path / "run").unlink(missing_ok=True)
        (tmp_path / "run").symlink_to(run)
        exemplar = row("baselines", "resnet-like", 70.0, epochs=10.0, seconds=2.0)
        journal = Journal(
            version="",
            facts=rows.read(run).facts,
            command="",
            budget=budget,
            ends=ends(budget),
            rows=(exemplar,),
            **fields,
        )
        said = []
        session = Session(tmp_path, journal, 0.0, said.append)
        session.spend(session.journal.ends["selection"] - session.spent)
        return session, Racing(session), said

    yield begin
    (searched / "run" / PROOF).unlink(missing_ok=True)


def test_the_best_race_with_random_blocks(begun):
    session, races, said = begun()
    prove(session, races, RECIPE)
    run = rows.read(session.directory / "run")
    ((stage, number, entries, seconds),) = races.rounds
    assert (stage, number) == ("proof", 0)
    assert seconds == pytest.approx(30, abs=3)  # a twentieth of the budget
    best = run.finalists()[:5]
    assert [e.name for e in entries[::2]] == [f"trial {e.trial}" for e in best]
    assert [e.code for e in entries[::2]] == [e.code for e in best]
    keys = {run.trial(e.trial).key for e in best}
    drawn = random_blocks(run.facts, (), keys)
    assert [e.code for e in entries[1::2]] == [str(next(drawn)[1]) for _ in range(5)]
    assert {(e.skeleton, e.recipe, e.weight) for e in entries} == {
        (run.facts.settings.skeleton, RECIPE, 1.0)
    }
    proof = calibrated.read(run.directory).proof
    assert proof.found == [90.0, 90.2, 90.4, 90.6, 90.8]
    chance = run.facts.data.chance
    assert proof.random == [80.1, 80.3, chance, 80.7, 80.9]
    assert [r.failure for r in proof.rows if r.failure] == ["non_finite"]
    assert {(r.how, r.recipe.epochs) for r in proof.rows} == {("equal time, about 6 s each", 30)}
    assert all(r.flops > 0 for r in proof.rows)
    assert (proof.evaluated, proof.short) == (len(run.entries()), False)
    assert said[-1].startswith("  found 90.40 %, random ")
    assert "p = 0.004" in said[-1]  # 1 / 252
    assert session.journal.proof == ""


def test_what_is_written_is_not_written_twice(begun):
    session, races, _ = begun()
    prove(session, races, RECIPE)
    written = (session.directory / "run" / PROOF).read_text()
    again = SimpleNamespace(workers=2, round=lambda *_: session.rows("proof"))
    prove(session, again, RECIPE)
    assert (session.directory / "run" / PROOF).read_text() == written


def test_no_network_of_the_proof_is_the_best(begun):
    session, races, _ = begun()
    prove(session, races, RECIPE)
    assert session.best(session.journal.rows).name == "resnet-like"


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        # 2 workers, ten trainings in a twentieth of the budget; 2 s are needed at least
        (120.0, "1.2 s for each training tell nothing, 2 s at least are needed"),
        (199.0, "2 s for each training tell nothing"),
        (201.0, ""),
    ],
)
def test_too_short_a_budget_leaves_it_out(begun, budget, told):
    session, races, said = begun(budget)
    prove(session, races, RECIPE)
    assert session.journal.proof.startswith(told)
    assert bool(races.rounds) is not bool(told)
    assert read_journal(session.directory).proof == session.journal.proof
    if told:
        assert said == [f"  left out: {session.journal.proof}"]


def test_too_few_blocks_leave_it_out(begun, tmp_path_factory):
    settings = TINY | {"plan": {"trials": 4, "iteration": 4, "seed": 1}}
    run = search("digits", run=tmp_path_factory.mktemp("few") / "run", preset="small", settings=settings)
    session, races, _ = begun(run=run.path)
    prove(session, races, RECIPE)
    assert "5 are needed" in session.journal.proof
    assert races.rounds == []


def test_a_slow_network_leaves_it_out(begun):
    session, races, _ = begun()
    slow = row("baselines", "resnet-like", 70.0, epochs=1.0, seconds=2.5)  # 3 epochs take 7.5 s
    session.note(rows=(slow,))
    prove(session, races, RECIPE)
    assert session.journal.proof.startswith("6 s for each training tell nothing, 7.5 s at least")


@pytest.mark.parametrize(("candidate", "there"), [(3.9, True), (4.2, False)])
def test_trainings_must_be_fuller_than_those_of_the_search(begun, candidate, there):
    outlook = Outlook(
        candidate_seconds=candidate,
        workers=2,
        candidates=100,
        max_layers=8,
        skeleton=SKELETONS["small"],
        recipe=RECIPE,
        max_flops=10**8,
    )
    session, races, _ = begun(outlook=outlook)  # 6 s each
    prove(session, races, RECIPE)
    assert bool(races.rounds) is there
    assert there or "6.3 s at least are needed" in session.journal.proof


def test_codes_of_the_proof_can_be_parsed(begun):
    session, races, _ = begun()
    prove(session, races, RECIPE)
    assert all(parse(entry.code).layers for entry in races.rounds[0][2])
