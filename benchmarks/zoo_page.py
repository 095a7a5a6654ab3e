"""Writes docs/zoo.md and its drawings from the package and from results/zoo.json.

    python benchmarks/zoo_page.py

Sizes, depths and drawings are computed now; results/zoo.json holds what cannot be: the paper's
errors, ours where they were measured, and the codes of found blocks. A new measurement is a new
entry of `measured` there, then this script again.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from blockqnn.network.plan import SKELETONS, Image, NetworkPlan, plan_network
from blockqnn.space.code import Block, parse
from blockqnn.space.zoo import ZOO

ROOT = Path(__file__).resolve().parents[1]
DATA, PAGE, DRAWINGS = Path("results/zoo.json"), Path("docs/zoo.md"), Path("docs/zoo")
DASH = "-"
Name = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]  # of a file too
Percent = Annotated[float, Field(ge=0, le=100)]


class Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Published(Stored):
    """What a row of the paper's table says; errors in percent."""

    label: str
    table: int
    depth: int
    parameters: str | None = None
    cifar10: Percent
    cifar100: Percent


class Measured(Stored):
    """A test error of our own, in percent: mean, and deviation over the seeds."""

    error: Percent
    deviation: float | None
    seeds: int
    data: str
    images: str  # which ones
    recipe: str
    date: str
    hardware: str
    command: str | None = None
    source: str  # the document that holds the measurement


class Built(Stored):
    """A network of the block, with what is known of its error."""

    title: str
    skeleton: str
    widths: tuple[int, ...]
    repeats: tuple[int, ...]
    image: tuple[int, int, int]
    classes: int
    paper: Published | None = None
    measured: tuple[Measured, ...] = ()


class Kept(Stored):
    """A block of the zoo; its code is the package's where the package has its name."""

    name: Name
    title: str
    origin: str
    code: str | None = None
    store: str | None = None  # the run whose best block it is
    train: str
    networks: tuple[Built, ...]

    @property
    def block(self) -> Block:
        return ZOO[self.name] if self.code is None else parse(self.code)


class Zoo(Stored):
    blocks: tuple[Kept, ...]


def stored() -> Zoo:
    """results/zoo.json; ValueError where it lacks a block of the package, or renames its code."""
    zoo = Zoo.model_validate_json((ROOT / DATA).read_text(encoding="utf-8"))
    coded = {kept.name: kept.code is not None for kept in zoo.blocks}
    wrong = [name for name in {**ZOO, **coded} if coded.get(name) is not (name not in ZOO)]
    if wrong:
        raise ValueError(f"{DATA}: missing, or with a code of its own, or without: {', '.join(wrong)}")
    return zoo


def files(zoo: Zoo) -> Mapping[Path, str]:
    """The page and each drawing: path from the root, content."""
    drawings = {DRAWINGS / f"{kept.name}.svg": kept.block._repr_svg_() for kept in zoo.blocks}
    return {PAGE: "\n".join(page(zoo)), **drawings}


def page(zoo: Zoo) -> Iterator[str]:
    yield f"""<!-- Made by benchmarks/zoo_page.py from the package and {DATA}; do not edit. -->

# The zoo: named and found blocks

The blocks of the paper and those found with this project so far. Sizes are of the whole network:
parameters are trainable numbers, FLOPs are of one image, 2 a multiply-add; depth counts convolutions
on the longest path. Errors are of the test part, in percent, ours with the deviation over the seeds;
a dash: not published, or not measured here.

The paper's errors (table 3) come from 300 epochs of SGD with crops and flips, as `--preset
paper-cifar` trains. `blockqnn train` without a preset trains 60 epochs by the recipe `modern`; ours are
of that where they say so, else of the short training of the search (`early-stop`), of small networks and
few images. Compare only errors of one data set and one recipe.
"""
    rows = [
        (
            f"[{kept.title}](#{anchor(kept.title)})",
            network.title,
            *sizes(plan_of(kept, network)),
            *published(network),
            ", ".join(f"{error(m)} ({m.data})" for m in network.measured) or DASH,
        )
        for kept in zoo.blocks
        for network in kept.networks
    ]
    head = ("block", "network", "parameters", "FLOPs", "depth", "paper C-10", "paper C-100", "ours")
    yield from table(head, rows)
    yield "\nThe thin network is that of the searches in [results](../results).\n"
    for kept in zoo.blocks:
        yield from section(kept)


def section(kept: Kept) -> Iterator[str]:
    yield f"## {kept.title}\n"
    yield f"{kept.origin}\n"
    yield f"![{kept.title}: the drawing](zoo/{kept.name}.svg)\n"
    yield f"```\n{kept.block}\n```\n"
    head = ("network", "skeleton", "images, classes", "parameters", "FLOPs", "depth")
    rows = [
        (network.title, stacking(network), shown(network), *sizes(plan_of(kept, network)))
        for network in kept.networks
    ]
    yield from table(head, rows)
    yield ""
    papers = [
        (
            p.label,
            str(p.table),
            str(p.depth),
            p.parameters or DASH,
            f"{p.cifar10:.2f}",
            f"{p.cifar100:.2f}",
        )
        for network in kept.networks
        if (p := network.paper)
    ]
    if papers:
        yield from table(("the paper's row", "table", "depth", "parameters", "C-10", "C-100"), papers)
        yield ""
    for network in kept.networks:
        for m in network.measured:
            command = f"`{m.command}`" if m.command else DASH
            yield f"Measured, {network.title}: test error **{error(m)}**, {seeds(m)}.\n"
            yield f"- images: {m.data}, {m.images}"
            yield f"- recipe: {m.recipe}"
            yield f"- date, hardware: {m.date}, {m.hardware}"
            yield f"- command: {command}; recorded in [{m.source}](../{m.source})\n"
    yield f"Train it:\n\n```bash\n{kept.train}\n```\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def plan_of(kept: Kept, network: Built) -> NetworkPlan:
    skeleton = SKELETONS[network.skeleton].with_widths(network.widths).with_repeats(network.repeats)
    return plan_network(kept.block, skeleton, Image(*network.image), network.classes)


def sizes(plan: NetworkPlan) -> tuple[str, str, str]:
    return f"{plan.params:,}", f"{plan.flops:,}", str(plan.depth)


def published(network: Built) -> tuple[str, str]:
    paper = network.paper
    return (f"{paper.cifar10:.2f}", f"{paper.cifar100:.2f}") if paper else (DASH, DASH)


def stacking(network: Built) -> str:
    widths, repeats = ("/".join(map(str, values)) for values in (network.widths, network.repeats))
    return f"{network.skeleton}, filters {widths}, blocks {repeats}"


def shown(network: Built) -> str:
    return f"{'x'.join(map(str, network.image))}, {network.classes}"


def error(measured: Measured) -> str:
    spread = "" if measured.deviation is None else f" +- {measured.deviation:.2f}"
    return f"{measured.error:.2f}{spread} %"


def seeds(measured: Measured) -> str:
    return f"{measured.seeds} {'seeds' if measured.seeds > 1 else 'seed'}"


def anchor(title: str) -> str:
    """The name that Markdown's readers give to a heading."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")


def main() -> None:
    (ROOT / DRAWINGS).mkdir(exist_ok=True)
    wanted = files(stored())
    for path in (ROOT / DRAWINGS).glob("*.svg"):
        if path.relative_to(ROOT) not in wanted:
            path.unlink()
    for path, content in wanted.items():
        (ROOT / path).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
