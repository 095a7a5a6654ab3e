"""CIFAR's python files: read without running what a pickle may hold."""

import pickle
import pickletools
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from blockqnn.config import DataSettings
from blockqnn.data.dataset import load
from blockqnn.data.opcodes import read_values
from blockqnn.errors import InputError
from pictures import pictures, write_official


def written(path: Path, value: object, protocol: int) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(5))
def test_values_and_arrays_of_every_protocol(tmp_path, protocol):
    value = {
        b"data": np.arange(24, dtype=np.uint8).reshape(4, 6),
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "wide": np.arange(3, dtype=">i4"),
        "labels": list(range(1200)),
        "names": [b"a", "b\u00e9", ("c", 1, 2.5, None, True, 2**70, -3), {}, []],
    }
    value["again"] = value["labels"]
    found = read_values(written(tmp_path / "a", value, protocol))
    assert found.keys() == value.keys()
    for key in (b"data", "turned", "wide"):
        assert found[key].dtype == value[key].dtype
        assert np.array_equal(found[key], value[key])
    assert found["labels"] == found["again"] == value["labels"]
    assert found["names"] == value["names"]


def test_as_python_2_wrote_it(tmp_path):
    # protocol 2 of Python 2: text of one character a byte, also for the pixels
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 6)
    content = (
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x06\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x0c" + pixels.tobytes() + b"tbU\x06labels](K\x01K\x00eu."
    )
    (tmp_path / "a").write_bytes(content)
    found = read_values(tmp_path / "a")
    assert np.array_equal(found["data"], pixels)
    assert found["labels"] == [1, 0]


class Evil:
    def __reduce__(self):
        return Path("/tmp/blockqnn-was-here").touch, ()


HOSTILE = {
    "system": b"cos\nsystem\n(S'touch /tmp/blockqnn-was-here'\ntR.",
    "eval": b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
    "method": pickle.dumps(Evil(), 2),
    "instance": b"(ios\nsystem\n.",
    "object": b"(cos\nsystem\no.",
    "newobj": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "persistent": b"Pid\n.",
    "extension": b"\x80\x02\x82\x01.",
    "call of a value": b"\x80\x02K\x01)R.",
    "array of objects": pickle.dumps(np.array([{}], object), 2),
    "state of a list": b"\x80\x02]}b.",
    "no mark": b"\x80\x02t.",
    "memo": b"\x80\x02h\x07.",
    "empty stack": b"\x80\x02.",
    "half": pickle.dumps({"a": list(range(100))}, 2)[:-50],
    "nothing": b"",
    "text": b"no pickle at all",
    "many bytes": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R\x89\x8a\x06\x00\x00\x00\x00\x00\x01tb.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_do_nothing_but_be_refused(tmp_path, name):
    path = tmp_path / "data_batch_1"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(InputError) as refused:
        read_values(path)
    assert str(path) in str(refused.value)
    assert "opcode" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not Path("/tmp/blockqnn-was-here").exists()


def test_every_cut_and_many_flips_of_a_file_are_refused_or_read(tmp_path):
    whole = pickle.dumps({b"data": np.arange(6, dtype=np.uint8), b"labels": [1, 2]}, 2)
    path, rng = tmp_path / "a", np.random.default_rng(0)
    contents = [whole[:cut] for cut in range(len(whole))]
    for at in rng.integers(0, len(whole), 500):
        changed = bytearray(whole)
        changed[at] = rng.integers(256)
        contents.append(bytes(changed))
    for content in contents:
        path.write_bytes(content)
        with suppress(InputError):
            read_values(path)


def test_the_reader_knows_only_opcodes_that_exist():
    from blockqnn.data import opcodes

    known = {opcode.name for opcode in pickletools.opcodes}
    assert {*opcodes._VALUES, *opcodes._CONSTANTS, *opcodes._STEPS} <= known


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("parent", [True, False])
def test_the_directory_or_its_parent(tmp_path, protocol, parent):
    images, labels = pictures(72, 32)
    folder = write_official(tmp_path / "cifar-10-batches-py", images, labels, protocol=protocol)
    data = load(DataSettings(source=str(tmp_path if parent else folder)))
    assert data.classes == ("ant", "bee", "cow")
    assert data.image == (3, 32, 32)
    assert (len(data.train), len(data.validation), len(data.test)) == (51, 9, 12)


def test_two_sets_in_one_directory_are_refused(tmp_path):
    for name in ("cifar-10-batches-py", "cifar-10-other"):
        write_official(tmp_path / name, *pictures(72, 32))
    with pytest.raises(InputError, match="cifar-10-batches-py, cifar-10-other; name one of them"):
        load(DataSettings(source=str(tmp_path)))


def test_without_names_classes_are_numbers(tmp_path):
    write_official(tmp_path, *pictures(72, 32))
    (tmp_path / "batches.meta").unlink()
    data = load(DataSettings(source=str(tmp_path)))
    assert data.classes == ("0", "1", "2")
    assert any("numbers for names" in note for note in data.notes)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({b"labels": [0]}, "no images of 32x32"),
        ({b"data": np.zeros((2, 3072), np.uint8)}, "one label from 0"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, -1]}, "one label from 0"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 10**6]}, "label 1000000"),
        ({b"data": np.zeros((2, 100), np.uint8), b"labels": [0, 1]}, "no images of 32x32"),
        ([1, 2], "no dictionary"),
    ],
)
def test_other_contents_are_refused(tmp_path, batch, message):
    written(tmp_path / "data_batch_1", batch, 2)
    with pytest.raises(InputError, match=message) as refused:
        load(DataSettings(source=str(tmp_path)))
    assert "data_batch_1" in str(refused.value)


@pytest.mark.slow
def test_cifar_100_as_published(tmp_path, shared_data):
    command = [sys.executable, str(shared_data / "unpack.py"), "cifar100", str(tmp_path), "--official"]
    subprocess.run(command, check=True)
    names = {"fine_label_names": [f"fish {i}" for i in range(100)], "coarse_label_names": []}
    written(tmp_path / "cifar-100-python" / "meta", names, 2)
    data = load(DataSettings(source=str(tmp_path)))
    assert data.classes == tuple(names["fine_label_names"])
    assert len(data.train) + len(data.validation) == 50_000
    assert len(data.test) == 10_000
