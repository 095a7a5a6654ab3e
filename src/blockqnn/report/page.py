"""stub until merge"""

from pathlib import Path


def page(directory: Path) -> str:
    return f"<p>{directory}</p>"
