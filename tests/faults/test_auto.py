"""`auto`: killed in each of its stages it goes on to its model; in a script it ends in time."""

import json
import subprocess
import sys
import threading
import time

import numpy as np
import onnxruntime
import pytest

import blockqnn
from blockqnn.config import DataSettings
from blockqnn.data.dataset import load
from blockqnn.journal import STAGES, read
from blockqnn.space.code import parse

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="signals as on Linux"),
    pytest.mark.slow,
    pytest.mark.alone,
]
BUDGET = 60  # seconds
COMMAND = (sys.executable, "-m", "blockqnn.cli", "auto", "--data", "digits", "--budget", f"{BUDGET}s")
FILES = {
    "auto.json", "config.json", "metrics.json", "model.onnx", "model.py", "model.safetensors",
    "README.md", "SHA256SUMS", "report.html", "run",
}  # fmt: skip


def onnx_accuracy(path, size=(8, 8)):
    """Of the ONNX file on digits' test part, in percent."""
    test = load(DataSettings(image_size=size)).test
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = test.images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    logits = session.run(None, {"images": images})[0]
    return 100 * float(np.mean(logits.argmax(1) == test.labels))


def is_finished(out):
    """Everything is there, and says the same."""
    assert {path.name for path in out.iterdir() if path.name[0] != "."} >= FILES
    assert not (out / "work").exists()
    metrics, journal = json.loads((out / "metrics.json").read_text()), read(out)
    size = journal.image_size(journal.rows[journal.kept])
    assert onnx_accuracy(out / "model.onnx", size) == pytest.approx(metrics["test_accuracy"])
    assert metrics["test_accuracy"] > 80
    assert tuple(journal.took) == STAGES
    assert journal.rows[journal.kept].accuracy == metrics["validation_accuracy"]
    assert "tell nothing" in journal.proof or "are needed" in journal.proof
    best = max(row.accuracy for row in journal.rows if row.accuracy and row.code)
    assert metrics["validation_accuracy"] == best
    assert str(blockqnn.load(out).block) == str(parse(journal.rows[journal.kept].code))


def killed_in(stage, out, seconds):
    """Starts the command and kills it so long after it has said that the stage begins."""
    process = subprocess.Popen(
        [*COMMAND, "--out", str(out)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    with process:
        assert any(line.startswith(f"{stage},") for line in process.stderr), f"{stage} never began"
        rest = threading.Thread(target=process.stderr.read)
        rest.start()
        time.sleep(seconds)
        assert process.poll() is None
        process.kill()
        rest.join()


def test_killed_in_each_stage_it_goes_on(tmp_path):
    out = tmp_path / "model"
    for stage in STAGES:
        if stage == "proof":  # for which so short a budget leaves no time
            continue
        killed_in(stage, out, 0.3)
        done = read(out).took
        assert stage not in done
        assert tuple(done) == STAGES[: STAGES.index(stage)]
        if stage != "baselines":
            assert blockqnn.load(out).metrics["test_accuracy"] is None
            assert onnx_accuracy(out / "model.onnx") > 20
    rows = len(read(out).rows)
    done = subprocess.run([*COMMAND, "--out", str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    is_finished(out)
    assert len(read(out).rows) == rows  # nothing was trained again
    again = subprocess.run([*COMMAND, "--out", str(out)], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_three_lines_without_a_main_guard_end_in_time(tmp_path):
    """Also where the final training sees larger images than the search."""
    script = tmp_path / "script.py"
    script.write_text(
        "import blockqnn\n"
        f"model = blockqnn.auto('digits', budget={BUDGET}, out='mine', train_image_size=16)\n"
        "print(model.metrics['test_accuracy'])\n"
    )
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - begin
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    is_finished(tmp_path / "mine")
    metrics, journal = (
        json.loads((tmp_path / "mine" / "metrics.json").read_text()),
        read(tmp_path / "mine"),
    )
    assert float(done.stdout) == metrics["test_accuracy"]
    (large,) = (row for row in journal.rows if row.stage == "training")
    small = next(row for row in journal.rows if (row.name, row.choice) == (large.name, large.choice))
    assert large.flops > 3 * small.flops
    assert large.params == small.params
    assert seconds < BUDGET + 3
