"""The first look: what known networks reach in the first minutes, and what a search may see."""

from blockqnn.automatic.fidelity import Timed, chosen, cost_of
from blockqnn.automatic.race import Entry, Races
from blockqnn.automatic.session import Session
from blockqnn.automatic.shares import ends, with_half_a_search
from blockqnn.config import RECIPES, Augmentation, Recipe, Settings
from blockqnn.journal import Outlook, Row
from blockqnn.network.plan import plan_network
from blockqnn.quantity import duration
from blockqnn.report.less_work import how_trained
from blockqnn.runtime.facts import RunFacts
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

KNOWN = ("resnet-like", "block-qnn-s")
FEW = 50  # candidates; a search of fewer rarely finds what beats known networks
_TRAINED = 0.75  # of the time; then it is time to show and to export
_LINEAR = Recipe(
    optimizer="adamw", learning_rate=1e-3, weight_decay=1e-2, batch=128, schedule="cosine", warmup=0.05
)
ENDLESS = 10**6  # epochs: time ends a job


def first_recipe(settings: Settings, precision: str) -> Recipe:
    """`modern` with what suits most images, until it is chosen: images moved, not mirrored."""
    return RECIPES["modern"].model_copy(
        update={
            "epochs": ENDLESS,
            "augmentation": Augmentation(shift=0.125),
            "precision": precision,
            "metric": settings.recipe.metric,
            "class_weights": settings.recipe.class_weights,
            "restarts": 0,
        }
    )


def run_baselines(session: Session, races: Races, facts: RunFacts, recipe: Recipe) -> None:
    """Trains a linear model, the ResNet-like exemplar and a thin Block-QNN-S, and tells of them.

    What their steps took tells how many candidates the search may see.
    """
    skeleton = facts.settings.skeleton
    linear = _LINEAR.model_copy(update={"epochs": ENDLESS, "metric": recipe.metric})
    entries = [
        Entry("linear", None, skeleton, linear, weight=0.25),
        *(
            Entry(name, str(ZOO[name]), skeleton, recipe, weight=weight)
            for name, weight in (("resnet-like", 0.75), ("block-qnn-s", 1.0))
        ),
    ]
    session.say(f"  majority class: validation {session.journal.majority:.2f} %")
    rows = races.round("baselines", 0, entries, _TRAINED * max(2.0, session.until("baselines")))
    timed = [_timed(session, row) for row in rows if row.accuracy is not None and row.code is not None]
    if timed:
        seconds = session.journal.ends["search"] - session.journal.ends["recipe"]
        found = chosen(facts, cost_of(timed), seconds, races.workers)
        outlook = Outlook(
            candidate_seconds=found.candidate_seconds,
            workers=races.workers,
            max_layers=found.max_layers,
            candidates=found.candidates(seconds, races.workers),
            skeleton=found.skeleton,
            recipe=found.recipe,
            max_flops=found.max_flops,
        )
        session.note(outlook=outlook)
        tell(session, outlook)
        if outlook.candidates < FEW:
            session.note(ends=with_half_a_search(ends(session.journal.budget)))


def _timed(session: Session, row: Row) -> Timed:
    """What the steps of a row's training took."""
    assert row.code is not None
    data, block = session.journal.data, parse(row.code)
    plan = plan_network(block, row.skeleton, data.image, len(data.classes))
    return Timed(
        len(block.layers) * sum(row.skeleton.repeats),
        plan.activations * min(row.recipe.batch, data.sizes[0]),
        session.left(row).step_seconds,
    )


def epoch_seconds(session: Session) -> float:
    """What an epoch of the ResNet-like exemplar took in the first look; endless where it failed."""
    for row in session.rows("baselines"):
        if row.name == KNOWN[0] and row.epochs > 0:
            return row.seconds / row.epochs
    return float("inf")


def tell(session: Session, outlook: Outlook) -> None:
    """What to expect of the search."""
    session.say(
        f"the search may see about {outlook.candidates} candidates"
        f" ({duration(outlook.candidate_seconds)} each, {outlook.workers} at a time)"
    )
    session.say(f"  each {how_trained(outlook, session.settings)}")
    if outlook.candidates < FEW:
        session.say(
            f"fewer than {FEW}: a search is unlikely to pay, so half of its time goes to the final"
            " training; a longer budget, smaller images or fewer of them would help"
        )
