"""A folder with a run and other things in it, and the program called inside this process."""

import signal
import sys
from itertools import count
from shutil import copytree
from typing import NamedTuple

import numpy as np
import pytest

from blockqnn import cli, config, search
from runs import TINY


class Answer(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished search of 12 trials."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    return search("digits", run=directory, preset="small", settings=TINY)


@pytest.fixture
def folder(tmp_path, monkeypatch, finished):
    """The working directory: a copied run, something foreign, a file."""
    copytree(finished.path, tmp_path / "run")
    (tmp_path / "foreign").mkdir()
    for name in ("file", "foreign/notes.txt"):
        (tmp_path / name).write_text("mine")
    np.savez(tmp_path / "half.npz", x_train=np.zeros((4, 8, 8)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def blockqnn(folder, monkeypatch, capsys):  # noqa: ARG001
    """Runs the program in this process; the presets are those of the package and `tiny`."""
    tiny = config.merged(config.PRESETS["small"], TINY)
    monkeypatch.setattr(config, "PRESETS", {**config.PRESETS, "tiny": tiny})
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(cli, "_interrupts", count(1))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["blockqnn", *arguments])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code
        return Answer(status, *capsys.readouterr())

    return call
