"""A run of the paper's length as a page, and the live page beside a search: seconds, what it holds up.

    PYTHONPATH=src:benchmarks python benchmarks/pages.py --directory /dev/shm/pages [--seconds 120]

11,392 trials with made-up accuracies (as in coordinator.py). The page: bytes, seconds to write, and
seconds until Chromium has loaded it and drawn what is in sight. The live page: its program beside a
writer that stores a result five times a second, one browser's requests at the times that the answers
ask for; its share of one core, the longest read (while which a writer may have to wait), what the
longest commit of the writer took, and the bytes that the program wrote to disk.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from blockqnn.api import Run
from blockqnn.runtime.store import Store
from coordinator import facts, fill_at_random

TRIALS, LEFT = 11_392, 2_000  # of which so many lack a result when the live page begins
SERVE = """
import sys, threading
from pathlib import Path
from blockqnn.dashboard import app
import uvicorn
runs = app._Runs([Path(sys.argv[1])])
app._Runs = lambda _: runs
config = uvicorn.Config(app.application([Path(sys.argv[1])]), port=int(sys.argv[2]), log_level="error")
server = uvicorn.Server(config)
def stop():
    sys.stdin.read()
    server.should_exit = True
threading.Thread(target=stop, daemon=True).start()
server.run()
print(runs.watches[0].longest_read)
"""
PORT = 8791


def loaded(page: Path) -> float:
    """Seconds until the page is loaded and its first chart is drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        sheet = browser.new_page(viewport={"width": 1280, "height": 900})
        begun = time.monotonic()
        sheet.goto(page.as_uri())
        sheet.wait_for_selector(".plot .main-svg")
        seconds = time.monotonic() - begun
        browser.close()
        return seconds


def page(directory: Path) -> None:
    begun = time.monotonic()
    path = Run(directory).report()
    written = time.monotonic() - begun
    times = sorted(loaded(path) for _ in range(5))
    size = path.stat().st_size / 1e6
    print(f"report of {TRIALS:,} trials: {size:.1f} MB, written in {written:.1f} s,")
    print(f"  opened in {times[2]:.2f} s (median of 5; {times[0]:.2f} to {times[-1]:.2f})")


def live(source: Path, directory: Path, seconds: float) -> None:
    """The writer works in this process."""
    with Store.read(source) as old, Store.create(directory, {"run": facts().model_dump_json()}) as new:
        trials, results = old.trials(), {r.number: r for r in old.results()}
        new.add(trials, [r for r in results.values() if r.number < TRIALS - LEFT])
    late = iter([results[n] for n in sorted(results) if n >= TRIALS - LEFT])
    program = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(directory), str(PORT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _watched(program, directory, late, seconds)
    finally:
        told, _ = program.communicate()  # the end of its input stops it
    print(f"  longest read {1000 * float(told):.1f} ms")


def _watched(program, directory: Path, late, seconds: float) -> None:
    while True:
        try:
            known, again = _asked(0)
            break
        except OSError:
            time.sleep(0.2)
    longest, asked, answered = 0.0, 1, time.monotonic()
    cpu, wrote, begun = _cpu(program.pid), _wrote(program.pid), time.monotonic()
    with Store.resume(directory) as store:
        while time.monotonic() < begun + seconds:
            at = time.monotonic()
            store.add(results=[next(late)])
            longest = max(longest, time.monotonic() - at)
            if time.monotonic() >= answered + again:
                known, again = _asked(known)
                answered, asked = time.monotonic(), asked + 1
            time.sleep(0.2)
    passed = time.monotonic() - begun
    share = (_cpu(program.pid) - cpu) / passed
    print(f"live page for {passed:.0f} s beside a search: {asked} answers, {share:.2%} of one core,")
    print(f"  {_wrote(program.pid) - wrote} bytes written to disk;")
    print(f"  longest commit of the writer {1000 * longest:.0f} ms")


def _asked(known: int) -> tuple[int, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/run/0/state?known={known}") as answer:
        told = json.load(answer)
    return told["version"], told["again"]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wrote(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


def main() -> None:
    parser = argparse.ArgumentParser(description="The page of a run, and the live page.")
    parser.add_argument("--directory", type=Path, required=True, help="a new one")
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    options.directory.mkdir()
    try:
        run = options.directory / "run"
        fill_at_random(run, facts(TRIALS), TRIALS)
        page(run)
        live(run, options.directory / "live", options.seconds)
    finally:
        shutil.rmtree(options.directory)


if __name__ == "__main__":
    main()
