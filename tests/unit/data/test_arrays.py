"""Data sets: sizes and shares of the parts, what identifies them, and files that are refused."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blockqnn import npz
from blockqnn.config import DataSettings
from blockqnn.data.dataset import Dataset, Part, load
from blockqnn.errors import InputError

DIGITS = DataSettings()


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load(DIGITS)


def arrays(**changes: Any) -> dict[str, Any]:
    """60 training and 12 test images of 4x4 pixels in 3 classes, every image another one."""
    images = np.random.default_rng(0).integers(0, 256, (72, 4, 4), np.uint8)
    labels = np.arange(72) % 3
    whole = {
        "x_train": images[:60],
        "y_train": labels[:60],
        "x_test": images[60:],
        "y_test": labels[60:],
    }
    whole |= changes
    return {name: value for name, value in whole.items() if value is not None}


def saved(folder: Path, **changes: Any) -> DataSettings:
    path = folder / "pictures.npz"
    np.savez(path, **arrays(**changes))
    return DataSettings(source=str(path))


def same(one: Part, other: Part) -> bool:
    return np.array_equal(one.images, other.images) and np.array_equal(one.labels, other.labels)


def pairs(part: Part) -> list[tuple[int, bytes]]:
    """Labels and pixels, in an order of their own."""
    return sorted((int(y), x.tobytes()) for x, y in zip(part.images, part.labels, strict=True))


def rows(part: Part) -> set[bytes]:
    return {image.tobytes() for image in part.images}


# Digits


def test_sizes_of_digits(digits):
    parts = (digits.train, digits.validation, digits.test)
    assert sum(map(len, parts)) == 1797
    assert [part.images.shape[1:] for part in parts] == [(8, 8, 1)] * 3
    assert {part.images.dtype for part in parts} == {np.dtype(np.uint8)}
    assert digits.image == (1, 8, 8)
    assert digits.classes == tuple("0123456789")
    assert int(digits.train.images.max()) == 255  # 16 grey levels, spread over a byte


@pytest.mark.parametrize("label", range(10))
def test_shares_of_digits_by_class(digits, label):
    train, validation, test = (
        int((part.labels == label).sum()) for part in (digits.train, digits.validation, digits.test)
    )
    assert test == round((train + validation + test) / 5)
    assert validation == round((train + validation) / 6)


def test_images_keep_their_labels(digits):
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels * 255 / 16).astype(np.uint8)
    known: dict[bytes, set[int]] = {}
    for image, label in zip(images, labels, strict=True):
        known.setdefault(image.tobytes(), set()).add(int(label))
    for part in (digits.train, digits.validation, digits.test):
        pairs = zip(part.images, part.labels, strict=True)
        assert all(int(label) in known[image.tobytes()] for image, label in pairs)


# The split


def test_the_split_depends_on_its_seed_alone(digits):
    np.random.seed(1)
    again = load(DIGITS)
    other = load(DataSettings(split_seed=1))
    for name in ("train", "validation", "test"):
        assert same(getattr(again, name), getattr(digits, name))
        assert not same(getattr(other, name), getattr(digits, name))
        assert len(getattr(other, name)) == len(getattr(digits, name))
    assert again.digest == digits.digest
    assert np.array_equal(again.mean, digits.mean)


def test_parts_are_disjoint_and_whole(tmp_path):
    data = load(saved(tmp_path))
    parts = [rows(part) for part in (data.train, data.validation, data.test)]
    assert list(map(len, parts)) == [51, 9, 12]  # 60 images: 20 a class, round(20 / 6) = 3 of each
    assert len(set.union(*parts)) == 72  # 72 different images, none twice
    whole = arrays()
    assert pairs(data.test) == sorted(
        (int(y), x.tobytes()) for x, y in zip(whole["x_test"], whole["y_test"], strict=True)
    )
    assert rows(data.train) | rows(data.validation) == {x.tobytes() for x in whole["x_train"]}
    assert np.bincount(data.validation.labels).tolist() == [3, 3, 3]


def test_the_split_is_not_moved_by_what_the_test_part_holds(tmp_path):
    one = load(saved(tmp_path))
    other = load(saved(tmp_path, x_test=arrays()["x_test"][:3], y_test=arrays()["y_test"][:3]))
    assert same(one.validation, other.validation)
    assert same(one.train, other.train)


@pytest.mark.parametrize(("share", "size"), [(0.25, 5), (0.5, 10), (0.01, 1)])
def test_shares_of_the_validation_part(tmp_path, share, size):
    data = load(saved(tmp_path).model_copy(update={"validation": share}))
    assert np.bincount(data.validation.labels).tolist() == [size] * 3  # of 20; one at least
    assert len(data.train) + len(data.validation) == 60


def test_no_class_leaves_the_training_part(tmp_path):
    labels = np.repeat(np.arange(3), (29, 29, 2))  # 0.8 of 2 images is nearer to 2 than to 1
    data = load(saved(tmp_path, y_train=labels).model_copy(update={"validation": 0.8}))
    assert np.bincount(data.train.labels).tolist() == [6, 6, 1]


# What a file may hold


@pytest.mark.parametrize(
    ("channels", "kind"), [(None, "uint8"), (1, "uint8"), (3, "uint8"), (None, "float"), (3, "float")]
)
def test_shapes_and_number_formats(tmp_path, channels, kind):
    whole = arrays()
    for name in ("x_train", "x_test"):
        if channels:
            whole[name] = np.stack([whole[name] // (1 + c) for c in range(channels)], axis=-1)
        if kind == "float":
            between = np.maximum(whole[name] - 0.4, 0)  # the nearest level counts
            whole[name] = (between / 255).astype(np.float32)
    data = load(saved(tmp_path, **whole))
    assert data.image == (channels or 1, 4, 4)
    assert data.mean.shape == data.deviation.shape == (channels or 1,)
    assert data.train.images.dtype == np.uint8
    # 0..1 is spread over a byte
    assert rows(Part(data.test.images[..., :1], data.test.labels)) == {
        x.tobytes() for x in arrays()["x_test"]
    }


def test_images_need_not_be_square(tmp_path):
    data = load(saved(tmp_path, x_train=arrays()["x_train"][:, :3], x_test=arrays()["x_test"][:, :3]))
    assert data.image == (1, 3, 4)


def test_names_of_classes(tmp_path):
    assert load(saved(tmp_path)).classes == ("0", "1", "2")
    data = load(saved(tmp_path, classes=np.array(["cat", "dog", "emu"])))
    assert data.classes == ("cat", "dog", "emu")
    assert data.name == "pictures"


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64", "uint64"])
def test_labels_of_any_whole_number_type(tmp_path, kind):
    labels = {name: arrays()[name].astype(kind) for name in ("y_train", "y_test")}
    data = load(saved(tmp_path, **labels))
    assert data.test.labels.dtype == np.int64
    assert data.test.labels.tolist() == sorted(labels["y_test"].tolist())


Y = arrays()["y_train"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": None}, "lacks x_test; it has x_train, y_train, y_test"),
        ({"y_train": None, "x_test": None}, "lacks y_train, x_test; it has x_train, y_test"),
        ({"y_train": Y.astype(float)}, "y_train must be a list of whole numbers from 0"),
        ({"y_train": Y[:, None]}, "y_train must be a list of whole numbers from 0"),
        ({"y_train": Y - 1}, "y_train must be a list of whole numbers from 0"),
        ({"y_test": np.array(["a"] * 12)}, "y_test must be a list of whole numbers from 0"),
        ({"y_test": Y[:0]}, "y_test must be a list of whole numbers from 0"),
        ({"y_test": np.full(12, 7)}, "class 7 of y_test is not in y_train"),
        ({"y_train": Y * 0, "y_test": np.zeros(12, int)}, "fewer than 2 classes"),
        ({"y_train": Y[:59]}, "60 images in x_train, 59 labels in y_train"),
        ({"x_test": np.zeros((11, 4, 4), np.uint8)}, "11 images in x_test, 12 labels in y_test"),
        (
            {"x_test": np.zeros((12, 4, 5), np.uint8)},
            "training and test images differ in shape: (4, 4, 1) and (4, 5, 1)",
        ),
        (
            {"x_test": np.zeros((12, 4, 4, 3), np.uint8)},
            "training and test images differ in shape: (4, 4, 1) and (4, 4, 3)",
        ),
        (
            {"x_train": np.zeros((60, 16), np.uint8)},
            "x_train: shape (60, 16); allowed is (N, H, W) or (N, H, W, C)",
        ),
        (
            {"x_train": np.zeros((60, 0, 4), np.uint8)},
            "x_train: shape (60, 0, 4, 1); allowed is (N, H, W) or (N, H, W, C)",
        ),
        (
            {"x_train": np.zeros((60, 4, 4), np.int64)},
            "x_train: must be uint8, or floating point in 0..1 (found int64)",
        ),
        (
            {"x_test": np.full((12, 4, 4), 1.5)},
            "x_test: must be uint8, or floating point in 0..1 (found float64)",
        ),
        (
            {"x_test": np.full((12, 4, 4), np.nan)},
            "x_test: must be uint8, or floating point in 0..1 (found float64)",
        ),
        ({"classes": np.array(["cat"])}, "1 names in classes for 3 classes in the labels"),
        ({"x_train": np.zeros((60, 4, 4), np.uint8)}, "all training images are the same"),
    ],
)
def test_contents_that_are_refused(tmp_path, changes, message):
    settings = saved(tmp_path, **changes)
    with pytest.raises(InputError) as refused:
        load(settings)
    assert settings.source in str(refused.value)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_class_of_one_image_is_refused(tmp_path):
    labels = np.where(np.arange(60) == 7, 3, Y)
    settings = saved(tmp_path, y_train=labels)
    with pytest.raises(InputError) as refused:
        load(settings)
    assert "class '3' has 1 image to train on: too few for a validation part" in str(refused.value)
    assert settings.source in str(refused.value)


def test_a_label_beyond_all_reason_is_refused(tmp_path):
    labels = np.where(Y == 2, 10**6, Y)
    settings = saved(tmp_path, y_train=labels, y_test=np.zeros(12, int))
    with pytest.raises(InputError) as refused:
        load(settings)
    assert settings.source in str(refused.value)
    assert "1000000" in str(refused.value)


def whole_file(folder: Path) -> bytes:
    return Path(saved(folder).source).read_bytes()


def one_array(folder: Path) -> bytes:
    np.save(folder / "one.npy", np.zeros(3))
    return (folder / "one.npy").read_bytes()


def with_objects(folder: Path) -> bytes:
    np.savez(folder / "objects.npz", **arrays(y_train=np.array([{}] * 60, dtype=object)))
    return (folder / "objects.npz").read_bytes()


def flipped(folder: Path) -> bytes:
    content = bytearray(whole_file(folder))
    content[300] ^= 255  # inside the pixels: the checksum fails
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        lambda _: b"",
        lambda _: b"no archive at all",
        lambda folder: whole_file(folder)[:-100],
        lambda folder: whole_file(folder)[:1000],
        flipped,
        one_array,
        with_objects,
    ],
)
def test_damaged_files_are_refused_and_closed(tmp_path, content):
    path = tmp_path / "damaged.npz"
    path.write_bytes(content(tmp_path))
    with pytest.raises(InputError) as refused:
        load(DataSettings(source=str(path)))
    message = str(refused.value)
    del refused
    gc.collect()  # a file left open is a warning now, and warnings are errors
    assert f"data {path}: cannot be read as .npz (" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{}/none.npz", "data {}/none.npz: no such file"),
        ("{}", "data {}: no images in it; read are bmp, jpeg, jpg, png, tif, tiff, webp"),
        (
            "mnist",
            "data 'mnist': no such directory; allowed are digits, DIR, FILE.npz or hf:NAME[:CONFIG]",
        ),
    ],
)
def test_sources_that_do_not_exist(tmp_path, source, message):
    with pytest.raises(InputError) as refused:
        load(DataSettings(source=source.format(tmp_path)))
    assert str(refused.value) == message.format(tmp_path)


def test_a_folder_with_the_name_of_a_file_is_refused(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InputError, match=r"folder\.npz: cannot be read"):
        load(DataSettings(source=str(tmp_path / "folder.npz")))


# The digest


def test_the_digest_is_that_of_the_contents(tmp_path):
    one = load(saved(tmp_path)).digest
    (tmp_path / "elsewhere").mkdir()
    assert load(saved(tmp_path / "elsewhere")).digest == one


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
def test_the_digest_changes_with_every_array(tmp_path, name):
    whole = arrays()
    before = load(saved(tmp_path, **whole)).digest
    changed = whole[name].copy()
    last = (-1,) * changed.ndim
    changed[last] = (changed[last] + 1) % 3  # one pixel or label
    assert load(saved(tmp_path, **{**whole, name: changed})).digest != before


@pytest.mark.parametrize("change", [{"test": 0.25}, {"validation": 0.25}, {"split_seed": 3}])
def test_the_digest_changes_with_the_split(digits, change):
    assert load(DataSettings(**change)).digest != digits.digest


def test_the_digest_tells_share_and_seed_apart(tmp_path):
    # written one after the other, both are "0.112"
    settings = saved(tmp_path)
    one = settings.model_copy(update={"validation": 0.1, "split_seed": 12})
    other = settings.model_copy(update={"validation": 0.11, "split_seed": 2})
    assert load(one).digest != load(other).digest


# Numbers derived from the parts


def test_normalisation_is_that_of_the_training_part(tmp_path):
    levels = np.random.default_rng(0)
    colours = {
        name: levels.integers(low, 256, (count, 4, 4, 3), dtype=np.uint8)
        for name, count, low in (("x_train", 60, 0), ("x_test", 12, 200))
    }
    data = load(saved(tmp_path, **colours))
    for channel in range(3):
        values = data.train.images[..., channel].astype(float) / 255
        assert data.mean[channel] == pytest.approx(values.mean(), abs=1e-12)
        assert data.deviation[channel] == pytest.approx(values.std(), abs=1e-12)
    with_validation = colours["x_train"].astype(float).mean((0, 1, 2)) / 255
    assert np.abs(data.mean - with_validation).min() > 1e-6


def test_a_constant_channel_is_left_unscaled(tmp_path):
    whole = arrays()
    for name in ("x_train", "x_test"):
        whole[name] = np.stack([whole[name], np.full_like(whole[name], 51)], axis=-1)
    data = load(saved(tmp_path, **whole))
    assert data.mean[1] == pytest.approx(0.2)
    assert data.deviation[1] == 1
    assert 0 < data.deviation[0] < 1


@pytest.mark.parametrize(
    ("sizes", "chance"),
    [
        ((20, 20, 20), 100 * 3 / 9),  # 1/6 of 20 is 3
        ((12, 36, 12), 100 * 6 / 10),  # 2, 6 and 2
        ((12, 12, 36), 100 * 6 / 10),
    ],
)
def test_chance_is_the_share_of_the_majority(tmp_path, sizes, chance):
    labels = np.repeat(np.arange(3), sizes)
    assert load(saved(tmp_path, y_train=labels)).chance() == pytest.approx(chance)


def test_chance_of_digits(digits):
    assert digits.chance() == pytest.approx(100 * 24 / len(digits.validation))
    assert 10 < digits.chance() < 11


def test_what_unpacks_to_more_than_half_of_the_free_memory_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x_train=np.zeros((1000, 1000), np.uint8))
    monkeypatch.setattr(npz, "free_memory", lambda: 1_900_000)
    with pytest.raises(InputError, match=r"unpacked it takes 0\.0 GB, over half of the 0\.0 GB free"):
        npz.read_arrays(tmp_path / "a.npz", "data")
    monkeypatch.setattr(npz, "free_memory", lambda: 2_100_000)
    assert npz.read_arrays(tmp_path / "a.npz", "data")["x_train"].shape == (1000, 1000)
