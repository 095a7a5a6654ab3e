"""What a power loss may leave of a run, at any moment: `python -m faults.power_loss ...`.

One line of JSON: how many states, and those in which something is lost. Arguments: a directory, trials
of the search, the stride over moments, states a moment at most, and which syncs the disk only pretends
to do ("run" for the directory, "run.sqlite3"), if any.

A search is recorded with all its calls. A disk has promised what was synced before the moment. Of the
rest each piece of 512 bytes, each change of a file's size and each change of a directory may have
reached it or not, whatever came before or after; new parts of a file hold zeros or anything.
"""

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from blockqnn.runtime.search import Progress
from blockqnn.runtime.store import DATABASE
from faults.acknowledged import Recorded, acknowledging, lost, recorded
from faults.kill_sweep import searched
from faults.tracing import Call, watch

PIECE = 512
STALENESS = 1
RESUMED = 100  # of so many states one is searched to its end


def is_of_run(name: str) -> bool:
    """Whether a run is in this file: locks say nothing once their process is gone."""
    return name in (DATABASE, f"{DATABASE}-journal")


@dataclass(frozen=True)
class Write:
    file: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Resize:
    file: int
    size: int


@dataclass(frozen=True)
class Enter:
    """A name in a directory: of a file by number, or of a directory (None)."""

    directory: str
    name: str
    file: int | None


@dataclass(frozen=True)
class Remove:
    directory: str
    name: str


@dataclass(frozen=True)
class Sync:
    place: int | str  # a file, or a directory


@dataclass(frozen=True)
class Acknowledge:
    line: bytes


Step = Write | Resize | Enter | Remove | Sync | Acknowledge


class Recorder:
    """Turns calls on the run's files into steps on files by number: a name may be used anew."""

    def __init__(self, told: Path) -> None:
        self.steps: list[Step] = []
        self._told = str(told)
        self._files: dict[str, int] = {}
        self._count = 0

    def __call__(self, call: Call) -> None:
        path = Path(call.path)
        directory, name = str(path.parent), path.name
        size, offset = call.arguments[1], call.arguments[3]
        if call.path == self._told:
            if call.name == "write":
                self.steps.append(Acknowledge(call.data()))
        elif call.name == "pread64" or not (path.is_dir() or call.name == "mkdir" or is_of_run(name)):
            return
        elif call.name == "mkdir":
            if not path.exists():
                self.steps.append(Enter(directory, name, None))
        elif call.creates:
            self._files[call.path] = self._count
            self.steps.append(Enter(directory, name, self._count))
            self._count += 1
        elif call.name == "pwrite64":
            self.steps.append(Write(self._files[call.path], offset, call.data()))
        elif call.name == "ftruncate":
            self.steps.append(Resize(self._files[call.path], size))
        elif call.name == "unlink":
            if path.exists():
                self.steps.append(Remove(directory, name))
        elif call.name in ("fsync", "fdatasync"):
            self.steps.append(Sync(self._files.get(call.path, call.path)))
        else:
            assert call.name in ("openat", "open"), f"a call of which nothing is known: {call}"


@dataclass
class File:
    durable: bytes = b""
    pending: list[Write | Resize] = field(default_factory=list)

    def left(self, rng: Random, chance: float) -> bytes:
        """What the disk has of it: each piece that is not synced with this chance."""
        sizes = [len(self.durable)]
        for change in self.pending:
            end = change.size if isinstance(change, Resize) else change.offset + len(change.data)
            sizes.append(end if isinstance(change, Resize) else max(sizes[-1], end))
        size = sizes[-1] if chance == 1 else sizes[0] if chance == 0 else rng.choice(sizes)
        strange = chance < 1 and rng.random() < 0.5
        whole = max(sizes)
        content = bytearray(rng.randbytes(whole) if strange else bytes(whole))
        content[: len(self.durable)] = self.durable
        for change in self.pending:
            if isinstance(change, Resize):
                continue
            for at in range(0, len(change.data), PIECE):
                if rng.random() < chance:
                    piece = change.data[at : at + PIECE]
                    content[change.offset + at : change.offset + at + len(piece)] = piece
        return bytes(content[:size])


class Disk:
    """What was promised, and what is on its way."""

    def __init__(self, lies: Sequence[str]) -> None:
        self._lies = lies
        self._files: dict[int, File] = {}
        self._names: dict[str, dict[str, int | None]] = {}  # by directory, synced
        self._changes: dict[str, list[Enter | Remove]] = {}  # not synced
        self._known: dict[int, str] = {}
        self.acknowledged = b""

    def do(self, step: Step) -> None:
        match step:
            case Write() | Resize():
                self._files[step.file].pending.append(step)
            case Enter() | Remove():
                self._changes.setdefault(step.directory, []).append(step)
                if isinstance(step, Enter) and step.file is not None:
                    self._files[step.file] = File()
                    self._known[step.file] = step.name
            case Sync(place):
                name = Path(place).name if isinstance(place, str) else self._known[place]
                if name not in self._lies:
                    self._sync(place)
            case Acknowledge(line):
                self.acknowledged += line

    def _sync(self, place: int | str) -> None:
        if isinstance(place, str):
            self._names[place] = self._entries(place, Random(0), 1)
            self._changes[place] = []
        else:
            file = self._files[place]
            self._files[place] = File(file.left(Random(0), 1))

    def _entries(self, directory: str, rng: Random, chance: float) -> dict[str, int | None]:
        names = dict(self._names.get(directory, {}))
        for change in self._changes.get(directory, []):
            if rng.random() < chance:
                if isinstance(change, Enter):
                    names[change.name] = change.file
                else:
                    names.pop(change.name, None)
        return names

    def left(self, root: Path, rng: Random, chance: float) -> dict[str, bytes] | None:
        """The run's files by name; None where its directory is gone."""
        if "run" not in self._entries(str(root), rng, chance):
            return None
        entries = self._entries(str(root / "run"), rng, chance)
        return {n: self._files[f].left(rng, chance) for n, f in entries.items() if f is not None}


def lay_out(files: dict[str, bytes] | None, acknowledged: bytes, directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    (directory / "told").write_bytes(acknowledged)
    if files is not None:
        (directory / "run").mkdir()
        for name, content in files.items():
            (directory / "run" / name).write_bytes(content)


def damage(directory: Path, expected: Recorded, search: Callable[[Path], None] | None) -> list[str]:
    """What is lost in this state, or wrong with it; or comes of it where the search goes on."""
    try:
        found = lost(directory / "run", directory / "told", expected)
        database = directory / "copy" / DATABASE
        if database.exists():
            with closing(sqlite3.connect(database)) as connection:
                found += [t for (t,) in connection.execute("PRAGMA integrity_check") if t != "ok"]
        if search:
            search(directory / "run")
            if recorded(directory / "run") != expected:
                found.append("another trajectory")
        return found
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def states(
    root: Path, steps: Sequence[Step], stride: int, each: int, lies: Sequence[str]
) -> Iterator[Any]:
    """Different ones: the run's files and what was acknowledged, before each stride-th step and at the
    end; first with nothing, and with all, of what was on its way."""
    disk, rng, seen = Disk(lies), Random(0), set()
    for number, step in enumerate([*steps, None]):
        if number % stride == 0 or step is None:
            chances = [0.0, 1.0, *(rng.choice((0.1, 0.5, 0.9)) for _ in range(each - 2))]
            for chance in chances:
                files = disk.left(root, rng, chance)
                told = repr(sorted(files.items()) if files is not None else None).encode()
                digest = sha256(told + disk.acknowledged).digest()
                if digest not in seen:
                    seen.add(digest)
                    yield number, files, disk.acknowledged
        if step is not None:
            disk.do(step)


def simulated(
    directory: Path, trials: int, stride: int, each: int, lies: Sequence[str]
) -> dict[str, Any]:
    def search(run: Path, report: Callable[[Progress], None] = lambda _: None) -> None:
        searched(run, STALENESS, report, trials)

    root, place = directory / "recorded", directory / "left"
    root.mkdir()
    search(directory / "run")
    expected = recorded(directory / "run")
    recorder = Recorder(root / "told")
    told = acknowledging(root / "told")
    assert watch(lambda: search(root / "run", told), root, recorder) == 0
    count, found = 0, []
    for number, files, acknowledged in states(root, recorder.steps, stride, each, lies):
        lay_out(files, acknowledged, place)
        if wrong := damage(place, expected, search if count % RESUMED == 0 else None):
            found.append([number, wrong])
        count += 1
    # the record is whole: all that was on its way makes the files that there are
    content = {p.name: p.read_bytes() for p in (root / "run").iterdir() if is_of_run(p.name)}
    assert files == content or lies, "the last state is not what was written"
    return {"steps": len(recorder.steps), "states": count, "lost": found}


if __name__ == "__main__":
    folder, trials, stride, each, *lies = sys.argv[1:]
    print(json.dumps(simulated(Path(folder), int(trials), int(stride), int(each), lies)))
