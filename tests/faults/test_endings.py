"""How a search may be ended: twice Ctrl-C, a closed terminal, a full disk. Nothing done is lost."""

import fcntl
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest

from blockqnn import search
from blockqnn.api import Interrupted
from blockqnn.report.rows import read
from faults.processes import nothing_left
from runs import TINY, Changed

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc as on Linux"),
    pytest.mark.slow,
]
BLOCKQNN = (sys.executable, "-m", "blockqnn.cli")
TRIALS = 60
SETTINGS = TINY | {
    "space": {"max_layers": 4},
    "plan": {"trials": TRIALS, "iteration": 4, "seed": 1},
    "execution": {"executor": "local", "workers": 1, "device": "cpu"},
}


def interrupt(_):
    raise KeyboardInterrupt


def begin(directory):
    """A run of which nothing is evaluated yet."""
    with pytest.raises(Interrupted):
        search(
            "digits", run=directory, preset="small", settings=SETTINGS, callbacks=[Changed(interrupt)]
        )
    return directory


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory):
    """Of the run that nothing disturbed."""
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    return search("digits", run=directory, preset="small", settings=SETTINGS).status()["trajectory"]


def start(directory, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    command = [*BLOCKQNN, "search", "--run", str(directory)]
    return subprocess.Popen(command, text=True, start_new_session=True, **options)


def resumed(directory):
    """The trajectory after the same command has gone on to the end."""
    done = subprocess.run(
        [*BLOCKQNN, "search", "--run", str(directory)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    status = read(Path(directory)).status()
    assert status["trials"]["finished"] == TRIALS
    return status["trajectory"]


def shown(process):
    """Trials that the first progress line acknowledged."""
    while "/60 trials" not in (line := process.stderr.readline()):
        assert line, "ended before its first progress"
    return int(line.split("/")[0])


@pytest.mark.parametrize("pause", [0.0, 0.02])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(tmp_path, trajectory, second, pause):
    directory = begin(tmp_path / "run")
    with nothing_left():
        process = start(directory)
        acknowledged = shown(process)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM if second == signal.SIGINT else signal.SIGINT)
        time.sleep(pause)
        process.send_signal(second)
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - begun < 3
    assert (process.returncode, out) == (130, "")
    last = err.splitlines()[-1]
    assert last.startswith("blockqnn: ")
    assert "stopped at once" in last or "go on with" in last
    assert "Traceback" not in err
    assert read(directory).status()["trials"]["finished"] >= acknowledged
    assert resumed(directory) == trajectory


def test_a_closed_terminal_interrupts(tmp_path, trajectory):
    directory = begin(tmp_path / "run")
    master, slave = pty.openpty()

    def own_terminal():
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    with nothing_left():
        process = start(
            directory, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal, env=os.environ
        )
        os.close(slave)
        seen = b""
        while not re.search(rb"[^\d][1-9]\d*/60 trials", seen):
            seen += os.read(master, 4096)
        os.close(master)
        assert process.wait(timeout=30) == 130
    assert 0 < read(directory).status()["trials"]["finished"] < TRIALS
    assert resumed(directory) == trajectory


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_full_disk_is_waited_for_and_loses_nothing(small_disk, trajectory, interrupted):
    directory = begin(small_disk / "run")
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    ballast.write_bytes(b"\0" * (free - 20 * 1024))  # room for some commits
    with nothing_left():
        process = start(directory)
        acknowledged = full(process, directory)
        finished = read(directory).status()["trials"]["finished"]
        assert 0 < finished < TRIALS
        assert acknowledged <= finished
        if interrupted:
            process.send_signal(signal.SIGINT)
        else:
            ballast.unlink()
        _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    if interrupted:
        assert process.returncode == 130
        assert err.splitlines()[-1].endswith(f"go on with: blockqnn search --run {directory}")
        ballast.unlink()
    else:
        assert process.returncode == 0
        assert "the run directory has room again; the search goes on" in err
    assert resumed(directory) == trajectory


def full(process, directory):
    """Trials that were acknowledged when it was said that the search waits for room."""
    acknowledged = 0
    while f"warning: run directory {directory} is full" not in (line := process.stderr.readline()):
        assert line, "ended before the disk was full"
        if "/60 trials" in line:
            acknowledged = int(line.split("/")[0])
    assert "retrying for 10 min, Ctrl-C is safe" in line
    return acknowledged


def test_a_run_that_begins_on_a_full_disk(small_disk):
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "ballast").write_bytes(b"\0" * free)
    done = subprocess.run(
        [*BLOCKQNN, "search", "--run", str(small_disk / "run"), "--trials", "3"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    (small_disk / "ballast").unlink()
    again = [*BLOCKQNN, "search", "--run", str(small_disk / "run"), "--trials", "3", "--preset", "small"]
    subprocess.run([*again, "--set", "recipe.steps=5"], check=True, capture_output=True, timeout=120)


def test_a_disk_too_small_for_the_prepared_data(small_disk, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (120, 64, 64, 3), np.uint8)
    labels = np.arange(120) % 2
    np.savez(
        tmp_path / "large.npz",
        x_train=images[:100],
        y_train=labels[:100],
        x_test=images[100:],
        y_test=labels[100:],
    )
    run = tmp_path / "run"
    done = subprocess.run(
        [*BLOCKQNN, "search", "--data", str(tmp_path / "large.npz"), "--run", str(run)],
        env=os.environ | {"BLOCKQNN_CACHE": str(small_disk)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"blockqnn: cache {small_disk}/data: cannot hold the data")
    assert len(done.stderr.splitlines()) == 1
    assert not run.exists()
    assert not list((small_disk / "data").iterdir())


def test_a_limit_on_the_size_of_files_loses_nothing(tmp_path, trajectory):
    """The full disk of those who may not mount: every write past the limit fails."""
    directory = begin(tmp_path / "run")
    size = (directory / "run.sqlite3").stat().st_size
    limit = size + 8 * 1024
    done = subprocess.run(
        [*BLOCKQNN, "search", "--run", str(directory)],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert f"run {directory}: cannot be written (disk I/O error)" in last
    assert f"verify it with: blockqnn check {directory}; go on with: blockqnn search" in last
    assert "Traceback" not in done.stderr
    assert 0 < read(directory).status()["trials"]["finished"] < TRIALS
    assert resumed(directory) == trajectory
