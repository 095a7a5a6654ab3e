"""The examples in examples/tasks: at most 100 lines each, what they measure, and that they learn.

Steps are few here; how well they do is measured by benchmarks/dense_tasks.py.
"""

import sys
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch

EXAMPLES = Path(__file__).parents[2] / "examples" / "tasks"
sys.path.insert(0, str(EXAMPLES))

import detection  # noqa: E402
import fitting  # noqa: E402
import measures  # noqa: E402
import scenes  # noqa: E402
import segmentation  # noqa: E402

SMALL = (4, 8, 16, 16)


@pytest.mark.parametrize("name", ["segmentation", "detection"])
def test_an_example_is_short(name):
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 100


def test_scenes_say_what_is_in_them():
    made = scenes.compose(40, 96, seed=0)
    assert made.images.shape == (40, 3, 96, 96)
    assert 0 <= made.images.min() < made.images.max() <= 1
    for mask, boxes in zip(made.masks.numpy(), made.boxes, strict=True):
        assert len(boxes)
        outside = mask.copy()
        for kind, left, top, right, bottom in boxes.astype(int):
            inside = mask[top:bottom, left:right]
            assert (inside == kind + 1).mean() > 0.4, "nothing is hidden"
            assert all((inside == kind + 1).any(axis=axis)[[0, -1]].all() for axis in (0, 1)), "tight"
            outside[top:bottom, left:right][inside == kind + 1] = 0
        assert not outside.any()
    assert {int(box[0]) for boxes in made.boxes for box in boxes} == {0, 1, 2, 3}
    again, other = scenes.compose(40, 96, seed=0), scenes.compose(40, 96, seed=0, test=True)
    assert torch.equal(made.images, again.images)
    assert not torch.equal(made.images, other.images)


def test_what_is_trained_on_and_what_is_tested_on_share_no_pixel():
    photo = np.arange(100).reshape(1, 100)
    training, test = (scenes._half(photo, part) for part in (False, True))
    assert not set(training.ravel()) & set(test.ravel())


def test_overlap_of_boxes():
    box = np.array([0, 0, 4, 4])
    assert measures.iou(box, box) == 1
    assert measures.iou(box, np.array([2, 0, 6, 4])) == pytest.approx(8 / 24)
    assert measures.iou(box, np.array([4, 0, 8, 4])) == 0


def test_average_precision():
    boxes = [np.array([[0, 0, 0, 10, 10], [0, 20, 20, 30, 30]]), np.array([[0, 5, 5, 15, 15]])]
    right = [np.insert(found.astype(float), 1, 0.9, axis=1) for found in boxes]
    assert measures.average_precision(right, boxes) == 100
    assert measures.average_precision([right[0], right[1][:0]], boxes) == pytest.approx(200 / 3)
    twice = [np.concatenate([right[0], right[0] * [1, 0.5, 1, 1, 1, 1]]), right[1]]
    assert measures.average_precision(twice, boxes) == 100, "what comes after all is found costs nothing"
    first = [np.concatenate([right[0], right[0][:1] * [1, 1.05, 1, 1, 1, 1]]), right[1]]
    # right, taken before (wrong), right, right: precision 1, 1/2, 2/3, 3/4; envelope 1, 3/4, 3/4, 3/4
    assert measures.average_precision(first, boxes) == pytest.approx(100 * (1 + 0.75 + 0.75) / 3)
    beside = [found + np.array([0, 0, 20, 20, 20, 20]) for found in right]
    assert measures.average_precision(beside, boxes) < 34


def test_intersection_over_union():
    truth = np.array([[0, 0, 1, 1]])
    assert measures.mean_iou(truth, truth) == 100
    assert measures.mean_iou(np.array([[0, 1, 1, 1]]), truth) == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)


def test_told_objects_are_what_the_loss_asks_for():
    """An answer made of the truth has nearly no loss, and is read as the truth."""
    made = scenes.compose(4, 96, seed=3)
    told = torch.full((4, 8, 24, 24), -20.0)
    for number, boxes in enumerate(made.boxes):
        for kind, *box in boxes:
            left, top, right, bottom = (side / detection.STRIDE for side in box)
            x, y = int((left + right) / 2), int((top + bottom) / 2)
            told[number, int(kind), y, x] = 20.0
            told[number, 4:, y, x] = torch.tensor([x - left, y - top, right - x, bottom - y])
    assert detection.loss_of(told, made.boxes) < 1e-6
    answers = [detection.found_in(one) for one in told]
    assert measures.average_precision(answers, made.boxes) == 100


# torch's exporter copies trees by a way that torch itself deprecates
@pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)`:FutureWarning")
@pytest.mark.parametrize(("task", "kind"), [(segmentation, "Segmenter"), (detection, "Detector")])
def test_it_learns_and_leaves_as_onnx(task, kind, tmp_path):
    import onnxruntime

    model = getattr(task, kind)("resnet-like", SMALL)
    made = scenes.compose(48, 96, seed=0)
    before = task.measured(model.eval(), made)
    losses = task.trained(model.train(), made, steps=50)
    assert fmean(losses[-10:]) < fmean(losses[:10]) / 1.5
    assert task.measured(model.eval(), made) > before
    fitting.export(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    name = session.get_inputs()[0].name
    for count, height, width in ((1, 96, 96), (3, 160, 160), (2, 96, 160)):
        images = torch.rand(count, 3, height, width)
        (answer,) = session.run(None, {name: images.numpy()})
        with torch.inference_mode():
            assert np.abs(answer - model(images).numpy()).max() < 1e-3
