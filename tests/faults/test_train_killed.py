"""A training killed at random moments goes on from its checkpoint to the same bits."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.training import trainings
from faults.driver import train_digits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them")


def killed(directory, steps, pause):
    """Kills a training so many steps after its first one and a pause; the numbers of those steps."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "faults.driver", "model", str(directory)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        told = [int(driver.stdout.readline()) for _ in range(steps)]
        time.sleep(pause)
        driver.kill()
        driver.stdout.read()
        status = driver.wait(30)
    assert status == -signal.SIGKILL, "it had ended before"
    return told


@pytest.fixture
def steps(monkeypatch):
    """The steps that trainings in this process take."""
    taken = []

    def told(*parts, **options):
        return train_with_restarts(*parts, **options | {"report": lambda step, _: taken.append(step)})

    monkeypatch.setattr(trainings, "train_with_restarts", told)
    return taken


def test_killed_at_five_moments_it_gives_the_same_weights(tmp_path, steps):
    rng, out = random.Random(0), tmp_path / "killed"
    sessions = []
    for _ in range(5):
        sessions.append(killed(out, rng.randrange(40, 120), rng.uniform(0, 0.03)))
        assert {path.name for path in out.iterdir()} == {"checkpoint"}
    train_digits(out)
    sessions.append(steps.copy())
    assert sum(first > 1 for first, *_ in sessions[1:]) >= 3, "it began anew"
    assert all(told == list(range(told[0], told[0] + len(told))) for told in sessions)
    assert sessions[-1][-1] == 700
    assert not (out / "checkpoint").exists()

    steps.clear()
    train_digits(tmp_path / "unbroken")
    assert steps == list(range(1, 701))
    expected = load_file(tmp_path / "unbroken" / "model.safetensors")
    weights = load_file(out / "model.safetensors")
    assert expected.keys() == weights.keys()
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    one, other = (json.loads((d / "metrics.json").read_text()) for d in (out, tmp_path / "unbroken"))
    for metrics in (one, other):
        metrics.pop("seconds")
    assert one == other
