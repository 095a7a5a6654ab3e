"""What the search was worth: its best blocks and random ones, trained for equal times."""

from itertools import chain, islice
from statistics import median

from blockqnn.automatic.baselines import epoch_seconds
from blockqnn.automatic.race import Entry, Races
from blockqnn.automatic.session import Session
from blockqnn.calibration.drawn import random_blocks
from blockqnn.calibration.ledger import append
from blockqnn.config import Recipe
from blockqnn.errors import InputError
from blockqnn.journal import Row
from blockqnn.network.plan import plan_network
from blockqnn.quantity import duration
from blockqnn.report import calibrated
from blockqnn.report import rows as runs
from blockqnn.report.calibrated import PROOF, ProofRow
from blockqnn.report.calibrated_told import in_a_line
from blockqnn.runtime.facts import block_density
from blockqnn.space.code import parse

EACH = 5  # blocks of a group
_EPOCHS = 3.0  # of the ResNet-like exemplar: a training that is shorter tells nothing
_SHORTEST = 2.0  # seconds
_FULLER = 1.5  # times a candidate's time in the search: what is no fuller proves nothing


def prove(session: Session, races: Races, recipe: Recipe) -> None:
    """Trains the five best blocks of the search and five random ones, and writes run/proof.jsonl.

    All have the run's own skeleton and equal times, about a twentieth of the budget together. Where
    that is too short to tell anything, or the search found fewer blocks, the journal says so.
    """
    run = runs.read(session.directory / "run")
    if reason := _left_out(session, races.workers, len(run.entries())):
        session.note(proof=reason)
        session.say(f"  left out: {reason}")
        return
    best = run.finalists()
    skeleton = run.facts.settings.skeleton
    keys = {run.trial(entry.trial).key for entry in best[:EACH]}
    try:
        drawn = [block for _, block in islice(random_blocks(run.facts, (), keys), EACH)]
    except InputError as error:  # a tiny space
        session.note(proof=str(error))
        session.say(f"  left out: {error}")
        return
    found = [Entry(f"trial {e.trial}", e.code, skeleton, recipe) for e in best[:EACH]]
    random = [Entry(f"random {n}", str(b), skeleton, recipe) for n, b in enumerate(drawn, 1)]
    pairs = list(chain.from_iterable(zip(found, random, strict=True)))
    trained = races.round("proof", 0, pairs, max(_SHORTEST, session.until("proof")))
    _write(session, run, trained)
    if told := calibrated.read(run.directory).proof:
        session.say(f"  {in_a_line(told)}")


def _left_out(session: Session, workers: int, evaluated: int) -> str:
    """Why there is no proof; empty where there is one.

    It follows from what the journal holds of the stages before, so that a later session finds the same.
    """
    if evaluated < EACH:
        return f"the search has {evaluated} trained blocks, {EACH} are needed"
    ends = session.journal.ends
    each = (ends["proof"] - ends["selection"]) * workers / (2 * EACH)
    outlook = session.journal.outlook
    brief = outlook.candidate_seconds if outlook else 0.0
    least = max(_SHORTEST, _EPOCHS * epoch_seconds(session), _FULLER * brief)
    if each >= least:
        return ""
    return f"{duration(each)} for each training tell nothing, {duration(least)} at least are needed"


def _write(session: Session, run: runs.RunView, trained: list[Row]) -> None:
    """The rows as `calibrate` writes them; those of an earlier session stay."""
    path, facts = run.directory / PROOF, run.facts
    there = calibrated.rows_in(path, ProofRow)
    how = f"equal time, about {duration(median(row.seconds for row in trained))} each"
    # time ended them: the recipe says about how many epochs that were, one number for all
    epochs = max(1, round(median([row.epochs for row in trained if row.epochs] or [1.0])))
    for row in trained:
        assert row.code is not None
        block = parse(row.code)
        plan = plan_network(block, row.skeleton, facts.data.image, len(facts.data.classes))
        kind, number = row.name.split()
        one = ProofRow(
            group="found" if kind == "trial" else "random",
            trial=int(number) if kind == "trial" else None,
            evaluated=len(run.entries()),
            code=row.code,
            final=row.accuracy,
            failure=row.failure.split(" ")[0],
            params=plan.params,
            flops=plan.flops,
            density=block_density(block, facts.settings.reward),
            seconds=row.seconds,
            seed=session.journal.seed,
            device=session.journal.device,
            how=how,
            recipe=row.recipe.model_copy(update={"epochs": epochs}),
        )
        if one not in there:
            append(path, one)
