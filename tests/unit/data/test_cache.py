"""The cache: when it is used, what damages it, and what is left behind."""

import os
import subprocess
import sys

import numpy as np
import pytest

from blockqnn.config import DataSettings
from blockqnn.data import cache, dataset, prepare
from blockqnn.data.dataset import load
from blockqnn.errors import InputError
from pictures import pictures, save_png, write_csv, write_folder

IMAGES, LABELS = pictures(60)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BLOCKQNN_CACHE", str(tmp_path / "cache"))
    return write_folder(tmp_path / "images", IMAGES, LABELS)


@pytest.fixture
def preparations(monkeypatch):
    """A list that grows by one with each preparation."""
    made = []

    def counted(*args):
        made.append(args)
        prepare.prepare(*args)

    monkeypatch.setattr(dataset, "prepare", counted)
    return made


def of(folder, **settings):
    return load(DataSettings(source=str(folder), **settings))


def entries(tmp_path):
    return list((tmp_path / "cache" / "data").iterdir())


def test_the_second_time_nothing_is_prepared(folder, preparations, tmp_path):
    one, other = of(folder), of(folder)
    assert len(preparations) == 1
    assert one.digest == other.digest
    assert np.array_equal(one.train.images, other.train.images)
    (entry,) = entries(tmp_path)
    assert {path.name for path in entry.iterdir()} == {"images.npy", "labels.npy", "meta.json"}


def test_images_are_mapped_and_a_write_stays_here(folder):
    data = of(folder)
    base = data.train.images
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    before = data.train.images[0].copy()
    data.train.images[0] = 7
    assert np.array_equal(of(folder).train.images[0], before)


@pytest.mark.parametrize(
    "settings",
    [
        {"image_size": (16, 16)},
        {"unreadable": "skip"},
        {"resize": "stretch"},
        {"test": 0.3},
        {"validation": 0.3},
        {"split_seed": 1},
    ],
)
def test_another_setting_is_another_entry(folder, preparations, settings):
    of(folder)
    of(folder, **settings)
    of(folder)
    assert len(preparations) == 2


def test_changed_files_are_another_entry(folder, preparations):
    first = of(folder).digest
    save_png(folder / "ant" / "new.png", IMAGES[0] // 2)
    second = of(folder).digest
    assert second != first
    status = (folder / "ant" / "new.png").stat()
    os.utime(folder / "ant" / "new.png", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert of(folder).digest == second
    (folder / "ant" / "new.png").rename(folder / "bee" / "new.png")
    assert of(folder).digest != second
    assert len(preparations) == 4


def test_a_changed_table_of_labels_is_another_entry(folder, preparations):
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    for name in ("one", "other"):
        rows = [{"path": p, "label": p[0] if name == "one" else p[0] + "x"} for p in paths]
        table = write_csv(folder.parent / "labels.csv", rows)
        load(DataSettings(source=str(folder), labels=str(table)))
    assert len(preparations) == 2


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def grown(path):
    path.write_bytes(path.read_bytes() + b"0")


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "meta.json"])
@pytest.mark.parametrize("damage", [cut, emptied, os.unlink])
def test_a_damaged_entry_is_made_again(folder, preparations, tmp_path, name, damage):
    digest = of(folder).digest
    (entry,) = entries(tmp_path)
    damage(entry / name)
    assert of(folder).digest == digest
    assert of(folder).digest == digest
    assert len(preparations) == 2
    assert entries(tmp_path) == [entry]


def test_an_entry_that_grew_is_made_again(folder, preparations, tmp_path):
    of(folder)
    grown(entries(tmp_path)[0] / "images.npy")
    of(folder)
    assert len(preparations) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError("no"), RuntimeError("bug")])
def test_nothing_stays_behind_a_failure(folder, monkeypatch, tmp_path, error):
    def broken(*_):
        raise error

    monkeypatch.setattr(prepare, "across", broken)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        of(folder)
    assert entries(tmp_path) == []


def test_the_loser_of_a_race_takes_the_winners(folder, monkeypatch, tmp_path):
    def slow(*args):
        monkeypatch.setattr(dataset, "prepare", prepare.prepare)
        of(folder)  # another process was faster
        prepare.prepare(*args)

    monkeypatch.setattr(dataset, "prepare", slow)
    assert sum(map(len, (of(folder).train, of(folder).validation, of(folder).test))) == 60
    assert len(entries(tmp_path)) == 1


def test_processes_may_race(folder, tmp_path):
    code = (
        "import sys; from blockqnn.config import DataSettings; from blockqnn.data.dataset import load;"
        "print(load(DataSettings(source=sys.argv[1])).digest)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    digests = {process.communicate()[0] for process in racing}
    assert digests == {of(folder).digest + "\n"}
    assert len(entries(tmp_path)) == 1


def test_a_cache_that_cannot_be_written_is_done_without(folder, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BLOCKQNN_CACHE", str(tmp_path / "file"))
    data = of(folder)
    assert any("cannot be written" in warning for warning in data.warnings)
    assert of(folder).digest == data.digest


def test_the_substitute_is_gone_with_its_process(folder, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    code = (
        "import sys; from blockqnn.config import DataSettings; from blockqnn.data.dataset import load;"
        "print(len(load(DataSettings(source=sys.argv[1])).warnings))"
    )
    where = {"BLOCKQNN_CACHE": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, "-W", "error", "-c", code, str(folder)]
    subprocess.run(command, check=True, env={**os.environ, **where}, capture_output=True)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_killed_processes_left_is_swept_after_a_day(folder, tmp_path):
    of(folder)
    root = tmp_path / "cache" / "data"
    for name, age in ((".old", 2 * 24 * 3600), (".new", 60)):
        (root / name).mkdir()
        os.utime(root / name, (0, root.stat().st_mtime - age))
    of(folder, split_seed=5)
    assert {path.name for path in root.glob(".*")} == {".new"}


def test_the_users_cache_directory_by_default(monkeypatch):
    monkeypatch.delenv("BLOCKQNN_CACHE")
    assert "blockqnn" in str(cache.root())
