"""A search on a Ray cluster: the same trajectory, whatever becomes of its nodes."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, nullcontext

import pytest

from blockqnn.config import DataSettings, ExecutionSettings
from blockqnn.data.dataset import load, shipped
from blockqnn.errors import InputError
from blockqnn.records import Task
from blockqnn.runtime.cluster import reach
from blockqnn.runtime.cluster.messages import Freight
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store, is_run
from effort import FULL
from faults.clusters import (
    TUNED,
    can_have_networks,
    cluster,
    needs_ray,
    ray_executor,
    two_networks,
    when_all_joined,
)
from faults.driver import NAP, run_pretended
from faults.evaluators import measured, pretend
from faults.processes import command_of, nothing_left, wait_for
from faults.test_same_search import recorded

pytestmark = [needs_ray, pytest.mark.timeout(300)]
only_in_full = pytest.mark.skipif(not FULL, reason="takes minutes: make reliability")
MAKE, PRETEND = "faults.evaluators:make", "faults.evaluators:pretend"


def evaluated(executor, tasks):
    """All results, by task; each must come once."""
    tasks, results = list(tasks), {}
    total = len(tasks)
    while len(results) < total:
        while tasks and executor.free:
            executor.submit(tasks.pop(0))
        for result in executor.wait():
            assert result.number not in results
            results[result.number] = result
    return results


def naps(count):
    return [Task(number=n, code="nap", seed=n) for n in range(count)]


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    directory = tmp_path_factory.mktemp("serial") / "run"
    run_pretended(directory, SerialExecutor(pretend({"nap": 0})), 1)
    return recorded(directory)


@pytest.mark.parametrize("nodes", [["add 1"], ["add 1", "add 1", "add 2"]])
def test_same_search_on_one_node_and_on_three(serial, tmp_path, nodes):
    with nothing_left() as alive, cluster(*nodes) as there:
        executor = when_all_joined(ray_executor(PRETEND, {"nap": NAP}, there.address), len(nodes))
        run_pretended(tmp_path / "run", executor, 1)
        wait_for(lambda: not any(b"runtime.worker" in command_of(pid) for pid in alive()), 2)
    with Store.read(tmp_path / "run") as store:
        places = {result.observed.worker.partition("/")[0] for result in store.results()}
    assert len(places - {""}) == len(nodes)
    assert recorded(tmp_path / "run") == serial


def test_a_lost_node_s_attempts_run_elsewhere(serial, tmp_path):
    said, killed = [], []

    def report(progress):
        if not killed and len(progress.fold.trials) > 60:
            killed.append(time.monotonic())
            there.tell("kill 1")
        if "elsewhere" in " ".join(said) and len(killed) == 1:
            killed.append(time.monotonic())

    with nothing_left(), cluster("add 0", "add 1", "add 1") as there:
        executor = when_all_joined(ray_executor(PRETEND, {"nap": 1.0}, there.address, said=said), 2)
        run_pretended(tmp_path / "run", executor, 1, report)
    assert any("was lost" in line for line in said), said
    assert killed[1] - killed[0] < 90
    assert recorded(tmp_path / "run") == serial


def test_ray_s_end_is_a_message_and_the_search_goes_on(serial, tmp_path, monkeypatch):
    """The head's service is killed; Ray then ends the bridge, and a new private cluster is begun."""
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "2")
    said, killed = [], []
    with nothing_left() as alive:

        def report(progress):
            if not killed and len(progress.fold.trials) > 60:
                killed.extend(pid for pid in alive() if b"gcs_server" in command_of(pid)[:200])
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)

        executor = ray_executor(PRETEND, {"nap": 0.5}, said=said, workers=2)
        run_pretended(tmp_path / "run", executor, 1, report)
    assert len(killed) == 1
    assert any(line.startswith("lost contact with Ray") for line in said), said
    assert recorded(tmp_path / "run") == serial


def test_nothing_is_left_when_the_head_and_the_coordinator_die_together():
    """At Ray's default settings, by which a call may wait a minute for a head that is gone."""
    with nothing_left() as alive:
        executor = ray_executor(MAKE, {"directory": ""}, workers=2)
        (head,) = (pid for pid in alive() if b"gcs_server" in command_of(pid)[:200])
        os.kill(head, signal.SIGKILL)
        time.sleep(6)  # the bridge looks at the nodes every 5 s, and now waits for the head
        executor._bridge._process.stdin.close()  # what is seen of a coordinator's end
        wait_for(lambda: not alive(), 15)
        executor.close()


@pytest.mark.skipif(not can_have_networks(), reason="networks can only be made by root")
@pytest.mark.parametrize(
    ("settings", "within"),
    [
        pytest.param(TUNED, 25, id="tuned"),
        pytest.param({}, 90, id="default", marks=only_in_full),
    ],
)
def test_a_cut_network_that_heals(tmp_path, settings, within):
    said, tasks = [], [Task(number=n, code="doze", seed=n) for n in range(2)]
    with nothing_left(), two_networks(settings) as cable:
        executor = when_all_joined(
            ray_executor(MAKE, {"directory": str(tmp_path)}, cable.address, said=said), 2
        )
        with closing(executor):
            for task in tasks:
                executor.submit(task)
            wait_for(lambda: len(list(tmp_path.iterdir())) == 2, 20)
            cable.set("down")
            cut = time.monotonic()
            results = executor.wait()
            while len(results) < 2:
                results += executor.wait(1)
            took = time.monotonic() - cut
            cable.set("up")
            executor._tasks[2] = tasks[0]  # something to wait for while the network is whole again
            late = executor.wait(10)
    assert {r.number: r.outcome for r in results} == {t.number: measured(t) for t in tasks}
    assert sorted(r.observed.attempts for r in results) == [1, 2]
    assert any("was lost, 1 attempts begin again elsewhere" in line for line in said), said
    assert took < within
    assert not late


def test_interrupted_on_a_cluster_and_finished_here(tmp_path):
    """By the command line, with real training."""

    def command(run, executor):
        words = ["--preset", "demo", "--trials", "24", "--set", "recipe.steps=10", "--workers", "2"]
        told = ["search", "--run", str(tmp_path / run), *words, "--executor", executor]
        return [sys.executable, "-c", "from blockqnn.cli import main; main()", *told]

    with nothing_left():
        search = subprocess.Popen(command("run", "ray"), stderr=subprocess.PIPE, text=True)
        wait_for(lambda: is_run(tmp_path / "run") and stored(tmp_path / "run") > 4, 120)
        search.send_signal(signal.SIGINT)
        begin = time.monotonic()
        words = search.communicate(timeout=30)[1]
        assert time.monotonic() - begin < 10
    assert (search.returncode, "blockqnn search --run" in words) == (130, True), words
    assert "joined: 2 at a time" in words
    assert stored(tmp_path / "run") < 24
    for run, executor in (("run", "local"), ("serial", "serial")):
        subprocess.run(command(run, executor), check=True, capture_output=True)
    assert recorded(tmp_path / "run") == recorded(tmp_path / "serial")


def stored(directory):
    with Store.read(directory) as store:
        return len(store.results())


def test_a_node_that_stopped_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("blockqnn.runtime.cluster.executor._OVERDUE", 2.0)
    said = []
    with nothing_left(), cluster("add 0", "add 1", "add 1") as there:
        executor = when_all_joined(
            ray_executor(MAKE, {"directory": str(tmp_path)}, there.address, said=said, timeout=2.0),
            2,
        )
        with closing(executor):
            evaluated(executor, naps(10))
            there.tell("freeze 1")
            results = evaluated(executor, naps(10))
    assert {n: r.outcome for n, r in results.items()} == {t.number: measured(t) for t in naps(10)}
    assert sorted(r.observed.attempts for r in results.values())[-1] == 2
    assert any("does not answer" in line or "was lost" in line for line in said), said


def test_nodes_with_other_versions_are_not_used(tmp_path):
    said = []
    with nothing_left(), cluster("add 0", "add 1", "add 1 PRETENDED_TORCH=1.0") as there:
        executor = ray_executor(
            MAKE, {"directory": str(tmp_path)}, there.address, said=said, node="faults.nodes:Aged"
        )
        with closing(executor):
            other = "has torch 1.0, this run uses torch"
            wait_for(lambda: executor._heard_all(0.1) or other in " ".join(said), 90)
            results = evaluated(executor, naps(6))
            assert executor.free == 1
    assert len({result.observed.worker for result in results.values()}) == 1


def test_data_are_shipped_once_a_node_and_mapped_there(tmp_path, monkeypatch):
    """Two caches on two nodes; the evaluator reads what it finds in its own."""
    monkeypatch.setenv("BLOCKQNN_CACHE", str(tmp_path / "here"))
    settings = DataSettings(source="digits")
    digest, (name, files) = load(settings).digest, shipped(settings)
    caches = [tmp_path / f"node-{number}" for number in range(2)]
    freight = Freight(
        name=name,
        files=files,
        holds="blockqnn.data.cache:holds",
        install="blockqnn.data.cache:install",
    )
    orders = [f"add 2 BLOCKQNN_CACHE={cache}" for cache in caches]
    with nothing_left(), cluster("add 0", *orders) as there:
        specification = {"prepared": name, "digest": digest}
        executor = ray_executor("faults.evaluators:held", specification, there.address, freight=freight)
        with closing(when_all_joined(executor, 2)):
            results = evaluated(executor, naps(12))
    assert all(
        result.outcome == measured(task)
        for result, task in zip((results[n] for n in range(12)), naps(12), strict=True)
    )
    for cache in caches:
        assert {p.name for p in (cache / "data").iterdir()} == {name}
        for file, path in files.items():
            shipped_file = cache / "data" / name / file
            assert shipped_file.read_bytes() == (tmp_path / "here/data" / name / file).read_bytes()
            assert path == str(tmp_path / "here/data" / name / file)


def test_a_cluster_open_to_anybody_is_refused_unless_allowed(tmp_path):
    with nothing_left(), cluster("add 1", mode="disabled") as there:
        asked = ExecutionSettings(executor="ray", address=there.address)
        with pytest.raises(InputError, match="asks for no token"):
            reach.refuse_out_of_reach(asked)
        reach.refuse_out_of_reach(asked.model_copy(update={"unauthenticated": True}))
        executor = ray_executor(MAKE, {"directory": str(tmp_path)}, there.address, unauthenticated=True)
        with closing(executor):
            assert evaluated(executor, naps(1))[0].outcome == measured(naps(1)[0])


def test_a_cluster_with_tokens_is_not_refused():
    with nothing_left(), cluster("add 1") as there:
        reach.refuse_out_of_reach(ExecutionSettings(executor="ray", address=there.address))


def test_the_token_is_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    with nothing_left(), closing(ray_executor(MAKE, {"directory": str(tmp_path)}, workers=1)):
        token = tmp_path / ".ray" / "auth_token"
        assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "no Ray cluster answers"),
        ("here", "HOST:PORT"),
        ("ray://127.0.0.1:10001", "HOST:PORT"),
        ("127.0.0.1:99999", "HOST:PORT"),
        (":6379", "HOST:PORT"),
    ],
)
def test_addresses_that_lead_nowhere(address, words):
    with pytest.raises(InputError, match=words):
        reach.refuse_out_of_reach(ExecutionSettings(executor="ray", address=address))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("raise SystemExit('moved')", r"cannot be told \(moved\)"),
        ("raise SystemExit(1)", r"cannot be told \(it did not say\)"),
        ("raise SystemExit('InvalidAuthToken: none was given')", None),
        ("", "asks for no token"),
    ],
)
def test_what_cannot_be_told_of_a_cluster_is_not_taken_for_safe(monkeypatch, question, words):
    monkeypatch.setattr(reach, "_FROM_NOBODY", question)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        refused = pytest.raises(InputError, match=words) if words else nullcontext()
        with refused:
            reach.refuse_out_of_reach(ExecutionSettings(executor="ray", address=address))


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(reach, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'blockqnn\[ray\]'"):
        reach.refuse_out_of_reach(ExecutionSettings(executor="ray"))
