"""Warnings: each where it is due, none on clean data."""

import numpy as np
import pytest
from PIL import Image

from blockqnn.config import DataSettings, resolve
from blockqnn.data.dataset import load
from blockqnn.evaluation.early_stop import EarlyStopEvaluator
from blockqnn.network.plan import Skeleton
from blockqnn.records import Task
from pictures import pictures, save_png, write_csv, write_folder


def warnings_of(root, **settings):
    return load(DataSettings(source=str(root), **settings)).warnings


def smooth(count, seed=0, side=24):
    """Unlike soft images."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((side, side))) for c in coarse])


def varied(image, rng):
    """A near-duplicate: brighter or darker, a little noise, a pixel aside."""
    moved = np.roll(image, rng.integers(-1, 2), axis=rng.integers(2)).astype(float)
    return np.clip(moved * rng.uniform(0.9, 1.1) + rng.normal(0, 4, image.shape), 0, 255).astype(
        np.uint8
    )


def test_digits_are_quiet():
    assert load(DataSettings()).warnings == ()


def test_enlarged_digits_hardly_cry_wolf(tmp_path):
    digits = load(DataSettings())
    arrays = {
        "x_train": np.concatenate([digits.train.images, digits.validation.images]),
        "y_train": np.concatenate([digits.train.labels, digits.validation.labels]),
        "x_test": digits.test.images,
        "y_test": digits.test.labels,
    }
    for name in ("x_train", "x_test"):
        arrays[name] = arrays[name].repeat(4, 1).repeat(4, 2)
    np.savez(tmp_path / "large.npz", **arrays)
    leaks = [w for w in warnings_of(tmp_path / "large.npz") if "near-duplicate" in w]
    found = [int(word) for w in leaks for word in w.split(" have ")[0].split() if word.isdigit()]
    assert sum(found[::2]) <= 9  # of 598 images held out


def test_clean_photographs_are_quiet(tmp_path):
    write_folder(tmp_path, smooth(1500), np.arange(1500) % 3)
    assert warnings_of(tmp_path) == ()


@pytest.mark.parametrize(("count", "warned"), [(1500, False), (60, True)])
def test_a_small_validation_part(tmp_path, count, warned):
    write_folder(tmp_path, *pictures(count, 8))
    about = [w for w in warnings_of(tmp_path) if w.startswith("the validation part")]
    assert bool(about) == warned
    if warned:
        assert "9 images" in about[0]
        assert f"{50 / 3:.1f} points" in about[0]


def test_rare_and_unequal_classes(tmp_path):
    images, labels = pictures(120, 8)
    kept = (labels < 2) | (np.arange(120) < 12)  # 40, 40 and 4
    found = warnings_of(write_folder(tmp_path / "some", images[kept], labels[kept]))
    assert "classes with fewer than 10 images: cow" in found
    assert any("class ant has 40 images, cow 4" in w and "balanced-accuracy" in w for w in found)
    equal = warnings_of(write_folder(tmp_path / "equal", images, labels))
    assert not [w for w in equal if "class" in w]


def test_images_shrunk_much(tmp_path):
    images, labels = pictures(60, 64)
    write_folder(tmp_path, images, labels)
    about = [w for w in warnings_of(tmp_path, image_size=(8, 8)) if "shrunk" in w]
    assert about == []
    about = [w for w in warnings_of(tmp_path, image_size=(9, 7)) if "shrunk" in w]
    assert about
    assert about[0].startswith("60 images were shrunk more than 8 times, to 9x7 pixels")
    assert "--image-size" in about[0]


@pytest.mark.parametrize("side", [8, 24])
def test_identical_images_across_the_parts(tmp_path, side):
    images, labels = pictures(90, side)
    images[60:75] = images[:15]
    np.savez(
        tmp_path / "a.npz",
        x_train=images[:60],
        y_train=labels[:60],
        x_test=images[60:],
        y_test=labels[60:],
    )
    (about,) = [w for w in warnings_of(tmp_path / "a.npz", validation=0.01) if "near-dup" in w]
    assert (
        about.startswith("15 of 30 test images have")
        or " and 15 of 30 test images" in about
        or ("of 30 test images" in about)
    )
    assert "x_test[" in about
    assert "x_train[" in about
    assert "--labels FILE.csv" in about


def test_changed_copies_are_found_and_others_are_not(tmp_path):
    rng = np.random.default_rng(1)
    images, labels = smooth(400, side=48), np.arange(400) % 3
    images[300:340] = [varied(image, rng) for image in images[:40]]
    labels[300:340] = labels[:40]
    root = write_folder(tmp_path, images[:300], labels[:300], prefix="train")
    write_folder(root, images[300:], labels[300:], prefix="val")
    (about,) = [w for w in warnings_of(root) if "near-duplicate" in w]
    found = int(about.split(" of 100 test")[0].split()[-1])
    assert 30 <= found <= 40
    assert "train/" in about


def test_cifar_10_has_a_few_known_ones(tmp_path, shared_data):
    known = np.load(shared_data / "cifar10" / "labels.npz")
    sheets = {}
    for split in ("train", "test"):
        path = sorted((shared_data / "cifar10").glob(f"{split}_*.webp"))[0]
        sheet = np.asarray(Image.open(path).convert("RGB"))
        sheets[split] = sheet.reshape(25, 32, 40, 32, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)
    np.savez(
        tmp_path / "some.npz",
        x_train=sheets["train"],
        y_train=known["train_labels"][:1000].astype(int),
        x_test=sheets["test"],
        y_test=known["test_labels"][:1000].astype(int),
    )
    about = [w for w in warnings_of(tmp_path / "some.npz") if "near-duplicate" in w]
    found = [int(word) for w in about for word in w.split(" have ")[0].split() if word.isdigit()]
    assert sum(found[::2]) <= 5  # 2 % of the images with 2 % of their partners


def measured(settings, metric):
    recipe = {"steps": 450, "batch": 32, "learning_rate": 0.01, "metric": metric}
    resolved = resolve("small", {"skeleton": Skeleton(("conv",), (16,), (1,)), "recipe": recipe})
    evaluate = EarlyStopEvaluator(resolved, load(settings), "cpu")
    return evaluate(Task(number=0, code="(1,1,3,0,0) (2,1,3,1,0) (3,7,0,0,0)", seed=0)).accuracy


def test_ten_near_duplicates_of_each_and_a_class_of_one_percent(tmp_path):
    """Groups take away what the leak gave; balanced accuracy tells of the rare class."""
    rng = np.random.default_rng(2)
    names = ["rare" if i < 3 else ("one", "two")[i % 2] for i in range(300)]  # nothing to learn
    rows = []
    for original, (image, name) in enumerate(zip(smooth(300), names, strict=True)):
        for copy in range(10):
            path = f"{original}-{copy}.png"
            save_png(tmp_path / path, varied(image, rng))
            rows.append({"path": path, "label": name, "group": f"g{original}"})
    plain = [{"path": row["path"], "label": row["label"]} for row in rows]
    torn = DataSettings(labels=str(write_csv(tmp_path / "plain.csv", plain)))
    whole = DataSettings(labels=str(write_csv(tmp_path / "groups.csv", rows)))
    assert any("near-duplicate" in w for w in load(torn).warnings)
    assert not any("near-duplicate" in w for w in load(whole).warnings)
    assert any("class two has" in w and "balanced-accuracy" in w for w in load(torn).warnings)
    leaked, kept = measured(torn, "accuracy"), measured(whole, "accuracy")
    assert leaked > kept + 10
    assert measured(whole, "balanced-accuracy") < kept - 10
