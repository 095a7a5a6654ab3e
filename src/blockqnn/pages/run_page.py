"""The page of a run: report.html, one file that needs no network and no other file."""

from collections.abc import Sequence

from blockqnn.pages.chart import Chart
from blockqnn.pages.chart_markup import charts_of, library, script
from blockqnn.pages.document import document
from blockqnn.pages.markup import pictures, section
from blockqnn.pages.run_charts import charts
from blockqnn.pages.run_sections.best import best
from blockqnn.pages.run_sections.costs import costs
from blockqnn.pages.run_sections.failures import failures
from blockqnn.pages.run_sections.made import made
from blockqnn.pages.run_sections.summary import summary
from blockqnn.pages.run_sections.trust import trust
from blockqnn.report.calibrated import Evidence
from blockqnn.report.rows import IterationRow, RunView

# plotly compiles its shaders' code; nothing is loaded from anywhere
_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline' 'unsafe-eval'"
)
_LEARNED = (
    "Values are rewards that a finished block is expected to have. Framed: the steps of the block"
    " that the agent would build now, were it never to explore."
)
_ROWS = 200  # of the charts by iteration


def run_page(run: RunView, evidence: Evidence, learned: str = "") -> str:
    """The whole page, of a run that is finished or not.

    `evidence` is what full trainings told; `learned` what the agent learned, as SVG, where it has
    a table.
    """
    drawn = run_charts(run)
    moved = [chart for chart in drawn if not chart.name.startswith("against-")]
    cost = [chart for chart in drawn if chart.name.startswith("against-")]
    main = [
        summary(run, evidence.proof),
        section("moved", "How it went", [charts_of(moved)]),
        section("cost", "What accuracy costs", [charts_of(cost)]),
        best(run),
        section("learned", "What the agent learned", [pictures([(learned, _LEARNED)])])
        if learned
        else "",
        trust(run, evidence),
        failures(run),
        costs(run),
        made(run),
    ]
    title = f"{run.facts.data.name}: search of a block"
    return document(title, ["<main>", *main, "</main>", library(), script()], policy=_POLICY)


def run_charts(run: RunView, rows: Sequence[IterationRow] | None = None) -> list[Chart]:
    """Those of the page, and of the live page, which knows the rows by iteration."""
    return charts(
        sorted(run.entries(), key=lambda entry: entry.trial),
        run.by_iteration(_ROWS) if rows is None else rows,
        run.metric,
        corrected=run.facts.settings.reward.corrects,
        learns=run.learns,
    )
