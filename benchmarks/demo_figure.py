"""Draws docs/demo.svg from the demo's two runs: reward by iteration, learned and random.

python benchmarks/demo_figure.py runs/demo-... docs/demo.svg
"""

import sys
from pathlib import Path
from xml.sax.saxutils import escape

from blockqnn.report.rows import IterationRow, read

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 610, 44, 256  # edges of the plot
TITLE = "Mean reward of an iteration of 8 blocks, three iterations averaged"
COLOURS = {"Q-learning": "#2563eb", "random search": "#9a3412"}
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #334155 }
  .grid { stroke: #94a3b8; stroke-opacity: .35 }
  @media (prefers-color-scheme: dark) { text { fill: #cbd5e1 } }
"""


def smoothed(rows: list[IterationRow]) -> list[float]:
    """Mean reward over each iteration and its neighbours."""
    rewards = [row.reward for row in rows]
    near = (rewards[max(0, i - 1) : i + 2] for i in range(len(rewards)))
    return [sum(values) / len(values) for values in near]


def text(x: float, y: float, words: str, **attributes: str) -> str:
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(words)}</text>'


def levels(epsilons: list[float]) -> list[tuple[int, int, float]]:
    """Runs of equal epsilon: (first iteration, one after the last, epsilon)."""
    borders = [i for i in range(1, len(epsilons)) if epsilons[i] != epsilons[i - 1]]
    starts = [0, *borders]
    return [(a, b, epsilons[a]) for a, b in zip(starts, [*borders, len(epsilons) - 1], strict=True)]


def figure(curves: dict[str, list[float]], epsilons: list[float]) -> str:
    """The chart as SVG text; the darker the ground, the greedier the agent."""
    low = 5 * int(min(map(min, curves.values())) // 5)
    high = 5 * int(max(map(max, curves.values())) // 5 + 1)
    last = len(epsilons) - 1

    def x(iteration: float) -> float:
        return LEFT + (RIGHT - LEFT) * iteration / last

    def y(value: float) -> float:
        return TOP + (BOTTOM - TOP) * (high - value) / (high - low)

    parts = [text(LEFT, 20, TITLE, style="font-weight: 600")]
    for value in range(low, high + 1, 5):
        line = f'<line class="grid" x1="{LEFT}" x2="{RIGHT}"'
        parts.append(f'{line} y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(text(LEFT - 8, y(value) + 4, str(value), text_anchor="end"))
    for first, end, epsilon in levels(epsilons):
        parts.append(
            f'<rect x="{x(first):.1f}" y="{TOP}" width="{x(end) - x(first):.1f}"'
            f' height="{BOTTOM - TOP}" fill="#2563eb" opacity="{0.12 * (1 - epsilon):.3f}"/>'
        )
        middle = (x(first) + x(end)) / 2
        parts.append(text(middle, BOTTOM + 18, f"epsilon {epsilon:g}", text_anchor="middle"))
    parts.append(text(LEFT, HEIGHT - 8, f"{last + 1} iterations"))
    for name, values in curves.items():
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(values))
        colour = COLOURS[name]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(
            text(RIGHT + 10, y(values[-1]) + 4, name, style=f"fill: {colour}; font-weight: 600")
        )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="Reward of Q-learning and of random search by iteration">\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def main() -> None:
    demo, out = Path(sys.argv[1]), Path(sys.argv[2])
    learned = read(demo / "q-learning").by_iteration(10_000)
    random = read(demo / "random").by_iteration(10_000)
    curves = {"Q-learning": smoothed(learned), "random search": smoothed(random)}
    out.write_text(figure(curves, [row.epsilon for row in learned]))


if __name__ == "__main__":
    main()
