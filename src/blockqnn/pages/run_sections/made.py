"""How the run can be made again: command, seed, versions, all settings."""

import shlex

from blockqnn.config_file import resolved
from blockqnn.pages.markup import code, folded, listed, paragraph, section
from blockqnn.report.rows import RunView


def made(run: RunView) -> str:
    """Commands to be copied, and the settings where they are asked for."""
    facts, settings = run.facts, run.facts.settings
    config = shlex.quote(str(run.directory / "config.yaml"))
    place = shlex.quote(str(run.directory))
    commands = [f"blockqnn search --config {config} --run again"]
    if settings.plugins:
        commands[0] += "".join(f" --plugin {shlex.quote(plugin.path)}" for plugin in settings.plugins)
    commands.append(f"blockqnn train {place} --out model")
    commands.append(f"blockqnn calibrate {place} --sample 24 --proof 5")
    told = [
        f"blockqnn {facts.version}",
        f"protocol {facts.protocol}: runs of one protocol can share measurements",
        f"data {facts.data.name}, {sum(facts.data.sizes):,} images, digest {facts.data.digest}",
        f"seed {settings.plan.seed}",
        f"trajectory {run.trajectory}: a hash over all trials, outcomes and values",
    ]
    return section(
        "made",
        "How it was made",
        [
            listed(told),
            paragraph("The same search again; a full training of the best block; how far to trust it:"),
            code("\n".join(commands)),
            folded("All settings", code(resolved(settings).rstrip())),
        ],
    )
