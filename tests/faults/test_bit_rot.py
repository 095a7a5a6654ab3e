"""A thousand flipped bits in a run file: each is found and refused, or nobody reads anything else."""

from random import Random
from unittest.mock import ANY

import pytest

from blockqnn.runtime import store
from blockqnn.runtime.file import verify
from blockqnn.runtime.store import DATABASE
from damage import fill, found, put, refused, seen

FLIPS = 1000


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The content of a sound file, and what is read in it."""
    directory = fill(tmp_path_factory.mktemp("whole") / "run")
    assert not found(directory)
    return (directory / DATABASE).read_bytes(), seen(directory)


def flipped(content, flips=FLIPS):
    rng = Random(0)
    for _ in range(flips):
        bits = bytearray(content)
        bits[rng.randrange(len(bits))] ^= 1 << rng.randrange(8)
        yield bytes(bits)


def silent(content, expected, directory):
    """What nobody noticed: damage found and not refused, or other values than were written."""
    put(directory, content)
    told = found(directory)
    now = seen(directory)
    if now not in (None, expected):
        return True
    if told:
        return not refused(directory)
    return now is None or refused(directory)


def test_no_flipped_bit_changes_what_is_read(whole, tmp_path):
    content, expected = whole
    noticed = 0
    for bits in flipped(content):
        assert not silent(bits, expected, tmp_path / "run")
        noticed += found(tmp_path / "run")
    assert noticed > FLIPS / 4  # of the others most lie where nothing is written yet


@pytest.mark.parametrize("table", verify.TABLES)
def test_a_table_without_its_checksum_would_be_noticed(whole, tmp_path, monkeypatch, table):
    """The test above can fail: with one table's checksum taken for right, other values are read."""
    right = verify.checksum

    def blind(of_table, row):
        return ANY if of_table == table else right(of_table, row)

    for module in (verify, store):
        monkeypatch.setattr(module, "checksum", blind)
    content, expected = whole
    assert any(silent(bits, expected, tmp_path / "run") for bits in flipped(content))
