"""The wheel installs in a bare environment and runs outside the repository."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import blockqnn
run = blockqnn.search("digits", run="found", preset="demo", trials=8, workers=2,
                      settings={"recipe": {"steps": 20, "restart_after": 20}})
print(run.best().code)
"""


def call(*command, cwd, **env):
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_wheel_in_a_bare_environment(tmp_path):
    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "blockqnn/py.typed" in names
    assert all(name.startswith(("blockqnn/", "blockqnn-")) for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)

    call(sys.executable, "-m", "venv", tmp_path / "bare", cwd=tmp_path)
    scripts = tmp_path / "bare" / ("Scripts" if os.name == "nt" else "bin")
    call(
        scripts / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "-c",
        ROOT / "constraints.txt",
        wheel,
        cwd=tmp_path,
    )
    shown = json.loads(call(scripts / "blockqnn", "show", "block-qnn-s", "--json", cwd=tmp_path))
    assert shown["layers"] == 13
    (tmp_path / "search.py").write_text(SCRIPT)
    best = call(scripts / "python", "search.py", cwd=tmp_path).strip()
    top = json.loads(call(scripts / "blockqnn", "top", "found", "--json", cwd=tmp_path))
    assert top[0]["code"] == best
