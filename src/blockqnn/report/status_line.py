"""A line for people that changes in a terminal, and lines that stay."""

import sys
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text


class StatusLine:
    """Writes to standard error, or to a stream; a reader that has gone stops nothing."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = (
            Live(console=Console(file=self._stream), refresh_per_second=4, transient=True)
            if self._stream.isatty()
            else None
        )
        if self._live:
            self._live.start()

    @property
    def changes(self) -> bool:
        """Whether this is a terminal; elsewhere only notes are seen."""
        return self._live is not None

    def show(self, text: str) -> None:
        """Replaces the changing line, where there is one; it is drawn by a thread of its own."""
        if self._live:
            self._live.update(Text(text, no_wrap=True, overflow="ellipsis"))

    def note(self, text: str) -> None:
        """A line that stays."""
        with suppress(OSError):
            if self._live:
                self._live.console.print(Text(text), soft_wrap=True)
            else:
                print(text, file=self._stream, flush=True)

    def close(self) -> None:
        if self._live:
            with suppress(OSError):  # the terminal was closed
                self._live.stop()
