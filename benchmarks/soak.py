"""A search of digits with real training, of which something is killed every few seconds.

    python benchmarks/soak.py [--minutes 30] [--every 5] [--executor local|ray] [--trials 300] [--seed 0]
                             [--untouched RUN]

Killed is, by chance: a worker (SIGKILL, or SIGSTOP, which its deadline ends), or the coordinator
(SIGKILL, SIGTERM, Ctrl-C), on Ray also the process that speaks with it and the head. A coordinator that
ended is started again with the same command. A candidate whose third worker is killed would be judged
by that, so after a worker some results must come before the next one is hit, and no signal is sent by
which candidates crash. When the time is up the search may finish. What must hold:

- what a session told as stored is there afterwards, the same to the byte;
- no process is left when a coordinator has ended;
- the finished run has the trajectory of one that nobody touched, and `blockqnn check` finds nothing.

Exit status 0 when all of it held. Linux only.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from blockqnn.runtime.store import Store, is_run

BLOCKQNN = [sys.executable, "-c", "from blockqnn.cli import main; main()"]
MARK = "BLOCKQNN_SOAK"
WORKER, BRIDGE, HEAD = b"blockqnn.runtime.worker", b"blockqnn.runtime.cluster.bridge", b"gcs_server"
SIGNALS = {
    "worker": (WORKER, [signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP]),
    "bridge": (BRIDGE, [signal.SIGKILL]),
    "head": (HEAD, [signal.SIGKILL]),
}


class Soak:
    """The search that is tormented."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self.run, self._options = directory / "run", options
        self._environment = {**os.environ, MARK: str(os.getpid()), "OMP_NUM_THREADS": "1"}
        self.told = Counter[str]()
        self._stored: dict[int, str] = {}
        self._spared = 0  # results that must be there before a worker is hit again
        self._coordinator: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [*searched(self._options, self.run), "--executor", self._options.executor]
        self._coordinator = subprocess.Popen(
            command,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def finished(self) -> bool:
        """Whether the search ended by itself; one that gave up is started again."""
        assert self._coordinator is not None
        status = self._coordinator.poll()
        if status is None:
            return False
        self.ended(f"ended with {status}")
        if status == 0:
            return True
        self.start()
        return False

    def strike(self, rng: random.Random) -> None:
        """Kills something."""
        assert self._coordinator is not None
        victims = ["worker"] * 4 + ["coordinator"] * 2
        victims += ["bridge", "head"] if self._options.executor == "ray" else []
        victim = rng.choice(victims)
        if victim == "coordinator":
            sent = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            self._coordinator.send_signal(sent)
            self._coordinator.wait(30)
            self.ended(f"coordinator {sent.name}")
            self.start()
            return
        words, signals = SIGNALS[victim]
        alive = [pid for pid in self.alive() if words in command_of(pid)]
        if victim == "worker" and is_run(self.run):
            count = len(self.results())
            alive = alive if count >= self._spared else []
            self._spared = count + 4 if alive else self._spared
        if alive:
            sent = rng.choice(signals)
            with suppress(ProcessLookupError):
                os.kill(rng.choice(alive), sent)
            self.told[f"{victim} {sent.name}"] += 1

    def ended(self, how: str) -> None:
        """After a coordinator's end: nothing is left of it, and nothing is lost."""
        self.told[how] += 1
        end = time.monotonic() + 20
        while left := self.alive():
            assert time.monotonic() < end, [command_of(pid) for pid in left]
            time.sleep(0.05)
        if not is_run(self.run):
            assert not self._stored
            return
        now = self.results()
        for number, row in self._stored.items():
            assert now[number] == row, f"the result of trial {number} changed"
        self._stored = now

    def results(self) -> dict[int, str]:
        """What is stored, by trial."""
        with Store.read(self.run) as store:
            return {result.number: result.model_dump_json() for result in store.results()}

    def alive(self) -> list[int]:
        """Processes that the coordinator started, and itself."""
        found, mark = [], f"{MARK}={os.getpid()}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found


def command_of(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def searched(options: argparse.Namespace, run: Path) -> list[str]:
    trials, seed = str(options.trials), str(options.seed)
    command = [*BLOCKQNN, "search", "--run", str(run), "--workers", "2", "--device", "cpu"]
    if not is_run(run):
        command += ["--preset", "demo", "--trials", trials, "--seed", seed]
    return [*command, "--set", "execution.timeout=60s"]


def status_of(run: Path) -> dict[str, Any]:
    out = subprocess.run(
        [*BLOCKQNN, "status", str(run), "--json"], check=True, capture_output=True, text=True
    ).stdout
    found: dict[str, Any] = json.loads(out)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="A search of which something is killed all the time.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two kills")
    parser.add_argument("--executor", choices=["local", "ray"], default="local")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--untouched", type=Path, help="nobody touches it; made where missing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory, rng = Path(name), random.Random(options.seed)
        soak = Soak(options, directory)
        begin = time.monotonic()
        soak.start()
        while not soak.finished():
            time.sleep(options.every)
            if time.monotonic() - begin < 60 * options.minutes:
                soak.strike(rng)
        minutes = (time.monotonic() - begin) / 60
        subprocess.run([*BLOCKQNN, "check", str(soak.run)], check=True, stdout=subprocess.DEVNULL)
        kills = sum(soak.told.values()) - soak.told["ended with 0"]
        print(f"{options.executor}: {minutes:.1f} minutes, {kills} kills and ends, nothing lost")
        print(", ".join(f"{what}: {n}" for what, n in sorted(soak.told.items())), flush=True)
        untouched = options.untouched or directory / "untouched"
        subprocess.run(searched(options, untouched), check=True, capture_output=True)
        found, expected = status_of(soak.run), status_of(untouched)
        assert found["trajectory"] == expected["trajectory"], (found, expected)
        print(f"trajectory {found['trajectory'][:16]} as untouched; {found['trials']}")


if __name__ == "__main__":
    main()
