"""The line of a training: when it is printed, what it tells, how it guesses the time that is left."""

from io import StringIO
from types import SimpleNamespace

import pytest

from blockqnn.report import training_line
from blockqnn.report.training_line import TrainingLine


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(training_line, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def train(line, clock, label="seed 0", steps=100, first=1, accuracy=60.0, seconds=1.0):
    """A training of ten epochs that is looked at every twentieth."""
    line.begin(label, 10.0)
    for step in range(first, steps + 1):
        clock.now += seconds
        line.step(step, step / steps)
        if step * 20 % steps == 0:
            line.look(2.0 - step / steps, accuracy)


def test_a_plain_line_each_tenth(clock):
    stream = StringIO()
    train(TrainingLine(1, stream), clock)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "seed 0  10 %  epoch 1.0 of 10  loss 1.900  validation 60.00 %  90 s left"
    assert lines[4] == "seed 0  50 %  epoch 5.0 of 10  loss 1.500  validation 60.00 %  50 s left"
    assert lines[9] == "seed 0  100 %  epoch 10.0 of 10  loss 1.000  validation 60.00 %  0 s left"


def test_all_trainings_are_in_the_time_left(clock):
    stream = StringIO()
    line = TrainingLine(3, stream)
    for label in ("trial 7", "trial 9", "seed 1"):
        train(line, clock, label, seconds=0.1)
    left = [text.split("  ")[-1] for text in stream.getvalue().splitlines() if "  50 %" in text]
    assert left == ["25 s left", "15 s left", "5 s left"]


def test_a_training_that_goes_on_counts_its_own_steps(clock):
    stream = StringIO()
    train(TrainingLine(1, stream), clock, first=41)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 6  # 40 % were told before
    assert lines[0].startswith("seed 0  50 %")
    assert lines[0].endswith("  50 s left")


def test_without_validation_images_the_loss_is_told(clock):
    stream = StringIO()
    train(TrainingLine(1, stream), clock, accuracy=None)
    assert "validation" not in stream.getvalue()
    assert "loss 1.500" in stream.getvalue()


def test_a_restart_is_said(clock):
    stream = StringIO()
    line = TrainingLine(1, stream)
    line.begin("seed 0", 10.0)
    for step in (1, 2, 3, 1, 2):
        clock.now += 1
        line.step(step, step / 10)
    assert stream.getvalue() == "seed 0: nothing learned, begins anew at a lower rate\n"


def test_a_terminal_gets_one_line_that_changes(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    stream = Terminal()
    line = TrainingLine(1, stream)
    line.note("warning: few images")
    train(line, clock, steps=90)
    line.close()
    text = stream.getvalue()
    assert "warning: few images" in text
    assert "seed 0  100 %  epoch 10.0 of 10" in text
    assert "\x1b[2K" in text  # it clears its line


def test_a_step_asks_the_device_for_nothing():
    """It takes two Python numbers and keeps them."""
    line = TrainingLine(1, StringIO())
    line.begin("seed 0", 10.0)
    line.step(object(), 0.5)  # not even looked at
