"""Class folders, split folders, and what else lies about."""

import os

import numpy as np
import pytest

from blockqnn.config import DataSettings
from blockqnn.data.dataset import load
from blockqnn.errors import InputError
from pictures import pictures, save_png, write_folder

IMAGES, LABELS = pictures(60)


def sizes(data):
    return len(data.train), len(data.validation), len(data.test)


def of(root, **settings):
    return load(DataSettings(source=str(root), **settings))


def test_class_folders(tmp_path):
    data = of(write_folder(tmp_path, IMAGES, LABELS))
    assert data.classes == ("ant", "bee", "cow")
    assert sizes(data) == (39, 9, 12)  # 20 a class: 4 to test, round(16 / 6) = 3 to validate
    assert data.name == tmp_path.name
    assert not data.notes


def test_classes_in_natural_order(tmp_path):
    names = ("10", "2", "1a")
    assert of(write_folder(tmp_path, IMAGES, LABELS, names)).classes == ("1a", "2", "10")


def test_a_deeper_folder_belongs_to_its_class(tmp_path):
    write_folder(tmp_path, IMAGES[:30], LABELS[:30])
    for number, (image, label) in enumerate(zip(IMAGES[30:], LABELS[30:], strict=True)):
        save_png(tmp_path / ("ant", "bee", "cow")[label] / "2024" / "raw" / f"{number}.PNG", image)
    whole = of(write_folder(tmp_path / "flat", IMAGES, LABELS)).digest
    for path in (tmp_path / "flat").rglob("*.png"):
        path.unlink()
    assert of(tmp_path).digest == whole


def split(root, **parts):
    begin = 0
    for prefix, count in parts.items():
        part = slice(begin, begin + count)
        write_folder(root, IMAGES[part], LABELS[part], prefix=prefix)
        begin += count
    return root


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_all_three_parts_named(tmp_path, name):
    data = of(split(tmp_path, train=30, **{name: 15}, test=15))
    assert sizes(data) == (30, 15, 15)
    assert data.classes == ("ant", "bee", "cow")


def test_train_and_val_without_test(tmp_path):
    data = of(split(tmp_path, train=45, val=15))
    assert sizes(data) == (39, 6, 15)
    assert any("val is the test part" in note for note in data.notes)


def test_train_and_test(tmp_path):
    assert sizes(of(split(tmp_path, train=45, test=15))) == (39, 6, 15)


def test_train_alone(tmp_path):
    assert sizes(of(split(tmp_path, train=60))) == (39, 9, 12)


def test_a_class_may_be_called_test_or_train(tmp_path):
    data = of(write_folder(tmp_path, IMAGES, LABELS, ("train", "test", "other")))
    assert data.classes == ("other", "test", "train")
    (tmp_path / "two").mkdir()
    data = of(write_folder(tmp_path / "two", IMAGES, LABELS % 2, ("train", "test")))
    assert data.classes == ("test", "train")


def test_what_is_no_image_is_ignored_and_counted_when_many(tmp_path):
    write_folder(tmp_path, IMAGES, LABELS)
    (tmp_path / ".hidden").mkdir()
    save_png(tmp_path / ".hidden" / "a.png", IMAGES[0])
    save_png(tmp_path / "ant" / ".b.png", IMAGES[0])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.txt").write_text("no image")
    before = of(tmp_path)
    assert sum(sizes(before)) == 60
    assert before.classes == ("ant", "bee", "cow")
    assert not before.notes
    for i in range(20):
        (tmp_path / "ant" / f"{i}.xml").touch()
    assert any("21 files are no images" in note for note in of(tmp_path).notes)


def test_links_are_followed_but_not_in_circles(tmp_path):
    write_folder(tmp_path / "away", IMAGES, LABELS)
    root = tmp_path / "root"
    root.mkdir()
    for name in ("ant", "bee", "cow"):
        (root / name).symlink_to(tmp_path / "away" / name)
    (tmp_path / "away" / "ant" / "loop").symlink_to(root)
    (root / "broken.png").symlink_to(tmp_path / "nowhere")
    data = of(root)
    assert data.classes == ("ant", "bee", "cow")
    assert sum(sizes(data)) >= 60


def test_a_part_without_class_folders_is_refused(tmp_path):
    split(tmp_path, train=45)
    save_png(tmp_path / "test" / "1.png", IMAGES[0])
    with pytest.raises(InputError, match="test holds images outside any class folder"):
        of(tmp_path)


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_class_that_train_lacks_is_refused(tmp_path, name):
    split(tmp_path, train=30, val=15, test=15)
    save_png(tmp_path / name / "yak" / "1.png", IMAGES[0])
    with pytest.raises(InputError, match=r"class 'yak' of the .* part has no training images"):
        of(tmp_path)


def test_unreadable_images_are_refused_or_left_out(tmp_path):
    write_folder(tmp_path, IMAGES, LABELS)
    for name in ("zero.png", "text.jpg"):
        (tmp_path / "bee" / name).write_bytes(name.encode() * 9)
    with pytest.raises(InputError) as refused:
        of(tmp_path)
    message = str(refused.value)
    assert f"2 of 62 images cannot be read, first bee{os.sep}text.jpg" in message
    assert "data.unreadable=skip" in message
    data = of(tmp_path, unreadable="skip")
    assert sum(sizes(data)) == 60
    assert any("2 of 62 images cannot be read" in warning for warning in data.warnings)


def test_images_of_many_sizes(tmp_path):
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        grown = np.kron(image, np.ones((1 + number % 2, 1 + number % 3, 1), np.uint8))
        save_png(tmp_path / "abc"[label] / f"{number}.png", grown)
    assert of(tmp_path).image_size == (20, 20)
    assert of(tmp_path, image_size=(8, 9)).image_size == (8, 9)


def test_one_large_size_shrinks_to_the_largest(tmp_path):
    big = IMAGES.repeat(5, 1).repeat(6, 2)
    root = write_folder(tmp_path, big, LABELS)
    assert of(root).image_size == (64, 64)
    assert load(DataSettings(source=str(root)), largest=224).image_size == (100, 120)
