"""The recipe of a final training: a preset by name, and changes."""

from collections.abc import Mapping
from typing import Any

from blockqnn.config import RECIPES, Recipe, changed, preset_for, resolve
from blockqnn.data.dataset import Dataset
from blockqnn.errors import InputError
from blockqnn.evaluation.device import resolve_precision

EARLY_STOP = "early-stop"
DEFAULT = "modern"


def refuse_unknown(preset: str) -> None:
    """InputError unless there is such a preset of `train`."""
    if preset not in (*RECIPES, EARLY_STOP):
        raise InputError(
            f"preset {preset[:60]!r} is unknown; there are {', '.join(RECIPES)} and {EARLY_STOP}"
        )


def decodes_anew(preset: str, changes: Mapping[str, Any]) -> bool:
    """Whether a training by this recipe cuts windows out of the images as they are stored."""
    own = RECIPES[preset].augmentation.crop if preset in RECIPES else 0.0
    changed = changes.get("augmentation")
    return bool(changed.get("crop", own) if isinstance(changed, Mapping) else own)


def recipe_for(
    preset: str, own: Recipe | None, dataset: Dataset, changes: Mapping[str, Any], device: str
) -> Recipe:
    """The recipe of the preset with the changes on top, its number format resolved.

    `own` is the run's, None for a block that comes from no run. Its metric stays what is measured.
    Raises InputError for a preset or a change that is none.
    """
    refuse_unknown(preset)
    if preset == EARLY_STOP:
        side = max(dataset.image_size)
        recipe = own or resolve(preset_for(side, len(dataset.train)), {}).recipe
    else:
        recipe = RECIPES[preset]
        if own:
            recipe = recipe.model_copy(update={"metric": own.metric})
        if preset == DEFAULT and dataset.image.channels == 1:
            # grey images are mostly characters, scans and spectrograms, where left and right differ
            still = recipe.augmentation.model_copy(update={"flip": False})
            recipe = recipe.model_copy(update={"augmentation": still})
    if changes.get("epochs") is not None and "steps" not in changes:
        changes = {**changes, "steps": None}  # whoever names epochs wants no fixed number of steps
    recipe = changed(recipe, changes)
    return recipe.model_copy(update={"precision": resolve_precision(recipe.precision, device)})
