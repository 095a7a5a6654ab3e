"""A table's rows as a decision process: the actions offered are those that lead to a row."""

from collections.abc import Hashable, Sequence
from itertools import groupby
from typing import Any

from blockqnn.tables.designs import Design


class TableSpace:
    """An MDP over the rows of a table, all of a space or a sample.

    A state is a number, that of a prefix which rows share; 0 is the start.
    """

    start = 0

    def __init__(self, designs: Sequence[Design], keys: Sequence[Hashable]) -> None:
        """`keys` are equal for rows that are the same architecture."""
        self._next: list[dict[Any, int]] = [{}]
        self._view: list[tuple[int, Any]] = [(0, None)]
        self.row: dict[tuple[Any, ...], int] = {}  # of an episode
        self._text = [design.text for design in designs]
        self._row_of_text = {design.text: row for row, design in enumerate(designs)}
        self._episodes = [design.episode for design in designs]
        self._keys = [str(key) for key in keys]
        for row, design in enumerate(designs):
            self.row[design.episode] = row
            state = 0
            for depth, action in enumerate(design.episode, 1):
                state = self._child(state, action, depth)
        self._actions = [tuple(sorted(children)) for children in self._next]
        self._kinds = [
            tuple(tuple(group) for _, group in groupby(sorted(actions, key=_op), key=_op))
            for actions in self._actions
        ]

    def _child(self, state: int, action: Any, depth: int) -> int:
        found = self._next[state].get(action)
        if found is None:
            found = self._next[state][action] = len(self._next)
            self._next.append({})
            self._view.append((depth, action))
        return found

    def actions(self, state: int) -> tuple[Any, ...]:
        return self._actions[state]

    def kinds(self, state: int) -> tuple[tuple[Any, ...], ...]:
        return self._kinds[state]

    def allows(self, state: int, action: Any) -> bool:
        return action in self._next[state]

    def step(self, state: int, action: Any) -> int:
        return self._next[state][action]

    def view(self, state: int) -> Hashable:
        """The position and the last choice."""
        return self._view[state]

    def position(self, state: int) -> int:
        return self._view[state][0]

    def key(self, episode: Sequence[Any]) -> str:
        return self._keys[self.row[tuple(episode)]]

    def text(self, episode: Sequence[Any]) -> str:
        return self._text[self.row[tuple(episode)]]

    def episode(self, text: str) -> tuple[Any, ...]:
        return self._episodes[self._row_of_text[text]]

    def row_of(self, text: str) -> int:
        """The number of the row that the text names."""
        return self._row_of_text[text]

    @property
    def episodes(self) -> Sequence[tuple[Any, ...]]:
        """Those of all rows, in order."""
        return self._episodes


def _op(action: Any) -> int:
    return int(action.op)
