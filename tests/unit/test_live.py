"""The live line: what it counts, when it prints, and how it guesses the time that is left."""

from io import StringIO
from types import SimpleNamespace

import pytest

from blockqnn.callbacks import live
from blockqnn.callbacks.dispatch import Dispatch
from blockqnn.callbacks.live import LiveLine
from blockqnn.quantity import duration
from blockqnn.records import Failure, Measurement, Observation, Result, Trial
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.search import Progress
from runs import facts, view_of

REPEATS = {3: 0, 6: 1}  # trial: the earliest with its key


class Terminal(StringIO):
    def isatty(self):
        return True


class Gone(StringIO):
    def write(self, _):
        raise BrokenPipeError


@pytest.fixture
def clock(monkeypatch):
    """Seconds, as the live line sees them."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def asked(trials=8):
    """A fold of iterations of four trials, nothing evaluated yet."""
    fold = Fold()
    fold.add_trials(
        Trial(
            number=n,
            iteration=n // 4,
            code="(1,1,3,0,0)",
            key=str(REPEATS.get(n, n)),
            density=1.0,
            repeat_of=REPEATS.get(n),
        )
        for n in range(trials)
    )
    return fold


def told(fold, accuracies, fingerprint=""):
    """Adds outcomes: percent by trial number; None is a failure."""
    observed = Observation(fingerprint=fingerprint)
    fold.add_results(
        Result(
            number=number,
            outcome=Failure(kind="timeout")
            if accuracy is None
            else Measurement(accuracy=accuracy, flops=1, params=1),
            observed=observed,
        )
        for number, accuracy in accuracies.items()
    )


def progress(fold, running=2):
    return Progress(fold, running, epsilon=0.5, share=0.25)


def line(stream, planned=8, before=None, **changes):
    """A live line that a search would call; `before` are the trials of earlier sessions."""
    run = facts(plan={"trials": planned, "iteration": 4}, **changes)
    shown = LiveLine(stream)
    dispatch = Dispatch([shown], view_of(run, before), lambda: [], shown.note)
    dispatch.begin()
    return shown, dispatch


def test_one_plain_line_for_each_complete_iteration(clock):
    stream, fold = StringIO(), asked()
    shown, report = line(stream)
    report(progress(fold))
    told(fold, {0: 60.0, 1: None})
    report(progress(fold))
    assert stream.getvalue() == ""
    clock.now += 12
    told(fold, {2: 50.0, 5: 70.0})  # trial 5 comes before its iteration is complete
    report(progress(fold))
    report(progress(fold))
    told(fold, {4: 10.0, 7: None})
    report(progress(fold, running=0))
    shown.close()
    assert stream.getvalue().splitlines() == [
        "6/8 trials  2 reused  1 failed  2 running  best 70.00 % (reward 70.00)  epsilon 0.50  4 s left",
        "8/8 trials  2 reused  2 failed  0 running  best 70.00 % (reward 70.00)  epsilon 0.50  0 s left",
    ]


def test_no_best_while_all_failed(clock):  # noqa: ARG001
    stream, fold = StringIO(), asked(4)
    _, report = line(stream)
    told(fold, {0: None, 1: None, 2: None})
    report(progress(fold))
    assert stream.getvalue().startswith("4/8 trials  1 reused  3 failed  2 running  best -  epsilon")


def test_best_is_by_reward(clock):  # noqa: ARG001
    stream, fold = StringIO(), Fold()
    for number, density in enumerate((1.0, 3.0)):
        values = {"iteration": 0, "code": "(1,1,3,0,0)", "key": str(number), "density": density}
        fold.add_trials([Trial(number=number, **values)])
    told(fold, {0: 55.0, 1: 60.0})  # 8 log 3 = 8.79
    _, report = line(stream, reward={"mu": 0.0, "rho": 8.0})
    report(progress(fold))
    assert "best 55.00 % (reward 55.00)" in stream.getvalue()


def test_time_left_counts_what_finished_since_the_resume(clock):
    stream, fold = StringIO(), asked()
    told(fold, {0: 60.0, 1: 50.0, 2: 50.0})
    _, report = line(stream, planned=20, before=fold)
    report(progress(fold))
    told(fold, {4: 60.0, 5: 50.0, 7: 60.0})
    clock.now += 30
    report(progress(fold))
    assert [text.split("  ")[-1] for text in stream.getvalue().splitlines()] == [
        "? left",  # five were there before
        "2 min left",  # three in 30 s, so twelve more in 120 s
    ]


def test_the_best_and_the_failed_of_earlier_sessions_count(clock):  # noqa: ARG001
    stream, fold = StringIO(), asked(4)
    told(fold, {0: 60.0, 1: None, 2: 50.0})
    _, report = line(stream, before=fold)
    report(progress(fold))
    assert "1 failed  2 running  best 60.00 % (reward 60.00)" in stream.getvalue()


def test_time_left_follows_the_rate(clock):
    stream, fold = StringIO(), asked(4)
    _, report = line(stream, planned=100)
    report(progress(fold))
    told(fold, {0: 60.0, 1: 50.0, 2: 50.0})
    clock.now += 40
    report(progress(fold))
    assert stream.getvalue().endswith("  16 min left\n")  # 96 trials of 10 s


def test_another_fingerprint_is_said_once(clock):  # noqa: ARG001
    stream, fold = StringIO(), asked()
    _, report = line(stream)
    told(fold, {0: 60.0}, "AVX2; torch 2")
    report(progress(fold))
    assert stream.getvalue() == ""
    told(fold, {1: 60.0}, "AVX512; torch 2")
    report(progress(fold))
    report(progress(fold))
    assert stream.getvalue() == "from here on also measured with AVX512; torch 2\n"


def test_a_reader_that_has_gone_stops_no_search(clock):  # noqa: ARG001
    fold = asked(4)
    shown, report = line(Gone())
    told(fold, {0: 60.0, 1: 50.0, 2: 50.0})
    report(progress(fold))
    shown.note("nobody reads this")
    shown.close()


def test_a_terminal_gets_one_line_that_changes(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    stream, fold = Terminal(), asked()
    shown, report = line(stream)
    shown.note("run somewhere: " + "with a long explanation " * 10)
    told(fold, {0: 60.0, 1: None})
    clock.now += 10
    report(progress(fold))
    shown.close()
    text = stream.getvalue()
    assert "run somewhere: " + "with a long explanation " * 10 in text
    assert "4/8 trials  2 reused  1 failed  2 running  best 60.00 % (reward 60.00)" in text
    assert "\x1b[2K" in text  # it clears its line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.6, "0.6 s"),
        (0.06, "0.06 s"),
        (45, "45 s"),
        (89.4, "89 s"),
        (91, "2 min"),
        (12 * 60, "12 min"),
        (89 * 60, "89 min"),
        (90 * 60, "1 h 30 min"),
        (2 * 3600 - 1, "2 h 00 min"),
        (3 * 3600 + 5 * 60, "3 h 05 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
