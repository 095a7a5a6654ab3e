"""What a child process does first: it takes the pipes of its parent for itself."""

import json
import os
from typing import Any, BinaryIO, NamedTuple, TextIO


class Pipes(NamedTuple):
    """The parent's first line, what follows it, and where answers go, a line each."""

    opening: dict[str, Any] | None  # None: the parent ended before it said anything
    questions: BinaryIO
    answers: TextIO


def taken() -> Pipes:
    """From now on only the protocol uses the real standard streams; what is printed goes to stderr."""
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return Pipes(json.loads(questions.readline() or b"null"), questions, answers)
