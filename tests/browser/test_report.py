"""The page of a run in a browser: it is drawn, tells what is pointed at, sorts, and copies."""

import pytest

from blockqnn.api import Run
from unit.test_rows import CONVS, written

WIDTHS = 390, 1280


@pytest.fixture
def opened(tmp_path, page):
    written(tmp_path / "run")
    path = Run(tmp_path / "run").report()

    def open_at(width=1280, scheme="light"):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.goto(path.as_uri())
        return page

    return open_at


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_chart_is_drawn_and_nothing_is_wider_than_the_window(opened, width, scheme):
    page = opened(width, scheme)
    charts = page.locator("figure.chart")
    for number in range(charts.count()):
        charts.nth(number).scroll_into_view_if_needed()
        charts.nth(number).locator(".main-svg").first.wait_for()
    assert charts.count() == 5
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_pointed_at_is_told(opened):
    page = opened()
    page.locator("#chart-by-trial .main-svg").first.wait_for()
    page.locator("#chart-by-trial .scatterlayer .point").nth(1).hover(force=True)
    page.locator("#chart-by-trial .hoverlayer .hovertext").first.wait_for()
    assert "trial 2: 70.00 %" in page.locator("#chart-by-trial .hoverlayer").text_content()


def test_the_table_is_sorted_by_its_headings(opened):
    """FLOPs are shown as 1k; they are sorted by what they are."""
    page = opened()
    table = page.locator("table.sortable")

    def trials():
        return [row.split()[0] for row in table.locator("tbody tr").all_inner_texts()]

    assert trials() == ["2", "4", "0", "7"]  # by reward
    flops = table.get_by_role("button", name="FLOPs")
    flops.click()
    assert trials() == ["7", "4", "2", "0"]
    assert table.locator("th", has_text="FLOPs").get_attribute("aria-sort") == "descending"
    flops.focus()
    page.keyboard.press("Enter")
    assert trials() == ["0", "2", "4", "7"]


def test_a_code_is_copied(opened, page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened()
    page.locator("table.sortable tbody tr").first.get_by_role("button").click()
    page.get_by_text("copied", exact=True).wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith(CONVS[2])
