"""The Python interface: search, what a run answers, resume, measurements of another run."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from itertools import count
from pathlib import Path
from shutil import copytree
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import yaml

import blockqnn
from blockqnn import InputError, Run, parse, search, searching
from blockqnn.api import Interrupted
from blockqnn.config import Settings
from blockqnn.data import dataset
from blockqnn.evaluation import early_stop
from blockqnn.records import Failure, Measurement
from blockqnn.report import rows
from blockqnn.runtime.store import Store
from blockqnn.setup import known_measurements, new_facts
from runs import TINY, Changed

BEGIN = """
import sys
sys.path[:0] = {path!r}
import blockqnn
from runs import TINY
run = blockqnn.search(
    "digits", run={run!r}, preset="small", settings=TINY, executor="local", workers=2
)
print(run.status())
"""
GO_ON = """
import blockqnn
run = blockqnn.search(run={run!r}, executor="local", workers=1)
print(run.status())
"""


def tiny(directory, what="digits", **options):
    """A search of 12 trials in this process."""
    return search(what, run=directory, preset="small", settings=TINY, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def copy(finished, tmp_path):
    """The finished run, to be changed; a run can be copied anywhere."""
    return Run(Path(copytree(finished.path, tmp_path / "copy")))


@pytest.fixture
def nothing_trains(monkeypatch):
    def refuse(*_):
        raise AssertionError("an executor was started")

    monkeypatch.setattr(searching, "_executor", refuse)


def pictures(folder, seed=0):
    """A data file of 40 images of 8x8 pixels in 2 classes."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 256, (40, 8, 8), np.uint8), np.arange(40) % 2
    np.savez(folder / "pictures.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    return folder / "pictures.npz"


def stored(directory):
    with Store.read(directory) as store:
        return store.trials(), store.results(), store.events()


# A run and what it answers


def test_search_gives_a_run(finished):
    assert isinstance(finished, Run)
    status = finished.status()
    counts = status["trials"]
    assert counts["finished"] == counts["planned"] == 12
    assert counts["evaluated"] + counts["failed"] + counts["reused"] == 12
    assert counts["failed"] > 0
    assert counts["reused"] > 0
    entries = finished.top(100)
    assert len(entries) == counts["evaluated"] > 1
    assert entries == sorted(entries, key=lambda e: (-e.reward, e.trial))
    assert finished.top(2) == entries[:2]
    assert finished.best() == entries[0]
    assert entries[0].told() == status["best"]
    assert {p.name for p in finished.path.iterdir()} == {"run.sqlite3", "config.yaml", "run.lock"}


def test_everything_is_known_before_the_first_trial(tmp_path):
    """The store has the resolved settings; the preset is chosen by the data."""
    with pytest.raises(Interrupted):
        search("digits", run=tmp_path / "run", executor="serial", callbacks=[Changed(interrupt)])
    facts = rows.read(tmp_path / "run").facts
    assert facts.settings.preset == "small"
    assert facts.settings.plan.iteration == 8
    assert facts.settings.data.source == "digits"
    assert facts.device in ("cpu", "cuda")
    assert facts.data.sizes == (1199, 239, 359)
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert Settings.model_validate_json(json.dumps(written)) == facts.settings


@pytest.mark.parametrize("able", [True, False])
def test_the_number_format_is_decided_once_at_the_start(monkeypatch, able):
    """And is part of the protocol, so that no measurement stands for one of the other format."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    changes = {"recipe": {"precision": "auto"}, "execution": {"device": "cpu"}}
    facts, _ = new_facts("demo", changes)
    assert facts.settings.recipe.precision == ("bfloat16" if able else "float32")
    same, _ = new_facts("demo", {"recipe": facts.settings.recipe.model_dump()})
    other, _ = new_facts("demo", {"recipe": {"precision": "float32" if able else "bfloat16"}})
    assert facts.protocol == same.protocol != other.protocol


def interrupt(_):
    raise KeyboardInterrupt


def test_a_run_without_a_measurement_has_no_best(tmp_path):
    with pytest.raises(Interrupted) as stopped:
        tiny(tmp_path / "run", callbacks=[Changed(interrupt)])
    run = Run(stopped.value.directory)
    assert (run.best(), run.top()) == (None, [])
    assert run.status()["trials"]["planned"] == 12


def test_the_default_directory_is_new_each_time(tmp_path, monkeypatch, nothing_trains):  # noqa: ARG001
    monkeypatch.chdir(tmp_path)
    first = f"runs/digits-{date.today():%Y%m%d}"
    Path(f"{first}-2").mkdir(parents=True)  # somebody's
    for number in (1, 3, 4):
        with pytest.raises(AssertionError, match="executor"):
            tiny(None)
        assert (tmp_path / f"{first}-{number}" / "run.sqlite3").is_file()
    assert not list(Path(f"{first}-2").iterdir())


# Where it can be called from


def python(arguments, code):
    """What a Python process prints; it has the code as its standard input too."""
    done = subprocess.run(
        [sys.executable, *arguments], input=code, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return ast.literal_eval(done.stdout)


def test_a_script_without_a_main_guard_and_two_workers(finished, tmp_path):
    """It is one search, whoever evaluates."""
    code = BEGIN.format(path=[p for p in sys.path if p], run=str(tmp_path / "run"))
    (tmp_path / "script.py").write_text(code)
    status = python([tmp_path / "script.py"], "")
    assert status | {"seconds": 0} == finished.status() | {"seconds": 0}
    _, results, _ = stored(tmp_path / "run")
    assert {r.observed.worker for r in results} <= {"0", "1"}


def test_a_main_without_a_file_as_in_a_notebook(finished, tmp_path):
    with pytest.raises(Interrupted):
        tiny(tmp_path / "run", callbacks=[Changed(interrupt)])
    status = python(["-"], GO_ON.format(run=str(tmp_path / "run")))
    assert status | {"seconds": 0} == finished.status() | {"seconds": 0}


def test_importing_blockqnn_is_light():
    heavy = "numpy", "torch", "sklearn", "pydantic", "typer", "yaml"
    code = f"import blockqnn, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_public_names():
    assert {name for name in blockqnn.__all__ if getattr(blockqnn, name, None) is None} == set()
    with pytest.raises(AttributeError, match="'blockqnn' has no attribute 'serach'"):
        _ = blockqnn.serach


def test_a_run_in_a_notebook(finished, tmp_path):
    """Well-formed, five rows, the best block's picture; a name of a folder is only text."""
    run = Run(Path(copytree(finished.path, tmp_path / "<script>&")))
    shown = ElementTree.fromstring(f"<div>{run._repr_html_()}</div>")
    assert shown.find("table/caption").text == f"run {run.path}"
    cells = [[cell.text for cell in row] for row in shown.iterfind("table/tr")]
    assert [row[0] for row in cells] == ["trial", *(str(entry.trial) for entry in run.top(5))]
    assert [row[-1] for row in cells] == ["code", *(entry.code for entry in run.top(5))]
    assert run._repr_html_().endswith(parse(run.best().code)._repr_svg_())


def test_a_run_without_an_outcome_in_a_notebook(finished, tmp_path):
    run = tmp_path / "run"
    with Store.read(finished.path) as source, Store.create(run, source.facts()) as store:
        store.add(source.trials())
    assert Run(run)._repr_html_() == f"<p>run {run}: no evaluated trial yet</p>"


# Resume


def test_a_finished_run_trains_nothing(copy, finished, nothing_trains):  # noqa: ARG001
    assert copy.resume().status() == finished.status()
    assert search("digits", run=copy.path, preset="small", settings=TINY).path == copy.path
    assert stored(copy.path) == stored(finished.path)


def test_more_trials_extend_a_run(copy, finished):
    assert copy.resume(trials=14).status()["trials"]["finished"] == 14
    trials, results, events = stored(copy.path)
    before, outcomes, _ = stored(finished.path)
    assert trials[:12] == before
    assert results[: len(outcomes)] == outcomes
    assert events == [("plan", {"trials": 14, "after": 12})]
    assert copy.status()["trials"]["planned"] == 14
    assert copy.resume().status()["trials"]["planned"] == 14
    with pytest.raises(InputError, match=r"plan\.trials = 14, not 12"):
        copy.resume(trials=12)  # as it was begun, but not as it is planned now


def test_an_interrupted_search_goes_on_to_the_same_end(finished, tmp_path):
    calls = count()

    def stop(_):
        if next(calls) % 4 == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        tiny(tmp_path / "run", callbacks=[Changed(stop)])
    assert stopped.value.directory == tmp_path / "run"
    for _ in range(9):
        try:
            Run(tmp_path / "run").resume(callbacks=[Changed(stop)])
        except Interrupted:
            continue
        break
    assert Run(tmp_path / "run").status()["trajectory"] == finished.status()["trajectory"]


@pytest.mark.parametrize(
    ("change", "key", "old", "new"),
    [
        ({"seed": 2}, "plan.seed", 1, 2),
        ({"trials": 11}, "plan.trials", 12, 11),
        ({"strategy": "random"}, "strategy", "q-learning", "random"),
        ({"preset": "demo"}, "preset", "small", "demo"),
        ({"max_params": 5}, "space.max_params", 10_000_000, 5),
        ({"max_flops": 5}, "space.max_flops", None, 5),
        ({"data": "/x.npz"}, "data.source", "digits", "/x.npz"),
        ({"source": "/x"}, "source", None, "/x"),
        ({"settings": {"recipe": {"steps": 6}}}, "recipe.steps", 5, 6),
        ({"device": "cuda"}, "execution.device", "cpu", "cuda"),
    ],
)
def test_another_difference_is_refused_with_both_values(
    copy, finished, change, key, old, new, monkeypatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(InputError) as error:
        copy.resume(**change)
    assert f"was begun with {key} = {old}, not {new}; on resume only" in str(error.value)
    assert stored(copy.path) == stored(finished.path)
    assert copy.resume().path == copy.path  # its lock is free again


@pytest.mark.parametrize(
    "change",
    [{"workers": 5}, {"executor": "local"}, {"device": "auto"}, {"trials": 12, "seed": 1}],
)
def test_these_may_differ(copy, change, nothing_trains, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert copy.resume(**change).status()["trials"]["finished"] == 12


def test_a_run_in_use_is_refused(copy):
    with (
        Store.resume(copy.path),
        pytest.raises(InputError, match=f"in use by process {os.getpid()} on "),
    ):
        copy.resume()


# Wrong input leaves nothing behind


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"seed": -1}, r"plan\.seed = -1"),
        ({"trials": 0}, r"plan\.trials = 0"),
        ({"workers": 0}, r"execution\.workers = 0"),
        ({"strategy": "luck"}, "'luck' is unknown; there are q-learning, predictor, random"),
        ({"max_params": 93}, "max_params 93 .*no block fits.* 94 parameters"),
        ({"max_flops": 4687}, "max_flops 4687: no block fits.* 4688 FLOPs"),
        ({"source": "missing"}, "missing: no such directory"),
        ({"what": "missing.npz"}, r"missing\.npz: no such file"),
    ],
)
def test_wrong_input_makes_no_directory(tmp_path, options, reason):
    with pytest.raises(InputError, match=reason):
        tiny(tmp_path / "new" / "run", **options)
    assert not (tmp_path / "new").exists()


def test_the_smallest_block_is_room_enough(tmp_path, nothing_trains):  # noqa: ARG001
    with pytest.raises(AssertionError, match="executor"):
        tiny(tmp_path / "run", max_params=94, max_flops=4688)


def test_an_image_too_small_for_the_skeleton(tmp_path):
    settings = TINY | {"skeleton": TINY["skeleton"].with_widths((4,) * 5)}
    with pytest.raises(InputError, match="8x8 pixels is too small for 4 poolings"):
        search("digits", run=tmp_path / "run", preset="small", settings=settings)
    assert not (tmp_path / "run").exists()


# Data


def test_data_that_changed_since_the_run_began(tmp_path, monkeypatch):
    path = pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    run = tiny("run", "pictures.npz", trials=4)
    assert run.status()["trials"]["finished"] == 4
    monkeypatch.chdir("/")
    run = Run(tmp_path / "run")
    assert run.resume(data=path, trials=8).status()["trials"]["finished"] == 8  # unchanged
    pictures(tmp_path, seed=1)
    for executor in ("serial", "local"):
        with pytest.raises(InputError, match=r"pictures\.npz: changed since the run began"):
            run.resume(trials=12, executor=executor)
    path.unlink()
    assert run.status()["trials"]["finished"] == 8


class Sealed:
    """A test part whose size may be told, and nothing else."""

    def __init__(self, part):
        self._size = len(part)

    def __len__(self):
        return self._size

    def __getattr__(self, name):
        raise AssertionError(f"{name} of the test part was read")


def test_search_reads_nothing_of_the_test_part(finished, tmp_path, monkeypatch):
    whole = dataset.load

    def load(settings):
        dataset = whole(settings)
        return replace(dataset, test=Sealed(dataset.test))

    for module in (dataset, early_stop):
        monkeypatch.setattr(module, "load", load)
    status = tiny(tmp_path / "run").status()
    assert "error" not in status["failures"]
    assert status["trajectory"] == finished.status()["trajectory"]


# Measurements of another run


def test_measurements_of_a_source_count_as_evaluations(finished, tmp_path):
    """The failures of the source are not taken, so those candidates train again."""
    run = tiny(tmp_path / "run", source=finished.path)
    status, before = run.status(), finished.status()
    assert status["trials"] == before["trials"]
    assert status["trajectory"] == before["trajectory"]
    assert run.top() == finished.top()
    _, results, _ = stored(run.path)
    taken = {r.number: r.observed for r in results if isinstance(r.outcome, Measurement)}
    trained = {r.number: r.observed for r in results if isinstance(r.outcome, Failure)}
    assert {(o.source, o.attempts) for o in taken.values()} == {(str(finished.path), 0)}
    assert {(o.source, o.attempts) for o in trained.values()} == {("", 1)}
    assert min(len(taken), len(trained)) > 0


def test_a_resumed_run_keeps_its_source(finished, tmp_path):
    run = tiny(tmp_path / "run", source=finished.path, trials=4)
    assert run.resume(trials=12).status()["trials"] == finished.status()["trials"]
    _, results, _ = stored(run.path)
    assert {r.observed.source for r in results if isinstance(r.outcome, Measurement)} == {
        str(finished.path)
    }


def test_a_source_counts_as_it_stood_when_the_run_began(tmp_path):
    source = tiny(tmp_path / "source", trials=4)
    run = tiny(tmp_path / "run", source=source.path, trials=4)
    before = known_measurements(rows.read(run.path).facts)
    source.resume(trials=12)
    assert source.status()["trials"]["evaluated"] > len(before) > 0
    assert known_measurements(rows.read(run.path).facts) == before


@pytest.mark.parametrize(
    "settings",
    [
        {"recipe": {**TINY["recipe"], "steps": 6}},
        {"skeleton": TINY["skeleton"].with_repeats((2,))},
        {"data": {"validation": 0.2}},
        {"data": {"split_seed": 1}},
    ],
)
def test_a_source_of_another_protocol_is_refused(finished, tmp_path, settings):
    with pytest.raises(InputError, match=f"source {finished.path}: was measured by another protocol"):
        search(
            "digits",
            run=tmp_path / "run",
            preset="small",
            settings=TINY | settings,
            source=finished.path,
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "settings",
    [{"plan": {**TINY["plan"], "seed": 7}}, {"reward": {"mu": 2.0}}, {"space": {"max_layers": 3}}],
)
def test_another_search_may_share_measurements(finished, tmp_path, settings, nothing_trains):  # noqa: ARG001
    with pytest.raises(AssertionError, match="executor"):  # it would begin to train
        search("digits", run=tmp_path, preset="small", settings=TINY | settings, source=finished.path)
