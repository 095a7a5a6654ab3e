"""Files that want to run code, fill memory, hang the reader or write elsewhere: a function each.

Each writes below the folder that it is given and returns the command line that reads it. What would run
touches the file `canary` of the folder; what would write elsewhere aims at `outside`.
"""

import io
import json
import os
import pickle
import shutil
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from pictures import bomb, pictures, save_png, write_folder, write_official

Make = Callable[[Path], list[str]]
FILES: dict[str, Make] = {}


def hostile(make: Make) -> Make:
    FILES[make.__name__] = make
    return make


class Armed:
    """Makes the canary when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.canary = folder / "canary"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


def code(folder: Path) -> str:
    return f"__import__('os').mkdir({str(folder / 'canary')!r})"


def bomb_zip(path: Path, name: str, head: bytes, megabytes: int) -> None:
    """An archive of one member: the head, then zeros, a thousandth as long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    data += (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)) * megabytes
    data += packer.flush(zlib.Z_FINISH)
    size, title = len(head) + (megabytes << 20), name.encode()
    # the checksum is wrong, which is seen at the end
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(data), size, len(title), 0)
    local = b"PK\3\4" + fields + title
    central = b"PK\1\2\x14\0" + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + title
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(data), 0)
    path.write_bytes(local + data + central + end)


def npy_head(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def doubled(levels: int) -> bytes:
    """A pickled list that holds a list twice, which holds a list twice, ...: 2^levels texts to print."""
    lists = b"".join(b"](h%ch%ceq%c0" % (n, n, n + 1) for n in range(levels))
    return b"U\3lolq\x000" + lists + b"h%c" % levels


def search(data: Path) -> list[str]:
    return ["search", "--data", str(data), "--trials", "1", "--run", str(data.parent / "run")]


# Images


def official(folder: Path, name: str, content: bytes) -> list[str]:
    images, labels = pictures(72, 32)
    write_official(folder / "data", images, labels)
    (folder / "data" / name).write_bytes(content)
    return search(folder / "data")


@hostile
def cifar_batch_that_runs(folder: Path) -> list[str]:
    return official(folder, "data_batch_1", pickle.dumps(Armed(folder), 2))


@hostile
def cifar_names_that_run(folder: Path) -> list[str]:
    return official(folder, "batches.meta", pickle.dumps({b"label_names": Armed(folder)}, 2))


@hostile
def cifar_batch_of_eval(folder: Path) -> list[str]:
    text = code(folder).encode()
    return official(
        folder, "data_batch_1", b"\x80\x02c__builtin__\neval\nU%c%s\x85R." % (len(text), text)
    )


@hostile
def cifar_labels_that_double(folder: Path) -> list[str]:
    data = pickle.dumps(np.zeros((2, 3072), np.uint8), 2)[2:-1]
    return official(folder, "data_batch_1", b"\x80\x02}(U\4data%sU\6labels%su." % (data, doubled(60)))


@hostile
def cifar_names_that_double(folder: Path) -> list[str]:
    return official(folder, "batches.meta", b"\x80\x02}U\x0blabel_names]%sas." % doubled(60))


@hostile
def cifar_keys_that_double(folder: Path) -> list[str]:
    tuples = b"".join(b"h%ch%c\x86q%c0" % (n, n, n + 1) for n in range(60))
    return official(folder, "data_batch_1", b"\x80\x02U\3lolq\x000%s}h<K\1s." % tuples)


@hostile
def cifar_types_that_double(folder: Path) -> list[str]:
    return official(
        folder, "data_batch_1", b"\x80\x02" + doubled(60) + b"0cnumpy\ndtype\nh<K\0K\1\x87R."
    )


@hostile
def cifar_module_that_doubles(folder: Path) -> list[str]:
    return official(folder, "data_batch_1", b"\x80\x04" + doubled(60) + b"h<\x93.")


@hostile
def cifar_text_encoded_again_and_again(folder: Path) -> list[str]:
    text = b"X" + struct.pack("<I", 10 << 20) + b"x" * (10 << 20) + b"q\x000"
    call = b"c_codecs\nencode\nh\0U\6latin1\x86R"
    return official(folder, "data_batch_1", b"\x80\x02" + text + call * 1000 + b".")


@hostile
def cifar_marks_above_a_tall_stack(folder: Path) -> list[str]:
    return official(folder, "data_batch_1", b"\x80\x02" + b"K\1" * 250_000 + b"(t" * 150_000 + b".")


@hostile
def cifar_labels_of_a_huge_shape(folder: Path) -> list[str]:
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R"
        b"(K\1\x8a\x0a" + b"\x01" * 10 + b"\x85cnumpy\ndtype\nU\2u1K\0K\1\x87R\x89U\1xtb."
    )
    return official(folder, "data_batch_1", content)


@hostile
def cifar_deep(folder: Path) -> list[str]:
    return official(folder, "data_batch_1", b"\x80\x02" + b"]" * 10**6 + b"a" * (10**6 - 1) + b".")


@hostile
def cifar_array_of_a_terabyte(folder: Path) -> list[str]:
    content = (
        b"\x80\x02}(U\4datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R"
        b"(K\1\x8a\6\0\0\0\0\0\x01M\0\x0c\x86cnumpy\ndtype\nU\2u1K\0K\1\x87R\x89U\1xtbU\6labels]u."
    )
    return official(folder, "data_batch_1", content)


@hostile
def npz_of_objects(folder: Path) -> list[str]:
    armed = npy(np.array([Armed(folder)], object))
    names = ("x_train", "y_train", "x_test", "y_test")
    return search(archive(folder / "a.npz", {f"{name}.npy": armed for name in names}))


@hostile
def npz_that_is_a_pickle(folder: Path) -> list[str]:
    (folder / "a.npz").write_bytes(pickle.dumps(Armed(folder)))
    return search(folder / "a.npz")


@hostile
def npz_bomb(folder: Path) -> list[str]:
    size = 3900 << 20
    bomb_zip(folder / "a.npz", "x_train.npy", npy_head((size,)), 3900)
    return search(folder / "a.npz")


@hostile
def npz_of_a_shape_without_data(folder: Path) -> list[str]:
    return search(archive(folder / "a.npz", {"x_train.npy": npy_head((1 << 40, 8, 8))}))


@hostile
def npz_with_an_expression_for_a_head(folder: Path) -> list[str]:
    text = f"{{'descr': {code(folder)}, 'fortran_order': False, 'shape': (1,)}}\n".encode()
    head = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text
    return search(archive(folder / "a.npz", {"x_train.npy": head}))


@hostile
def npz_with_a_deep_head(folder: Path) -> list[str]:
    text = b"(" * 39000 + b")" * 5000
    head = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text
    return search(archive(folder / "a.npz", {"x_train.npy": head}))


@hostile
def npz_that_climbs(folder: Path) -> list[str]:
    return search(archive(folder / "a.npz", {"../../outside/planted.npy": npy(np.zeros(3))}))


@hostile
def npz_of_many_members(folder: Path) -> list[str]:
    return search(archive(folder / "a.npz", {f"{n}.npy": b"" for n in range(20_000)}))


@hostile
def table_of_objects(folder: Path) -> list[str]:
    path = archive(folder / "a.npz", {"codes.npy": npy(np.array([Armed(folder)], object))})
    return ["compare", "--table", str(path), "--reward", "a", "--judge", "a"]


@hostile
def zip_bomb(folder: Path) -> list[str]:
    bomb_zip(folder / "photos.zip", "cat/1.png", b"", 3900)
    return search(folder / "photos.zip")


@hostile
def tar_that_climbs(folder: Path) -> list[str]:
    with tarfile.open(folder / "photos.tar", "w") as file:
        file.addfile(tarfile.TarInfo("../outside/planted"), io.BytesIO())
        link = tarfile.TarInfo("cat")
        link.type, link.linkname = tarfile.SYMTYPE, "../outside"
        file.addfile(link)
    return search(folder / "photos.tar")


@hostile
def tar_that_calls_itself_npz(folder: Path) -> list[str]:
    tar_that_climbs(folder)
    return search((folder / "photos.tar").rename(folder / "photos.npz"))


def with_images(folder: Path, name: str, content: bytes) -> list[str]:
    write_folder(folder / "data", *pictures(30))
    (folder / "data" / "bee" / name).write_bytes(content)
    return search(folder / "data")


@hostile
def folder_that_goes_in_circles(folder: Path) -> list[str]:
    (folder / "data" / "ant").mkdir(parents=True)
    for name in ("up", "again"):
        (folder / "data" / "ant" / name).symlink_to("..")
    return search(folder / "data")


@hostile
def folder_with_links_elsewhere(folder: Path) -> list[str]:
    write_folder(folder / "data", *pictures(30))
    (folder / "data" / "bee" / "passwd.png").symlink_to("/etc/passwd")
    (folder / "data" / "bee" / "endless.png").symlink_to("/dev/zero")
    return search(folder / "data")


@hostile
def folder_with_pipes(folder: Path) -> list[str]:
    for name in ("ant", "bee"):
        (folder / "data" / name).mkdir(parents=True)
        os.mkfifo(folder / "data" / name / "1.png")
    return search(folder / "data")


@hostile
def png_bomb(folder: Path) -> list[str]:
    return with_images(folder, "bomb.png", bomb())


@hostile
def png_text_bomb(folder: Path) -> list[str]:
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "PNG")
    text = b"Comment\0\0" + zlib.compress(bytes(200 << 20), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    whole = stream.getvalue()
    return with_images(folder, "text.png", whole[:33] + chunk + whole[33:])


@hostile
def postscript_that_calls_itself_png(folder: Path) -> list[str]:
    canary = folder / "canary"
    text = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(%pipe%mkdir {canary}) (w) file\n"
    return with_images(folder, "script.png", text.encode())


@hostile
def tiff_of_a_terabyte(folder: Path) -> list[str]:
    entries = [(256, 4, 1, 1 << 20), (257, 4, 1, 1 << 20), (258, 3, 1, 8), (259, 3, 1, 1)]
    entries += [(262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 1 << 20), (279, 4, 1, 9)]
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
    return with_images(folder, "large.tif", b"II*\0\x08\0\0\0" + body + bytes(4))


@hostile
def labels_that_climb(folder: Path) -> list[str]:
    save_png(folder / "data" / "1.png", pictures(1)[0][0])
    text = "path,label\n1.png,ant\n../../../../../../../../etc/passwd,bee\n/dev/zero,bee\n"
    (folder / "labels.csv").write_text(text)
    return [*search(folder / "data"), "--labels", str(folder / "labels.csv")]


@hostile
def labels_of_one_endless_line(folder: Path) -> list[str]:
    (folder / "labels.csv").write_text("path,label\n" + "x" * (20 << 20))
    return ["search", "--labels", str(folder / "labels.csv"), "--run", str(folder / "run")]


@hostile
def hub_directory_with_a_script(folder: Path) -> list[str]:
    (folder / "set").mkdir()
    (folder / "set" / "set.py").write_text(code(folder))
    return ["search", "--data", f"hf:{folder / 'set'}", "--run", str(folder / "run")]


@hostile
def hub_archive_with_pickles(folder: Path) -> list[str]:
    (folder / "set").mkdir()
    with tarfile.open(folder / "set" / "train-0.tar", "w") as file:
        for suffix in ("png", "pyd", "pickle", "pkl"):
            content = pickle.dumps(Armed(folder))
            member = tarfile.TarInfo(f"1.{suffix}")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return ["search", "--data", f"hf:{folder / 'set'}", "--run", str(folder / "run")]


@hostile
def parquet_that_is_a_pickle(folder: Path) -> list[str]:
    (folder / "a.parquet").write_bytes(pickle.dumps(Armed(folder)))
    return ["search", "--data", f"hf:{folder / 'a.parquet'}", "--run", str(folder / "run")]


# Settings


def config(folder: Path, text: str) -> list[str]:
    (folder / "a.yaml").write_text(text)
    return ["search", "--config", str(folder / "a.yaml"), "--run", str(folder / "run")]


@hostile
def yaml_that_runs(folder: Path) -> list[str]:
    return config(folder, f"plan: !!python/object/apply:os.mkdir [{folder / 'canary'}]\n")


@hostile
def yaml_of_a_name(folder: Path) -> list[str]:
    return config(folder, "plan: !!python/name:os.system\n")


@hostile
def yaml_of_a_billion_laughs(folder: Path) -> list[str]:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return config(folder, "\n".join(lines) + "\n")


@hostile
def yaml_deep(folder: Path) -> list[str]:
    return config(folder, "a: " + "{a: " * 40000)


@hostile
def yaml_deep_without_brackets(folder: Path) -> list[str]:
    return config(folder, "- " * 100_000 + "a\n")


@hostile
def yaml_of_a_gigabyte(folder: Path) -> list[str]:
    with (folder / "a.yaml").open("wb") as file:
        file.truncate(1 << 30)
    return ["search", "--config", str(folder / "a.yaml"), "--run", str(folder / "run")]


@hostile
def yaml_of_odd_tags(folder: Path) -> list[str]:
    return config(folder, "plan: !!timestamp soon\nspace: !!bool maybe\n")


@hostile
def yaml_that_names_a_plugin(folder: Path) -> list[str]:
    (folder / "own.py").write_text(code(folder))
    return config(folder, f"plugins:\n- {{path: {folder / 'own.py'}, sha256: {'0' * 64}}}\n")


# Runs


def changed_run(folder: Path, *statements: str) -> list[str]:
    """A copy of the run that lies beside the folder, doctored."""
    shutil.copytree(folder.parent / "run", folder / "run")
    with sqlite3.connect(folder / "run" / "run.sqlite3") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return ["status", str(folder / "run")]


@hostile
def run_that_is_a_pickle(folder: Path) -> list[str]:
    (folder / "run").mkdir()
    (folder / "run" / "run.sqlite3").write_bytes(pickle.dumps(Armed(folder)))
    return ["status", str(folder / "run")]


@hostile
def run_with_deep_facts(folder: Path) -> list[str]:
    deep = "[" * 100_000 + "]" * 100_000
    return changed_run(folder, f"UPDATE facts SET value = '{deep}'")


@hostile
def run_with_a_deep_outcome(folder: Path) -> list[str]:
    deep = "[" * 100_000 + "]" * 100_000
    return changed_run(folder, f"UPDATE results SET outcome = '{deep}'")


@hostile
def run_whose_facts_are_code(folder: Path) -> list[str]:
    text = code(folder).replace("'", "''")
    return changed_run(folder, f"UPDATE facts SET value = '{text}'")


@hostile
def run_with_a_code_of_a_million_layers(folder: Path) -> list[str]:
    return changed_run(
        folder, "UPDATE trials SET code = replace(hex(zeroblob(1000000)), '00', '(1,4,0,0,0)')"
    )


# Trained models


def model(folder: Path, sums: bool = False) -> Path:
    """A copy of the model that lies beside the folder; without checksums whatever is in it is read."""
    shutil.copytree(folder.parent / "model", folder / "model")
    if not sums:
        (folder / "model" / "SHA256SUMS").unlink()
    Image.new("RGB", (16, 16)).save(folder / "image.png")
    return folder / "model"


def predict(folder: Path) -> list[str]:
    return ["predict", str(folder / "model"), str(folder / "image.png")]


def reconfigured(folder: Path, **changes: Any) -> list[str]:
    path = model(folder) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return predict(folder)


def reweighted(folder: Path, content: bytes) -> list[str]:
    (model(folder) / "model.safetensors").write_bytes(content)
    return predict(folder)


@hostile
def weights_that_are_a_pickle(folder: Path) -> list[str]:
    return reweighted(folder, pickle.dumps(Armed(folder)))


@hostile
def weights_that_are_torchs_pickle(folder: Path) -> list[str]:
    stream = io.BytesIO()
    torch.save({"head.bias": Armed(folder)}, stream)
    return reweighted(folder, stream.getvalue())


@hostile
def weights_with_an_endless_header(folder: Path) -> list[str]:
    return reweighted(folder, struct.pack("<Q", 1 << 62) + b"{}")


@hostile
def weights_of_a_terabyte(folder: Path) -> list[str]:
    entry = {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}
    head = json.dumps({"head.bias": entry}).encode()
    return reweighted(folder, struct.pack("<Q", len(head)) + head)


@hostile
def weights_of_a_terabyte_of_holes(folder: Path) -> list[str]:
    entry = {"dtype": "F32", "shape": [1 << 36], "data_offsets": [0, 1 << 38]}
    head = json.dumps({"head.bias": entry}).encode()
    path = model(folder, sums=True) / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head)
    os.truncate(path, 8 + len(head) + (1 << 38))
    return predict(folder)


@hostile
def weights_that_are_a_pipe(folder: Path) -> list[str]:
    path = model(folder) / "model.safetensors"
    path.unlink()
    os.mkfifo(path)
    return predict(folder)


@hostile
def weights_that_were_exchanged(folder: Path) -> list[str]:
    path = model(folder, sums=True) / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + b"\0\0\0\0")
    return predict(folder)


@hostile
def index_that_climbs(folder: Path) -> list[str]:
    path = model(folder) / "model.safetensors"
    path.rename(folder / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"head.bias": "../model-00001-of-00001.safetensors"}}
    (folder / "model" / "model.safetensors.index.json").write_text(json.dumps(index))
    return predict(folder)


@hostile
def index_that_is_deep(folder: Path) -> list[str]:
    (model(folder) / "model.safetensors").unlink()
    (folder / "model" / "model.safetensors.index.json").write_text("[" * 10**6)
    return predict(folder)


@hostile
def config_that_is_deep(folder: Path) -> list[str]:
    (model(folder) / "config.json").write_text("[" * 10**6)
    return predict(folder)


@hostile
def config_that_is_a_pipe(folder: Path) -> list[str]:
    path = model(folder) / "config.json"
    path.unlink()
    os.mkfifo(path)
    return predict(folder)


@hostile
def config_of_a_huge_number(folder: Path) -> list[str]:
    path = model(folder) / "config.json"
    path.write_text(path.read_text()[:-2] + ', "x": ' + "9" * 10**7 + "}")
    return predict(folder)


@hostile
def config_of_a_gigabyte(folder: Path) -> list[str]:
    os.truncate(model(folder) / "config.json", 1 << 30)
    return predict(folder)


@hostile
def config_of_endless_blocks(folder: Path) -> list[str]:
    skeleton = {"stem": ["conv"], "widths": [4, 6, 8], "repeats": [10000, 10000, 10000]}
    doubling = " ".join(f"({n},6,0,{n - 1},{max(0, n - 2)})" for n in range(2, 200))
    return reconfigured(folder, skeleton=skeleton, code=f"(1,4,0,0,0) {doubling}")


@hostile
def config_of_endless_stages(folder: Path) -> list[str]:
    skeleton = {"stem": ["conv"], "widths": [1] * 10**6, "repeats": [1] * 10**6}
    return reconfigured(folder, skeleton=skeleton)


@hostile
def config_of_an_image_of_terabytes(folder: Path) -> list[str]:
    path = model(folder) / "config.json"
    content = json.loads(path.read_text())
    content["preprocessing"]["size"] = [10**6, 10**6]
    path.write_text(json.dumps(content | {"image": [3, 10**6, 10**6]}))
    return predict(folder)


@hostile
def config_with_an_operation_of_a_plugin(folder: Path) -> list[str]:
    (folder / "own.py").write_text(code(folder))
    return reconfigured(folder, code="(1,8,3,0,0)", plugins=[str(folder / "own.py")])


@hostile
def metrics_that_become_code(folder: Path) -> list[str]:
    path = model(folder) / "metrics.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"metric": f'"""; {code(folder)}; """'}))
    return ["export", str(folder / "model"), "--format", "python", "--out", str(folder / "out")]


@hostile
def code_that_becomes_code(folder: Path) -> list[str]:
    reconfigured(folder, code=f'(1,1,3,0,0) """; {code(folder)}; """')
    return ["export", str(folder / "model"), "--format", "python", "--out", str(folder / "out")]


@hostile
def image_bomb_to_predict(folder: Path) -> list[str]:
    model(folder)
    (folder / "image.png").write_bytes(bomb())
    return predict(folder)


# Trainings and sessions that were cut off


@hostile
def checkpoint_that_is_torchs_pickle(folder: Path) -> list[str]:
    shutil.copytree(folder.parent / "stopped", folder / "stopped")
    torch.save({"training": "", "state": Armed(folder)}, folder / "stopped" / "checkpoint" / "seed-0.pt")
    return ["train", "resnet-like", "--out", str(folder / "stopped")]


@hostile
def checkpoint_of_holes(folder: Path) -> list[str]:
    shutil.copytree(folder.parent / "stopped", folder / "stopped")
    path = folder / "stopped" / "checkpoint" / "seed-0.pt"
    path.write_bytes(b"blockqnn state 1 " + b"0" * 64 + b"\n")
    os.truncate(path, 1 << 40)
    return ["train", "resnet-like", "--out", str(folder / "stopped")]


@hostile
def training_that_is_deep(folder: Path) -> list[str]:
    shutil.copytree(folder.parent / "stopped", folder / "stopped")
    (folder / "stopped" / "checkpoint" / "training.json").write_text("[" * 10**6)
    return ["train", "resnet-like", "--out", str(folder / "stopped")]


@hostile
def journal_that_is_deep(folder: Path) -> list[str]:
    (folder / "mine").mkdir()
    (folder / "mine" / "auto.json").write_text("[" * 10**6)
    return ["auto", "--data", "digits", "--budget", "2m", "--out", str(folder / "mine")]


@hostile
def calibration_that_is_deep(folder: Path) -> list[str]:
    changed_run(folder)
    (folder / "run" / "calibration.jsonl").write_text("[" * 10**6 + "\n")
    return ["calibrate", str(folder / "run")]
