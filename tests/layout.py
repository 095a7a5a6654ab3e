"""How a page lies in its window."""


def sideways(page) -> int:
    """By how many pixels the page is wider than its window; 0 when it cannot be scrolled sideways."""
    page.evaluate("window.scrollTo(100000, 0)")
    return page.evaluate(
        "Math.max(window.scrollX, document.documentElement.scrollWidth - window.innerWidth, 0)"
    )
