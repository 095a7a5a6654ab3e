"""The event files, read back with TensorBoard's own readers and compared with the run's store."""

import subprocess
import sys
from collections import defaultdict

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from blockqnn import InputError, TensorBoard
from blockqnn.records import Latency, Measurement, Trial
from blockqnn.report.rows import read
from runs import facts, view_of
from watching import Remembers, Untidy, interrupt_every, session


def shown(directory):
    """(step, value) by tag, as TensorBoard shows them, marks of a new session heeded; texts too."""
    read = EventAccumulator(str(directory), tensor_size_guidance={"scalars": 0, "text": 0})
    read.Reload()
    scalars, texts = {}, {}
    for tag in read.Tags()["tensors"]:
        events = [(event.step, event.tensor_proto) for event in read.Tensors(tag)]
        if read.SummaryMetadata(tag).plugin_data.plugin_name == "text":
            texts[tag] = [(step, tensor.string_val[0].decode()) for step, tensor in events]
        else:
            scalars[tag] = [(step, tensor.float_val[0]) for step, tensor in events]
    return scalars, texts


def written(directory):
    """The steps of each tag in the one event file, as they were written."""
    (file,) = directory.iterdir()
    steps = defaultdict(list)
    for event in LegacyEventFileLoader(str(file)).Load():
        for value in event.summary.value:
            steps[value.tag].append(event.step)
    return steps


def expected(run):
    """What is to be shown, from the store alone; single precision, as event files have it."""
    scalars, codes, best = defaultdict(list), [], None
    for trial, outcome, reward in run.outcomes():
        scalars["trial/reward"].append((trial.number, np.float32(reward)))
        if isinstance(outcome, Measurement):
            for name in ("accuracy", "params", "flops"):
                value = np.float32(getattr(outcome, name))
                scalars[f"trial/{name}"].append((trial.number, value))
        entries = [entry for entry in run.entries() if entry.trial <= trial.number]
        if entries:
            if entries[0] != best:
                best = entries[0]
                codes.append((trial.number, best.code))
            scalars["best/reward"].append((trial.number, np.float32(best.reward)))
            scalars["best/accuracy"].append((trial.number, np.float32(best.accuracy)))
    for row in run.by_iteration(len(run.fold.iterations)):
        for name in ("epsilon", "accuracy", "reward", "repeats"):
            scalars[f"iteration/{name}"].append((row.first, np.float32(getattr(row, name))))
    return dict(scalars), {"best/code": codes}


@pytest.mark.parametrize("seed", range(2))
def test_the_numbers_are_those_of_the_run(tmp_path, seed):
    session(tmp_path / "run", [TensorBoard(tmp_path / "board")], Untidy(seed))
    run = read(tmp_path / "run")
    scalars, texts = expected(run)
    assert shown(tmp_path / "board") == (scalars, texts)
    assert len(scalars["trial/reward"]) == 40
    assert len(scalars["trial/accuracy"]) < 40
    assert len(texts["best/code"]) > 1
    assert [step for step, _ in scalars["iteration/epsilon"]] == [1, 2, 3, 4, 5]


def test_no_step_comes_after_a_higher_one_of_its_tag(tmp_path):
    """TensorBoard's data server drops what has a higher step than what follows it."""
    session(tmp_path / "run", [TensorBoard(tmp_path / "board")], Untidy(3))
    for steps in written(tmp_path / "board").values():
        assert steps == sorted(set(steps))


def test_a_run_in_many_sessions_is_shown_as_one(tmp_path):
    """The first without TensorBoard, others ended by Ctrl-C."""
    with pytest.raises(KeyboardInterrupt):
        session(tmp_path / "run", [interrupt_every(6)])
    sessions = 0
    while True:
        sessions += 1
        board = TensorBoard(tmp_path / "board")
        try:
            session(tmp_path / "run", [board, interrupt_every(6)], Untidy(sessions))
        except KeyboardInterrupt:
            shown_now, _ = shown(tmp_path / "board")
            known = [trial.number for trial, _, _ in read(tmp_path / "run").outcomes()]
            assert [step for step, _ in shown_now.get("trial/reward", [])] == known
            continue
        break
    assert sessions > 2
    assert len(list((tmp_path / "board").iterdir())) == sessions
    assert shown(tmp_path / "board") == expected(read(tmp_path / "run"))


def test_what_is_written_can_be_read_while_the_search_runs(tmp_path):
    looks = []

    class Looks(TensorBoard):
        def changed(self, progress):
            super().changed(progress)
            fold = progress.fold
            unfinished = [trial.number for trial in fold.trials if fold.outcome(trial) is None]
            if len(looks) % 3 == 0 and len(fold.arrived) > 3:
                scalars, _ = shown(tmp_path / "board")
                assert len(scalars["trial/reward"]) == min(unfinished, default=len(fold.trials))
            looks.append(len(fold.arrived))

    session(tmp_path / "run", [Looks(tmp_path / "board"), watcher := Remembers()])
    assert len(looks) == len(watcher.of("changed")) > 10  # it was not left out


def test_a_repeat_is_no_better_block(tmp_path):
    """As everywhere, the best is an evaluated trial; a repeat of a denser code may earn more."""
    board = TensorBoard(tmp_path / "board")
    board.begun(view_of(facts()))
    values = {"iteration": 0, "key": "k"}
    first = Trial(number=0, code="(1,1,3,0,0)", **values)
    repeat = Trial(number=1, code="(1,4,0,0,0) (2,1,3,1,0)", repeat_of=0, **values)
    for trial, reward in ((first, 50.0), (repeat, 60.0)):
        board.told(trial, Measurement(accuracy=50.0, flops=1, params=1), reward)
    board.ended({})
    scalars, texts = shown(tmp_path / "board")
    assert scalars["trial/reward"] == [(0, 50.0), (1, 60.0)]
    assert scalars["best/reward"] == [(0, 50.0), (1, 50.0)]
    assert texts == {"best/code": [(0, "(1,1,3,0,0)")]}


def test_latency_is_there_where_it_was_measured(tmp_path):
    class Timed(Untidy):
        def wait(self, timeout=None):
            return [
                result.model_copy(update={"outcome": timed(result.outcome)})
                for result in super().wait(timeout)
            ]

    def timed(outcome):
        if not isinstance(outcome, Measurement):
            return outcome
        return outcome.model_copy(update={"latency": Latency(milliseconds=1.5, noise=0.0)})

    session(tmp_path / "run", [TensorBoard(tmp_path / "board")], Timed(0))
    scalars, _ = shown(tmp_path / "board")
    assert {value for _, value in scalars["trial/latency"]} == {1.5}
    assert len(scalars["trial/latency"]) == len(scalars["trial/accuracy"])


def test_it_needs_no_torch_and_no_tensorflow(tmp_path):
    """In the process that searches, which has none with workers of its own."""
    code = f"""
import sys
from pathlib import Path
sys.path[:0] = {[path for path in sys.path if path]!r}
from blockqnn import TensorBoard
from runs import facts, view_of
board = TensorBoard({str(tmp_path / "board")!r})
board.begun(view_of(facts()))
board._text("best/code", 0, "(1,1,3,0,0)")
board.ended({{}})
print([name for name in ("torch", "tensorflow") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    "missing", ["tensorboard", "tensorboard.summary.writer.record_writer"], ids=["all", "writer"]
)
def test_without_the_extra_the_command_for_it_is_told(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"needs `pip install blockqnn\[tensorboard\]`"):
        TensorBoard(tmp_path / "board")


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").touch()
    for wrong in ("file", "file/board"):
        with pytest.raises(InputError, match="file is not a directory that can be written"):
            TensorBoard(tmp_path / wrong)
    TensorBoard(tmp_path / "new" / "board")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]  # made when the search begins
