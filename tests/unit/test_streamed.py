"""Images that other processes decode train a network as prepared ones do, to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import blockqnn
from blockqnn import InputError
from blockqnn.config import Augmentation, DataSettings, Recipe, resolve
from blockqnn.data.dataset import load
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.evaluation.group import Group
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.streamed import Pace, StreamedPart, placed
from blockqnn.evaluation.train import Watch, confusions, fit
from blockqnn.network.model import build
from blockqnn.network.plan import SKELETONS, plan_network
from blockqnn.space.zoo import ZOO

RECIPE = Recipe(
    steps=7, batch=12, optimizer="sgd", augmentation=Augmentation(shift=0.1, flip=True, erase=0.2)
)
CUT = RECIPE.model_copy(update={"augmentation": Augmentation(crop=0.2, flip=True)})


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("dark", "light"):
        (root / name).mkdir()
        for i in range(25):
            coarse = rng.integers(0, 140, (5, 5, 3)) + 110 * (name == "light")
            picture = Image.fromarray(coarse.astype(np.uint8)).resize((48, 40))
            picture.save(root / name / f"{i}.{'jpg' if i % 2 else 'png'}")
    return root


@pytest.fixture
def parts(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("BLOCKQNN_CACHE", str(tmp_path / "cache"))
    settings = DataSettings(source=str(photos), image_size=(16, 16))
    prepared, anew = load(settings), load(settings, encoded=True)
    return prepared, anew


def network_of(dataset):
    plan = plan_network(ZOO["resnet-like"], SKELETONS["small"], dataset.image, len(dataset.classes))
    return build(plan, seed=0)


def weights(network):
    return [values.clone() for values in network.state_dict().values()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def trained(part, dataset, recipe, **options):
    network = network_of(dataset)
    fit(network, part, recipe, learning_rate=0.05, seed=3, **options)
    return weights(network)


@pytest.mark.parametrize("workers", [1, 2])
def test_without_windows_it_is_the_training_on_prepared_images(parts, workers):
    prepared, anew = parts
    streamed = placed(anew.train, anew, "cpu", workers)
    assert isinstance(streamed, StreamedPart)
    streamed = replace(streamed, mean=on_device(prepared.train, prepared, "cpu").mean)
    expected = trained(on_device(prepared.train, prepared, "cpu"), prepared, RECIPE)
    scale = on_device(prepared.train, prepared, "cpu")
    found = trained(replace(streamed, deviation=scale.deviation), anew, RECIPE)
    assert same(expected, found)
    assert streamed.pace.images == [12, 12, 10] * 2, "of the last step nobody asks how long it took"


def test_windows_change_what_is_seen_and_are_the_same_again(parts):
    _, anew = parts
    one, other = (trained(placed(anew.train, anew, "cpu", n), anew, CUT) for n in (1, 2))
    assert same(one, other), "however many processes decode"
    assert not same(one, trained(placed(anew.train, anew, "cpu", 1), anew, RECIPE))


def test_a_training_that_goes_on_shows_what_it_would_have_shown(parts, tmp_path):
    _, anew = parts
    expected = trained(placed(anew.train, anew, "cpu", 1), anew, CUT)
    checkpoint = Checkpoint(tmp_path / "one.pt", "one", every=0.0)

    class Stopped(Exception):
        pass

    def stop(step, _):
        if step == 5:
            raise Stopped

    with pytest.raises(Stopped):
        trained(
            placed(anew.train, anew, "cpu", 2),
            anew,
            CUT,
            watch=Watch(report=stop),
            checkpoint=checkpoint,
        )
    start = checkpoint.load("cpu")
    assert start is not None
    assert start["state"]["step"] == 4
    found = trained(placed(anew.train, anew, "cpu", 2), anew, CUT, start=start, checkpoint=checkpoint)
    assert same(expected, found)


def test_it_is_judged_like_prepared_images(parts):
    prepared, anew = parts
    network = network_of(prepared)
    expected = confusions(network, on_device(prepared.train, prepared, "cpu"))
    assert expected is not None
    streamed = placed(anew.train, anew, "cpu", 2)
    assert torch.equal(confusions(network, streamed), expected)
    shares = [list(streamed.in_order(10, Group(rank, 3))) for rank in range(3)]
    labels = torch.cat([labels for share in shares for _, labels in share])
    assert torch.equal(labels.bincount(), torch.from_numpy(anew.train.labels).bincount())


def test_an_image_that_has_gone_is_named(parts, photos):
    _, anew = parts
    name = anew.train.images.name(0)
    content = (photos / name).read_bytes()
    (photos / name).unlink()
    try:
        with pytest.raises(InputError, match=rf"image {name} cannot be read \(no such file\)"):
            trained(placed(anew.train, anew, "cpu", 1), anew, CUT)
    finally:
        (photos / name).write_bytes(content)


def test_prepared_images_have_no_windows(parts):
    prepared, _ = parts
    with pytest.raises(InputError, match=r"setting augmentation.crop = 0.2: these images were prepared"):
        trained(on_device(prepared.train, prepared, "cpu"), prepared, CUT)
    with pytest.raises(InputError, match=r"augmentation.crop is for `train`"):
        resolve("standard", {"recipe": {"augmentation": {"crop": 0.2}}})


def test_what_sets_the_rate_is_told():
    pace = Pace()
    pace.add(50, 9.0, 8.0)  # the first: processes begin
    for _ in range(20):
        pace.add(50, 1.0, 0.05)
    assert "50 images/s, decoded by 1 process; images were waited for 5 %" in pace.told(1)
    assert pace.told(1).endswith("the network is the limit")
    for _ in range(60):
        pace.add(50, 2.0, 1.0)
    assert pace.told(3).endswith("decoding is the limit")


def test_the_command_trains_on_photos_as_they_are(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("BLOCKQNN_CACHE", str(tmp_path / "cache"))
    model = blockqnn.train(
        "resnet-like",
        str(photos),
        preset="paper-imagenet",
        epochs=8,
        settings={"batch": 8, "precision": "float32"},
        skeleton="imagenet",
        widths=(4, 4, 8, 8),
        image_size=32,
        out=tmp_path / "model",
    )
    recipe = model.config["recipe"]
    assert recipe["augmentation"]["crop"] == 0.08
    assert (recipe["weight_decay"], recipe["drop_factor"]) == (1e-4, 0.1)
    assert recipe["drops"] == pytest.approx([30 / 90, 60 / 90])
    assert model.metrics["test_accuracy"] > 70
    assert blockqnn.load(tmp_path / "model").config["preprocessing"]["size"] == [32, 32]
