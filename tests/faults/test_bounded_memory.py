"""A training on photos that are decoded anew needs little memory, however many photos there are."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")

ALLOWED = 30  # megabytes more than are held


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten times what is allowed: 300 MB in 80 files."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(80):
        path = root / str(number % 2) / f"{number}.bmp"
        path.parent.mkdir(exist_ok=True)
        coarse = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((1250, 1000), Image.Resampling.NEAREST).save(path)
    return root


@pytest.mark.parametrize(("way", "fits"), [("train", True), ("read", False)])
def test_it_trains_where_reading_all_fails(folder, way, fits):
    size = sum(path.stat().st_size for path in folder.glob("*/*.bmp"))
    assert size >= 10 * ALLOWED * 10**6
    script = Path(__file__).parent / "bounded.py"
    run = subprocess.run(
        [sys.executable, str(script), str(folder), way, str(ALLOWED)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode == 0) == fits, run.stderr
    assert ("fitted" in run.stdout) == fits
    assert fits or "MemoryError" in run.stderr
