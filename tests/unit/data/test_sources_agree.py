"""The same images in any form, under any names and in any order, are the same data."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from blockqnn.config import DataSettings, resolve
from blockqnn.data.dataset import Dataset, load
from blockqnn.evaluation.early_stop import EarlyStopEvaluator
from blockqnn.network.plan import Skeleton
from blockqnn.records import Task
from pictures import NAMES, pictures, write_csv, write_folder, write_official

torch.set_num_threads(1)
COUNT, TEST = 72, 12


def in_folders(root: Path, images, labels) -> DataSettings:
    write_folder(root, images[:-TEST], labels[:-TEST], prefix="train")
    return DataSettings(source=str(write_folder(root, images[-TEST:], labels[-TEST:], prefix="test")))


def in_folders_of_other_names(root: Path, images, labels) -> DataSettings:
    order = np.random.default_rng(5).permutation(len(images))
    write_folder(root, images[:-TEST], labels[:-TEST], prefix="train", order=order)
    return DataSettings(source=str(write_folder(root, images[-TEST:], labels[-TEST:], prefix="test")))


def in_npz(root: Path, images, labels) -> DataSettings:
    root.mkdir()
    order = np.random.default_rng(6).permutation(len(images) - TEST)
    np.savez(
        root / "a.npz",
        x_train=images[:-TEST][order],
        y_train=labels[:-TEST][order],
        x_test=images[-TEST:],
        y_test=labels[-TEST:],
        classes=NAMES,
    )
    return DataSettings(source=str(root / "a.npz"))


def in_npz_of_other_class_order(root: Path, images, labels) -> DataSettings:
    source = in_npz(root, images, labels).source
    arrays = dict(np.load(source))
    turned = {y: 2 - arrays[y] for y in ("y_train", "y_test")}
    np.savez(source, **{**arrays, **turned, "classes": arrays["classes"][::-1]})
    return DataSettings(source=source)


def rows_of(root: Path, images, labels) -> list[dict[str, str]]:
    """All images in one heap of files, and what is known of each."""
    rows = []
    for i in np.random.default_rng(7).permutation(len(images)):
        path = f"heap/{i % 5}/{i}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        image = images[i]
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(root / path)
        part = "test" if i >= len(images) - TEST else "train"
        rows.append({"path": path, "label": NAMES[labels[i]], "part": part, "remark": "none"})
    return rows


def in_csv(root: Path, images, labels) -> DataSettings:
    return DataSettings(labels=str(write_csv(root / "labels.csv", rows_of(root, images, labels))))


def in_csv_with_directory(root: Path, images, labels) -> DataSettings:
    table = write_csv(root / "tables" / "labels.csv", rows_of(root, images, labels))
    return DataSettings(source=str(root), labels=str(table))


def in_parquet(root: Path, images, labels) -> DataSettings:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))}
    )
    root.mkdir()
    for split, part in (("train", slice(None, -TEST)), ("test", slice(-TEST, None))):
        whole = {
            "image": [Image.fromarray(i[..., 0] if i.shape[-1] == 1 else i) for i in images[part]],
            "label": labels[part].tolist(),
        }
        rows = datasets.Dataset.from_dict(whole, features=features)
        rows.to_parquet(root / f"{split}.parquet")
    return DataSettings(source=f"hf:{root}")


def in_official_files(root: Path, images, labels) -> DataSettings:
    write_official(root / "cifar-10-batches-py", images, labels)
    return DataSettings(source=str(root))


FORMS = [
    in_folders,
    in_folders_of_other_names,
    in_npz,
    in_npz_of_other_class_order,
    in_csv,
    in_csv_with_directory,
    in_parquet,
    in_official_files,
]


@pytest.fixture(autouse=True)
def _offline(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    try:
        import datasets
    except ImportError:
        return
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))


def measured(data: Dataset) -> tuple[float, int]:
    recipe = {"steps": 8, "batch": 16, "restart_after": 4, "learning_rate": 0.01}
    settings = resolve("small", {"skeleton": Skeleton(("conv",), (4,), (1,)), "recipe": recipe})
    outcome = EarlyStopEvaluator(settings, data, "cpu")(
        Task(number=0, code="(1,1,3,0,0) (2,7,0,0,0)", seed=3)
    )
    return outcome.accuracy, outcome.flops


@pytest.mark.parametrize("form", FORMS[1:], ids=lambda form: form.__name__)
def test_every_form_is_the_same_data(tmp_path, form):
    images, labels = pictures(COUNT, 32)
    one = load(in_folders(tmp_path / "folders", images, labels))
    other = load(form(tmp_path / "other", images, labels))
    assert other.classes == one.classes == NAMES
    for name in ("train", "validation", "test"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert np.array_equal(mine.images, theirs.images)
        assert np.array_equal(mine.labels, theirs.labels)
    assert other.digest == one.digest
    assert other.mean.tolist() == one.mean.tolist()
    assert measured(other) == measured(one)


@pytest.mark.parametrize("form", [in_npz, in_csv, in_parquet], ids=lambda form: form.__name__)
@pytest.mark.parametrize("stored", [1, 3])
def test_grey_sets_have_one_channel_however_stored(tmp_path, form, stored):
    images, labels = pictures(COUNT, 20, channels=1)
    one = load(in_folders(tmp_path / "folders", images, labels))
    other = load(form(tmp_path / "other", images.repeat(stored, 3), labels))
    assert one.image == other.image == (1, 20, 20)
    assert other.digest == one.digest


def test_other_sizes_are_resized_alike(tmp_path):
    images, labels = pictures(COUNT, 20)
    one = in_folders(tmp_path / "a", images, labels)
    for how in ("crop", "letterbox", "stretch"):
        changes = {"image_size": (12, 14), "resize": how}
        forms = (one, in_npz(tmp_path / how, images, labels))
        folder, arrays = (load(form.model_copy(update=changes)) for form in forms)
        assert folder.image_size == (12, 14)
        assert folder.digest == arrays.digest


def test_photos_as_folder_csv_and_arrays(tmp_path, shared_data):
    with zipfile.ZipFile(shared_data / "ants-bees.zip") as archive:
        archive.extractall(tmp_path / "photos")
    (root,) = (p.parent for p in (tmp_path / "photos").rglob("train"))
    folder = load(DataSettings(source=str(root), image_size=(24, 24)))
    assert folder.classes == ("ants", "bees")
    assert len(folder.train) + len(folder.validation) == 243
    assert len(folder.test) == 153
    assert any("val is the test part" in note for note in folder.notes)
    rows = [
        {
            "path": str(path.relative_to(root)),
            "label": path.parent.name,
            "part": {"val": "test"}.get(path.parent.parent.name, "train"),
        }
        for path in sorted(root.rglob("*.jpg"), key=lambda p: p.name)
    ]
    table = write_csv(tmp_path / "photos.csv", rows)
    named = load(DataSettings(source=str(root), labels=str(table), image_size=(24, 24)))
    assert named.digest == folder.digest
    parts = {
        "x_train": np.concatenate([folder.train.images, folder.validation.images]),
        "y_train": np.concatenate([folder.train.labels, folder.validation.labels]),
        "x_test": folder.test.images,
        "y_test": folder.test.labels,
    }
    np.savez(tmp_path / "photos.npz", **parts)
    small = load(DataSettings(source=str(tmp_path / "photos.npz")))  # other images: smaller copies
    assert sorted(map(bytes, small.test.images)) == sorted(map(bytes, folder.test.images))
