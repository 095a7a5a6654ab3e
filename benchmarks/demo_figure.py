"""Draws docs/demo.svg from the demo's two runs: mean reward of each iteration (three averaged), learned and random.

python benchmarks/demo_figure.py runs/demo-... docs/demo.svg
"""

import sys
from pathlib import Path
from xml.sax.saxutils import escape

from blockqnn.report.rows import IterationRow, read

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 56, 150, 44, 44
COLOURS = {"Q-learning": "#2563eb", "random search": "#9a3412"}
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #334155 }
  .title { font-weight: 600 } .grid { stroke: #94a3b8; stroke-opacity: .35 }
  @media (prefers-color-scheme: dark) { text { fill: #cbd5e1 } }
"""


def smoothed(rows: list[IterationRow], window: int = 3) -> list[float]:
    """Mean reward over up to three neighbouring iterations, by iteration."""
    rewards = [row.reward for row in rows]
    half = window // 2
    near = (rewards[max(0, i - half) : i + half + 1] for i in range(len(rewards)))
    return [sum(values) / len(values) for values in near]


def figure(curves: dict[str, list[float]], epsilons: list[float]) -> str:
    """The chart as SVG text."""
    low = 5 * int(min(map(min, curves.values())) // 5)
    high = 5 * int(max(map(max, curves.values())) // 5 + 1)
    count = len(epsilons)

    def x(iteration: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * iteration / (count - 1)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    def text(at_x: float, at_y: float, words: str, more: str = "") -> str:
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" {more}>{escape(words)}</text>'

    parts = [
        f'<text x="{LEFT}" y="20" class="title">Mean reward of an iteration of 8 blocks, three iterations averaged</text>'
    ]
    for value in range(low, high + 1, 5):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{x(count - 1)}" y1="{y(value)}" y2="{y(value)}"/>'
        )
        parts.append(text(LEFT - 8, y(value) + 4, str(value), 'text-anchor="end"'))
    start = 0
    for i in range(1, count + 1):
        if i == count or epsilons[i] != epsilons[start]:
            end = min(i, count - 1)
            parts.append(
                f'<rect x="{x(start):.1f}" y="{TOP}" width="{x(end) - x(start):.1f}"'
                f' height="{HEIGHT - TOP - BOTTOM}" fill="#2563eb" opacity="{0.12 * (1 - epsilons[start]):.3f}"/>'
            )
            parts.append(
                text(
                    (x(start) + x(end)) / 2,
                    HEIGHT - 26,
                    f"epsilon {epsilons[start]:g}",
                    'text-anchor="middle"',
                )
            )
            start = i
    parts.append(text(LEFT, HEIGHT - 8, f"{count} iterations"))
    for name, values in curves.items():
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(values))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2.5"/>'
        )
        label = f'style="fill: {COLOURS[name]}; font-weight: 600"'
        parts.append(text(x(count - 1) + 10, y(values[-1]) + 4, name, label))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="Q-learning rises above random search">\n<style>{STYLE}</style>\n{body}\n</svg>\n'
    )


def main() -> None:
    demo, out = Path(sys.argv[1]), Path(sys.argv[2])
    learned = read(demo / "q-learning").by_iteration(10_000)
    random = read(demo / "random").by_iteration(10_000)
    curves = {"Q-learning": smoothed(learned), "random search": smoothed(random)}
    out.write_text(figure(curves, [row.epsilon for row in learned]))


if __name__ == "__main__":
    main()
