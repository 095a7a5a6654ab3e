"""Who listens: nobody during a search on this machine; the live page on the loopback address alone."""

import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from processes import nothing_left, wait_for

from blockqnn import search
from runs import TINY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sockets are read from Linux's /proc")

COMMAND = (sys.executable, "-m", "blockqnn.cli")
SEARCH = (
    *COMMAND, "search", "--data", "digits", "--preset", "small", "--trials", "8", "--workers", "2",
    "--device", "cpu", "--set", "recipe.steps=5", "--set", "plan.iteration=4",
    "--set", "space.max_layers=2", "--set", "skeleton.widths=[4, 8]", "--set", "skeleton.repeats=[1, 1]",
)  # fmt: skip


class Listening(NamedTuple):
    """A socket that waits for others to call: its family and where it is bound, as /proc has it."""

    family: str
    place: str


def listening(processes: set[int]) -> set[Listening]:
    """All sockets of the processes that listen: TCP, bound UDP, and named ones of the file system."""
    found = set()
    for process in processes:
        held, tables = set(), Path(f"/proc/{process}/net")
        with suppress(OSError):
            for file in Path(f"/proc/{process}/fd").iterdir():
                with suppress(OSError):
                    if match := re.fullmatch(r"socket:\[(\d+)\]", str(file.readlink())):
                        held.add(match[1])
        if not held:
            continue
        for family in ("tcp", "tcp6", "udp", "udp6"):
            with suppress(OSError):
                for line in (tables / family).read_text().splitlines()[1:]:
                    _, place, _, state, *_, inode = line.split()[:10]
                    if inode in held and (state == "0A" or family.startswith("udp")):
                        found.add(Listening(family, place))
        with suppress(OSError):
            for line in (tables / "unix").read_text().splitlines()[1:]:
                _, _, _, flags, _, _, inode, *name = line.split()
                if inode in held and int(flags, 16) & 0x10000:
                    found.add(Listening("unix", "".join(name)))
    return found


@pytest.mark.parametrize(
    ("family", "bound"),
    [
        ("AF_INET, socket.SOCK_STREAM", "('127.0.0.1', 0)"),
        ("AF_INET, socket.SOCK_STREAM", "('0.0.0.0', 0)"),
        ("AF_INET, socket.SOCK_DGRAM", "('127.0.0.1', 0)"),
        ("AF_UNIX, socket.SOCK_STREAM", "'here'"),
    ],
)
def test_a_planted_one_is_found(tmp_path, family, bound):
    code = (
        f"import socket, sys; s = socket.socket(socket.{family}); s.bind({bound});"
        " s.type == socket.SOCK_STREAM and s.listen(); print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(listening({process.pid})) == 1
        assert process.stdin is not None
        process.stdin.close()


def test_no_process_of_a_search_listens(tmp_path):
    with nothing_left() as alive:
        run = subprocess.Popen([*SEARCH, "--run", tmp_path / "run"], stderr=subprocess.DEVNULL)
        most = 0
        while run.poll() is None:
            processes = alive()
            assert listening(processes) == set()
            most = max(most, len(processes))
            time.sleep(0.1)
        assert run.returncode == 0
    assert most >= 3  # the coordinator and two workers


def test_the_live_page_listens_on_the_loopback_address_alone(tmp_path):
    search("digits", run=tmp_path / "run", preset="small", settings=TINY)
    command = [*COMMAND, "dashboard", tmp_path / "run", "--port", "0"]
    with nothing_left() as alive:
        page = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert page.stdout is not None
        with page.stdout:
            page.stdout.readline()
            wait_for(lambda: listening(alive()), 10)
            (one,) = listening(alive())
            page.terminate()
            page.wait()
    assert one.family == "tcp"
    assert one.place.startswith("0100007F:")  # 127.0.0.1, the last byte first
