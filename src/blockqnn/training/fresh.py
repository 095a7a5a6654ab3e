"""A network of a block that nobody has trained yet."""

from blockqnn.config import Recipe
from blockqnn.errors import InputError
from blockqnn.export.model import Model
from blockqnn.network.model import build
from blockqnn.network.plan import Image, Skeleton, plan_network
from blockqnn.report.target import Target
from blockqnn.training.described import made_of, untested

_MEAN, _DEVIATION = 0.5, 0.25  # images in 0..1 to -2..2


def fresh(target: Target, skeleton: Skeleton, image: Image, classes: int, seed: int) -> Model:
    """The block's network, initialised from `seed`, ready to be trained.

    `image` is the size that its FLOPs are told for, and what exports take; it reads others too.
    """
    if classes < 2:
        raise InputError(f"num_classes {classes}: at least 2")
    if image.channels < 1:
        raise InputError(f"in_chans {image.channels}: at least 1")
    plan = plan_network(target.block, skeleton, image, classes)
    scale = [_MEAN] * image.channels, [_DEVIATION] * image.channels
    names = list(map(str, range(classes)))
    config = made_of(target.block, skeleton, image, names, scale, "crop", "nothing yet")
    return Model(build(plan, seed), target.block, config, untested(plan, Recipe().metric, None, (), 0.0))
