"""The live page: its frame, which a script fills, and what it is filled with."""

import time
from collections.abc import Sequence
from typing import Any

from blockqnn.dashboard.trials import SHOWN, STATES, trials_table, workers
from blockqnn.dashboard.watch import Watch
from blockqnn.pages.chart import plotted
from blockqnn.pages.chart_markup import empty
from blockqnn.pages.document import document
from blockqnn.pages.markup import Column, Group, Line, Link, table
from blockqnn.pages.run_page import run_charts
from blockqnn.pages.run_sections.best import best
from blockqnn.pages.run_sections.costs import costs
from blockqnn.pages.run_sections.failures import failures
from blockqnn.pages.run_sections.summary import summary
from blockqnn.pages.sections.wording import NONE, percent
from blockqnn.quantity import duration


def frame(title: str, main: str, source: str) -> str:
    """A page without values, whose script asks for them at `source`."""
    scripts = [f'<script src="/{name}"></script>' for name in ("plotly.js", "charts.js", "live.js")]
    skip = '<a class="skip" href="#main">To the content</a>'
    return document(title, [skip, f'<main id="main">{main}</main>', *scripts], source=source)


def run_frame(watch: Watch, number: int, several: bool) -> str:
    """The page of one run."""
    drawn = run_charts(watch.view, watch.rows())
    choices = "".join(f'<option value="{name}">{name}</option>' for name in ("all", *STATES))
    back = '<p><a href="/">All runs</a></p>' if several else ""
    main = f"""
{back}
<p id="state" role="status" aria-live="polite"></p>
<progress id="progress" max="1" aria-label="share of the plan that is done"></progress>
<div id="summary"></div>
<section><h2>How it goes</h2>{"".join(map(empty, drawn))}</section>
<div id="best"></div>
<section id="trials-section"><h2>All trials</h2>
<p><label>state <select id="trial-state">{choices}</select></label>
<button id="trials-newer" type="button">newer</button>
<button id="trials-older" type="button">older</button></p>
<div id="trials" data-shown="{SHOWN}"></div></section>
<div id="failures"></div>
<div id="costs"></div>
"""
    return frame(f"{watch.view.facts.data.name}: search", main, f"/run/{number}")


def run_state(watch: Watch) -> dict[str, Any]:
    """All that the script puts into the page of a run."""
    run = watch.view
    parts = {"summary": summary(run), "best": best(run), "failures": failures(run), "costs": costs(run)}
    return {
        "parts": parts,
        "charts": {c.name: {**plotted(c), "told": c.told} for c in run_charts(run, watch.rows())},
    }


def standing(watch: Watch) -> dict[str, Any]:
    """How the run stands now, in words, and the share that is done."""
    run = watch.view
    share = run.budget.share if run.budget else min(1.0, run.done / run.planned) if run.planned else 0.0
    return {"share": share, "state": state_of(watch)}


def state_of(watch: Watch) -> str:
    """Whether it runs, how long it is still to run, or how it goes on."""
    run = watch.view
    if run.finished:
        return "The search is finished."
    if not watch.searched:
        return f"No search is at work. Go on with: blockqnn search --run {watch.directory}"
    left = run.seconds_left()
    soon = f", about {duration(left)} left" if left is not None else ""
    quiet = time.monotonic() - watch.changed
    count = workers(run)
    return (
        f"The search runs on {count} worker{'s' * (count > 1)}{soon};"
        f" the last change was seen {duration(quiet)} ago."
    )


def trials(watch: Watch, state: str, offset: int) -> str:
    """The part of the table of trials that is looked at."""
    return trials_table(watch.view, state, offset, searched=watch.searched)


def overview(watches: Sequence[Watch]) -> str:
    """All runs side by side, each with a link to its page."""
    columns = [
        Column("run", "text"),
        Column("data", "text"),
        Column("strategy", "text"),
        Column("done"),
        Column("best"),
        Column("reward"),
        Column("state", "text"),
    ]
    return table(columns, [Group("", tuple(_line(*one) for one in enumerate(watches)))])


def _line(number: int, watch: Watch) -> Line:
    run = watch.view
    first = next(iter(run.entries()), None)
    planned = f" / {run.planned:,}" if run.planned is not None else ""
    return Line(
        (
            Link(str(watch.directory), f"/run/{number}"),
            run.facts.data.name,
            run.facts.settings.strategy,
            f"{run.done:,}{planned}",
            percent(first.accuracy, 2) if first else NONE,
            f"{first.reward:.2f}" if first else NONE,
            state_of(watch),
        )
    )
