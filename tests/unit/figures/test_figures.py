"""Each figure of runs written by hand: drawn so that it can be read, with the right numbers."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from scipy.stats import spearmanr

from blockqnn.errors import InputError
from blockqnn.figures import early_stop, moments, progress, shaped
from blockqnn.figures.catalogue import FIGURES, drawn
from blockqnn.figures.codes import code_table
from blockqnn.figures.templates import network
from blockqnn.network.plan import SKELETONS
from blockqnn.report import rows
from blockqnn.report import structures as structures_module
from blockqnn.report.calibrated import CALIBRATION
from blockqnn.space.zoo import ZOO
from rectangles import SVG, overlap, text_rectangle
from stored import stored
from unit.test_calibrated import line
from unit.test_calibrated import write as write_rows

SPACE = {"max_layers": 4}
HALVES = {"epsilon": ((1.0, 1), (0.5, 1))}
CORRECTED = {"mu": 1.0, "rho": 8.0}
BLOCKS = [
    "(1,1,3,0,0)",
    "(1,1,5,0,0) (2,1,3,1,0)",
    "(1,1,3,0,0) (2,5,0,0,1)",
    "(1,1,3,0,0) (2,1,1,0,0) (3,5,0,1,2) (4,2,3,3,0)",
]
SEARCH = [
    [(BLOCKS[0], 20.0), (BLOCKS[1], 30.0)],
    [(BLOCKS[0], 20.0), (BLOCKS[2], None)],
    [(BLOCKS[3], 50.0), (BLOCKS[3], 50.0)],
    [(BLOCKS[3], 50.0), (BLOCKS[1], 30.0)],
]
SIZES = {"title": 12, "words": 12, "heading": 14, "cell": 12, "head": 12, "label": 13, "number": 10}


def run(path, iterations=SEARCH, **changes):
    plan = {"trials": 8, "iteration": 2}
    changes = {"space": SPACE, "plan": plan, "reward": CORRECTED, **changes}
    changes["agent"] = {**HALVES, **changes.get("agent", {})}
    return stored(path, iterations, **changes)


def labels(element, x=0.0, y=0.0):
    """All texts with where they lie on the sheet; numbers in a heat map have 11 pixels."""
    for child in element:
        if child.tag == f"{SVG}text" and (child.text or "").strip():
            kinds = child.get("class", "").split()
            size = next((SIZES[k] for k in kinds if k in SIZES), 11)
            left, top, right, bottom = text_rectangle(child, size)
            yield child.text, (left + x, top + y, right + x, bottom + y)
        inner = child.tag == f"{SVG}svg"
        dx, dy = (float(child.get(k)) for k in ("x", "y")) if inner else (0.0, 0.0)
        yield from labels(child, x + dx, y + dy)


def readable(text):
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text
    assert root.find(f"{SVG}desc").text
    found = list(labels(root))
    width, height = float(root.get("width")), float(root.get("height"))
    for label, (left, top, right, bottom) in found:
        assert left >= 0, label
        assert top >= 0, label
        assert right <= width, label
        assert bottom <= height, label
    clashes = [(a, b) for (a, p), (b, q) in combinations(found, 2) if overlap(p, q)]
    assert not clashes
    return root


def series(root, number=0):
    """The lines and dots of a chart, by their names in its description."""
    chart = [s for s in root.iter(f"{SVG}svg") if s.get("class") == "bq-curves"][number]
    return dict(part.rsplit(": ", 1) for part in chart.find(f"{SVG}desc").text.split("; "))


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "changes", [{}, {"reward": {"mu": 0.0, "rho": 0.0}}], ids=["corrected", "plain"]
)
def test_every_figure_can_be_read(tmp_path, monkeypatch, name, changes):
    monkeypatch.setattr(structures_module, "RANDOM", 20)
    paths = [tmp_path / "one", tmp_path / "two"]
    for path in paths:
        run(path, **changes)
    count = FIGURES[name].most if FIGURES[name].most is not None else 2
    drawing = drawn(name, list(map(str, paths[:count])))
    readable(drawing.svg)
    assert drawing.lines


@pytest.mark.parametrize("name", ["2", "9"])
def test_figures_of_no_run(name):
    readable(drawn(name, []).svg)


def test_an_unknown_figure_lists_all():
    with pytest.raises(InputError) as error:
        drawn("7", [])
    for name, kind in FIGURES.items():
        assert f"{name} of {kind.needs} ({kind.shows})" in str(error.value)


@pytest.mark.parametrize(
    ("name", "count"), [("1", 0), ("1", 2), ("3", 1), ("5", 1), ("8", 0), ("8", 2), ("9", 3)]
)
def test_too_few_or_too_many(name, count):
    with pytest.raises(InputError, match=f"figure {name}: needs .*, {count} given"):
        drawn(name, ["run"] * count)


# 8


def test_figure_8_shows_means_and_the_best_so_far(tmp_path):
    view = run(tmp_path / "run")
    drawing = progress.draw([view])
    root = readable(drawing.svg)
    accuracy = series(root)
    # iteration 2: a repeat of 20 %, and a failure without an accuracy
    assert accuracy["mean of an iteration"] == "4 points from 20 to 50, the last one 40"
    assert accuracy["best so far"] == "3 points from 30 to 50, the last one 50"
    assert moments.accuracies(moments.by_iteration(view)) == ((1, 25), (2, 20), (3, 50), (4, 40))
    best = max(reward for reward in view.rewards if reward is not None)
    assert series(root, 1)["best so far"].endswith(f"the last one {best:.4g}")
    zones = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "zone"]
    assert len(zones) == 2  # the random phase, in both charts
    table = [line.split() for line in drawing.lines]
    assert table[1][:2] == ["1", "1-2"]
    assert table[2][:3] == ["0.5", "3-4", "45.00"]
    assert table[1][2] == "22.50"  # the mean of 25 and 20
    assert (table[1][4], table[2][4]) == ("30.00", "50.00")


def test_figure_8_draws_the_best_block_of_each_moment(tmp_path):
    plain = {"mu": 0.0, "rho": 0.0}
    text = progress.draw([run(tmp_path / "run", reward=plain)]).svg
    blocks = [s for s in ElementTree.fromstring(text).iter(f"{SVG}svg") if s.get("class") == "bq"]
    codes = [block.find(f"{SVG}desc").text for block in blocks]
    assert [code.rpartition(" ")[0] for code in codes] == [BLOCKS[1], BLOCKS[3]]
    words = [
        t.text for t in ElementTree.fromstring(text).iter(f"{SVG}text") if t.get("class") == "words"
    ]
    assert words == [
        "best after iteration 2",
        "trial 1: 30.00 %",
        "best after iteration 3",
        "trial 4: 50.00 %",
    ]


def test_without_epsilon_there_are_no_zones(tmp_path):
    root = readable(progress.draw([run(tmp_path / "run", strategy="evolution")]).svg)
    assert not [r for r in root.iter(f"{SVG}rect") if r.get("class") == "zone"]


@pytest.mark.parametrize("name", ["8", "policy"])
def test_no_complete_iteration(tmp_path, name):
    run(tmp_path / "run", [])
    with pytest.raises(InputError, match="no complete iteration"):
        drawn(name, [str(tmp_path / "run")])


# 5


def test_figure_5_joins_runs_by_their_reward(tmp_path):
    better = [[(BLOCKS[1], 40.0), (BLOCKS[3], 60.0)], [(BLOCKS[0], 80.0), (BLOCKS[2], 80.0)]]
    views = [
        run(tmp_path / "a", agent={"shaped": True}),
        run(tmp_path / "b", better, agent={"shaped": True}),
        run(tmp_path / "c", agent={"shaped": False}),
    ]
    drawing = shaped.draw(views)
    lines = series(readable(drawing.svg))
    assert set(lines) == {shaped.SHAPED, shaped.UNSHAPED}
    # of both runs: (25 + 50) / 2 and (20 + 80) / 2, as long as both have iterations
    assert lines[shaped.SHAPED] == "2 points from 37.5 to 50, the last one 50"
    assert lines[shaped.UNSHAPED] == "4 points from 20 to 50, the last one 40"
    assert "band of-0" in drawing.svg
    assert "band of-1" not in drawing.svg
    assert "differ" not in drawing.lines[-1]


def test_figure_5_lengths(tmp_path):
    views = [run(tmp_path / "a", agent={"shaped": True}), run(tmp_path / "b")]
    root = readable(shaped.draw(views).svg)
    # operations: 1 + 2, 1 + 2, 4 + 4, 4 + 2
    assert series(root, 2)[shaped.SHAPED] == "4 points from 1.5 to 4, the last one 3"


def test_figure_5_of_other_runs_has_their_names_and_says_what_differs(tmp_path):
    views = [run(tmp_path / "x" / "run"), run(tmp_path / "y" / "run", reward={"mu": 0.0, "rho": 0.0})]
    drawing = shaped.draw(views)
    assert set(series(readable(drawing.svg))) == {"x/run", "y/run"}
    assert drawing.lines[-1] == "the runs differ in other settings too: reward.mu, reward.rho"


# 6


def calibration(view, finals):
    return [
        line(
            entry.trial,
            entry.accuracy,
            final,
            code=entry.code,
            flops=entry.flops,
            density=view.fold.trials[entry.trial].density,
        )
        for entry, final in zip(view.entries(), finals, strict=True)
    ]


def write(directory, rows_of):
    write_rows(directory / CALIBRATION, rows_of)


def test_figure_6_without_full_trainings_says_how_they_come(tmp_path):
    view = run(tmp_path / "run")
    drawing = early_stop.draw([view])
    lines = series(readable(drawing.svg))
    assert f"blockqnn calibrate {tmp_path / 'run'} --sample 24" in drawing.lines[0]
    assert set(lines) == {"early-stop accuracy (%)", "reward, mu = 1, rho = 8"}
    assert lines["early-stop accuracy (%)"] == "3 points from 20 to 50, the last one 20"


def test_figure_6_with_them(tmp_path):
    view = run(tmp_path / "run", reward={"mu": 2.0, "rho": 1.0})
    finals = [60.0, 80.0, 70.0]
    write(view.directory, calibration(view, finals))
    drawing = early_stop.draw([view])
    root = readable(drawing.svg)
    lines = series(root)
    own = "reward of the run, mu = 2, rho = 1"
    assert set(lines) == {
        "early-stop accuracy (%)",
        "reward, mu = 1, rho = 8",
        own,
        "final accuracy (%)",
    }
    entries = view.entries()
    by_early = sorted(range(3), key=lambda i: -entries[i].accuracy)
    assert lines["final accuracy (%)"].endswith(f"the last one {finals[by_early[-1]]:.4g}")
    assert lines[own].endswith(f"the last one {entries[by_early[-1]].reward:.4g}")
    expected = spearmanr([e.reward for e in entries], finals).statistic
    told = next(told for told in drawing.lines if told.startswith(own))
    assert told.endswith(f"{expected:+.2f}")
    assert series(root, 1)["MFLOPs"].endswith(f"the last one {entries[by_early[-1]].flops / 1e6:.4g}")


def test_figure_6_corrects_as_the_paper_does(tmp_path):
    """Trial 3: FLOPs and density by hand; the reference is what the run stored for its own reward."""
    view = run(tmp_path / "run")
    models = {model.early: model for model in early_stop.models_of(view)}
    assert all(model.corrected == model.reward for model in models.values())
    plain = run(tmp_path / "plain", reward={"mu": 0.0, "rho": 0.0})
    others = {model.early: model for model in early_stop.models_of(plain)}
    for early, model in others.items():
        assert model.reward == early
        assert model.corrected == pytest.approx(models[early].corrected)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"final": "high"}, "final"),
        ({"early": 101.0}, "early"),
        ({"flops": 0}, "flops"),
        ({"density": None}, "density"),
        ({"trial": None}, "trial"),
    ],
)
def test_a_damaged_calibration_is_named_with_its_line(tmp_path, damage, told):
    view = run(tmp_path / "run")
    one, two, three = calibration(view, [60.0, 80.0, 70.0])
    write(view.directory, [one, {**two, **damage}, three])
    with pytest.raises(InputError, match=rf"calibration.jsonl: line 2 is damaged: {told}"):
        early_stop.draw([view])


def test_what_a_kill_cut_off_and_failed_trainings_are_left_out(tmp_path):
    view = run(tmp_path / "run")
    one, two, three = calibration(view, [60.0, None, 70.0])
    write(view.directory, [one, two, three])
    with (view.directory / "calibration.jsonl").open("a") as file:
        file.write('{"trial": 1, "co')
    assert [model.final for model in early_stop.models_of(view)] == [60.0, 70.0]


def test_only_trainings_of_one_kind_are_compared(tmp_path):
    view = run(tmp_path / "run")
    trained = calibration(view, [60.0, 80.0, 70.0])
    write(view.directory, [{**r, "how": how} for r, how in zip(trained, "aba", strict=True)])
    assert [model.final for model in early_stop.models_of(view)] == [60.0, 70.0]


# 1, 2, 3


def test_figure_1_shows_the_run_s_network_and_the_trial(tmp_path):
    run(tmp_path / "run", skeleton={"stem": ["conv"], "widths": [4, 8], "repeats": [3, 2]})
    root = readable(drawn("1", [f"{tmp_path / 'run'}:1"]).svg)
    left, right = (s for s in root.iter(f"{SVG}svg") if s.get("class") == "bq")
    labels_of = [t.text for t in left.iter(f"{SVG}text")]
    assert labels_of == [
        "image",
        "conv 3x3, 4 filters",
        "block x 3, 4 filters",
        "max pool 2x2",
        "block x 2, 8 filters",
        "ReLU, global average",
        "linear",
        "classes",
    ]
    assert right.find(f"{SVG}desc").text == f"{BLOCKS[1]} (3,7,0,0,0)"


def test_figure_2_writes_the_code_as_the_paper_does():
    assert code_table(ZOO["resnet-like"]) == [
        ("1", "4", "0", "0", "0", "identity"),
        ("2", "1", "3", "1", "0", "conv"),
        ("3", "1", "3", "2", "0", "conv"),
        ("4", "5", "0", "1", "3", "add"),
        ("5", "7", "0", "0", "0", "terminal"),
    ]


def test_figure_3_has_the_poolings_of_the_paper():
    """CIFAR pools twice; ImageNet twice in its stem and three times between its stages."""
    boxes = {name: [b.label for b in network(s).boxes] for name, s in SKELETONS.items()}
    assert boxes["cifar"].count("max pool 2x2") == 2
    assert boxes["imagenet"].count("max pool 2x2") == 5
    assert [b for b in boxes["imagenet"] if b.startswith("conv")] == ["conv 3x3, 64 filters"] * 2


# the command


def test_the_command_writes_beside_and_says_where(blockqnn, folder):
    answer = blockqnn("figure", "8", "run")
    assert answer.status == 0
    assert answer.out.splitlines()[-1] == "figure-8.svg"
    readable((folder / "figure-8.svg").read_text())
    answer = blockqnn("figure", "policy", "run", "--out", "mine.svg")
    assert answer.out.splitlines()[-1] == "mine.svg"
    readable((folder / "mine.svg").read_text())


def test_without_a_name_it_lists_all(blockqnn):
    answer = blockqnn("figure")
    assert answer.status == 0
    names = [re.split(r"\s+", line)[0] for line in answer.out.splitlines()]
    assert names == ["figure", *FIGURES]


def test_a_run_is_only_read(tmp_path):
    view = run(tmp_path / "run")
    before = (view.directory / "run.sqlite3").read_bytes()
    drawn("policy", [str(view.directory)])
    drawn("6", [str(view.directory)])
    assert (view.directory / "run.sqlite3").read_bytes() == before
    assert rows.read(view.directory).status() == view.status()
