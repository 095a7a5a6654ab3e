"""The final training on larger images than the search saw, as the paper's on ImageNet (section 4.4)."""

from collections.abc import Iterator
from dataclasses import replace

from blockqnn.data.dataset import Dataset, load
from blockqnn.errors import InputError
from blockqnn.journal import Journal, Row
from blockqnn.network.plan import Image, Limits, OverLimit, Skeleton, plan_network
from blockqnn.space.code import parse

LARGE_SIDE = 64  # pixels; above it the stem halves the image twice before the first block
LARGE = Skeleton(("conv", "pool", "conv", "pool"), (16, 32, 64, 128), (1, 1, 1, 1))


def checked(size: tuple[int, int] | None, image: Image) -> tuple[int, int] | None:
    """The size of the final training's images, None where it is the search's; InputError if smaller."""
    searched = (image.height, image.width)
    if size is None or size == searched:
        return None
    if size[0] < searched[0] or size[1] < searched[1]:
        raise InputError(
            f"train-image-size {size[0]}x{size[1]}: smaller than the {image.height}x{image.width} of the"
            " search; --image-size makes those smaller"
        )
    return size


def final_images(journal: Journal, searched: Dataset) -> Dataset:
    """The images of the final training: those of the search, in the same parts, or larger ones."""
    if journal.train_size is None:
        return searched
    return load(journal.facts.settings.data.model_copy(update={"image_size": journal.train_size}))


def enlarged(row: Row, journal: Journal) -> Row:
    """The row's network as the final training has it: with its skeleton, parameters and FLOPs.

    Above 64 pixels it gets the stem of the ImageNet skeleton (paper fig. 3) and, where the user's limit
    admits it, one more stage, of twice the filters.
    """
    if journal.train_size is None:
        return row
    assert row.code is not None
    block, image = parse(row.code), Image(journal.data.image.channels, *journal.train_size)
    limits = Limits(journal.facts.settings.space.max_params)
    for skeleton in _forms(row.skeleton, journal.train_size):
        try:
            plan = plan_network(block, skeleton, image, len(journal.data.classes), limits)
        except OverLimit:
            continue
        size = {"params": plan.params, "flops": plan.flops}
        return row.model_copy(update={"skeleton": skeleton, **size})
    raise AssertionError("the row's own skeleton is within the limit")


def _forms(skeleton: Skeleton, size: tuple[int, int]) -> Iterator[Skeleton]:
    """The best first."""
    if max(size) > LARGE_SIDE and "pool" not in skeleton.stem:
        tall = replace(skeleton, stem=LARGE.stem)
        widths, repeats = tall.widths, tall.repeats
        yield replace(tall, widths=(*widths, 2 * widths[-1]), repeats=(*repeats, repeats[-1]))
        yield tall
    yield skeleton
