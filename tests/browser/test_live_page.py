"""The live page in a browser, beside a search that goes on."""

import pytest

from blockqnn.records import Failure, Measurement, Observation, Result
from blockqnn.runtime.store import Store
from unit.dashboard.test_app import served
from unit.test_rows import written

SOON = 15_000  # milliseconds; it asks every two seconds


@pytest.fixture
def live(tmp_path, page):
    """The page of a run that a search holds, and that store."""
    written(tmp_path / "run")
    with Store.resume(tmp_path / "run") as store, served(tmp_path / "run") as address:
        page.goto(address)
        page.get_by_text("The search runs on 1 worker").wait_for()
        yield page, store


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_is_drawn(live, width, scheme):
    page, _ = live
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.locator("#chart-by-trial .main-svg").first.wait_for()
    page.locator("#trials tbody tr").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_follows_the_search(live):
    page, store = live
    row = page.locator("#trials tbody tr", has=page.get_by_text("8", exact=True)).first
    row.get_by_text("running").wait_for()
    assert "70.00" in page.locator("#summary").inner_text()
    outcome = Measurement(accuracy=88.0, flops=2000, params=50)
    store.add(results=[Result(number=8, outcome=outcome, observed=Observation(seconds=3.0))])
    page.locator("#summary").get_by_text("88.00").wait_for(timeout=SOON)
    row.get_by_text("measured").wait_for(timeout=SOON)
    assert page.locator("#chart-by-trial .scatterlayer .point").count() == 5


def test_a_table_that_was_sorted_stays_so(live):
    """FLOPs are 1000 + the trial's number; by reward trial 8 would come first, then 2, 4, 0, 7."""
    page, store = live
    flops = page.locator("#best").get_by_role("button", name="FLOPs")

    def trials():
        return [row.split()[0] for row in page.locator("#best tbody tr").all_inner_texts()]

    flops.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert trials() == ["0", "2", "4", "7"]
    outcome = Measurement(accuracy=88.0, flops=2000, params=50)
    store.add(results=[Result(number=8, outcome=outcome, observed=Observation(seconds=3.0))])
    page.locator("#summary").get_by_text("88.00").wait_for(timeout=SOON)
    assert trials() == ["0", "2", "4", "7", "8"]
    assert page.locator("#best th[aria-sort]").evaluate_all("all => all.map((one) => one.ariaSort)") == [
        "ascending"
    ]
    page.keyboard.press("Enter")
    assert trials() == ["8", "7", "4", "2", "0"], "the heading has kept the focus"


def test_why_a_trial_failed_stands_there(live):
    page, store = live
    store.add(results=[Result(number=8, outcome=Failure(kind="timeout", detail="after 60 s"))])
    page.get_by_label("state").select_option("failed")
    page.locator("#trials").get_by_text("took longer than is allowed (after 60 s)").wait_for(
        timeout=SOON
    )


def test_the_trials_are_reached_by_the_keyboard(live):
    page, _ = live
    page.locator("#trials tbody tr").first.wait_for()
    page.get_by_label("state").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "trials-older"


def test_where_its_program_has_gone_it_says_so(tmp_path, page, faults):
    written(tmp_path / "run")
    with served(tmp_path / "run") as address:
        page.goto(address)
        page.locator("#state", has_text="No search is at work").wait_for()
    page.get_by_text("does not answer").wait_for(timeout=SOON)
    faults.clear()  # the answers that it missed


def test_several_runs_side_by_side(tmp_path, page):
    for name in ("one", "two"):
        written(tmp_path / name)
    with served(tmp_path / "one", tmp_path / "two") as address:
        page.goto(address)
        page.get_by_role("link", name="two").click()
        page.get_by_role("heading", name="Search of a block").wait_for()
        page.get_by_role("link", name="All runs").click()
        page.get_by_role("link", name="one").wait_for()
