"""What a user may get wrong: one line, at once, that names the value and what is allowed."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from blockqnn.config import DataSettings
from blockqnn.data import hub
from blockqnn.data.dataset import load
from blockqnn.errors import InputError
from pictures import bomb, pictures, save_png, write_csv, write_folder

IMAGES, LABELS = pictures(30)


def message_of(settings: DataSettings) -> str:
    begin = time.monotonic()
    with pytest.raises(InputError) as refused:
        load(settings)
    assert time.monotonic() - begin < 1
    message = str(refused.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def missing(root: Path) -> str:
    return str(root / "none")


def empty(root: Path) -> str:
    return str(root)


def loose(root: Path) -> str:
    save_png(root / "1.png", IMAGES[0])
    return str(root)


def one_class(root: Path) -> str:
    return str(write_folder(root, IMAGES, LABELS * 0))


def one_each(root: Path) -> str:
    return str(write_folder(root, IMAGES[:3], LABELS[:3]))


def same_images(root: Path) -> str:
    return str(write_folder(root, IMAGES * 0, LABELS))


def text_as_image(root: Path) -> str:
    write_folder(root, IMAGES, LABELS)
    (root / "bee" / "text.jpg").write_text("no image")
    return str(root)


def cut_short(root: Path) -> str:
    write_folder(root, IMAGES, LABELS)
    path = root / "bee" / "cut.png"
    save_png(path, np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:-900])
    return str(root)


def explosive(root: Path) -> str:
    write_folder(root, IMAGES, LABELS)
    (root / "bee" / "bomb.png").write_bytes(bomb())
    return str(root)


def nothing_readable(root: Path) -> str:
    for name in ("ant", "bee"):
        (root / name).mkdir()
        (root / name / "1.png").touch()
    return str(root)


def packed(root: Path) -> str:
    (root / "images.zip").write_bytes(b"PK")
    return str(root / "images.zip")


def some_file(root: Path) -> str:
    (root / "images.xyz").touch()
    return str(root / "images.xyz")


def damaged_npz(root: Path) -> str:
    (root / "a.npz").write_bytes(b"PK and no more")
    return str(root / "a.npz")


def no_parquet(root: Path) -> str:
    return f"hf:{root / 'none.parquet'}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (missing, "no such directory; allowed are digits, DIR, FILE.npz or hf:NAME[:CONFIG]"),
        (empty, "no images in it; read are bmp, jpeg, jpg, png, tif, tiff, webp"),
        (loose, "1 image lies outside any class folder; the layout is CLASS/*.jpg"),
        (one_class, "fewer than 2 classes, only ant"),
        (one_each, "class 'ant' has 1 image to train on: too few for a test part"),
        (same_images, "all training images are the same"),
        (text_as_image, "1 of 31 images cannot be read, first bee/text.jpg (no image that can be read)"),
        (cut_short, "1 of 31 images cannot be read, first bee/cut.png"),
        (explosive, "1 of 31 images cannot be read, first bee/bomb.png"),
        (nothing_readable, "2 of 2 images cannot be read"),
        (packed, "is packed; unpack it first"),
        (some_file, "allowed are digits, DIR, FILE.npz or hf:NAME[:CONFIG]"),
        (damaged_npz, "cannot be read as .npz"),
        (no_parquet, "no such file"),
        (lambda _: "hf:", "allowed is hf:NAME[:CONFIG]"),
    ],
)
def test_sources(tmp_path, source, reason):
    assert reason in message_of(DataSettings(source=source(tmp_path)))


def test_skipping_does_not_help_where_nothing_is_left(tmp_path):
    settings = DataSettings(source=nothing_readable(tmp_path), unreadable="skip")
    assert "2 of 2 images cannot be read" in message_of(settings)


def test_skipping_may_empty_a_class(tmp_path):
    write_folder(tmp_path, IMAGES, LABELS)
    (tmp_path / "yak").mkdir()
    (tmp_path / "yak" / "1.png").touch()
    settings = DataSettings(source=str(tmp_path), unreadable="skip")
    assert "class 'yak' has no image that can be read" in message_of(settings)


ROWS = [{"path": f"{i}.png", "label": str(i % 3)} for i in range(30)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no such file"),
        ("", "no column 'path' in the first line, which has nothing"),
        ("0.png,0\n1.png,1\n", "no column 'path' in the first line, which has 0.png, 0"),
        ("path,class\n0.png,1\n", "no column 'label' in the first line, which has path, class"),
        ("path,label\n", "no rows below the header"),
        ("path,label\n0.png,\n", "line 2: no label"),
        ("path,label\n,1\n", "line 2: no path"),
        ("path,label\n0.png,1\nnone.png,1\n", "line 3: no file 'none.png'"),
        ("path,label\n0.png,1\n\0.png,1\n", "line 3: no file"),
        ("path,label,part\n0.png,1,training\n", "part 'training'; allowed are train, val and test"),
        ("path,label\n0.png,1\n1.png,1\n", "fewer than 2 classes"),
        ("path,label,part\n0.png,1,test\n1.png,2,test\n", "class '1' of the test part has no training"),
        (b"\xff\xfe\x00", "cannot be read as CSV"),
    ],
)
def test_labels(tmp_path, text, reason):
    for number, image in enumerate(IMAGES):
        save_png(tmp_path / f"{number}.png", image)
    table = tmp_path / "labels.csv"
    if text is not None:
        table.write_bytes(text if isinstance(text, bytes) else text.encode())
    message = message_of(DataSettings(labels=str(table)))
    assert str(table) in message
    assert reason in message


def test_labels_of_a_directory_that_is_none(tmp_path):
    table = write_csv(tmp_path / "labels.csv", ROWS)
    settings = DataSettings(source=str(tmp_path / "none"), labels=str(table))
    assert "no such directory" in message_of(settings)


def test_hub_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"needs `pip install blockqnn\[hf\]`"):
        hub.hub("mnist")
