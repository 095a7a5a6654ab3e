"""Searches of real images from what a user has: photographs in folders, CIFAR in every form."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

import blockqnn
from blockqnn.config import merged
from blockqnn.network.plan import Skeleton
from blockqnn.report.rows import read
from pictures import pictures, write_csv, write_folder

pytestmark = pytest.mark.slow
SETTINGS = {
    "recipe": {"steps": 6, "batch": 32, "restarts": 0, "restart_after": 1},
    "skeleton": Skeleton(("conv",), (4, 8), (1, 1)),
    "space": {"max_layers": 3},
    "plan": {"trials": 6, "iteration": 3},
    "execution": {"executor": "serial", "device": "cpu"},
}


def searched(directory, data=None, **options):
    """The trajectory, which covers every measurement."""
    run = blockqnn.search(data, run=directory, preset="small", settings=SETTINGS, **options)
    status = run.status()
    assert status["trials"]["finished"] == 6
    return status["trajectory"]


def unpacked(shared_data, target, *form):
    counts = ("--train", "300", "--test", "100")
    command = [sys.executable, str(shared_data / "unpack.py"), "cifar10", str(target), *counts, *form]
    subprocess.run(command, check=True, timeout=120)


def test_cifar_in_every_form_is_the_same_search(tmp_path, shared_data, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    folder, arrays = tmp_path / "cifar", tmp_path / "cifar.npz"
    unpacked(shared_data, folder, "--folder")
    unpacked(shared_data, arrays)
    files = sorted(folder.rglob("*.png"), key=lambda path: path.name)
    rows = [
        {"path": str(f.relative_to(folder)), "label": f.parent.name, "part": f.parent.parent.name}
        for f in files
    ]
    table = write_csv(tmp_path / "cifar.csv", rows)
    stored = np.load(arrays)
    (tmp_path / "parquet").mkdir()
    names = [str(name) for name in stored["classes"]]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    for part in ("train", "test"):
        images = [Image.fromarray(image) for image in stored[f"x_{part}"]]
        columns = {"image": images, "label": stored[f"y_{part}"].tolist()}
        whole = datasets.Dataset.from_dict(columns, features=features)
        whole.to_parquet(tmp_path / "parquet" / f"{part}.parquet")
    one = searched(tmp_path / "run-folder", folder)
    assert searched(tmp_path / "run-npz", arrays) == one
    assert searched(tmp_path / "run-csv", folder, labels=table) == one
    assert searched(tmp_path / "run-csv-alone", labels=write_csv(folder / "all.csv", rows)) == one
    assert searched(tmp_path / "run-hf", f"hf:{tmp_path / 'parquet'}") == one
    other = searched(tmp_path / "run-other", folder, image_size=16)
    assert other != one  # the control: other pixels are another search


def test_photographs_of_mixed_sizes_from_the_folder_alone(tmp_path, shared_data, monkeypatch):
    with zipfile.ZipFile(shared_data / "ants-bees.zip") as archive:
        archive.extractall(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    shapes = set()
    for path in (tmp_path / "photos").rglob("*.jpg"):
        with Image.open(path) as photo:
            shapes.add(photo.size)
    assert len(shapes) > 50
    searched(tmp_path / "run", "photos", image_size="24x32")
    facts = read(tmp_path / "run").facts
    assert facts.data.image == (3, 24, 32)
    assert facts.data.classes == ("ants", "bees")
    assert sum(facts.data.sizes[:2]) == 243
    assert facts.data.sizes[2] == 153
    monkeypatch.chdir("/")  # the run goes on from anywhere
    assert blockqnn.search(run=tmp_path / "run", trials=9).status()["trials"]["finished"] == 9


def test_a_model_is_trained_at_the_size_of_its_run(tmp_path):
    folder = write_folder(tmp_path / "photos", *pictures(300))
    longer = {
        "recipe": {"steps": 80, "learning_rate": 0.01, "restart_after": 80},
        "plan": {"trials": 2},
    }
    settings = merged(SETTINGS, longer)
    run = blockqnn.search(folder, run=tmp_path / "run", preset="small", settings=settings, image_size=16)
    assert run.best()
    assert blockqnn.train(str(run.path), preset="early-stop").config["image"] == [3, 16, 16]
