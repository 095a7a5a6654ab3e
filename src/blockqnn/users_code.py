"""Running code of a user's plugin in the coordinator: what it raises becomes an InputError."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from blockqnn.errors import InputError

MODULE = "blockqnn_plugin_"  # how the names of plugins' modules begin


@contextmanager
def users_code(what: str) -> Iterator[None]:
    """Whatever the code inside raises is told in one line: `what`, the error, the plugin's line."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"{what}: {text}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """` (line 12)`: where the plugin's own code was when it was raised; nothing when it was not."""
    if isinstance(error, SyntaxError):  # its message names the line
        return ""
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").startswith(MODULE)
    ]
    return f" (line {lines[-1]})" if lines else ""
