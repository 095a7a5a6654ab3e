"""The face that other tasks see: levels of features, a new classifier, a network nobody trained."""

import pytest
import torch

import blockqnn
from blockqnn import InputError
from blockqnn.export import directory
from blockqnn.plugins import NOTHING
from blockqnn.space.zoo import ZOO
from models import random_model

BLOCK = ZOO["block-qnn-b"]


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("skeleton", ["cifar", "imagenet", "small"])
@pytest.mark.parametrize("size", [(96, 160), (67, 45)])
def test_the_levels_are_as_told(skeleton, size):
    count = {"cifar": 3, "imagenet": 4, "small": 2}[skeleton]
    model = blockqnn.create_model("block-qnn-b", skeleton=skeleton, widths=(4, 6, 8, 10)[:count])
    info = model.feature_info
    levels = blockqnn.create_model(
        "block-qnn-b", skeleton=skeleton, widths=(4, 6, 8, 10)[:count], features_only=True
    ).eval()(torch.rand(2, 3, *size))
    assert len(levels) == len(info) == count
    for level, told in zip(levels, info, strict=True):
        side = [pixels // told.reduction for pixels in size]  # floors of floors are one floor
        assert level.shape == (2, told.channels, *side)
    assert info.reduction()[0] == (4 if skeleton == "imagenet" else 1)
    assert [told["num_chs"] for told in info.get_dicts()] == info.channels()
    for name, stage in zip(info.module_name(), model.network.stages, strict=True):
        assert model.get_submodule(name) is stage


def test_only_the_levels_that_are_wanted():
    whole = blockqnn.create_model("resnet-like", features_only=True)
    images = torch.rand(2, 3, 24, 24)
    some = blockqnn.create_model("resnet-like", features_only=True, out_indices=(1, 0))
    last = blockqnn.create_model("resnet-like", features_only=True, out_indices=[-1])
    for backbone in (whole, some, last):
        backbone.eval()
    first, second, third = whole(images)
    assert [torch.equal(*pair) for pair in zip(some(images), (first, second), strict=True)] == [True] * 2
    assert torch.equal(last(images)[0], third)
    assert some.feature_info.reduction() == [1, 2]
    assert last.feature_info.channels() == [128]
    assert parameters(some) < parameters(last) == parameters(whole)


def test_the_last_level_is_what_the_classifier_reads(tmp_path):
    directory.write(random_model(BLOCK), tmp_path)
    model, images = blockqnn.load(tmp_path), torch.rand(3, 3, 16, 12)
    backbone = blockqnn.load(tmp_path, features_only=True, out_indices=(-1,))
    assert not backbone.training
    features = backbone(images)[0]
    assert torch.equal(features, model.forward_features(images))
    assert torch.equal(model.forward_head(features), model(images))


def test_one_set_of_weights_takes_all_sizes():
    model = random_model(BLOCK)
    for size in (96, 160):
        assert model(torch.rand(2, 3, size, size)).shape == (2, 10)


def test_a_new_classifier(tmp_path):
    model, images = random_model(BLOCK), torch.rand(2, 3, 16, 12)
    before = model.forward_features(images)
    model.reset_classifier(3, classes=("a", "b", "c"))
    assert model(images).shape == (2, 3)
    assert model.get_classifier().out_features == model.num_classes == 3
    assert torch.equal(model.forward_features(images), before)
    assert model.metrics["test_accuracy"] is None, "what the old classifier reached is not told of it"
    assert parameters(model) == model.plan.params == model.metrics["params"]
    other = random_model(BLOCK)
    other.reset_classifier(3, classes=("a", "b", "c"))
    assert torch.equal(other(images), model(images))
    other.reset_classifier(3, seed=1)
    assert not torch.equal(other(images), model(images))
    directory.write(model.eval(), tmp_path)
    again = directory.read(tmp_path, NOTHING)
    assert again.classes == ("a", "b", "c")
    assert torch.equal(again(images), model(images))


def test_without_a_classifier():
    model, images = random_model(BLOCK), torch.rand(2, 3, 16, 12)
    model.reset_classifier(0)
    assert model(images).shape == (2, model.num_features)
    assert torch.equal(
        model(images), model.forward_head(model.forward_features(images), pre_logits=True)
    )
    model.reset_classifier(10)
    assert model(images).shape == (2, 10)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda model: model.reset_classifier(1), "num_classes 1: at least 2"),
        (lambda model: model.reset_classifier(-3), "num_classes -3"),
        (lambda model: model.reset_classifier(3, "max"), "global_pool 'max'.*avg"),
        (lambda model: model.reset_classifier(3, classes=("a", "b")), "2 names for num_classes 3"),
    ],
)
def test_a_classifier_that_cannot_be(wrong, reason):
    model = random_model(BLOCK)
    with pytest.raises(InputError, match=reason):
        wrong(model)
    assert model.num_classes == len(model.classes) == 10


def test_a_network_that_nobody_trained():
    model = blockqnn.create_model(
        "(1,1,3,0,0) (2,1,1,1,0)", num_classes=5, in_chans=1, image_size=20, widths=(4, 8), seed=3
    )
    assert model.training
    assert (model.num_classes, model.in_chans, model.plan.image.height) == (5, 1, 20)
    assert parameters(model) == model.plan.params
    assert model.metrics["test_accuracy"] is model.metrics["validation_accuracy"] is None
    same, other = (
        blockqnn.create_model(
            model.block, num_classes=5, in_chans=1, image_size=20, widths=(4, 8), seed=seed
        )
        for seed in (3, 4)
    )
    weights, *others = (
        one.state_dict()["network.stages.0.0.conv1.conv.weight"] for one in (model, same, other)
    )
    assert [torch.equal(weights, one) for one in others] == [True, False]
    largest = blockqnn.create_model("resnet-like", max_params="100k")
    assert 50_000 < parameters(largest) <= 100_000


def test_it_learns():
    torch.manual_seed(0)
    model = blockqnn.create_model("resnet-like", num_classes=2, widths=(8, 8), in_chans=1)
    images = torch.rand(32, 1, 16, 16)
    labels = torch.arange(32) % 2
    images[labels == 1, :, :8] *= 0.2
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(8):
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 4


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"features_only": True, "out_indices": (3,)}, r"out_indices \(3,\): numbers .* 0 to 2"),
        ({"features_only": True, "out_indices": ()}, "out_indices"),
        ({"num_classes": 1}, "num_classes 1"),
        ({"in_chans": 0}, "in_chans 0: at least 1"),
        ({"image_size": "ten"}, "image_size 'ten'"),
        ({"image_size": 2}, "too small"),
        ({"skeleton": "round"}, "skeleton 'round'"),
        ({"max_params": 10}, "max_params 10: the smallest"),
    ],
)
def test_a_network_that_cannot_be(wanted, reason):
    with pytest.raises(InputError, match=reason):
        blockqnn.create_model("resnet-like", **wanted)
    with pytest.raises(InputError, match="no code"):
        blockqnn.create_model("no-such-block")
