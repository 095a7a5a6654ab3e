"""The fixture `page` sees what it is there to see."""

import pytest

from layout import sideways

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


def loaded(page, tmp_path, body):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><title>t</title><body>{body}</body>")
    page.goto(path.as_uri())
    page.wait_for_timeout(200)


def taken(faults):
    """The faults, which are then no longer held against the test."""
    found = sorted(faults)
    faults.clear()
    return found


def test_a_plain_page_has_no_faults(page, tmp_path, faults):
    loaded(page, tmp_path, f"<script>console.log('all is well')</script><img src='{PIXEL}'>")
    assert faults == []


def test_an_error_in_the_console(page, tmp_path, faults):
    loaded(page, tmp_path, "<script>console.error('oh')</script>")
    assert taken(faults) == ["console: oh"]


def test_an_exception(page, tmp_path, faults):
    loaded(page, tmp_path, "<script>null.x</script>")
    (fault,) = taken(faults)
    assert fault.startswith("exception: Cannot read properties of null")


def test_a_request_to_elsewhere_is_refused_and_told(page, tmp_path, faults):
    script = "fetch('https://example.org/data').catch(() => document.title = 'refused')"
    loaded(page, tmp_path, f"<img src='http://192.0.2.1/pixel.gif'><script>{script}</script>")
    found = taken(faults)
    assert "request to elsewhere: http://192.0.2.1/pixel.gif" in found
    assert "request to elsewhere: https://example.org/data" in found
    assert page.title() == "refused"


def test_a_file_that_is_not_there(page, tmp_path, faults):
    loaded(page, tmp_path, "<img src='missing.png'>")
    assert any(fault.startswith("no answer: file:") for fault in taken(faults))


@pytest.mark.parametrize(("width", "beyond"), [(380, 0), (700, 300)])
def test_a_page_that_is_too_wide(page, tmp_path, width, beyond):
    page.set_viewport_size({"width": 400, "height": 300})
    loaded(page, tmp_path, f"<style>body {{margin: 0}}</style><p style='width: {width}px'>wide")
    assert sideways(page) == beyond
