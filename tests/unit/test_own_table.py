"""The table of blocks on digits is what its page says."""

from itertools import islice

import numpy as np
import pytest
import torch

import own_table
from blockqnn.evaluation.device import fingerprint
from blockqnn.space.code import parse
from blockqnn.tables.table import Table

RANDOM, SEARCHED = 2000, 500
torch.set_num_threads(1)  # as in a worker


@pytest.fixture(scope="module")
def table():
    return Table(own_table.ROOM / "table.npz")


def test_so_many_blocks_no_two_of_which_are_one_network(table):
    origins = table.column("origin")
    assert (origins == 0).sum() == RANDOM
    assert (origins > 0).sum() >= SEARCHED
    assert table.distinct == len(origins)


def test_sizes_are_those_of_the_planned_networks(table):
    data = own_table.split()
    codes = [table.space.text(episode) for episode in table.space.episodes]
    plans = [own_table.planned(parse(code), data) for code in codes]
    assert table.column("params").tolist() == [plan.params for plan in plans]
    assert table.column("flops").tolist() == [plan.flops for plan in plans]


def test_the_random_ones_are_the_first_of_the_draw(table):
    data, codes = own_table.split(), [table.space.text(e) for e in table.space.episodes]
    random = {code for code, origin in zip(codes, table.column("origin"), strict=True) if not origin}
    assert random == set(map(str, islice(own_table.random_ones(data), RANDOM)))


def test_what_trains_guides_and_judges_is_apart_and_has_all_classes():
    data = own_table.split()
    parts = (data.train, data.validation, data.test)
    assert [len(part.labels) for part in parts] == [300, 700, 797]
    for part in parts:
        assert np.bincount(part.labels, minlength=10).min() >= 0.09 * len(part.labels)
    images = np.concatenate([part.images.reshape(len(part.images), -1) for part in parts])
    assert len(np.unique(images, axis=0)) == 1797


def test_rows_are_what_the_training_gives_again(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # else it would stay so for other tests
    quick = sorted(own_table.rows(), key=lambda row: row["seconds"])[100:103]
    if not all(fingerprint("cpu").startswith(row["fingerprint"]) for row in quick):
        pytest.skip(f"measured on {quick[0]['fingerprint']}: another machine rounds differently")
    measured = own_table.Measured(tmp_path / "rows")
    for row in quick:
        plan = own_table.planned(parse(row["code"]), measured.data)
        assert measured.trained(plan, own_table.BRIEF, 0)[0] == row["brief"][0]
