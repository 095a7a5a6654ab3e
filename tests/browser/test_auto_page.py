"""The page of `auto` in a browser: on a telephone and a screen, light and dark."""

import pytest

from blockqnn import search
from blockqnn.pages.page import page as page_of
from blockqnn.report.calibrated import PROOF
from journeys import all_rows, directory, journal, metrics
from layout import sideways
from runs import TINY
from unit.test_calibrated import of_proof, write


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """report.html of a directory in which all stages are done."""
    run = tmp_path_factory.mktemp("searched") / "run"
    search("digits", run=run, preset="small", settings=TINY)
    groups = [("found", 90.0), ("random", 80.0)]
    write(run / PROOF, [of_proof(group, least + n) for group, least in groups for n in range(5)])
    out = directory(tmp_path_factory.mktemp("auto") / "out", journal(rows=all_rows(run)), metrics(), run)
    report = out / "report.html"
    report.write_text(page_of(out))
    return report


def luminance(page, selector):
    """Of the colour behind an element, 0 to 255."""
    colour = page.eval_on_selector(selector, "e => getComputedStyle(e).backgroundColor")
    return sum(float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]) / 3


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window_and_asks_nobody_for_anything(page, report, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(report.as_uri())
    assert sideways(page) == 0
    assert (luminance(page, "body") > 128) is (scheme == "light")
    sections = page.locator("section")
    assert sections.count() > 5
    assert all(section.is_visible() for section in sections.all())
    assert page.locator("#trust svg .dot:visible").count() == 12, "ten blocks and two of the legend"
