"""Hostile files, given to the commands that read them: status 2, one line, at once, in little memory;
nothing is run, nothing is written."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from blockqnn import search
from blockqnn.export import directory
from blockqnn.space.zoo import ZOO
from hostile import FILES
from models import random_model
from runs import TINY
from stopped import stopped_training

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and read as on Linux")

SECONDS = 5.0  # of the processor
BYTES = 500 << 20
READER = Path(__file__).parents[1] / "hostile_reader.py"


class Reader:
    """The process that is given hostile files; begun anew where one has ended it."""

    def __init__(self, home):
        self._process = None
        self._environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}

    def __call__(self, arguments):
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, READER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self._environment,
            )
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], 60)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.close()
            pytest.fail("the reader hangs" if not ready else "the reader died")
        return json.loads(line)

    def close(self):
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    reader = Reader(tmp_path_factory.mktemp("home"))
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    """A run, a model and a training that was cut off, of which hostile ones are made."""
    root = tmp_path_factory.mktemp("victims")
    search("digits", run=root / "run", preset="small", settings=TINY)
    directory.write(random_model(ZOO["resnet-like"]), root / "model")
    stopped_training(root / "stopped")
    return root


def tree(root):
    """Everything below the folder, with sizes and times; what a look at a run leaves aside."""
    found = {}
    for path in root.rglob("*"):
        if path.suffix != ".lock":
            status = path.lstat()
            found[str(path.relative_to(root))] = (status.st_mode, status.st_size)
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file(name, reader, victims, tmp_path):
    for victim in victims.iterdir():
        (tmp_path / victim.name).symlink_to(victim)
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    arguments = FILES[name](folder)
    before = tree(tmp_path), tree(Path(os.environ["BLOCKQNN_CACHE"]))
    answer = reader(arguments)
    print(f"{answer['seconds']:.2f} s, {answer['grown'] >> 20} MB: {answer['err']}", end="")
    assert (answer["status"], answer["out"]) == (2, ""), answer
    assert answer["err"].startswith("blockqnn: ")
    assert answer["err"].count("\n") == 1
    assert len(answer["err"]) < 1000
    assert not (folder / "canary").exists()
    assert (tree(tmp_path), tree(Path(os.environ["BLOCKQNN_CACHE"]))) == before
    assert answer["seconds"] < SECONDS
    assert answer["grown"] < BYTES


def test_there_are_enough():
    assert len(FILES) >= 30
