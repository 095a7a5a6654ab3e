"""The command line: exit statuses, one line for each mistake, JSON by the contract, Ctrl-C, resume."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from blockqnn import api, parse, search, searching
from blockqnn.api import Interrupted
from blockqnn.report import rows
from blockqnn.report.drawing import draw
from blockqnn.runtime.search import NoWorkerLeft
from blockqnn.runtime.store import Store
from blockqnn.space.graph import canonical_key
from blockqnn.space.zoo import ZOO
from faults.processes import nothing_left
from runs import TINY, Changed

CODE = "(1,1,3,0,0)"
STATUS = {"trials", "failures", "budget", "best", "warnings", "trajectory", "seconds"}
TRIALS = {"planned", "finished", "evaluated", "failed", "reused", "redrawn", "running"}
ENTRY = {"trial", "code", "accuracy", "reward", "params", "flops"}
BLOCKQNN = (sys.executable, "-m", "blockqnn.cli")


def tree(folder):
    """Every file and directory with its size."""
    return {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*")}


def events(run):
    with Store.read(run) as store:
        return store.events()


# Other ends


def test_a_run_in_use(blockqnn, folder):
    with Store.resume(folder / "run"):
        answer = blockqnn("search", "--run", "run", "--trials", "20")
        assert blockqnn("status", "run").status == 0
    assert answer.status == 2
    assert answer.err.startswith(f"blockqnn: run run: is in use by process {os.getpid()} on ")
    assert not events(folder / "run")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (NoWorkerLeft("no worker starts:\n  no torch"), 1, "no worker starts: no torch"),
        (OSError(28, "No space left on device"), 1, "[Errno 28] No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            Interrupted(Path("my  runs/one"), "search", "--run", "my  runs/one"),
            130,
            "interrupted; go on with: blockqnn search --run 'my  runs/one'",
        ),
    ],
)
def test_other_ends(blockqnn, monkeypatch, error, status, line):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(api, "search", fail)
    assert blockqnn("search") == (status, "", f"blockqnn: {line}\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--version"], 0),
        (["show", CODE, "--json"], 0),
        (["show", "(1,1,2,0,0)"], 2),
        (["status", "foreign"], 2),
    ],
)
def test_exit_status_of_the_program(folder, arguments, status):  # noqa: ARG001
    done = subprocess.run([*BLOCKQNN, *arguments], capture_output=True, text=True)
    assert done.returncode == status
    assert bool(done.stdout) == (status == 0)
    assert done.stderr.count("\n") == (status != 0)


def test_help_names_every_command_and_option(blockqnn):
    top = blockqnn("--help")
    assert (top.status, top.err) == (0, "")
    assert blockqnn("-h") == top
    for command in ("search", "space", "fork", "status", "top", "show", "train"):
        assert f"  {command} " in top.out
        assert "--json" in blockqnn(command, "--help").out


# show

BLOCK_S = {
    "code": "(1,1,3,0,0) (2,1,1,1,0) (3,2,3,2,0) (4,1,3,1,0) (5,1,5,4,0) (6,1,3,0,0) (7,5,0,5,6)"
    " (8,2,3,6,0) (9,1,1,0,0) (10,5,0,6,9) (11,1,3,10,0) (12,1,3,9,0) (13,1,1,0,0) (14,7,0,0,0)",
    "layers": 13,
    "params": 6_125_866,
    "flops": 1_717_255_168,
    "density": 1.4,
    "density_simplified": 1.4,
    "depth": 19,
}


def shown(blockqnn, *arguments):
    answer = blockqnn("show", *arguments, "--json")
    assert (answer.status, answer.err) == (0, "")
    return json.loads(answer.out)


def test_golden_block_s(blockqnn):
    facts = shown(blockqnn, "block-qnn-s", "--repeats", "2")
    assert facts.pop("canonical") == canonical_key(parse(BLOCK_S["code"]))
    assert facts == BLOCK_S
    same = "--skeleton cifar --repeats 2,2,2 --widths 32,64,128 --classes 10 --image 3x32x32"
    assert BLOCK_S.items() <= shown(blockqnn, BLOCK_S["code"], *same.split()).items()


@pytest.mark.parametrize("name", ZOO)
def test_names_in_any_case(blockqnn, name):
    facts = shown(blockqnn, name)
    assert facts["code"] == str(ZOO[name])
    for spelled in (name.upper(), name.title(), f" {name} "):
        assert shown(blockqnn, spelled) == facts


def test_show_options(blockqnn):
    facts = shown(
        blockqnn, CODE, "--skeleton", "small", "--widths", "4,8", "--classes", "2", "--image", "1x6x6"
    )
    stem, first, second, linear = 9 * 4 + 8, 9 * 16 + 8, 9 * 32 + 16, 8 * 2 + 2
    assert facts["params"] == stem + first + second + linear
    assert facts["flops"] == 2 * (36 * (9 * 4 + 9 * 16) + 9 * 9 * 32 + 16)
    assert facts["depth"] == 3


def test_show_of_a_run_has_the_runs_own_network(blockqnn, finished):
    best, last = finished.top()[0], finished.top()[-1]
    for target, entry in (("run", best), (f"run:{last.trial}", last), (f"./run/:{last.trial}", last)):
        facts = shown(blockqnn, target)
        assert (facts["code"], facts["params"], facts["flops"]) == (
            entry.code,
            entry.params,
            entry.flops,
        )
    options = ["--repeats", "2", "--widths", "8,16"]
    same = ["--skeleton", "small", "--classes", "10", "--image", "1x8x8"]
    assert shown(blockqnn, "run", *options) == shown(blockqnn, best.code, *options, *same)


def test_show_tells_the_size_that_it_chose(blockqnn):
    facts = shown(blockqnn, "block-qnn-s", "--repeats", "auto")
    assert (facts["repeats"], facts["widths"], facts["params"]) == ([3] * 3, [32, 64, 128], 9_850_090)
    smaller = shown(blockqnn, "block-qnn-s", "--repeats", "auto", "--max-params", "7M")
    assert BLOCK_S.items() <= smaller.items()
    assert shown(blockqnn, "block-qnn-s", "--max-params", "100k")["params"] <= 100_000


def test_show_as_text(blockqnn):
    answer = blockqnn("show", "block-qnn-s", "--repeats", "2")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(draw(ZOO["block-qnn-s"]))
    lines = dict(line.split(maxsplit=1) for line in answer.out.splitlines()[-8:])
    assert lines["params"] == "6,125,866"
    assert (lines["density"], lines["depth"]) == ("1.400", "19")


def test_show_writes_the_drawing_and_prints_as_without(blockqnn, folder):
    text, document = (blockqnn("show", "run:0", *json) for json in ((), ("--json",)))
    (folder / "b.svg").write_text("an older one")
    for options, without in (((), text), (("--json",), document)):
        assert blockqnn("show", "run:0", "--svg", "b.svg", *options) == without
        drawn = (folder / "b.svg").read_text(encoding="utf-8")
        assert drawn == parse(document_of(document)["code"])._repr_svg_()


def document_of(answer):
    return json.loads(answer.out)


# status and top


def test_status(blockqnn, finished):
    answer = blockqnn("status", "run", "--json")
    assert (answer.status, answer.err) == (0, "")
    status = json.loads(answer.out)
    assert status == finished.status()
    assert status.keys() == STATUS
    assert status["trials"].keys() == TRIALS
    assert status["best"].keys() == ENTRY


def test_status_as_text(blockqnn, finished):
    answer = blockqnn("status", "run")
    assert (answer.status, answer.err) == (0, "")
    counts, best = finished.status()["trials"], finished.best()
    lines = answer.out.splitlines()
    assert lines[0] == (
        f"run: 12 of 12 trials: {counts['evaluated']} evaluated, {counts['reused']} reused,"
        f" {counts['failed']} failed ({counts['failed']} no_learning), 0 in flight;"
        f" {counts['redrawn']} proposals over a limit"
    )
    assert [line.split()[0] for line in lines[2:5]] == ["1-1", "2-2", "3-3"]
    assert f"best: trial {best.trial}, validation accuracy {best.accuracy:.2f} %" in answer.out
    assert answer.out.endswith(draw(parse(best.code)) + "\n")


def test_top(blockqnn, finished):
    answer = blockqnn("top", "run", "--json")
    assert (answer.status, answer.err) == (0, "")
    entries = json.loads(answer.out)
    assert entries == [entry.told() for entry in finished.top()]
    assert entries == sorted(entries, key=lambda e: (-e["reward"], e["trial"]))
    assert entries[0] == json.loads(blockqnn("status", "run", "--json").out)["best"]
    assert all(entry.keys() == ENTRY for entry in entries)
    assert json.loads(blockqnn("top", "run", "-n", "2", "--json").out) == entries[:2]
    text = blockqnn("top", "run", "-n", "2")
    assert (text.status, text.err) == (0, "")
    assert [line.split()[0] for line in text.out.splitlines()] == [
        "trial",
        *(str(entry["trial"]) for entry in entries[:2]),
    ]


def test_before_anything_is_known(blockqnn, folder):
    with pytest.raises(Interrupted):
        search("digits", run="begun", preset="small", settings=TINY, callbacks=[Changed(interrupt)])
    status = json.loads(blockqnn("status", "begun", "--json").out)
    assert (status["best"], status["trials"]["finished"]) == (None, 0)
    assert json.loads(blockqnn("top", "begun", "--json").out) == []
    for command in (("status", "begun"), ("top", "begun")):
        assert blockqnn(*command).status == 0
    assert "has no evaluated trial yet" in blockqnn("show", "begun").err
    assert (folder / "begun" / "run.sqlite3").is_file()


def interrupt(_):
    raise KeyboardInterrupt


# search


def test_search_as_json_and_its_plain_lines(blockqnn, folder, finished):
    answer = blockqnn("search", "--preset", "tiny", "--run", "new", "--json")
    assert answer.status == 0
    status = json.loads(answer.out)
    assert status["trajectory"] == finished.status()["trajectory"]
    assert json.loads(blockqnn("status", "new", "--json").out) == status
    begin, *lines = answer.err.splitlines()
    assert begin == (
        "run new: digits (1199 images of 8x8 to train on), preset tiny, q-learning, 12 trials, seed 1,"
        " cpu"
    )
    done = [int(line.split("/12")[0]) for line in lines]  # repeats of the next iteration among them
    assert len(done) == 3
    assert 4 <= done[0] < 8 <= done[1] < done[2] == 12
    assert not set("\r\x1b") & set(answer.err)
    assert (folder / "new" / "config.yaml").is_file()


def test_search_as_text_prints_the_status(blockqnn):
    answer = blockqnn("search", "--preset", "tiny", "--run", "new", "--trials", "8")
    assert answer.status == 0
    assert answer.out == blockqnn("status", "new").out


def test_the_preset_is_chosen_by_the_data_and_told(blockqnn, monkeypatch):
    def never(*_):
        raise NoWorkerLeft("nothing is trained here")

    monkeypatch.setattr(searching, "_executor", never)
    answer = blockqnn("search", "--seed", "3", "--strategy", "random")
    assert answer.status == 1
    told, failed = answer.err.splitlines()
    assert "preset small, random, 300 trials, seed 3" in told
    assert failed == "blockqnn: nothing is trained here"
    directory = told.removeprefix("run ").split(":")[0]
    assert rows.read(Path(directory)).facts.settings.preset == "small"


def test_a_finished_run_trains_nothing(blockqnn, folder, monkeypatch):
    monkeypatch.setattr(searching, "_executor", interrupt)
    status = blockqnn("status", "run").out
    for options in ([], ["--trials", "12", "--seed", "1"], ["--workers", "7", "--executor", "local"]):
        answer = blockqnn("search", "--run", "run", *options)
        assert (answer.status, answer.out) == (0, status)
    assert not events(folder / "run")


def test_more_trials_extend_a_run(blockqnn, folder):
    answer = blockqnn("search", "--run", "run", "--trials", "16", "--json")
    assert answer.status == 0
    assert json.loads(answer.out)["trials"]["finished"] == 16
    assert events(folder / "run") == [("plan", {"trials": 16, "after": 12})]
    refused = blockqnn("search", "--run", "run", "--trials", "12")
    assert refused.status == 2
    assert "plan.trials = 16, not 12" in refused.err


def test_an_empty_directory_starts(blockqnn, folder):
    (folder / "empty").mkdir()
    assert blockqnn("search", "--preset", "tiny", "--run", "empty", "--trials", "4").status == 0


# Signals, pipes and terminals, with the real program


def begun(directory, trials, **execution):
    """A run of which nothing is evaluated yet, to be gone on with by `blockqnn search --run`."""
    settings = TINY | {"plan": {**TINY["plan"], "trials": trials}, "execution": execution}
    with pytest.raises(Interrupted):
        search(
            "digits", run=directory, preset="small", settings=settings, callbacks=[Changed(interrupt)]
        )


@pytest.fixture
def sigint():
    """Not ignored in child processes, as it is where tests run in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.usefixtures("sigint")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_search_says_how_to_go_on(folder, number):
    """The very command that it names finishes the run; no worker is left meanwhile."""
    begun("my run", trials=100, workers=1)
    command = [*BLOCKQNN, "search", "--run", "my run"]
    with nothing_left():
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        lines = [process.stderr.readline() for _ in range(2)]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert lines[1].split()[0] == "4/100"
    assert (process.returncode, out) == (130, "")
    *progress, last = err.splitlines()
    assert all(" trials " in line for line in progress)
    assert last == "blockqnn: interrupted; go on with: blockqnn search --run 'my run'"
    counts = rows.read(folder / "my run").status()["trials"]
    assert 4 <= counts["finished"] < 100
    if number == signal.SIGINT:
        program, *arguments = shlex.split(last.partition("go on with: ")[2])
        assert program == "blockqnn"
        subprocess.run([*BLOCKQNN, *arguments], check=True, capture_output=True)
        assert rows.read(folder / "my run").status()["trials"]["finished"] == 100


@pytest.mark.parametrize(
    "length",
    [("--trials", "4"), ("--budget", "3s"), ("--trials", "4", "--set", "recipe.precision=auto")],
)
def test_the_same_command_goes_on_also_with_a_file_of_init(blockqnn, folder, length):
    assert blockqnn("init", "my.yaml", "--preset", "tiny").status == 0
    command = ("search", "--config", "my.yaml", "--run", "new", "--json", *length)
    first = blockqnn(*command)
    assert first.status == 0, first.err
    again = blockqnn(*command)
    assert again.status == 0, again.err
    before, after = json.loads(first.out), json.loads(again.out)
    assert after["trajectory"] == before["trajectory"]
    assert after["trials"] == before["trials"]
    answer = blockqnn(*command, "--set", "plan.iteration=5")
    assert (answer.status, answer.out) == (2, "")
    assert "plan.iteration = " in answer.err
    assert (folder / "my.yaml").read_text().count("\n") > 50


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["top run", "search --run run 2>&1"])
def test_a_reader_that_leaves_does_no_harm(folder, command, unbuffered):
    """The pipe is closed before the first word is written."""
    program = f"PYTHONUNBUFFERED={unbuffered} {shlex.join(BLOCKQNN)}"
    done = subprocess.run(
        ["bash", "-c", f"{program} {command} | true; echo ${{PIPESTATUS[0]}}"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_terminal_sees_a_live_line(folder):
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "150"}
    process = subprocess.Popen(
        [*BLOCKQNN, "search", "--run", "run"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
    )
    os.close(slave)
    out, _ = process.communicate(timeout=60)
    seen = b""
    with suppress(OSError):  # the end of a terminal
        while part := os.read(master, 4096):
            seen += part
    os.close(master)
    assert process.returncode == 0
    assert out.startswith("run: 12 of 12 trials")
    assert b"12/12 trials" in seen
    assert b"\x1b[2K" in seen  # the line is cleared at the end
