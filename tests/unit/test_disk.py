"""The disk below a run: network disks are refused, a full one is waited for, a faulty one is not."""

import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys

import pytest

from blockqnn.errors import InputError
from blockqnn.records import Trial
from blockqnn.runtime.file.disk import Patience, refuse_network_disk
from blockqnn.runtime.file.lock import LOCK, OWNER, Lock
from blockqnn.runtime.store import NotWritten, Store, refuse_unless_fresh
from damage import fill

MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/home {0}/home nfs4 rw 0 0
//box/share {0}/my\\040share cifs rw 0 0
remote {0}/home/local/deep fuse.sshfs rw 0 0
/dev/vdb {0}/home/local ext4 rw 0 0
tmpfs {0}/homely tmpfs rw 0 0
drive {0}/twice fuse rw 0 0
/dev/vdc {0}/twice xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("", None),
        ("home", "nfs4"),
        ("home/not/there/yet", "nfs4"),
        ("homely", None),
        ("my share/run", "cifs"),
        ("home/local/run", None),
        ("home/local/deep", "fuse.sshfs"),
        ("twice/run", None),
        ("link/run", "nfs4"),
    ],
)
def test_network_disks_are_refused(tmp_path, monkeypatch, place, kind):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path / "home")
    if kind is None:
        refuse_network_disk(tmp_path / place, mounts)
        return
    with pytest.raises(InputError, match=rf"lies on {kind} \(.*BLOCKQNN_NETWORK_DISK=1"):
        refuse_network_disk(tmp_path / place, mounts)
    monkeypatch.setenv("BLOCKQNN_NETWORK_DISK", "1")
    refuse_network_disk(tmp_path / place, mounts)


def test_where_the_system_tells_no_mounts_nothing_is_refused(tmp_path):
    refuse_network_disk(tmp_path, tmp_path / "missing")


def test_a_run_is_neither_begun_nor_gone_on_with_there(tmp_path, monkeypatch):
    run = fill(tmp_path / "run", trials=4)

    def refuse(directory):
        raise InputError(f"{directory}: far away")

    monkeypatch.setattr("blockqnn.runtime.store.refuse_network_disk", refuse)
    for begin in (
        lambda: Store.resume(run),
        lambda: refuse_unless_fresh(tmp_path / "new"),
        lambda: Store.create(tmp_path / "new", {}),
    ):
        with pytest.raises(InputError, match="far away"):
            begin()
    assert not (tmp_path / "new").exists()
    Store.read(run).close()


@pytest.mark.skipif(os.name != "posix", reason="modes as on POSIX")
def test_a_new_run_is_for_its_owner_alone(tmp_path):
    Store.create(tmp_path / "deep" / "run", {}).close()
    assert stat.S_IMODE((tmp_path / "deep" / "run").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o777 & ~umask()
    (tmp_path / "mine").mkdir(mode=0o750)
    Store.create(tmp_path / "mine", {}).close()
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o750  # as its maker wanted it


def umask():
    os.umask(before := os.umask(0))
    return before


# Who holds it


def test_the_holder_is_named(tmp_path):
    lock = Lock(tmp_path)
    mine = f"is in use by process {os.getpid()} on {socket.gethostname()} since 20"
    with pytest.raises(InputError, match=mine):
        Lock(tmp_path)
    lock.release()
    assert [p.name for p in tmp_path.iterdir()] == [LOCK]
    Lock(tmp_path).release()


@pytest.mark.parametrize(
    "left",
    ["", "{", "[1]", '{"process": "x", "host": "h", "since": "s"}', None],
)
def test_a_name_that_was_left_behind_misleads_nobody(tmp_path, left):
    if left is None:
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        left = json.dumps({"process": ended.pid, "host": socket.gethostname(), "since": "then"})
    lock = Lock(tmp_path)
    (tmp_path / OWNER).write_text(left)
    with pytest.raises(InputError, match=r"is in use by another process$"):
        Lock(tmp_path)
    lock.release()
    (tmp_path / OWNER).write_text(left)  # of who was killed: the next one writes its own
    lock = Lock(tmp_path)
    with pytest.raises(InputError, match=f"process {os.getpid()} "):
        Lock(tmp_path)
    lock.release()


# Full, or faulty


class Disk:
    """A connection whose next commits fail with these codes, one each; then it works again."""

    def __init__(self, connection, *codes):
        self._connection, self.codes = connection, list(codes)

    def execute(self, statement, *parameters):
        if statement == "COMMIT" and self.codes:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = self.codes.pop(0)
            raise error
        return self._connection.execute(statement, *parameters)

    def __getattr__(self, name):
        return getattr(self._connection, name)


TRIAL = Trial(number=4, iteration=1, code="(1,1,1,0,0)", key="key")
FULL, FAULTY = sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR | 4 << 8  # of fsync


@pytest.fixture
def opened(tmp_path):
    with Store.resume(fill(tmp_path / "run", trials=4)) as store:
        yield store


def patient(store, *codes, **options):
    """What was said and slept, from now on."""
    said, slept = [], []
    store._connection = Disk(store._connection, *codes)
    store.patience = Patience(said.append, sleep=options.pop("sleep", slept.append), **options)
    return said, slept


def test_a_full_disk_is_waited_for(opened):
    said, slept = patient(opened, FULL, FULL, FULL)
    opened.add([TRIAL])
    assert slept == [2.0] * 3
    assert said[0].startswith(f"warning: run directory {opened.directory} is full (")
    assert said[0].endswith("retrying for 10 min, Ctrl-C is safe")
    assert said[1:] == ["the run directory has room again; the search goes on"]
    with Store.read(opened.directory) as store:
        assert store.trials()[4:] == [TRIAL]
    opened.add(events=[("share", 0.5)])
    assert len(said) == 2


def test_not_for_ever(opened):
    said, slept = patient(opened, *[FULL] * 1000)
    with pytest.raises(NotWritten, match="what was done before is kept, go on with: blockqnn search"):
        opened.add([TRIAL])
    assert sum(slept) == 600
    assert len(said) == 1


def test_an_interrupt_ends_the_wait_and_the_next_one(opened):
    def interrupt(_):
        raise KeyboardInterrupt

    patient(opened, *[FULL] * 1000, sleep=interrupt)
    with pytest.raises(KeyboardInterrupt):
        opened.add([TRIAL])
    with pytest.raises(NotWritten):
        opened.add(events=[("spent", 1.0)])


def test_who_is_not_patient_is_told_at_once(opened):
    opened._connection = Disk(opened._connection, FULL)
    with pytest.raises(NotWritten) as error:
        opened.add([TRIAL])
    assert error.value.full
    opened.add([TRIAL])


def test_a_faulty_disk_is_not_tried_again(opened):
    said, slept = patient(opened, FAULTY)
    for _ in range(2):  # though the second commit would succeed
        with pytest.raises(
            NotWritten, match=f"verify it with: blockqnn check {opened.directory}; go on"
        ):
            opened.add([TRIAL])
    assert (said, slept) == ([], [])
    with Store.read(opened.directory) as store:
        assert len(store.trials()) == 4
