"""Small sets of images, and the forms in which a user may have them."""

import csv
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("ant", "bee", "cow")


def pictures(
    count: int = 60, side: int = 20, classes: int = 3, channels: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Unlike images of coarse blocks, brighter by class: uint8 [N, side, side, C], and labels [N]."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    coarse = rng.integers(0, 150, (count, -(-side // 4), -(-side // 4), channels))
    coarse += (labels * 100 // classes)[:, None, None, None]
    images = coarse.repeat(4, 1).repeat(4, 2)[:, :side, :side].astype(np.uint8)
    return images, labels


def save_png(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)


def write_folder(root: Path, images, labels, names=NAMES, prefix: str = "", order=None) -> Path:
    """root[/prefix]/CLASS/NUMBER.png; the numbers follow `order`."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        shown = number if order is None else order[number]
        save_png(root / prefix / names[label] / f"{shown:05d}.png", image)
    return root


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_official(root: Path, images, labels, names=NAMES, protocol: int = 2) -> Path:
    """CIFAR-10's python files of training images, all of them in the first batch."""
    root.mkdir(parents=True, exist_ok=True)
    flat = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    for name, part in (("data_batch_1", slice(None, -12)), ("test_batch", slice(-12, None))):
        batch = {b"data": flat[part], b"labels": labels[part].tolist(), b"batch_label": name.encode()}
        (root / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    meta = {b"label_names": [name.encode() for name in names]}
    (root / "batches.meta").write_bytes(pickle.dumps(meta, protocol=protocol))
    return root


def bomb() -> bytes:
    """A PNG of a few bytes whose header tells of 20000 x 20000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
