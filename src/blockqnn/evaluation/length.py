"""How long a training is: a number of steps, or less where the time ends before."""

import time
from collections.abc import Callable

from blockqnn.config import Recipe

_KNOWN = 3  # steps before their time tells of those to come; the first ones are slow


def total_steps(recipe: Recipe, images: int) -> int:
    """Batches in the whole training."""
    return recipe.steps or recipe.epochs * batches_per_epoch(recipe, images)


def batches_per_epoch(recipe: Recipe, images: int) -> int:
    """A last batch of one image is left out: BN cannot learn from it."""
    full, rest = divmod(images, recipe.batch)
    return full + (rest > 1)


class Length:
    """Turns steps into progress, the share of the training that is done; the rate follows it.

    Without a deadline progress is steps / `steps`, to the bit. With one, each step makes that part
    of what is left that it will be if steps go on as fast as in this session, so that the rate has come
    down when the time is over, however fast the machine is just then.
    """

    def __init__(
        self, steps: int, deadline: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`deadline` is a moment of the clock."""
        self._steps, self._deadline, self._clock = steps, deadline, clock
        self._first: tuple[int, float] | None = None  # a step of this session, and when it was done

    def progress(self, before: float, step: int) -> float:
        """The progress after `step` steps, which was `before` after the step before; 1: the end."""
        if self._deadline is None or step >= self._steps:
            return step / self._steps
        now = self._clock()
        if self._first is None:
            self._first = (step, now)
        done, seconds = step - self._first[0], now - self._first[1]
        left = self._steps - step
        if done >= _KNOWN:
            left = min(left, int((self._deadline - now) / max(seconds / done, 1e-9)))
        elif now >= self._deadline:
            left = 0
        return 1.0 if left < 1 else before + (1 - before) / (left + 1)
