"""Parquet files and saved data sets, read by `datasets` without a network."""

import numpy as np
import pytest
from PIL import Image

from blockqnn.config import DataSettings
from blockqnn.data.dataset import load
from blockqnn.errors import InputError
from pictures import NAMES, pictures

datasets = pytest.importorskip("datasets")
IMAGES, LABELS = pictures(60)


@pytest.fixture(autouse=True)
def _offline(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def table(labels, part=slice(None), column="label", kind=None):
    rows = {"image": [Image.fromarray(i) for i in IMAGES[part]], column: list(labels[part])}
    kind = kind or datasets.ClassLabel(names=list(NAMES))
    return datasets.Dataset.from_dict(
        rows, features=datasets.Features({"image": datasets.Image(), column: kind})
    )


def of(path, **settings):
    return load(DataSettings(source=f"hf:{path}", **settings))


def test_a_parquet_file_is_the_training_part(tmp_path):
    table(LABELS).to_parquet(tmp_path / "all.parquet")
    data = of(tmp_path / "all.parquet")
    assert data.classes == NAMES
    assert (len(data.train), len(data.validation), len(data.test)) == (39, 9, 12)
    assert data.name == "all"


@pytest.mark.parametrize(
    ("labels", "kind", "classes"),
    [
        ([f"n{10 - i}" for i in LABELS], datasets.Value("string"), ("n8", "n9", "n10")),
        (LABELS + 9, datasets.Value("int64"), ("9", "10", "11")),
    ],
)
def test_labels_as_text_or_numbers(tmp_path, labels, kind, classes):
    table(labels, kind=kind).to_parquet(tmp_path / "all.parquet")
    assert of(tmp_path / "all.parquet").classes == classes


def test_a_saved_data_set_with_validation_and_no_test(tmp_path):
    parts = {"train": table(LABELS, slice(0, 45)), "validation": table(LABELS, slice(45, None))}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    data = of(tmp_path / "saved")
    assert len(data.test) == 15
    assert any("the validation split is the test part" in note for note in data.notes)


def test_plain_parquet_with_bytes(tmp_path):
    pandas_like = table(LABELS).cast_column("image", datasets.Image(decode=False))
    whole = {"image": list(pandas_like["image"]), "label": LABELS.tolist()}
    datasets.Dataset.from_dict(whole).to_parquet(tmp_path / "plain.parquet")
    assert sum(map(len, (of(tmp_path / "plain.parquet").train,))) == 39


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"label": [0, 1]}, "no column of images; it has label"),
        ({"image": [np.zeros((9, 9), np.uint8)] * 2}, "no column of images|which column is the label"),
    ],
)
def test_columns_that_lack(tmp_path, rows, reason):
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=reason):
        of(tmp_path / "a.parquet")


def test_a_damaged_file(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InputError, match="cannot be loaded") as refused:
        of(tmp_path / "a.parquet")
    assert "\n" not in str(refused.value)
