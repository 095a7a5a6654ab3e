"""What a user names on the command line: a code, a name, or a run's trial."""

from dataclasses import dataclass
from pathlib import Path

from blockqnn.errors import InputError
from blockqnn.network.plan import SKELETONS, Image, Skeleton
from blockqnn.plugins import NOTHING, Extensions, named_again
from blockqnn.report import rows
from blockqnn.runtime.facts import RunFacts
from blockqnn.runtime.store import is_run
from blockqnn.space.code import Block, parse
from blockqnn.space.zoo import ZOO


@dataclass(frozen=True)
class Target:
    """A block, with its run's facts where it comes from a run."""

    block: Block
    facts: RunFacts | None = None

    def skeleton(
        self,
        name: str | None = None,
        repeats: tuple[int, ...] | None = None,
        widths: tuple[int, ...] | None = None,
    ) -> Skeleton:
        """The named skeleton, else the run's own, else CIFAR's, with changes."""
        if name is not None and name not in SKELETONS:
            raise InputError(f"skeleton {name!r} is unknown; there are {', '.join(SKELETONS)}")
        own = self.facts.settings.skeleton if self.facts else SKELETONS["cifar"]
        skeleton = SKELETONS[name] if name else own
        if widths:
            skeleton = skeleton.with_widths(widths)
        return skeleton.with_repeats(repeats) if repeats else skeleton

    @property
    def image(self) -> Image:
        return self.facts.data.image if self.facts else Image(3, 32, 32)

    @property
    def classes(self) -> int:
        return len(self.facts.data.classes) if self.facts else 10


def find(text: str, extensions: Extensions = NOTHING) -> Target:
    """The block that CODE, NAME or RUN[:TRIAL] means; of a run its best trial.

    `extensions` are the named plugins, whose operations the code may hold. A run's code can be
    read without its plugins, but no network of it sized. Raises InputError that says what is
    allowed.
    """
    named = ZOO.get(text.strip().lower())
    if named:
        return Target(named)
    if text.lstrip()[:1] in ("(", "["):
        return Target(parse(text, extensions.operations))
    directory, colon, number = text.rpartition(":")
    if colon and number.isdecimal() and is_run(Path(directory)):
        view = rows.read(Path(directory))
        return _of_run(view, view.trial(int(number)).code, extensions)
    if is_run(Path(text)):
        return best_of(text, 1, extensions)[0][0]
    raise InputError(f"{text!r} is no code, no run directory, and no name ({', '.join(ZOO)})")


def best_of(text: str, count: int, extensions: Extensions = NOTHING) -> list[tuple[Target, rows.Entry]]:
    """Of a run, at most `count` blocks for a full training. InputError for what is no run."""
    if not is_run(Path(text)):
        raise InputError(f"top {count}: {text[:80]!r} is no run directory")
    view = rows.read(Path(text))
    best = view.finalists()[:count]
    if not best:
        raise InputError(f"run {text}: has no evaluated trial yet")
    return [(_of_run(view, entry.code, extensions), entry) for entry in best]


def _of_run(view: rows.RunView, code: str, extensions: Extensions) -> Target:
    """The block, of operations that can be built where the run's plugins were named."""
    if not extensions.plugins:
        return Target(view.facts.block(code), view.facts)
    named_again(view.facts.settings.plugins, extensions.plugins, f"run {view.directory}")
    return Target(parse(code, extensions.operations), view.facts)
