"""The length of a training: steps, or a deadline, against a clock that the test moves."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from blockqnn.evaluation.length import Length

MANY = 10**6
PACES: dict[str, Callable[[int], float]] = {  # seconds of each step
    "constant": lambda _: 0.7,
    "slowing": lambda step: 0.2 + 0.01 * step,
    "speeding": lambda step: max(0.1, 2.0 - 0.02 * step),
    "uneven": lambda step: 0.3 if step % 5 else 2.0,
    "slow start": lambda step: 5.0 if step == 1 else 0.5,
}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def gone_through(
    length: Length,
    clock: Clock,
    pace: Callable[[int], float],
    *,
    step: int = 0,
    progress: float = 0.0,
    stop_at: float = 1.0,
) -> list[tuple[int, float, float]]:
    """(step, moment, progress) after each step until the end, or until `stop_at` is reached."""
    seen = []
    while progress < stop_at:
        step += 1
        clock.now += pace(step)
        progress = length.progress(progress, step)
        seen.append((step, clock.now, progress))
        assert len(seen) < 10_000
    return seen


def test_without_a_deadline_progress_is_the_share_of_steps_to_the_bit():
    length = Length(7)
    assert [length.progress(0.123, step) for step in range(1, 8)] == [step / 7 for step in range(1, 8)]


@pytest.mark.parametrize("seconds", [30.0, 100.0, 250.0])
@pytest.mark.parametrize("pace", PACES.values(), ids=PACES)
def test_progress_rises_to_one_at_the_deadline(pace, seconds):
    clock = Clock()
    deadline = clock.now + seconds
    seen = gone_through(Length(MANY, deadline, clock), clock, pace)
    shares = [progress for _, _, progress in seen]
    assert all(one < other for one, other in pairwise([0.0, *shares]))
    assert shares[-1] == 1
    longest = max(pace(step) for step, _, _ in seen)
    _, end, _ = seen[-1]
    assert deadline - longest < end < deadline + longest
    for _, moment, progress in seen[:-1]:
        assert progress < 1
        assert moment < deadline
    assert shares[-2] > 0.8  # the rate has come down by then


def test_progress_is_the_share_of_the_time_at_a_constant_pace():
    clock = Clock()
    begin = clock.now
    for _, moment, progress in gone_through(Length(MANY, begin + 100, clock), clock, lambda _: 0.5):
        assert progress == pytest.approx((moment - begin) / 100, abs=0.03)


@pytest.mark.parametrize(("first", "steps"), [(200.0, 1), (60.0, 2), (45.0, 3)])
def test_the_deadline_holds_before_the_pace_is_known(first, steps):
    clock = Clock()
    seen = gone_through(Length(MANY, clock.now + 100, clock), clock, lambda _: first)
    assert len(seen) == steps


def test_steps_that_suffice_end_it_earlier():
    clock = Clock()
    length = Length(50, clock.now + 1000, clock)
    seen = gone_through(length, clock, lambda _: 0.5)
    assert len(seen) == 50
    assert [progress for _, _, progress in seen] == pytest.approx([n / 50 for n in range(1, 51)])


@pytest.mark.parametrize("pace", PACES.values(), ids=PACES)
@pytest.mark.parametrize("stop_at", [0.1, 0.5, 0.9])
def test_a_resumed_training_goes_on(pace, stop_at):
    clock = Clock()
    deadline = clock.now + 200
    before = gone_through(Length(MANY, deadline, clock), clock, pace, stop_at=stop_at)
    step, _, progress = before[-1]
    clock.now += 3600.0  # the time between sessions does not count: the deadline is a new one
    deadline += 3600.0
    again = Length(MANY, deadline, clock)
    after = gone_through(again, clock, pace, step=step, progress=progress)
    shares = [progress, *(share for _, _, share in after)]
    assert all(one < other for one, other in pairwise(shares))
    assert after[0][2] - progress < 0.1  # no jump
    longest = max(pace(number) for number, _, _ in before + after)
    assert abs(after[-1][1] - deadline) < longest
    assert len(after) < 5 or after[-2][2] > 0.8  # the pace is this session's


def test_a_training_resumed_at_its_deadline_ends_with_the_next_step():
    clock = Clock()
    length = Length(MANY, clock.now, clock)
    assert length.progress(0.4, 77) == 1
