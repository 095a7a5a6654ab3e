"""The store: what it was told is there again, whatever killed the process that told it."""

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import pytest

from blockqnn.errors import InputError
from blockqnn.records import Failure, Measurement, Observation, Result, Trial
from blockqnn.runtime.store import CONFIG, DATABASE, LOCK, Store, is_run

FACTS = {"run": '{"seed": 1}', "other": [1, 2.5, None, "ü"]}
TRIALS = [
    Trial(number=0, iteration=0, code="(1,1,1,0,0)", key="a", density=1.5),
    Trial(number=1, iteration=0, code="(1,1,1,0,0)", key="a", density=0.1 + 0.2, repeat_of=0),
    Trial(number=2, iteration=1, code="(1,4,0,0,0)", key="b", redrawn=3, redrawn_steps=17),
]
RESULTS = [
    Result(
        number=2,
        outcome=Failure(kind="error", detail="a 'quoted' ü\n"),
        observed=Observation(seconds=0.1, worker="0", attempts=2, fingerprint="f", source="s"),
    ),
    Result(number=0, outcome=Measurement(accuracy=100 / 3, flops=10**15, params=2, steps=3, restarts=1)),
]


@pytest.fixture
def directory(tmp_path):
    """A run with a few rows, that nobody has open."""
    with Store.create(tmp_path / "run", FACTS) as store:
        store.add(TRIALS[:2])
        store.add(TRIALS[2:], RESULTS[:1])
        store.add(results=RESULTS[1:])
        store.add(events=[("plan", {"trials": 4})])
        store.add(events=[("fingerprint", ["f", "g"])])
    return tmp_path / "run"


def assert_whole(directory):
    for opened in (Store.read, Store.resume):
        with opened(directory) as store:
            assert store.facts() == FACTS
            assert store.trials() == TRIALS
            assert store.results() == sorted(RESULTS, key=lambda result: result.number)
            assert store.events() == [("plan", {"trials": 4}), ("fingerprint", ["f", "g"])]


def child(code, *arguments):
    """A Python process that runs this code; it can be killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_what_was_told_is_there_again(directory):
    assert_whole(directory)
    assert is_run(directory)


def test_every_commit_survives_power_loss(directory):
    with Store.resume(directory) as store:
        ask = store._connection.execute
        assert ask("PRAGMA journal_mode").fetchone() == (b"delete",)
        assert ask("PRAGMA synchronous").fetchone() == (3,)  # EXTRA
        assert ask("PRAGMA foreign_keys").fetchone() == (1,)


@pytest.mark.parametrize(
    ("trials", "results"),
    [
        ([TRIALS[0].model_copy(update={"number": 3}), TRIALS[1]], []),  # the second one is there
        ([TRIALS[0].model_copy(update={"number": 3})], [RESULTS[0]]),  # so is this result
        ([], [RESULTS[0].model_copy(update={"number": 3})]),  # of no trial
    ],
)
def test_refused_rows_take_their_whole_commit_with_them(directory, trials, results):
    with Store.resume(directory) as store:
        with pytest.raises(sqlite3.IntegrityError):
            store.add(trials, results)
        with pytest.raises(ValueError, match="JSON"):
            store.add(events=[("plan", float("nan"))])
    assert_whole(directory)


@pytest.mark.parametrize("left", [[], [LOCK], [LOCK, DATABASE, CONFIG]])
def test_a_start_that_was_killed_can_be_repeated(tmp_path, left):
    for name in left:
        (tmp_path / name).touch()
    assert not is_run(tmp_path)
    with Store.create(tmp_path, FACTS) as store:
        assert store.facts() == FACTS


def test_a_directory_with_other_things_is_refused(tmp_path, directory):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"notes: holds thesis.txt and no run"):
        Store.create(tmp_path / "notes", FACTS)
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="file: is a file"):
        Store.create(tmp_path / "file", FACTS)
    with pytest.raises(InputError, match="run: holds a run already"):
        Store.create(directory, {})
    assert_whole(directory)


@pytest.mark.parametrize("opened", [Store.read, Store.resume])
def test_no_run(tmp_path, opened):
    with pytest.raises(InputError, match="no such directory"):
        opened(tmp_path / "missing")
    with pytest.raises(InputError, match="holds no run"):
        opened(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opened", [Store.read, Store.resume])
def test_a_run_of_another_format_is_refused(directory, opened):
    with sqlite3.connect(directory / DATABASE) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(InputError, match="written in format 7, this version reads 1 to 2"):
        opened(directory)


@pytest.mark.parametrize("opened", [Store.read, Store.resume])
@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0", b"x"])
def test_a_file_that_is_no_run_is_refused_and_kept(tmp_path, opened, content):
    (tmp_path / DATABASE).write_bytes(content)
    with pytest.raises(InputError, match="is no run file"):
        opened(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == content


@pytest.mark.parametrize("opened", [Store.read, Store.resume, Store.look])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW facts AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT 'run' AS name, i AS value, 0 AS crc FROM n",
        "CREATE TRIGGER more AFTER INSERT ON trials BEGIN DELETE FROM trials; END",
    ],
)
def test_a_file_with_queries_of_its_own_is_refused(directory, opened, statement):
    """A view over an endless query would be read for ever."""
    with sqlite3.connect(directory / DATABASE) as connection:
        if "facts" in statement:
            connection.execute("DROP TABLE facts")
        connection.execute(statement)
    connection.close()
    with pytest.raises(InputError, match=r"is no run file \(it holds the (view facts|trigger more)\)"):
        opened(directory)


HOLD = """
import sys, time
from pathlib import Path
from blockqnn.runtime.store import Store
with Store.resume(Path(sys.argv[1])) as store:
    print("open", flush=True)
    time.sleep(1000)
"""


def test_one_writer_and_many_readers(directory):
    with child(HOLD, directory) as writer:
        assert writer.stdout.readline() == "open\n"
        holder = f"is in use by process {writer.pid} on {socket.gethostname()} since 20"
        with pytest.raises(InputError, match=holder):
            Store.resume(directory)
        with pytest.raises(InputError, match=holder):
            Store.create(directory, FACTS)
        with Store.read(directory) as one, Store.read(directory) as two:
            assert one.trials() == two.trials() == TRIALS
        writer.kill()
    assert_whole(directory)


def test_a_lock_is_held_as_long_as_its_store_is_open(directory):
    with Store.resume(directory), pytest.raises(InputError, match="in use"):
        Store.resume(directory)
    (directory / DATABASE).write_bytes(b"garbage" * 1000)
    for _ in range(2):  # a refused one holds nothing
        with pytest.raises(InputError, match="is no run file"):
            Store.resume(directory)


# A commit that is too large for the cache is in the file before it is valid.
HALF_WRITTEN = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("CREATE TABLE many (body TEXT)")
connection.executemany("INSERT INTO many VALUES (?)", [("x" * 1000,)] * 1000)
print("half", flush=True)
time.sleep(1000)
"""


def killed_in_the_middle_of_a_commit(database):
    with child(HALF_WRITTEN, database) as writer:
        assert writer.stdout.readline() == "half\n"
        writer.kill()
    assert database.stat().st_size > 500_000
    assert database.with_name(f"{DATABASE}-journal").stat().st_size > 0


@pytest.mark.parametrize("opened", [Store.read, Store.resume])
def test_half_a_commit_is_rolled_back_by_whoever_comes_next(directory, opened):
    killed_in_the_middle_of_a_commit(directory / DATABASE)
    with opened(directory) as store:
        assert store.trials() == TRIALS
    assert_whole(directory)
    assert not list(directory.glob("*-journal"))


def test_half_a_first_commit_is_no_run(tmp_path):
    killed_in_the_middle_of_a_commit(tmp_path / DATABASE)
    assert not is_run(tmp_path)
    with Store.create(tmp_path, FACTS) as store:
        assert store.facts() == FACTS


ADD = """
import sys
from itertools import count
from pathlib import Path
from blockqnn.records import Measurement, Result, Trial
from blockqnn.runtime.store import Store
with Store.resume(Path(sys.argv[1])) as store:
    for n in count(len(store.trials())):
        trial = Trial(number=n, iteration=0, code=str(n), key=str(n), density=n / 3)
        outcome = Measurement(accuracy=n % 100, flops=n, params=n)
        store.add([trial], [Result(number=n, outcome=outcome)])
        store.add(events=[("added", n)])
        print(n, flush=True)
"""


def test_nothing_that_was_acknowledged_is_lost(tmp_path):
    rng, directory = random.Random(0), tmp_path / "run"
    Store.create(directory, FACTS).close()
    told = []
    for _ in range(5):
        with child(ADD, directory) as writer:
            for _ in range(rng.randrange(1, 8)):
                told.append(int(writer.stdout.readline()))
            time.sleep(rng.uniform(0, 0.02))
            writer.send_signal(signal.SIGKILL)
            told += map(int, writer.stdout.read().split("\n")[:-1])
        with Store.read(directory) as store:
            numbers = [trial.number for trial in store.trials()]
            assert numbers == list(range(len(numbers)))
            assert told[-1] + 1 <= len(numbers) <= told[-1] + 2
            assert [result.outcome.flops for result in store.results()] == numbers
            assert {("added", n) for n in told} <= set(store.events())
            assert [trial.density for trial in store.trials()] == [n / 3 for n in numbers]
