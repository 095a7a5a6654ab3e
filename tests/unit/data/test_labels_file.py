"""The CSV of labels: columns, parts and groups."""

import numpy as np
import pytest

from blockqnn.config import DataSettings
from blockqnn.data.dataset import Dataset, load
from blockqnn.errors import InputError
from pictures import NAMES, pictures, save_png, write_csv

IMAGES, LABELS = pictures(60)


def row(number: int, **more: str) -> dict[str, str]:
    return {"path": f"{number}.png", "label": NAMES[LABELS[number]], **more}


@pytest.fixture
def root(tmp_path):
    for number, image in enumerate(IMAGES):
        save_png(tmp_path / f"{number}.png", image)
    return tmp_path


def of(root, rows, **settings) -> Dataset:
    return load(DataSettings(labels=str(write_csv(root / "labels.csv", rows)), **settings))


def part_of(data: Dataset, number: int) -> str:
    wanted = IMAGES[number]
    return next(
        name
        for name in ("train", "validation", "test")
        if (getattr(data, name).images == wanted).all((1, 2, 3)).any()
    )


def test_parts_as_named_and_train_where_left_empty(root):
    parts = ["train", "val", "test", "", "validation"]
    data = of(root, [row(i, part=parts[i // 3 % 5]) for i in range(60)])
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 24, 12)
    assert part_of(data, 3) == "validation"
    assert part_of(data, 9) == "train"


def test_a_byte_order_mark_and_spaces_do_no_harm(root):
    lines = ["path, label", *(f"{i}.png, {NAMES[LABELS[i]]}" for i in range(60))]
    (root / "marked.csv").write_text("\ufeff" + "\r\n".join(lines))
    assert load(DataSettings(labels=str(root / "marked.csv"))).classes == NAMES


def test_groups_stay_together(root):
    rows = [row(i, group=f"g{i // 6}") for i in range(60)]
    data = of(root, rows)
    for group in range(10):
        assert len({part_of(data, group * 6 + i) for i in range(6)}) == 1
    assert len(data.validation)
    assert len(data.test)
    assert {len(np.unique(part.labels)) for part in (data.train, data.validation, data.test)} == {3}


def test_groups_do_not_depend_on_names_and_order(root):
    rows = [row(i, group=f"g{i // 6}") for i in range(60)]
    other = [row(i, group=f"{'xyzuvwabcd'[i // 6]}") for i in np.random.default_rng(0).permutation(60)]
    assert of(root, rows).digest == of(root, other).digest


def test_rows_without_group_are_groups_of_one(root):
    data = of(root, [row(i, group="one" if i < 6 else "") for i in range(60)])
    assert len({part_of(data, i) for i in range(6)}) == 1
    assert len(data.test) == pytest.approx(12, abs=3)


def test_groups_with_a_named_test_part(root):
    rows = [row(i, group=f"g{i // 6}", part="test" if i < 12 else "") for i in range(60)]
    data = of(root, rows)
    assert len(data.test) == 12
    assert {part_of(data, i) for i in range(12)} == {"test"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [row(i, group=f"g{i // 6}", part="test" if i < 9 else "") for i in range(60)],
            "group 'g1' lies",
        ),
        ([row(i, group=f"g{i % 3}") for i in range(60)], "leave a class without training images"),
        ([row(i, group="all") for i in range(60)], "one group: too few for a test part"),
    ],
)
def test_groups_that_cannot_be_kept(root, rows, message):
    with pytest.raises(InputError, match=message) as refused:
        of(root, rows)
    assert "\n" not in str(refused.value)
