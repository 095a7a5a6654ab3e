"""Planted problems are told, each with what to do; a fit machine has none."""

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from blockqnn.doctor import cluster, devices, disk, images, versions
from blockqnn.doctor.cluster import Cluster
from blockqnn.doctor.command import examined
from blockqnn.doctor.devices import Devices, Gpu
from blockqnn.doctor.disk import Disk
from blockqnn.doctor.finding import Finding, document, lines, problems
from blockqnn.doctor.versions import Package, Versions
from blockqnn.errors import InputError
from blockqnn.runtime.file.disk import mount_of

VERSIONS = Versions(
    "3.11.7",
    "3.40.1",
    (Package("numpy", "2.0", "2.1.0"), Package("torch", "2.10", "2.13.0+cpu")),
)
DEVICES = Devices("a processor", 4, 8_000_000_000, "AVX2")
DISK = Disk(Path("/runs"), 50_000_000_000, "ext4", 3.0)
CLUSTER = Cluster("2.60.0", None, "/home/me/.ray/auth_token", mode=0o600)
LOOKS = {
    "versions": (versions.findings, VERSIONS),
    "devices": (devices.findings, DEVICES),
    "disk": (disk.findings, DISK),
    "ray": (cluster.findings, CLUSTER),
}


@pytest.mark.parametrize("topic", LOOKS)
def test_a_fit_machine_has_nothing_to_tell(topic):
    look, fit = LOOKS[topic]
    assert {finding.state for finding in look(fit)} == {"ok"}


@pytest.mark.parametrize(
    ("topic", "planted", "state", "told", "advice"),
    [
        ("versions", {"packages": (Package("torch", "2.10", None),)}, "problem",
         "torch is not installed", "torch>=2.10"),
        ("versions", {"packages": (Package("torch", "2.10", "2.9.1"),)}, "problem",
         "torch 2.9.1 is older than 2.10", "pip install"),
        ("versions", {"wal": True}, "problem", "SQLite 3.40.1 can damage it", "journal_mode=DELETE"),
        ("devices", {"torch_fault": "libfoo.so: cannot open"}, "problem",
         "torch cannot be imported: libfoo.so", "pip install"),
        ("devices", {"memory": 400_000_000}, "problem", "0.4 GB free", "not one worker fits"),
        ("devices", {"memory": 1_600_000_000}, "note", "1.6 GB free", "--workers 3"),
        ("devices", {"memory": None}, "note", "does not tell", ""),
        ("devices", {"cuda_fault": "driver too old"}, "problem", "driver too old", "--device cpu"),
        ("devices", {"nvidia_driver": True}, "note", "torch sees no GPU", "CUDA_VISIBLE_DEVICES"),
        ("disk", {"fault": "Permission denied"}, "problem", "cannot be written: Permission", "--run"),
        ("disk", {"free": 100_000_000}, "problem", "0.1 GB free", "make room"),
        ("disk", {"free": 1_000_000_000}, "note", "1.0 GB free", "long searches"),
        ("disk", {"kind": "nfs4"}, "problem", "nfs4 is a network file system", "another disk"),
        ("disk", {"kind": "fuse.sshfs"}, "problem", "is a network file system", "another disk"),
        ("disk", {"kind": "tmpfs", "fsync": 0.001}, "note", "gone after a restart", "another disk"),
        ("disk", {"fsync": 0.04}, "note", "probably not", "power cut"),
        ("disk", {"fsync": 250.0}, "note", "250 ms", "groups"),
        ("ray", {"version": None}, "note", "not installed", "blockqnn[ray]"),
        ("ray", {"version": "2.58.1"}, "problem", "Ray 2.58.1", "blockqnn[ray]"),
        ("ray", {"auth_mode": "disabled"}, "problem", "'disabled'", "unset RAY_AUTH_MODE"),
        ("ray", {"mode": 0o644}, "problem", "mode 644", "chmod 600 /home/me/.ray/auth_token"),
        ("ray", {"mode": 0o620}, "problem", "mode 620", "chmod 600"),
        ("ray", {"token": "", "mode": None}, "note", "no token here", "get-auth-token"),
        ("ray", {"token": "", "mode": None, "missing": "/x/t"}, "problem", "/x/t", "mode 600"),
    ],
)  # fmt: skip
def test_what_is_planted_is_told(topic, planted, state, told, advice):
    look, fit = LOOKS[topic]
    (found,) = [finding for finding in look(replace(fit, **planted)) if finding.state != "ok"]
    assert found.state == state
    assert told in found.text
    assert advice in found.advice


def test_no_note_of_the_wal_bug_where_sqlite_has_none_of_it():
    assert not problems(list(versions.findings(replace(VERSIONS, wal=True, sqlite="3.51.3"))))


def test_gpus_are_told_one_a_line():
    gpus = (Gpu("A", 2_000_000_000, 8_000_000_000), Gpu("B", 1, 10**9))
    told = [finding.text for finding in devices.findings(replace(DEVICES, gpus=gpus))]
    assert "cuda:0 A, 2.0 of 8.0 GB free" in told
    assert any(text.startswith("cuda:1 B") for text in told)


def test_a_problem_says_what_to_do():
    with pytest.raises(ValueError, match="without advice"):
        Finding("disk", "problem", "full")


def test_it_is_told_to_people_and_programs():
    found = [Finding("disk", "ok", "much"), Finding("ray", "problem", "old", "renew")]
    assert list(lines(found)) == [
        "ok       disk      much",
        "problem  ray       old",
        "                   -> renew",
    ]
    assert document(found) == {
        "problems": 1,
        "findings": [
            {"topic": "disk", "state": "ok", "text": "much", "advice": ""},
            {"topic": "ray", "state": "problem", "text": "old", "advice": "renew"},
        ],
    }


# What is measured


@pytest.mark.parametrize(
    ("older", "newer"), [("2.9.1", "2.10"), ("2.10.0+cu130", "2.13.0"), ("1.99", "2"), ("3.8", "3.40.1")]
)
def test_versions_are_compared_as_numbers(older, newer):
    assert versions.numbers(older) < versions.numbers(newer)


def test_a_run_that_was_switched_to_wal(tmp_path):
    with sqlite3.connect(tmp_path / "run.sqlite3") as connection:
        connection.execute("CREATE TABLE facts (name)")
    assert not versions.measured(tmp_path).wal
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    assert versions.measured(tmp_path).wal
    assert not versions.measured(tmp_path / "none").wal


def test_packages_of_this_installation():
    found = {package.name: package for package in versions.measured(None).packages}
    assert {"torch", "numpy"} <= found.keys()
    assert not problems(list(versions.findings(versions.measured(None))))
    assert versions.installed("no-such-package-here") is None


def test_the_file_system_of_the_longest_mount_point(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/a / ext4 rw 0 0\n/dev/b /home nfs4 rw 0 0\n/dev/c /home/my\\040disk\u00e9 xfs rw 0 0\n"
    )
    assert mount_of(Path("/home/me"), mounts)[0] == "nfs4"
    assert mount_of(Path("/home/my disk\u00e9/runs"), mounts)[0] == "xfs"
    assert mount_of(Path("/homes"), mounts)[0] == "ext4"
    assert mount_of(Path("/homes"), tmp_path / "none")[0] == ""


def test_the_disk_is_left_as_it_was(tmp_path):
    found = disk.measured(tmp_path / "new" / "run")
    assert (found.directory, found.fault) == (tmp_path, "")
    assert found.free > 0
    assert found.fsync > 0
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_cannot_be_written(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert disk.measured(tmp_path).fault == "No space left on device"


def test_a_run_below_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file; name a directory"):
        disk.measured(tmp_path / "file" / "run")


def test_where_ray_looks_for_its_token(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / ".ray" / "auth_token"
    assert cluster.measured({}).token == ""
    home.parent.mkdir()
    home.write_text("secret")
    home.chmod(0o640)
    found = cluster.measured({"RAY_AUTH_MODE": "token"})
    assert (found.token, found.mode, found.auth_mode) == (str(home), 0o640, "token")
    assert cluster.measured({"RAY_AUTH_TOKEN_PATH": "/none/t"}).missing == "/none/t"
    found = cluster.measured({"RAY_AUTH_TOKEN": "secret", "RAY_AUTH_TOKEN_PATH": "/none/t"})
    assert (found.token, found.mode, found.missing) == ("RAY_AUTH_TOKEN", None, "")
    assert "secret" not in repr(found)


def test_images_that_can_and_cannot_be_read(tmp_path):
    (found,) = images.data_findings("digits", None)
    assert found.state == "ok"
    assert "10 classes, 1199 images to train on, 239 to validate, 359 to test, 1x8x8" in found.text
    (found,) = images.data_findings(str(tmp_path / "cats"), None)
    assert found.state == "problem"
    assert "no such directory" in found.text


def test_a_cache_that_cannot_be_written(tmp_path):
    assert [finding.state for finding in images.cache_findings(tmp_path / "new")] == ["ok"]
    (tmp_path / "file").write_text("mine")
    (found,) = images.cache_findings(tmp_path / "file")
    assert found.state == "note"
    assert "BLOCKQNN_CACHE" in found.advice


# The command


def test_the_command_ends_with_1_where_there_is_a_problem(blockqnn):
    answer = blockqnn("doctor", "--data", "cats", "--json")
    assert answer.status == 1
    told = json.loads(answer.out)
    assert told["problems"] == sum(f["state"] == "problem" for f in told["findings"]) >= 1
    assert any(f["topic"] == "data" and "cats" in f["text"] for f in told["findings"])
    assert answer.err.startswith("blockqnn: doctor: ")
    assert answer.err.count("\n") == 1


def test_the_command_tells_all_topics(blockqnn, monkeypatch):
    monkeypatch.setattr(cluster, "measured", lambda: CLUSTER)
    monkeypatch.setattr(devices, "measured", lambda: DEVICES)
    monkeypatch.setattr(disk, "measured", lambda _: DISK)
    answer = blockqnn("doctor", "--data", "digits")
    assert (answer.status, answer.err) == (0, "")
    topics = [line.split()[1] for line in answer.out.splitlines() if not line.startswith(" ")]
    assert list(dict.fromkeys(topics)) == [
        "versions",
        "devices",
        "memory",
        "disk",
        "cache",
        "data",
        "ray",
    ]


def test_devices_of_this_machine(folder):
    found = examined(run=folder / "run")
    assert any("for this process" in finding.text for finding in found)
