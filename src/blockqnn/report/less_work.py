"""How `auto` trains the candidates of its search, in words."""

from blockqnn.config import Recipe, Settings
from blockqnn.journal import Outlook
from blockqnn.network.plan import Skeleton


def how_trained(outlook: Outlook, settings: Settings) -> str:
    """What was chosen, and why where it is less than the preset says."""
    chosen = _training(outlook.recipe, outlook.skeleton, outlook.max_layers)
    own = _training(settings.recipe, settings.skeleton, settings.space.max_layers)
    if chosen == own:
        return f"as the preset {settings.preset} says: {chosen}"
    return f"by {chosen}, so that more of them fit; the preset {settings.preset} says {own}"


def _training(recipe: Recipe, skeleton: Skeleton, max_layers: int) -> str:
    length = f"{recipe.steps} steps" if recipe.steps else f"{recipe.epochs} epochs"
    filters = "/".join(map(str, skeleton.widths))
    return (
        f"{length} of batches of {recipe.batch}, filters {filters}, blocks of up to {max_layers} layers"
    )
