"""Damaged run files of every kind: an answer or one line, soon, in little memory.

A few hundred here; `BLOCKQNN_FUZZ=10000` before the command for so many of each format.
"""

import os
import resource
import time
from random import Random

import pytest

from blockqnn.errors import InputError
from blockqnn.report import checked, rows
from blockqnn.runtime.store import DATABASE, NotWritten, Store
from damage import fill, old, put

INPUTS = int(os.environ.get("BLOCKQNN_FUZZ", "300"))
PAGE = 4096
MEMORY = 64 * 2**10  # kilobytes beyond what the first inputs took
SECONDS = 1.0  # of the processor


def truncated(content, rng):
    return content[: rng.choice((rng.randrange(len(content)), rng.randrange(len(content)) // 512 * 512))]


def scribbled(content, rng):
    """Random bytes in random places, all in one page half of the time."""
    page = rng.randrange(len(content) // PAGE) * PAGE if rng.random() < 0.5 else None
    for _ in range(rng.choice((1, 2, 8, 64))):
        at = rng.randrange(len(content)) if page is None else page + rng.randrange(PAGE)
        content[at] = rng.randrange(256)
    return content


def swapped(content, rng):
    """Two pages exchanged, or one that lies there twice."""
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    a, b = rng.randrange(len(pages)), rng.randrange(len(pages))
    pages[a], pages[b] = pages[b], pages[a] if rng.random() < 0.5 else pages[b]
    return b"".join(pages)


def huge(content, rng):
    """Lengths, counts and page numbers as large as they can be."""
    for _ in range(rng.choice((1, 1, 4))):
        at = rng.randrange(len(content) - 9)
        if rng.random() < 0.5:  # where a page tells of itself
            at = at // PAGE * PAGE + rng.randrange(100)
        content[at : at + 9] = rng.choice((b"\xff" * 9, b"\x7f" + b"\xff" * 8, b"\x81" * 8 + b"\x00"))
    return content


def headed(content, rng):
    """The first hundred bytes, which say what all the others mean."""
    content[rng.randrange(100)] = rng.choice((0, 1, 2, 255, rng.randrange(256)))
    return content


def filled(content, rng):
    """A stretch of one byte; brackets are deep JSON where text is."""
    at = rng.randrange(len(content))
    length = min(len(content) - at, rng.choice((1, 50, 1000, PAGE)))
    content[at : at + length] = rng.choice((b"\0", b"[", b"\xff", b"9")) * length
    return content


KINDS = (truncated, scribbled, swapped, huge, headed, filled)


def kilobytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The contents of sound files, by format."""
    place = tmp_path_factory.mktemp("sound")
    new = fill(place / "new")
    files = {2: new, 1: old(place / "old", new)}
    return {form: (directory / DATABASE).read_bytes() for form, directory in files.items()}


def answered(what, directory):
    """Whether a call gives an answer; a refusal is one line."""
    begun = time.process_time()
    try:
        what(directory)
    except (InputError, NotWritten) as error:
        told = str(error)
        assert "\n" not in told
        assert len(told) < 2000
        return False
    finally:
        assert time.process_time() - begun < SECONDS, what
    return True


def status(directory):
    rows.read(directory).status()


def check(directory):
    found = checked.check(directory)
    assert (found.view is None) == bool(found.damages)
    assert found.told()
    assert list(found.lines())


def resume(directory):
    Store.resume(directory).close()


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("form", [1, 2])
def test_no_damaged_file_is_more_than_refused(sound, tmp_path, form):
    rng, refused = Random(form), 0
    for number in range(INPUTS):
        kind = KINDS[number % len(KINDS)]
        content = bytes(kind(bytearray(sound[form]), rng))
        directory = put(tmp_path / "run", content)
        if rng.random() < 0.1:  # what a killed writer left, or what passes for it
            (directory / f"{DATABASE}-journal").write_bytes(kind(bytearray(sound[form]), rng))
        for what in (status, check, resume):
            refused += not answered(what, directory)
        if number == INPUTS // 10:
            before = kilobytes()
    assert kilobytes() - before < MEMORY
    assert refused > INPUTS / 2
