"""What the search cost: time, who computed, what reuse saved."""

from collections.abc import Iterator

from blockqnn.pages.markup import Column, Group, Line, listed, section, table
from blockqnn.pages.sections.wording import counted, lasting
from blockqnn.report.cost import Cost, cost
from blockqnn.report.rows import RunView


def costs(run: RunView) -> str:
    """In words, and seconds by worker."""
    spent = cost(run.fold)
    columns = [Column("worker", "text"), Column("seconds of evaluation")]
    lines = tuple(Line((name or "-", f"{seconds:,.1f}")) for name, seconds in spent.workers.items())
    by_worker = table(columns, [Group("", lines)]) if len(lines) > 1 else ""
    return section("costs", "What it cost", [listed(_told(run, spent)), by_worker])


def _told(run: RunView, spent: Cost) -> Iterator[str]:
    kind = {"cuda": "GPU", "mps": "GPU"}.get(run.facts.device, "CPU")
    yield (
        f"{kind} time: {spent.seconds:,.0f} seconds ({lasting(spent.seconds)}) for"
        f" {counted(spent.trained, 'evaluation')}, {spent.mean:.2g} s each, summed over"
        f" {counted(len(spent.workers), 'worker')}."
    )
    if spent.repeats or spent.taken:
        source = run.facts.settings.source
        taken = f" and {spent.taken:,} were taken from {source}" if spent.taken else ""
        yield (
            f"Reuse: {counted(spent.repeats, 'proposal was', 'proposals were')} of a network already"
            f" known{taken}; that saved {lasting(spent.saved)}."
        )
    else:
        yield "Reuse: every proposal was a new network."
    if spent.attempts > spent.trained:
        again = spent.attempts - spent.trained
        yield f"{counted(again, 'evaluation')} more were lost with a worker and done again."
    if redrawn := sum(trial.redrawn for trial in run.fold.trials):
        yield f"{counted(redrawn, 'proposal')} over a limit were drawn again, which costs no training."
    for kind_of, count in spent.fingerprints.items():
        yield f"Measured with {kind_of}: {counted(count, 'network')}."
    if (energy := run.energy) is None:
        yield "Energy: this device does not tell what it consumed."
    else:
        told = "as the devices told it; sessions that were killed are not in it"
        yield f"Energy: {energy / 3.6e6:.3g} kWh, {told}."
