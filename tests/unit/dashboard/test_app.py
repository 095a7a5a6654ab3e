"""The live page's program: what it answers, and to whom."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
import uvicorn

from blockqnn.dashboard.app import application
from blockqnn.dashboard.serve import _listening
from blockqnn.errors import InputError
from unit.test_rows import written


@contextmanager
def served(*directories):
    """Its address; it answers in a thread of its own, as opened there."""
    with _listening(0) as listening:
        config = uvicorn.Config(application(directories), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def get(url, method="GET", **headers):
    """Status, headers and text."""
    asked = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


@pytest.fixture
def page(tmp_path):
    written(tmp_path / "run")
    with served(tmp_path / "run") as address:
        yield address


def test_one_run_is_shown_at_once(page):
    status, headers, text = get(f"{page}/")
    assert status == 200
    assert 'data-source="/run/0"' in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_state_is_sent_whole_and_then_only_when_it_changed(page):
    told = json.loads(get(f"{page}/run/0/state?known=0")[2])
    assert told["version"] == 1
    assert "70.00" in told["parts"]["summary"]
    assert told["charts"]["by-trial"]["data"][0]["y"] == [50.0, 70.0, 70.0, 5.0]
    assert told["share"] == pytest.approx(9 / 12)
    again = json.loads(get(f"{page}/run/0/state?known=1")[2])
    assert again.keys() == {"share", "state", "version", "again"}
    assert again["again"] >= 0.5


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1"])
def test_another_host_name_is_refused(page, host):
    """So no site that a browser has open can ask it by a name of its own."""
    assert get(f"{page}/run/0/state", Host=host)[0] == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9999", "localhost:80"])
def test_names_of_this_machine_are_answered(page, host):
    assert get(f"{page}/run/0/state", Host=host)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(page, method):
    assert get(f"{page}/run/0/state", method)[0] == 405


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/run/1", 404),
        ("/run/1/state", 404),
        ("/run/x", 404),
        ("/../../etc/passwd", 404),
        ("/run/0/trials?state=all&offset=-1", 400),
        ("/run/0/trials?state=none", 400),
        ("/run/0/trials?state=failed", 200),
        ("/plotly.js", 200),
        ("/charts.js", 200),
        ("/live.js", 200),
    ],
)
def test_what_there_is(page, path, status):
    assert get(f"{page}{path}")[0] == status


def test_several_runs_are_listed(tmp_path):
    written(tmp_path / "one")
    written(tmp_path / "two")
    with served(tmp_path / "one", tmp_path / "two") as address:
        assert 'data-source="/all"' in get(f"{address}/")[2]
        told = json.loads(get(f"{address}/all/state")[2])
        assert "/run/1" in told["parts"]["overview"]
        assert "All runs" in get(f"{address}/run/1")[2]


def test_it_listens_on_this_machine_only():
    with _listening(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_a_port_in_use_is_told():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}: .*--port"):
            _listening(port)
