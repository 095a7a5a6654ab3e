"""The command `doctor`: all that is looked at, in order."""

from pathlib import Path

from blockqnn.doctor import cluster, devices, disk, images, versions
from blockqnn.doctor.finding import Finding


def examined(
    data: str | None = None, labels: Path | None = None, run: Path | None = None
) -> tuple[Finding, ...]:
    """The findings for this machine; with `data` also whether those images can be read.

    InputError for a `run` that cannot be a directory.
    """
    written_to = disk.measured(run)
    source = "digits" if data is None and labels is not None else data
    return (
        *versions.findings(versions.measured(run)),
        *devices.findings(devices.measured()),
        *disk.findings(written_to),
        *images.cache_findings(),
        *(() if source is None else images.data_findings(source, labels)),
        *cluster.findings(cluster.measured()),
    )
