"""Images decoded anew are those that would have been prepared, in the same parts and order."""

import numpy as np
import pytest
from PIL import Image

from blockqnn import InputError
from blockqnn.config import DataSettings
from blockqnn.data import cache, dataset
from blockqnn.data.decode import ImageFiles
from blockqnn.data.encoded import Encoded, Window
from blockqnn.data.folder import files_source

SIZE = (24, 20)


def photo(seed, height=60, width=80, mode="RGB"):
    """Something smooth, as photographs are."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


@pytest.fixture
def photos(tmp_path):
    """Two classes of photos of several forms and sizes."""
    root = tmp_path / "photos"
    for name, begin in (("cat", 0), ("dog", 100)):
        (root / name).mkdir(parents=True)
        for i in range(12):
            picture = photo(begin + i, 50 + i, 90 - 2 * i, "L" if i == 3 else "RGB")
            picture.save(root / name / f"{i}.{'png' if i % 3 else 'jpg'}")
    return root


def test_parts_order_and_images_are_the_prepared_ones(photos):
    settings = DataSettings(source=str(photos), image_size=SIZE)
    prepared, anew = dataset.load(settings), dataset.load(settings, encoded=True)
    for one, other in (
        (prepared.train, anew.train),
        (prepared.validation, anew.validation),
        (prepared.test, anew.test),
    ):
        assert isinstance(other.images, Encoded)
        assert np.array_equal(one.labels, other.labels)
        assert one.images.shape == other.images.shape
        assert all(np.array_equal(one.images[row], other.images[row]) for row in range(len(one)))
    assert prepared.classes == anew.classes
    assert prepared.image == anew.image
    assert np.allclose(prepared.mean, anew.mean, atol=1e-12)
    assert np.allclose(prepared.deviation, anew.deviation, atol=1e-9)
    assert prepared.warnings == anew.warnings
    assert prepared.digest != anew.digest, "what is trained on is not the same"


def test_no_pixels_are_kept_and_nothing_is_decoded_twice(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("BLOCKQNN_CACHE", str(tmp_path / "cache"))
    settings = DataSettings(source=str(photos), image_size=SIZE)
    first = dataset.load(settings, encoded=True)
    (entry,) = cache.root().glob("[!.]*")
    assert {path.name for path in entry.iterdir()} == {cache.NUMBERS, cache.LABELS, cache.META}
    monkeypatch.setattr(dataset, "prepare", lambda *_: pytest.fail("prepared again"))
    assert dataset.load(settings, encoded=True).digest == first.digest


def test_another_image_is_another_digest(photos):
    settings = DataSettings(source=str(photos), image_size=SIZE)
    before = dataset.load(settings, encoded=True).digest
    photo(7).save(photos / "cat" / "1.png")
    assert dataset.load(settings, encoded=True).digest != before


def test_damaged_images_are_refused_or_left_out_before_any_training(photos):
    (photos / "cat" / "1.png").write_bytes(b"no image")
    settings = DataSettings(source=str(photos), image_size=SIZE)
    with pytest.raises(InputError, match=r"1 of 24 images cannot be read, first cat/1.png"):
        dataset.load(settings, encoded=True)
    skipping = settings.model_copy(update={"unreadable": "skip"})
    prepared, anew = dataset.load(skipping), dataset.load(skipping, encoded=True)
    assert anew.warnings == prepared.warnings
    assert np.array_equal(anew.train.images[0], prepared.train.images[0])


@pytest.mark.parametrize("kind", ["digits", "npz", "labels", "parquet"])
def test_every_source_can_be_decoded_anew(kind, photos, tmp_path):
    if kind == "digits":
        settings = DataSettings()
    elif kind == "npz":
        rng = np.random.default_rng(0)
        images = rng.integers(0, 255, (40, 9, 8, 5), dtype=np.uint8)
        labels = np.arange(40) % 2
        np.savez(
            tmp_path / "some.npz", x_train=images[:30], y_train=labels[:30], x_test=images[30:],
            y_test=labels[30:],
        )  # fmt: skip
        settings = DataSettings(source=str(tmp_path / "some.npz"))
    elif kind == "labels":
        paths = sorted(photos.rglob("*.png"))
        lines = ["path,label", *(f"{p.relative_to(photos)},{p.parent.name}" for p in paths)]
        (tmp_path / "some.csv").write_text("\n".join(lines))
        settings = DataSettings(source=str(photos), labels=str(tmp_path / "some.csv"))
    else:
        datasets = pytest.importorskip("datasets")
        rows = [
            {"image": {"bytes": p.read_bytes(), "path": None}, "label": p.parent.name}
            for p in sorted(photos.rglob("*.png"))
        ]
        datasets.Dataset.from_list(rows).to_parquet(tmp_path / "some.parquet")
        settings = DataSettings(source=f"hf:{tmp_path / 'some.parquet'}")
    prepared, anew = dataset.load(settings), dataset.load(settings, encoded=True)
    for one, other in ((prepared.train, anew.train), (prepared.test, anew.test)):
        assert np.array_equal(one.labels, other.labels)
        assert all(np.array_equal(one.images[row], other.images[row]) for row in range(0, len(one), 3))


@pytest.mark.parametrize("size", [(60, 80), (80, 60), (300, 20)])
def test_a_window_lies_inside_and_has_the_share(size):
    rng = np.random.default_rng(0)
    areas = []
    for chances in rng.random((500, 4)):
        left, top, right, bottom = Window(*chances).box(size, 0.2)
        assert 0 <= left < right <= size[1] + 1e-9
        assert 0 <= top < bottom <= size[0] + 1e-9
        areas.append((right - left) * (bottom - top) / (size[0] * size[1]))
        if size != (300, 20):
            assert 3 / 4 - 0.02 <= (right - left) / (bottom - top) <= 4 / 3 + 0.02 or max(areas) > 0.55
    assert max(areas) <= 1 + 1e-9
    if size != (300, 20):
        assert min(areas) >= 0.2 - 1e-9
        assert np.mean(np.array(areas) < 0.4) > 0.15, "small ones too"
    whole = Window(1.0, 0.5, 0.3, 0.7).box((50, 50), 0.2)
    assert whole == pytest.approx((0, 0, 50, 50))


def encoded_of(tmp_path, picture, name="one.jpg", size=(40, 40), channels=3):
    picture.save(tmp_path / name)
    files = files_source([str(tmp_path / name)], tmp_path)
    return Encoded(files, np.array([0]), size, channels, "crop")


def test_a_window_shows_that_part_of_the_image(tmp_path):
    picture = photo(1, 120, 160)
    encoded = encoded_of(tmp_path, picture, "one.png")
    window = Window(0.2, 0.6, 0.1, 0.9)
    box = window.box((120, 160), 0.1)
    expected = picture.crop([round(side) for side in box]).resize((40, 40), Image.Resampling.BILINEAR)
    difference = encoded.window(0, window, 0.1).astype(int) - np.asarray(expected)
    assert np.abs(difference).mean() < 4, "but for parts of pixels at the border"


def test_a_large_jpeg_is_read_smaller(tmp_path, monkeypatch):
    encoded = encoded_of(tmp_path, photo(1, 900, 1200))
    read: list[tuple[int, ...]] = []
    original = ImageFiles.read

    def noted(self, number, reduced=1.0):
        pixels = original(self, number, reduced)
        read.append(pixels.shape)
        return pixels

    window = Window(0.9, 0.5, 0.5, 0.5)
    monkeypatch.setattr(ImageFiles, "read", noted)
    small = encoded.window(0, window, 0.08)
    monkeypatch.setattr(ImageFiles, "read", lambda self, number, _=1.0: original(self, number))
    exact = encoded.window(0, window, 0.08)
    assert read == [(113, 150, 3)], "an eighth"
    assert np.abs(small.astype(int) - exact).mean() < 2
    monkeypatch.setattr(ImageFiles, "read", noted)
    encoded.window(0, Window(0.0, 0.5, 0.5, 0.5), 0.003)
    assert read[-1] == (900, 1200, 3), "of a small window every pixel is needed"


def test_grey_and_colour_are_one_set(tmp_path):
    grey = encoded_of(tmp_path, photo(1, mode="L"), "grey.png")
    cut = grey.window(0, Window(0.5, 0.5, 0.5, 0.5), 0.5)
    assert cut.shape == (40, 40, 3)
    assert (cut[..., 0] == cut[..., 2]).all()
    one = encoded_of(tmp_path, photo(1, mode="L"), "grey.png", channels=1)
    assert np.array_equal(one.window(0, Window(0.5, 0.5, 0.5, 0.5), 0.5), cut[..., :1])


def test_an_image_is_in_the_same_part_at_every_size(photos):
    """Else a network trained at another size would be tested on images that chose its block."""

    def parts(size):
        data = dataset.load(DataSettings(source=str(photos), image_size=size), encoded=True)
        found = (data.train, data.validation, data.test)
        return [[part.images.name(row) for row in range(len(part))] for part in found]

    assert parts(SIZE) == parts((8, 8)) == parts((5, 9))
