"""Learning rate, augmentation and length of the final training, chosen on the ResNet-like exemplar."""

import math
from collections.abc import Mapping, Sequence

from blockqnn.automatic.baselines import ENDLESS, epoch_seconds
from blockqnn.automatic.race import Entry, Races
from blockqnn.automatic.session import Session
from blockqnn.config import Augmentation, Recipe
from blockqnn.journal import Row, best_of
from blockqnn.network.plan import Skeleton
from blockqnn.space.zoo import ZOO

_NAME = "resnet-like"  # the cheapest network there is, so it sees the most epochs in its time
_OTHER = "block-qnn-s"  # the rate must suit more than one network
_RATES = (0.25, 1.0, 4.0)  # of the recipe's
_SLOTS = (3, 2, 2)  # of the stage's time, of each round: with two workers so many jobs in a row
_EPOCHS = 4.0  # of the exemplar; of shorter jobs those win that learn fast, not those that learn much
_LONG = 20.0  # epochs from which a plateau is one; before, everything is still learning
_PLATEAU_EPOCHS = 4.0  # times those after which longer training brought nothing measurable

_SHIFTED = Augmentation(shift=0.125)
# From weak to strong. Grey images are mostly characters, scans or spectrograms: not mirrored.
COLOURED = {
    "none": Augmentation(),
    "shifts": _SHIFTED,
    "shifts and flips": Augmentation(shift=0.125, flip=True),
    "shifts, flips, zoom, colour, erasing": Augmentation(
        shift=0.125, flip=True, zoom=0.2, color=0.2, erase=0.25
    ),
}
GREY = {
    "none": Augmentation(),
    "shifts": _SHIFTED,
    "shifts, zoom, contrast, erasing": Augmentation(shift=0.125, zoom=0.2, color=0.2, erase=0.25),
}


def choose_recipe(session: Session, races: Races, skeleton: Skeleton, recipe: Recipe) -> Recipe:
    """The recipe of the final training: `recipe` with what was best in three rounds.

    The rounds: learning rates, on two networks; augmentations at the best rate; the winner twice as
    long. An augmentation is worth more the longer the training, and the final one is longer than
    these; so the strongest is taken that is at most half a standard error of the validation accuracy
    below the best.
    """
    images, table = session.journal.data.sizes[1], _table(session)
    slot = session.until("recipe") / sum(_SLOTS)
    ends = session.journal.ends
    if (ends["recipe"] - ends["baselines"]) / sum(_SLOTS) < _EPOCHS * epoch_seconds(session):
        session.say("  too little time to try any: as usual for such images")
        usual = "shifts" if table is GREY else "shifts and flips"
        return recipe.model_copy(update={"augmentation": table[usual]})

    def round_of(number: int, entries: Sequence[Entry]) -> list[Row]:
        seconds = min(_SLOTS[number] * slot, session.until("recipe"))
        return races.round("recipe", number, entries, max(2.0, seconds))

    def entry(choice: str, recipe: Recipe, name: str = _NAME) -> Entry:
        return Entry(name, str(ZOO[name]), skeleton, recipe, choice)

    tried = [
        entry(f"rate {rate:.2g}", with_rate(recipe, rate), name)
        for rate in (factor * recipe.learning_rate for factor in _RATES)
        for name in (_NAME, _OTHER)
    ]
    rates = round_of(0, tried)
    recipe = _best_on_both(rates) or recipe
    shifted = [row for row in rates if row.name == _NAME and row.recipe == recipe]
    others = {words: how for words, how in table.items() if how != recipe.augmentation}
    varied = round_of(
        1,
        [entry(words, recipe.model_copy(update={"augmentation": how})) for words, how in others.items()],
    )
    recipe = _strongest([*varied, *shifted], list(table.values()), images) or recipe
    long = round_of(2, [entry("twice as long", recipe)])[0]
    return recipe.model_copy(update={"epochs": _epochs(long, [*varied, *shifted], images)})


def _table(session: Session) -> Mapping[str, Augmentation]:
    return GREY if session.journal.data.image.channels == 1 else COLOURED


def with_rate(recipe: Recipe, rate: float) -> Recipe:
    """The same at another learning rate."""
    return recipe.model_copy(update={"learning_rate": rate})


def told(recipe: Recipe) -> str:
    """What was chosen, in words."""
    how = {**COLOURED, **GREY}
    words = next((name for name, a in how.items() if a == recipe.augmentation), "own")
    length = "as long as time allows" if recipe.epochs == ENDLESS else f"at most {recipe.epochs} epochs"
    return f"learning rate {recipe.learning_rate:.2g}, augmentation: {words}, {length}"


def standard_error(percent: float, images: int) -> float:
    """Of an accuracy measured on so many images, in points."""
    share = min(max(percent / 100, 1 / (images + 2)), 1 - 1 / (images + 2))
    return 100 * math.sqrt(share * (1 - share) / images)


def _best_on_both(rows: Sequence[Row]) -> Recipe | None:
    """The recipe of the highest mean accuracy; a network that failed counts as nothing learned."""
    if not best_of(rows):
        return None
    return max(
        (row.recipe for row in rows),
        key=lambda recipe: sum(row.accuracy or 0.0 for row in rows if row.recipe == recipe),
    )


def _strongest(rows: Sequence[Row], order: Sequence[Augmentation], images: int) -> Recipe | None:
    best = best_of(rows)
    if best is None or best.accuracy is None:
        return None
    floor = best.accuracy - standard_error(best.accuracy, images) / 2
    good = [row for row in rows if row.accuracy is not None and row.accuracy >= floor]
    return max(good, key=lambda row: order.index(row.recipe.augmentation)).recipe


def _epochs(long: Row, rows: Sequence[Row], images: int) -> int:
    """No limit while twice the time still brings more than a standard error, or was not that long."""
    same = [r for r in rows if r.recipe == long.recipe and r.accuracy is not None]
    if long.accuracy is None or not same or same[0].accuracy is None:
        return ENDLESS
    gain = long.accuracy - same[0].accuracy
    if long.epochs < max(_LONG, 1.5 * same[0].epochs) or gain > standard_error(long.accuracy, images):
        return ENDLESS
    return max(1, round(_PLATEAU_EPOCHS * long.epochs))
