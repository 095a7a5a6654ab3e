"""A run file looked at row by row, as values, words and JSON: what `check` tells."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blockqnn.report import rows
from blockqnn.runtime.file.run_file import NoRunFile
from blockqnn.runtime.file.schema import FORMAT, Table
from blockqnn.runtime.file.verify import Damage
from blockqnn.runtime.store import Store


@dataclass(frozen=True)
class Checked:
    """What was found. The run as a whole is read only where nothing is damaged."""

    directory: Path
    form: int  # format of the file; 0: it does not even tell that
    sound: dict[Table, int]  # rows that are what was written, by table
    damages: tuple[Damage, ...]
    view: rows.RunView | None

    def told(self) -> dict[str, Any]:
        """As `--json` prints it."""
        pages = [damage.what for damage in self.damages if damage.table == "file"]
        status = self.view.status() if self.view else {}
        return {
            "sound": not self.damages,
            "format": self.form,
            "rows": self.sound,
            "damages": [damage._asdict() for damage in self.damages],
            "integrity_check": pages or ["ok"],
            "trials": status.get("trials"),
            "failures": status.get("failures"),
            "trajectory": status.get("trajectory"),
        }

    def lines(self) -> Iterator[str]:
        """In words; damages are left to `told`, in order."""
        if self.form == 0:
            yield from (damage.what for damage in self.damages)
            return
        proof = "each with its checksum" if self.form > 1 else "without checksums, read one by one"
        counted = ", ".join(f"{table} {count}" for table, count in self.sound.items())
        yield f"{self.directory}: format {self.form}; sound rows, {proof}: {counted}"
        if self.form < FORMAT and not self.damages:
            yield "rows get checksums when the run goes on; until then changed digits would not be seen"
        yield from (str(damage) for damage in self.damages)
        if self.view is None:
            return
        counts = self.view.counts()
        told = ", ".join(f"{count} {what}" for what, count in counts.items())
        planned = "" if self.view.planned is None else f"{self.view.planned} planned, "
        yield f"integrity_check of SQLite: ok; trials: {planned}{told}"
        yield f"trajectory, folded anew: {self.view.trajectory}"


def check(directory: Path) -> Checked:
    """Looks at all of a run's file and changes nothing. InputError where there is none to look at."""
    try:
        with Store.look(directory) as store:
            found, form = store.examined(), store.form
    except NoRunFile as error:
        return Checked(directory, 0, {}, (Damage("file", "", str(error)),), None)
    return Checked(
        directory,
        form,
        {table: len(sound) for table, sound in found.rows.items()},
        tuple(found.damages),
        None if found.damages else rows.read(directory),
    )
