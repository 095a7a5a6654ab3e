"""docs/zoo.md is what its script makes now, of all blocks that have a name or were found."""

import pytest

import zoo_page
from blockqnn.report.target import find
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

KEPT = zoo_page.stored().blocks
REMAKE = "run python benchmarks/zoo_page.py"


@pytest.mark.parametrize("path", zoo_page.files(zoo_page.stored()), ids=str)
def test_the_page_and_its_drawings_are_those_made_now(path):
    made = zoo_page.files(zoo_page.stored())[path]
    assert (zoo_page.ROOT / path).read_text(encoding="utf-8") == made, REMAKE


def test_no_drawing_is_left_over():
    there = {p.relative_to(zoo_page.ROOT) for p in (zoo_page.ROOT / zoo_page.DRAWINGS).iterdir()}
    assert there == set(zoo_page.files(zoo_page.stored())) - {zoo_page.PAGE}, REMAKE


@pytest.mark.parametrize("name", ZOO)
def test_each_block_of_the_package_is_shown(name):
    (kept,) = [kept for kept in KEPT if kept.name == name]
    page = (zoo_page.ROOT / zoo_page.PAGE).read_text(encoding="utf-8")
    assert f"## {kept.title}\n" in page
    assert str(ZOO[name]) in page
    assert f"(zoo/{name}.svg)" in page


def test_a_block_that_is_missing_or_recoded_is_refused(tmp_path, monkeypatch):
    text = (zoo_page.ROOT / zoo_page.DATA).read_text(encoding="utf-8")
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(zoo_page, "ROOT", tmp_path)
    for before, after in (
        ('"name": "block-qnn-b"', '"name": "block-qnn-x"'),
        ('"name": "block-qnn-b",', '"name": "block-qnn-b", "code": "(1,1,1,0,0)",'),
    ):
        (tmp_path / zoo_page.DATA).write_text(text.replace(before, after), encoding="utf-8")
        with pytest.raises(ValueError, match="block-qnn-b"):
            zoo_page.stored()


def test_the_best_block_of_each_stored_search_is_shown():
    found = {kept.store: parse(kept.code) for kept in KEPT if kept.store}
    stores = (zoo_page.ROOT / "results").glob("*/run.sqlite3")
    assert found == {f"results/{s.parent.name}": find(str(s.parent)).block for s in stores}


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_depths_and_sizes_are_the_papers(kept):
    for network in kept.networks:
        plan = zoo_page.plan_of(kept, network)
        if network.paper:
            assert plan.depth == network.paper.depth
        if network.paper and network.paper.parameters:
            millions = float(network.paper.parameters.removesuffix("M"))
            assert plan.params / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_a_measurement_is_in_the_document_that_it_names(kept):
    for measured in (m for network in kept.networks for m in network.measured):
        document = (zoo_page.ROOT / measured.source).read_text(encoding="utf-8")
        spread = "" if measured.deviation is None else f" +- {measured.deviation:.2f}"
        forms = (f"{value:.2f}{spread}" for value in (measured.error, 100 - measured.error))
        assert any(form in document for form in forms)
