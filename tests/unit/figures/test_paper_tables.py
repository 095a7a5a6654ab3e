"""The paper's tables beside results of ours: what is published, what is read, and what is refused."""

import json
from statistics import stdev

import pytest

from blockqnn.errors import InputError
from blockqnn.figures import published, tables
from blockqnn.figures.trained import ours
from blockqnn.space.zoo import ZOO
from stored import stored

S = str(ZOO["block-qnn-s"])
ROW = {
    "data": "cifar10",
    "network": "block-qnn-s",
    "code": S,
    "widths": [32, 64, 128],
    "repeats": 2,
    "params": 6125866,
    "preset": "modern",
    "changes": [],
    "epochs": 60,
    "test": 95.0,
}
CONFIG = {
    "code": S,
    "data": "cifar100",
    "skeleton": {"stem": ["conv"], "widths": [32, 64, 128], "repeats": [3, 2, 2]},
    "recipe": {"epochs": 300},
}
METRICS = {
    "metric": "accuracy",
    "params": 6195000,
    "test_readings": [{"test_accuracy": 79.0}, {"test_accuracy": 80.0}],
}


def rows_file(path, *rows):
    path.write_text("".join(f"{json.dumps({**ROW, **row})}\n" for row in rows))
    return str(path)


def trained(path, config=CONFIG, metrics=METRICS):
    path.mkdir()
    (path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    (path / "metrics.json").write_text(json.dumps(metrics))
    return str(path)


# what is published, against marks taken from the paper by hand


def test_table_3_has_the_rows_of_the_paper():
    by_name = {(row.method, row.depth): row[2:] for row in published.CIFAR}
    assert len(by_name) == len(published.CIFAR) == 18
    assert by_name["Block-QNN-A, N=4", 25] == (None, 3.60, 18.64)
    assert by_name["Block-QNN-B, N=4", 37] == (None, 3.80, 18.72)
    assert by_name["Block-QNN-S, N=2", 19] == (6.1, 4.38, 20.65)
    assert by_name["Block-QNN-S more filters", 22] == (39.8, 3.54, 18.06)
    assert by_name["NAS v3 more filters", 39] == (37.4, 3.65, None)
    assert by_name["DenseNet-BC (k=40)", 190] == (25.6, 3.46, 17.18)


def test_table_4_counts_devices_times_days():
    rows = {row["method"]: row for row in tables.made("4", []).rows}
    assert rows["Block-QNN"]["device_seconds"] == 96 * 24 * 3600  # 96 GPU-days, as surveys count it
    assert rows["Block-QNN"]["trials"] == 178 * 64
    assert rows["NAS (Zoph and Le)"]["device_seconds"] == 22_400 * 24 * 3600
    assert rows["MetaQNN"]["device_seconds"] == 100 * 24 * 3600


def test_table_5_has_the_rows_of_the_paper():
    rows = {row["method"]: (row["depth"], row["top1"], row["top5"]) for row in tables.made("5", []).rows}
    assert len(rows) == 9
    assert rows["Block-QNN-S, N=3"] == (38, 22.6, 6.46)
    assert rows["ResNext-101 (64x4d)"] == (101, 20.4, 5.30)


# ours


def test_seeds_of_one_training_are_one_row_with_both_data_sets(tmp_path):
    file = rows_file(
        tmp_path / "full.jsonl",
        {"test": 95.0},
        {"test": 96.0},
        {"data": "cifar100", "test": 78.5},
        {"epochs": 300, "test": 96.5},
        {"test": None},  # held out: the test part was not read
        {"data": "svhn"},
        {"data": "cifar100-5000"},  # a part is no CIFAR-100
    )
    one, longer = ours([file])
    assert one.cifar10.mean == pytest.approx(4.5)
    assert one.cifar10.deviation == pytest.approx(stdev([5.0, 4.0]))
    assert (one.cifar10.trainings, one.cifar100) == (2, (21.5, None, 1))
    assert one.depth == 19  # table 3
    assert longer.cifar10 == (3.5, None, 1)
    assert longer.cifar100 is None
    assert "300 epochs" in longer.method


def test_a_network_that_is_no_block_has_no_depth(tmp_path):
    resnet = {"network": "resnet", "code": "depth 26, width 65", "widths": None, "repeats": None}
    (row,) = ours([rows_file(tmp_path / "full.jsonl", resnet)])
    assert row.depth is None
    assert row.method.startswith("resnet (depth 26, width 65)")


@pytest.mark.parametrize("data", ["cifar100", "hf:uoft-cs/cifar100", "/tmp/data/cifar-100.npz"])
def test_a_trained_directory(tmp_path, data):
    (row,) = ours([trained(tmp_path / "best", {**CONFIG, "data": data})])
    assert (row.cifar10, row.cifar100.mean, row.cifar100.trainings) == (None, 20.5, 2)
    assert row.depth == 22  # N = 3,2,2: table 3
    assert row.method == "best, N=3,2,2 (300 epochs)"
    assert row.params == 6195000


def test_depth_counts_the_stem_that_was_trained(tmp_path):
    deeper = {**CONFIG, "skeleton": {**CONFIG["skeleton"], "stem": ["conv", "conv"]}}
    (row,) = ours([trained(tmp_path / "best", deeper)])
    assert row.depth == 23


def test_table_3_tells_ours_after_the_published(tmp_path):
    made = tables.made("3", [trained(tmp_path / "best")])
    last = made.lines()[-2].split()
    assert last[0] == "best,"
    assert last[-1] == "here"
    assert "20.50 +- 0.71 (2 seeds)" in made.lines()[-2]
    document = made.told()
    assert [row["source"] for row in document["rows"]] == ["published"] * 18 + ["here"]
    assert document["rows"][-1]["cifar100"] == 20.5
    assert published.SOURCE in document["source"]


def test_table_4_tells_what_a_run_cost(tmp_path):
    """Three evaluations of 2 s each, and a repeat; a failure took its 2 s too."""
    proposed = [("(1,1,3,0,0)", 40.0), ("(1,1,5,0,0)", None), ("(1,1,3,0,0)", 40.0)]
    stored(tmp_path / "run", [proposed, [("(1,1,1,0,0)", 20.0)]])
    row = tables.made("4", [str(tmp_path / "run")]).rows[-1]
    assert row == {
        "method": "run",
        "trials": 4,
        "evaluated": 2,
        "reused": 1,
        "device_seconds": 6.0,
        "device": "cpu, some CPU",
        "cifar10": None,
        "source": "here",
    }


# what is refused


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"test": 101}, "line 1 is damaged: test"),
        ({"params": "6M"}, "line 1 is damaged: params"),
        ({"code": "(1,1,2,0,0)"}, "line 1: layer (1,1,2,0,0): conv allows kernel"),
        ({"data": "svhn"}, "holds no test accuracy on cifar10 or cifar100"),
        ({"test": None}, "holds no test accuracy"),
    ],
)
def test_a_wrong_file(tmp_path, row, told):
    with pytest.raises(InputError) as error:
        ours([rows_file(tmp_path / "full.jsonl", row)])
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("config", "metrics", "told"),
    [
        ({**CONFIG, "data": "digits"}, METRICS, "trained on 'digits', not on cifar10 or cifar100"),
        ({**CONFIG, "data": "cifar100-5000.npz"}, METRICS, "trained on 'cifar100-5000.npz'"),
        ("{", METRICS, "config.json is damaged"),
        ({**CONFIG, "code": "(1,9,0,0,0)"}, METRICS, "type 9 is unknown"),
        (CONFIG, {**METRICS, "metric": "balanced-accuracy"}, "its metric is balanced-accuracy"),
        (CONFIG, {**METRICS, "test_readings": []}, "holds no test accuracy"),
    ],
)
def test_a_wrong_directory(tmp_path, config, metrics, told):
    with pytest.raises(InputError) as error:
        ours([trained(tmp_path / "best", config, metrics)])
    assert told in str(error.value)


@pytest.mark.parametrize("stages", [{"widths": [32, 64]}, {"widths": []}, {"repeats": [0, 1, 1]}])
def test_a_skeleton_that_cannot_be(tmp_path, stages):
    config = {**CONFIG, "skeleton": {**CONFIG["skeleton"], **stages}}
    with pytest.raises(InputError, match=r"config.json.*(widths|repeats)"):
        ours([trained(tmp_path / "best", config)])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("table 9", ["table '9'", "3 of", "4 of", "5 of nothing"]),
        ("table 5 run", ["table 5", "takes nothing, 1 given"]),
        ("table 4 nowhere", ["nowhere", "no such directory"]),
        ("table 3 nowhere.jsonl", ["nowhere.jsonl", "cannot be read"]),
        ("table 3 file", ["file: line 1 is damaged"]),
        ("table 3 foreign", ["foreign/config.json", "cannot be read"]),
        ("table 3 half.npz", ["half.npz", "no text"]),
        ("figure 7", ["figure '7'", "policy of RUN of q-learning or predictor"]),
        ("figure 8", ["figure 8", "needs RUN, 0 given"]),
        ("figure 5 run", ["figure 5", "1 given"]),
        ("figure 8 nowhere", ["nowhere", "no such directory"]),
        ("figure policy foreign", ["foreign", "holds no run"]),
        ("figure 1 nothing", ["'nothing'", "no run directory"]),
        ("figure 2 (1,9,0,0,0)", ["type 9 is unknown"]),
        ("figure 8 run --out nowhere/a.svg", ["--out nowhere/a.svg", "cannot be written"]),
    ],
)
def test_wrong_use(blockqnn, folder, line, told):
    before = sorted(p.name for p in folder.rglob("*") if p.suffix != ".lock")
    answer = blockqnn(*line.split())
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("blockqnn: ")
    assert answer.err.count("\n") == 1
    for part in told:
        assert part in answer.err
    assert sorted(p.name for p in folder.rglob("*") if p.suffix != ".lock") == before


def test_json_is_one_document(blockqnn):
    answer = blockqnn("table", "4", "run", "--json")
    assert answer.status == 0
    assert json.loads(answer.out)["rows"][-1]["method"] == "run"
    assert blockqnn("table").out.splitlines()[0].split() == ["table", "of", "shows"]
