"""`check` names every damage with its table and row; old files are read, rewritten when they go on."""

import json
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from blockqnn.errors import InputError
from blockqnn.rebuilding import rebuild_run
from blockqnn.report import rows
from blockqnn.report.checked import check
from blockqnn.runtime.file import verify
from blockqnn.runtime.file.schema import checksum, write
from blockqnn.runtime.store import CONFIG, DATABASE, LOCK, Store
from damage import fill, old, put, refused, seen, values

RESULTS = Path(__file__).parents[2] / "results"
OLD = sorted(RESULTS.glob("cifar100*/run.sqlite3"))  # of format 1
NEW = sorted({*RESULTS.glob("**/run.sqlite3")} - {*OLD})


@pytest.fixture
def run(tmp_path):
    return fill(tmp_path / "run", trials=8)


def change(directory, *statements):
    with closing(sqlite3.connect(directory / DATABASE)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def told(directory):
    return [str(damage) for damage in check(directory).damages]


def test_a_sound_file(run):
    found = check(run)
    assert (found.damages, found.form) == ((), 2)
    assert found.sound == {"facts": 1, "trials": 8, "results": 8, "events": 4}
    assert found.view.trajectory == rows.read(run).trajectory
    told = found.told()
    assert (told["sound"], told["integrity_check"]) == (True, ["ok"])
    assert told["trials"]["finished"] == 8
    assert told["trajectory"] == found.view.trajectory


@pytest.mark.parametrize(
    ("statement", "damages"),
    [
        ("UPDATE facts SET value = replace(value, '12', '13')", ["facts row run: its checksum differs"]),
        ("UPDATE trials SET density = 2.5 WHERE number = 3", ["trials row 3: its checksum differs"]),
        ("UPDATE trials SET repeat_of = 0 WHERE number = 3", ["trials row 3: its checksum differs"]),
        (
            "UPDATE results SET outcome = replace(outcome, '0', '1') WHERE number IN (2, 7)",
            ["results row 2: its checksum differs", "results row 7: its checksum differs"],
        ),
        ("UPDATE events SET body = '0.25' WHERE id = 1", ["events row 1: its checksum differs"]),
        ("UPDATE results SET crc = crc + 1 WHERE number = 6", ["results row 6: its checksum differs"]),
        ("DELETE FROM trials WHERE number = 7", ["trials row 7: is lost; commit 6 wrote it"]),
        ("DELETE FROM results WHERE number = 6", ["results row 6: is lost; commit 8 wrote it"]),
        ("DELETE FROM events WHERE id = 4", ["events row 4: is lost; commit 8 wrote it"]),
        (
            "DELETE FROM commits WHERE id = 4",
            ["commits row 4: is lost", "results row 2: is in no commit"],
        ),
        ("UPDATE commits SET crc = 5 WHERE id = 4", ["commits row 4: its checksum differs"]),
        (
            "UPDATE commits SET wrote = '{\"results\":[1]}' WHERE id = 3",
            ["commits row 3: its checksum differs"],
        ),
        ("UPDATE commits SET wrote = '{\"results\":1}' WHERE id = 3", ["commits row 3: is none that"]),
        (
            f"INSERT INTO events VALUES (9, 'share', '1', {checksum('events', (9, 'share', '1'))})",
            ["events row 9: is in no commit"],
        ),
        (
            "UPDATE results SET number = 5 - number WHERE number IN (0, 5)",
            ["results row 0: its checksum differs", "results row 5: its checksum differs"],
        ),
    ],
)
def test_damage_is_named_and_refused(run, statement, damages):
    if "5 - number" in statement:  # two rows that change places
        change(run, "UPDATE results SET number = 100 WHERE number = 0")
        change(run, "UPDATE results SET number = 0 WHERE number = 5")
        statement = "UPDATE results SET number = 5 WHERE number = 100"
    change(run, statement)
    found = told(run)
    for damage in damages:
        assert any(line.startswith(damage) for line in found), found
    before = (run / DATABASE).read_bytes()
    for opened in (Store.resume, lambda directory: rows.read(directory)):
        with pytest.raises(InputError, match="is damaged") as error:
            opened(run)
        assert damages[0] in str(error.value)
        assert str(error.value).endswith(f"see: blockqnn check {run}")
    assert (run / DATABASE).read_bytes() == before


def test_a_row_of_another_run_is_not_taken_for_this_ones(run, tmp_path):
    """Its own checksum is right, as where blocks of two files are exchanged: the chain tells."""
    fill(tmp_path / "other", seed=3, trials=8)
    with closing(sqlite3.connect(tmp_path / "other" / DATABASE)) as connection:
        row = connection.execute("SELECT * FROM results WHERE number = 6").fetchone()
    with closing(sqlite3.connect(run / DATABASE)) as connection:
        connection.execute("REPLACE INTO results VALUES (?, ?, ?, ?)", row)
        connection.commit()
    assert told(run) == ["commits row 8: its checksum differs"]
    assert refused(run)
    assert seen(run) is None


def test_lost_rows_would_be_read_without_the_chain(run, monkeypatch):
    """The tests above can fail."""
    change(run, "DELETE FROM results WHERE number = 6")
    assert seen(run) is None
    monkeypatch.setattr(verify, "_chain", lambda *_: [])
    assert len(seen(run)[2]) == 7


@pytest.mark.parametrize("number", [0, -0.0, 1, 0.1 + 0.2, 1e300, 5e-324, None])
def test_a_checksum_is_of_what_comes_back(tmp_path, number):
    """SQLite turns a whole number into a real one, and loses a minus at zero."""
    trial = {"number": 0, "iteration": 0, "code": "ü\x1f'", "key": "", "redrawn": 2**62}
    run = tmp_path / "run"
    with Store.create(run, {"a": "b"}) as store:
        from blockqnn.records import Trial

        store.add([Trial(density=0.5, **trial).model_copy(update={"density": number})])
    with Store.resume(run) as store:
        assert store.trials()[0].density == number
        assert store.trials()[0].code == "ü\x1f'"


def test_a_torn_table_tells_what_is_left(tmp_path):
    """All rows of the other tables, and those of this one before and behind the damage."""
    run = fill(tmp_path / "run", trials=200)
    content = bytearray((run / DATABASE).read_bytes())
    with closing(sqlite3.connect(run / DATABASE)) as connection:
        kinds = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trials'")
        (root,) = kinds.fetchone()
    leaf = int.from_bytes(content[(root - 1) * 4096 + 12 :][:2], "big")  # of the first cell
    page = int.from_bytes(content[(root - 1) * 4096 + leaf :][:4], "big")
    content[(page - 1) * 4096] = 0
    put(run, bytes(content))
    found = check(run)
    assert found.told()["integrity_check"] != ["ok"]
    assert found.sound["results"] == 200
    assert 100 < found.sound["trials"] < 200
    lost = [damage for damage in found.damages if "is lost" in damage.what]
    assert len(lost) == 200 - found.sound["trials"]


# What can be saved


def test_a_rebuilt_run_lacks_only_what_was_damaged(run, tmp_path):
    before = seen(run)
    change(run, "UPDATE results SET observed = '{}' WHERE number = 6")
    change(run, "DELETE FROM results WHERE number = 0")
    assert rebuild_run(run, tmp_path / "new") == (8, 6)
    facts, trials, results, events = seen(tmp_path / "new")
    assert (facts, trials) == before[:2]
    assert results == [result for result in before[2] if result.number not in (0, 6)]
    assert events == [*before[3], ("rebuild", {"run": str(run), "trials": 8})]
    assert not told(tmp_path / "new")
    assert {p.name for p in (tmp_path / "new").iterdir()} == {CONFIG, DATABASE, LOCK}


def test_a_rebuilt_run_ends_before_a_damaged_trial(run, tmp_path):
    before = seen(run)
    change(run, "UPDATE trials SET key = 'x' WHERE number = 6")
    assert rebuild_run(run, tmp_path / "new") == (4, 4)
    _, trials, results, events = seen(tmp_path / "new")
    assert (trials, results, events[:-1]) == (before[1][:4], before[2][:4], before[3][:2])


def test_what_cannot_be_rebuilt(run, tmp_path):
    with pytest.raises(InputError, match="is sound, there is nothing to rebuild"):
        rebuild_run(run, tmp_path / "new")
    change(run, "UPDATE facts SET value = '{}'")
    with pytest.raises(InputError, match="its facts are damaged"):
        rebuild_run(run, tmp_path / "new")
    assert not (tmp_path / "new").exists()


# Format 1


@pytest.mark.parametrize("path", NEW, ids=lambda path: path.parent.name)
def test_committed_runs_of_today_are_sound(path):
    before, names = path.read_bytes(), {p.name for p in path.parent.iterdir()}
    found = check(path.parent)
    assert (found.form, found.damages) == (2, ())
    assert path.read_bytes() == before
    assert {p.name for p in path.parent.iterdir()} == names


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.parent.name)
def test_committed_runs_are_read_and_left_as_they_are(path, tmp_path):
    before = sha256(path.read_bytes()).hexdigest()
    names = {p.name for p in path.parent.iterdir()}
    found = check(path.parent)
    assert (found.form, found.damages) == (1, ())
    assert sha256(path.read_bytes()).hexdigest() == before
    assert {p.name for p in path.parent.iterdir()} == names
    copy = Path(shutil.copytree(path.parent, tmp_path / "copy"))
    with Store.resume(copy):
        pass
    again = check(copy)
    assert (again.form, again.damages) == (2, ())
    assert again.view.trajectory == found.view.trajectory
    backup = (copy / f"{DATABASE}.format-1").read_bytes()
    assert sha256(backup).hexdigest() == before


def test_a_migrated_run_has_the_same_values_and_goes_on(run, tmp_path):
    was = seen(run)
    first = old(tmp_path / "old", run)
    assert seen(first) == was
    with Store.resume(first) as store:
        assert values(store) == was
        store.add(events=[("fingerprint", ["new"])])
    assert seen(first) == (*was[:3], [*was[3], ("fingerprint", ["new"])])
    assert not told(first)
    assert (seen(put(tmp_path / "back", (first / f"{DATABASE}.format-1").read_bytes()))) == was


def test_a_migration_that_is_cut_off_leaves_the_old_file(run, tmp_path, monkeypatch):
    first = old(tmp_path / "old", run)
    before = (first / DATABASE).read_bytes()

    def stop(*_):
        raise KeyboardInterrupt

    from blockqnn.runtime.file import migration

    with monkeypatch.context() as patch:
        patch.setattr(migration, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            Store.resume(first)
    assert (first / DATABASE).read_bytes() == before
    with Store.resume(first):
        pass
    assert check(first).form == 2
    assert write is migration.write


@pytest.mark.parametrize(
    ("statement", "damage"),
    [
        ("DELETE FROM trials WHERE number = 3", "trials row 3: is lost"),
        ("UPDATE trials SET iteration = 9 WHERE number = 5", "trials row 5: is of iteration 9"),
        (
            "UPDATE trials SET iteration = 'x' WHERE number = 5",
            "trials row 5: is none that",
        ),
        (
            "UPDATE trials SET repeat_of = 6 WHERE number = 5",
            "trials row 5: repeats no trial",
        ),
        ("UPDATE results SET number = 99 WHERE number = 5", "results row 99: is of no trial"),
        (
            "UPDATE results SET outcome = '{}' WHERE number = 5",
            "results row 5: is none that",
        ),
        ("UPDATE events SET body = '{' WHERE id = 2", "events row 2: is none that"),
    ],
)
def test_what_makes_no_run_is_damage_in_format_1_too(run, tmp_path, statement, damage):
    first = old(tmp_path / "old", run)
    change(first, statement)
    assert any(line.startswith(damage) for line in told(first)), told(first)
    for opened in (Store.resume, rows.read):
        with pytest.raises(InputError, match="is damaged"):
            opened(first)
    assert not list(first.glob("*format-1"))


# The command


def test_the_command(blockqnn, folder):
    answer = blockqnn("check", "run")
    assert (answer.status, answer.err) == (0, "")
    trajectory = json.loads(blockqnn("status", "run", "--json").out)["trajectory"]
    assert answer.out.endswith(f"trajectory, folded anew: {trajectory}\n")
    assert json.loads(blockqnn("check", "run", "--json").out)["trajectory"] == trajectory
    change(folder / "run", "UPDATE results SET observed = '{}' WHERE number IN (1, 2)")
    answer = blockqnn("check", "run")
    assert answer.status == 1
    assert "results row 1: its checksum differs\nresults row 2: its checksum differs\n" in answer.out
    assert answer.err == (
        "blockqnn: run run: 2 damages, first results row 1: its checksum differs;"
        " to save the rest: blockqnn check run --rebuild run-2\n"
    )
    answer = blockqnn("check", "run", "--json")
    assert (answer.status, json.loads(answer.out)["sound"]) == (1, False)
    answer = blockqnn("check", "run", "--rebuild", "run-2")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.endswith("go on with: blockqnn search --run run-2\n")
    assert blockqnn("search", "--run", "run-2").status == 0
    assert json.loads(blockqnn("check", "run-2", "--json").out)["trajectory"] == trajectory


def test_the_command_on_what_was_a_run(blockqnn, folder):
    (folder / "run" / DATABASE).write_bytes(b"no database " * 500)
    answer = blockqnn("check", "run")
    assert answer.status == 1
    assert "file is not a database" in answer.err
