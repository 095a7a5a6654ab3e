"""One seed, one search: whoever evaluates, whatever dies, the trajectory is the same."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache

import pytest

from blockqnn.records import Failure
from blockqnn.runtime.local import LocalExecutor
from blockqnn.runtime.store import Store
from faults.acknowledged import recorded
from faults.driver import NAP, run_pretended
from faults.processes import nothing_left

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def drive(*arguments, kill_after=None, pause=0.0):
    """Runs the driver; killed after so many lines and a pause. Its exit status, its last line."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "faults.driver", *map(str, arguments)]
    last = ""
    with (
        nothing_left(),
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as driver,
    ):
        assert driver.stdout is not None
        for number, line in enumerate(driver.stdout):
            last = line
            if number == kill_after:
                time.sleep(pause)
                driver.kill()
                break
        for line in driver.stdout:
            last = line if line.endswith("\n") else last
        status = driver.wait(10)
    return status, [int(word) for word in last.split()]


def killed_and_resumed(rng, times, lines, command, directory, *options):
    """Kills the driver so often, each time after about so many lines, and then lets it finish."""
    for _ in range(times):
        moment = {"kill_after": rng.randrange(2 * lines), "pause": rng.uniform(0, 0.02)}
        status, (trials, missing) = drive(command, directory, *options, **moment)
        assert status == -signal.SIGKILL, "it had ended before"
        with Store.read(directory) as store:
            stored = store.trials()
            own = sum(trial.repeat_of is None for trial in stored[:trials])
            assert len(stored) >= trials, "a trial was lost"
            assert len(store.results()) >= own - missing, "a result was lost"
    assert drive(command, directory, *options)[0] == 0


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The pretended search in one process, by staleness."""

    @cache
    def run(staleness):
        directory = tmp_path_factory.mktemp("serial") / "run"
        assert drive("pretend", directory, "serial", staleness)[0] == 0
        return recorded(directory)

    return run


@pytest.mark.parametrize("staleness", [0, 1])
def test_the_search_has_all_that_could_go_wrong(serial, staleness):
    trials, outcomes, trajectory = serial(staleness)
    failed = {t.number for t, o in zip(trials, outcomes, strict=True) if isinstance(o, Failure)}
    assert len(trials) == 200
    assert sum(t.repeat_of is not None for t in trials) > 10
    assert any(t.repeat_of in failed for t in trials), "no repeat of a failure"
    assert any(
        t.repeat_of is not None and trials[t.repeat_of].iteration == t.iteration for t in trials
    ), "no repeat of a trial in flight"
    assert 5 < len(failed) < 100
    assert sum(t.redrawn > 0 for t in trials) > 20
    assert trajectory != serial(1 - staleness)[2]


@pytest.mark.parametrize(("workers", "staleness"), [(1, 0), (2, 0), (2, 1)])
def test_same_search_with_workers(serial, tmp_path, workers, staleness):
    assert drive("pretend", tmp_path / "run", workers, staleness)[0] == 0
    assert recorded(tmp_path / "run") == serial(staleness)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "staleness"), [("serial", 1), (2, 0), (2, 1)])
def test_same_search_killed_at_ten_moments(serial, tmp_path, workers, staleness):
    rng = random.Random(f"{workers} {staleness}")
    killed_and_resumed(rng, 10, 3, "pretend", tmp_path / "run", workers, staleness)
    assert recorded(tmp_path / "run") == serial(staleness)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["predictor", "evolution", "local-search"])
def test_every_strategy_searches_the_same(tmp_path, strategy):
    assert drive("pretend", tmp_path / "serial", "serial", 1, strategy)[0] == 0
    rng = random.Random(strategy)
    killed_and_resumed(rng, 4, 3, "pretend", tmp_path / "killed", 2, 1, strategy)
    assert recorded(tmp_path / "killed") == recorded(tmp_path / "serial")


def test_same_search_while_workers_are_killed(serial, tmp_path):
    """Each kill hits a worker that has evaluated, busy or idle."""
    rng, workers, killed = random.Random(0), tmp_path / "workers", []
    workers.mkdir()

    def report(_):
        victims = sorted(workers.iterdir())
        if victims and rng.random() < 0.1:
            killed.append(rng.choice(victims))
            with suppress(ProcessLookupError):
                os.kill(int(killed[-1].name), signal.SIGKILL)
            killed[-1].unlink()

    with nothing_left():
        specification = {"nap": NAP, "directory": str(workers)}
        executor = LocalExecutor("faults.evaluators:pretend", specification, workers=2)
        run_pretended(tmp_path / "run", executor, 1, report)
    assert len(killed) > 3
    with Store.read(tmp_path / "run") as store:
        assert any(result.observed.attempts > 1 for result in store.results())
    assert recorded(tmp_path / "run") == serial(1)


@pytest.mark.slow
def test_same_search_with_real_training(tmp_path):
    for name, workers in (("serial", "serial"), ("two", 2)):
        assert drive("train", tmp_path / name, workers)[0] == 0
    killed_and_resumed(random.Random(0), 3, 3, "train", tmp_path / "killed", 2)
    expected = recorded(tmp_path / "serial")
    assert sum(trial.redrawn for trial in expected[0]) > 0
    assert recorded(tmp_path / "two") == expected
    assert recorded(tmp_path / "killed") == expected
