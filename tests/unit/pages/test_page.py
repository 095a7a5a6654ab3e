"""The page that auto leaves: of finished and unfinished directories, around a search that took place."""

import json
import re
from shutil import copytree
from xml.etree import ElementTree

import pytest

from blockqnn.errors import InputError
from blockqnn.journal import STAGES
from blockqnn.pages.page import page
from blockqnn.report import rows
from blockqnn.report.calibrated import PROOF
from blockqnn.space.zoo import ZOO
from journeys import CLASSES, all_rows, confusion, directory, journal, metrics, row
from rectangles import SVG
from unit.test_calibrated import of_proof
from unit.test_calibrated import write as write_rows

NASTY = '<b>&"x"'
RANKS_NOTHING = "ranks nothing"


@pytest.fixture(scope="module")
def run(finished):
    return finished.path


class Page:
    """A page read back; `words` are what a reader sees, with plain spaces."""

    def __init__(self, path):
        self.html = page(path)
        self.root = ElementTree.fromstring(self.html)
        self.body = self.root.find("body")
        self.words = words(self.body)

    def section(self, name):
        (found,) = (s for s in self.body.iter("section") if s.get("id") == name)
        return found

    def told(self, name):
        return words(self.section(name))

    def table(self, name, number=0):
        """Rows of cells, the heading first."""
        found = list(self.section(name).iter("table"))[number]
        return [[words(cell) for cell in line] for line in found.iter("tr")]

    def svgs(self, kind, name=None):
        where = self.body if name is None else self.section(name)
        return [s for s in where.iter(f"{SVG}svg") if s.get("class") == kind]


def words(element):
    """The text of an element, without that of pictures."""

    def parts(e):
        if not e.tag.startswith(SVG):
            yield e.text or ""
            for child in e:
                yield from parts(child)
                yield child.tail or ""

    return " ".join(" ".join(parts(element)).split())


@pytest.fixture
def made(tmp_path, run):
    """The page of a directory with these files."""

    def make(journal_=None, metrics_=None, run=run):
        journal_ = journal_ or journal(rows=all_rows(run))
        return Page(directory(tmp_path / "out", journal_, metrics_, run))

    return make


@pytest.fixture
def whole(made):
    return made(metrics_=metrics())


@pytest.mark.parametrize("until", range(len(STAGES) + 1))
def test_a_page_of_every_moment(made, run, until):
    """Well-formed, alone, and what is not done is said to be so."""
    known, training = journal(until, rows=all_rows(run)), STAGES.index("training")
    there = metrics(tested=until == len(STAGES)) if until > training else None
    shown = made(known, there, run if until >= 3 else None)
    rest = shown.html.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|<script|href|src=|url\(|@import|@font-face|\bon\w+=", rest)
    names = ("baselines", "recipe", "search", "selection", "trust")
    for number, name in enumerate(names):
        assert ("Not done yet." in shown.told(name)) is (number >= until)
    assert ("Not finished yet" in shown.words) is (until < len(STAGES))
    assert ("not been read yet" in shown.told("test")) is (until < len(STAGES))
    assert ("There is no model yet." in shown.words) is (until == 0)
    assert ("Not done yet." in shown.told("use")) is (until <= training)
    if until < len(STAGES):
        assert re.search(r"test accuracy - not read yet", shown.words)


def test_a_journal_from_before_there_was_a_proof(made):
    old = journal()
    ends, took = ({k: v for k, v in d.items() if k != "proof"} for d in (old.ends, old.took))
    shown = made(old.model_copy(update={"ends": ends, "took": took}), metrics())
    assert "Not finished yet" not in shown.words


def test_a_run_without_any_outcome(made, tmp_path):
    from blockqnn.runtime.store import Store
    from runs import facts

    with Store.create(tmp_path / "begun", {"run": facts().model_dump_json()}):
        pass
    shown = made(journal(2), None, tmp_path / "begun")
    assert "0 blocks proposed" in shown.told("search")
    assert "Under way" in shown.told("search")


def test_the_summary_says_what_came_out(whole, run):
    name = f"trial {rows.read(run).entries()[0].trial}"
    head = words(whole.body.find("main").find("header"))
    assert "1 h 56 min of a budget of 2 h" in head
    assert "4,000 training images" in head
    assert f"is {name}, found by the search" in head
    assert (
        "test accuracy is 87.9 % (95 % interval 86.2 to 89.5 %), measured once on 1,500 images" in head
    )
    assert "most frequent class 10.0 %, linear model 38.2 % and this model 90.1 % after 33 min" in head
    assert "thin Block-QNN-S 87.0 % against 88.4 % (equal training, 5 min)" in head
    assert "ResNet-like exemplar 80.3 % against 84.0 % (equal training, 2 min)" in head, "one round less"


@pytest.mark.parametrize(
    ("found", "known", "said"),
    [
        (92.0, 87.0, "The search paid: trial"),
        (88.4, 87.0, "Whether the search paid is open: trial"),
        (86.0, 87.0, "The search did not pay here: thin Block-QNN-S"),
    ],
)
def test_whether_the_search_paid(made, run, found, known, said):
    """The standard error of 90 % of 1,000 images is 0.9 points."""
    shown = made(journal(rows=all_rows(run, found, known)), metrics())
    assert said in shown.words
    assert f"{abs(found - known):.1f} points ahead of" in shown.words
    assert "standard error of 0.9 points" in shown.words


def test_a_model_of_an_early_stage_is_not_said_to_have_won_the_selection(made, run):
    early = [row("recipe", 2, "resnet-like", 95.0, str(ZOO["resnet-like"]), choice="twice as long")]
    shown = made(journal(rows=[*all_rows(run), *early]), metrics())
    assert "as it was trained in the stage recipe: nothing trained later was better" in shown.words
    assert "The search did not pay here" in shown.words
    assert "After equal training" not in shown.words
    assert "equal training" not in words(shown.body.find("main").find("header"))


# The proof


@pytest.fixture
def proved(run, tmp_path):
    """The run with five found and five random blocks, trained anew: 90 to 94 % and 80 to 84 %."""
    copy = copytree(run, tmp_path / "proved")
    finals = [("found", 90.0), ("random", 80.0)]
    rows_ = [of_proof(group, least + n) for group, least in finals for n in range(5)]
    write_rows(copy / PROOF, rows_)
    return copy


def test_the_proof_has_a_section_with_a_chart(made, proved):
    """Each group's variance is 2.5, so Welch's error is 1 with 8 degrees of freedom, t = 2.306."""
    shown = made(metrics_=metrics(), run=proved)
    told = shown.told("trust")
    assert "+10.00 [+7.69, +12.31] points" in told
    assert "p = 0.004 (252 splits, all)" in told
    (chart,) = shown.svgs("bq-curves", "trust")
    found, random = (g for g in chart.iter(f"{SVG}g") if g.get("class") == "series")
    heights = [[float(dot.get("cy")) for dot in group] for group in (found, random)]
    assert [len(group) for group in heights] == [5, 5]
    assert all(group == sorted(group) for group in heights), "the best at the left, higher up"
    assert max(heights[0]) < min(heights[1]), "every found block lies above every random one"
    head = words(shown.body.find("main").find("header"))
    assert "trained anew: found 92.00 %, random 82.00 %" in head
    assert "--sample 24" in told, "what is still missing"
    assert "--proof" not in told
    assert "<script" not in shown.html


def test_why_the_proof_was_left_out_and_how_it_is_made_up_for(made, run, tmp_path):
    known = journal(rows=all_rows(run), proof="6 s for each training tell nothing")
    told = made(known, metrics()).told("trust")
    assert "The proof was left out: 6 s for each training tell nothing." in told
    assert f"blockqnn calibrate {tmp_path / 'out/run'} --sample 24 --proof 5" in told


def test_a_damaged_proof_is_no_page(made, proved):
    (proved / PROOF).write_text("{}\n")
    with pytest.raises(InputError, match=r"proof\.jsonl: line 1 is damaged"):
        made(run=proved)


def test_a_lead_over_nobody_is_no_proof(made, run):
    alone = [r for r in all_rows(run) if r.stage != "selection" or r.name.startswith("trial")]
    shown = made(journal(rows=alone), metrics())
    assert "Whether the search paid is open" in shown.words
    assert "no known network was trained for as long" in shown.words


def test_the_first_warnings_stand_above_and_all_with_the_data(made, run):
    warnings = tuple(f"number {i}" for i in range(5))
    shown = made(journal(rows=all_rows(run), warnings=warnings), metrics())
    head = words(shown.body.find("main").find("header"))
    assert re.findall(r"Warning: number (\d)", head) == list("012")
    assert "2 more warnings below" in head
    assert re.findall(r"Warning: number (\d)", shown.told("data")) == list("01234")


def test_a_known_network_that_was_trained_for_less_is_not_called_equal(made, run):
    others = [r for r in all_rows(run) if not (r.stage == "selection" and r.name == "resnet-like")]
    shown = made(journal(rows=others), metrics())
    assert "ResNet-like exemplar 71.5 % after 2 min" in shown.words


@pytest.mark.parametrize(
    ("each", "caution"),
    [(150, False), (99, True), (100, False)],
    ids=["1500 images", "990 images", "1000 images"],
)
def test_a_small_test_part_ranks_nothing(made, each, caution):
    shown = made(metrics_=metrics(confusion(10, each)))
    assert (RANKS_NOTHING in shown.words) is caution
    assert (RANKS_NOTHING in shown.told("test")) is caution


def test_a_wide_interval_ranks_nothing_either(made):
    shown = made(metrics_=metrics(test_interval=[83.0, 88.1]))
    assert "from 83.0 % to 88.1 % (95 % interval)" in shown.told("test")
    assert RANKS_NOTHING in shown.told("test")


def test_rounds_say_who_goes_on_and_who_was_chosen(whole, run):
    name = f"trial {rows.read(run).entries()[0].trial}"
    table = whole.table("selection")
    assert [line[0] for line in table] == [
        "network",
        "Round 1: 3 trainings of about 2 min",
        name,
        "thin Block-QNN-S",
        "ResNet-like exemplar",
        "Round 2: 3 trainings of about 5 min",
        f"{name}, filters 32/64/128",
        "thin Block-QNN-S, filters 32/64/128",
        f"{name}, filters 16/32/64",
    ]
    assert [line[-1] for line in table[2:5]] == ["goes on", "goes on", ""]
    assert [line[-1] for line in table[6:]] == ["chosen", "", ""]
    assert "validation part only" in whole.told("selection")


def test_each_round_of_the_recipe_says_what_was_taken(whole):
    table = whole.table("recipe")[1:]
    lines = [(line[0], line[min(1, len(line) - 1)], line[-1]) for line in table]
    assert lines == [
        ("Round 1: 6 trainings of about 2 min",) * 3,
        ("thin Block-QNN-S, rate 0.003", "74.00 %", "taken"),
        ("ResNet-like exemplar, rate 0.003", "73.00 %", "taken"),
        ("thin Block-QNN-S, rate 0.001", "72.20 %", ""),
        ("ResNet-like exemplar, rate 0.001", "70.20 %", ""),
        ("thin Block-QNN-S, rate 0.01", "10.00 %", ""),
        ("ResNet-like exemplar, rate 0.01", "failed", "non finite"),
        ("Round 2: 2 trainings of about 60 s",) * 3,
        ("ResNet-like exemplar, shifts and flips", "76.00 %", "taken"),
        ("ResNet-like exemplar, none", "71.00 %", ""),
        ("Round 3: 1 training of about 2 min",) * 3,
        ("ResNet-like exemplar, twice as long", "79.10 %", ""),
    ]
    assert "learning rate 0.003, augmentation shift 0.125, flip." in whole.told("recipe")


def test_nothing_is_called_chosen_while_a_stage_goes_on(made, run):
    part = [r for r in all_rows(run) if r.stage in STAGES[:4] and (r.stage, r.round) != ("selection", 1)]
    took = dict.fromkeys(STAGES[:3], 60.0)
    shown = made(journal(4, rows=part, took=took))
    assert "Under way" in shown.told("selection")
    assert "chosen" not in " ".join(cell for line in shown.table("selection") for cell in line)


def test_the_search_is_counted_and_drawn(whole, run):
    view = rows.read(run)
    trials = view.status()["trials"]
    assert (
        f"{trials['finished']} blocks proposed and judged, of which {trials['evaluated']}"
        in whole.told("search")
    )
    assert "118 candidates of about 42 s each, with 2 workers" in whole.told("search")
    entries = view.entries()[:10]
    table = whole.table("search")
    assert [line[-1] for line in table[1:]] == [e.code for e in entries]
    assert len(whole.svgs("bq", "search")) == min(3, len(entries))
    charts = whole.svgs("bq-curves", "search")
    assert len(charts) == 1  # the reward is the accuracy
    for chart in charts:
        assert len(list(chart.iter(f"{SVG}circle"))) == len(view.entries()) + 1, "one in the legend"


def test_the_model_is_drawn_with_its_curves(whole):
    assert len(whole.svgs("bq", "model")) == 1
    assert len(whole.svgs("bq-curves", "model")) == 2
    assert "1 block of 16 filters" in whole.told("model")


def test_each_class_and_its_mistakes(whole):
    table = confusion()
    scores = whole.table("test", 0)
    assert [line[0] for line in scores[1:]] == list(CLASSES)
    assert scores[1][1:3] == ["150", f"{100 * table[0][0] / 150:.1f} %"]
    mistakes = whole.table("test", 1)[1:]
    assert mistakes[0] == ["truck", "airplane", "22", "14.7 %"]
    assert [int(line[2]) for line in mistakes] == sorted((int(m[2]) for m in mistakes), reverse=True)
    assert len(whole.svgs("bq-matrix", "test")) == 1


def test_of_many_classes_the_worst_are_shown_and_all_are_there(made, run):
    many = tuple(f"class {i}" for i in range(100))
    shown = made(journal(classes=many, rows=all_rows(run)), metrics(confusion(100, 150), classes=many))
    recalls = [float(line[2].split()[0]) for line in shown.table("test", 0)[1:]]
    assert recalls == sorted(recalls)
    assert len(recalls) == 10
    assert len(shown.table("test", 1)) == 101
    assert shown.section("test").find("details") is not None
    assert len(shown.html) < 300_000


def test_names_from_files_stay_text(made, run):
    classes = (NASTY, "\x1b[31mred", "</style><script>", *CLASSES[3:])
    named = journal(
        classes=classes,
        rows=[*all_rows(run), row("selection", 0, NASTY, 10.0, choice=NASTY, failure=NASTY)],
        kept=-2,
        name=NASTY,
        source=NASTY,
        command=f"blockqnn auto --data '{NASTY}'",
        warnings=(f"few images of {NASTY}",),
    )
    shown = made(named, metrics(classes=classes))
    assert "<b>" not in shown.html
    assert "<script" not in shown.html
    assert "\x1b" not in shown.html
    assert shown.root.find("head").find("title").text == f"{NASTY}: image classifier"
    assert f"Warning: few images of {NASTY}" in shown.words
    assert NASTY in [line[0] for line in shown.table("test", 0)]
    assert f"blockqnn auto --data '{NASTY}'" in shown.told("again")


def test_another_metric_is_called_by_its_name(made):
    shown = made(metrics_=metrics(metric="macro-f1", test_accuracy=85.25))
    assert "test macro F1 is 85.2 % (95 % interval of the plain accuracy 86.2 to 89.5 %)" in shown.words
    assert shown.table("baselines")[0][1] == "macro F1"
    assert "standard error" not in shown.words


def test_a_model_of_larger_images_says_their_size(made, run):
    shown = made(journal(rows=all_rows(run), train_size=(128, 96)), metrics())
    assert "then trained longest, on images of 128 x 96 pixels." in shown.words
    assert "float32 (N, 3, 128, 96)" in shown.told("use")


def test_a_model_of_an_earlier_stage_has_the_size_of_the_search(made, run):
    shown = made(journal(kept=0, rows=all_rows(run), train_size=(128, 96)), metrics())
    assert "float32 (N, 3, 32, 32)" in shown.told("use")


def test_several_seeds_are_told(made):
    readings = [{"seed": s, "test_accuracy": 87.0 + s} for s in range(3)]
    changes = {"test_readings": readings, "test_accuracy_mean": 88.0, "test_accuracy_deviation": 1.0}
    shown = made(metrics_=metrics(**changes))
    assert "Of 3 seeds, each read once: mean 88.00 %, deviation 1.00 points" in shown.told("test")


def test_time_is_told_by_stage(whole):
    table = whole.table("time")
    assert [line[0] for line in table[1:]] == list(STAGES)
    assert table[3][1:3] == ["42 min", "41 min"]


def test_how_to_use_it_and_go_on(whole, tmp_path):
    assert f"blockqnn.load({str(tmp_path / 'out')!r})" in whole.told("use")
    assert "float32 (N, 3, 32, 32)" in whole.told("use")
    assert "model.onnx" in whole.told("use")
    assert "blockqnn auto --data photos/animals --budget 2h --out out" in whole.told("again")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"params": 1, "flops": 1, "test_accuracy": "x"}'])
def test_damaged_metrics_are_named(tmp_path, content):
    path = directory(tmp_path / "out", journal(6))
    (path / "metrics.json").write_text(content)
    with pytest.raises(InputError, match=r"metrics\.json: damaged"):
        page(path)


def test_metrics_of_train_alone_are_enough(made):
    """Those that older versions wrote: a test accuracy without images and interval."""
    few = ("metric", "test_accuracy", "validation_accuracy", "params", "flops", "seconds")
    shown = made(metrics_={key: metrics()[key] for key in few})
    assert "Test accuracy 87.93 %" in shown.told("test")
    assert RANKS_NOTHING not in shown.words


def test_no_journal_no_page(tmp_path):
    with pytest.raises(InputError, match=r"auto\.json"):
        page(tmp_path)


def test_the_same_page_each_time(tmp_path, whole):
    assert page(tmp_path / "out") == whole.html
    assert json.loads((tmp_path / "out/metrics.json").read_text())["test_images"] == 1500
