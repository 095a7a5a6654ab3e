"""The frame of all pages: one look, on wide and narrow screens, light and dark."""

from collections.abc import Iterable

from blockqnn.diagram.text import escaped
from blockqnn.pages.page_style import STYLE


def document(title: str, body: Iterable[str], *, policy: str = "", source: str = "") -> str:
    """A whole page. `policy` is its content security policy, `source` where its script asks for more."""
    guarded = f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>\n' if policy else ""
    asked = f' data-source="{source}"' if source else ""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            '<meta name="color-scheme" content="light dark"/>',
            f"{guarded}<title>{escaped(title)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            f"<body{asked}>",
            *body,
            "</body>",
            "</html>\n",
        ]
    )
