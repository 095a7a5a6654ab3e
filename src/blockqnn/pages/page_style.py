"""How the page looks: on wide and narrow screens, light and dark, and on paper."""

STYLE = """
:root {
  --paper: #ffffff; --ink: #1f2328; --muted: #59636e; --line: #d9dee3; --faint: #f6f8fa;
  --accent: #0969da; --caution: #9a6700; --caution-paper: #fff8e5;
  --series-1: #1f6feb; --series-2: #bc4c00; --series-3: #2da44e; --series-4: #8250df;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #0d1117; --ink: #e6edf3; --muted: #9da7b3; --line: #2b323b; --faint: #161b22;
    --accent: #58a6ff; --caution: #d9a13b; --caution-paper: #211a0c;
    --series-1: #58a6ff; --series-2: #f0883e; --series-3: #3fb950; --series-4: #bc8cff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 48rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 0.25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 0.6rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 0.5rem; }
section { margin-top: 2.4rem; padding-top: 1.6rem; border-top: 1px solid var(--line); }
a { color: var(--accent); }
p, ul { margin: 0 0 0.8rem; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; }
.muted { color: var(--muted); }
header > .muted { font-size: 0.9rem; }
.caution {
  border-left: 3px solid var(--caution); background: var(--caution-paper);
  padding: 0.6rem 0.9rem; list-style: none;
}
.facts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr));
  gap: 1.2rem 1.5rem; margin: 1.6rem 0; padding: 1.1rem 0;
  border-top: 1px solid var(--line); border-bottom: 1px solid var(--line);
}
.facts div { display: flex; flex-direction: column; }
.facts dt, .facts dd { margin: 0; font-size: 0.85rem; line-height: 1.4; color: var(--muted); }
.facts dt + dd { font-size: 1.55rem; line-height: 1.3; font-weight: 600; color: var(--ink); }
.facts div:first-child dt + dd { color: var(--accent); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; line-height: 1.4; margin: 0.4rem 0 1rem; }
table { min-width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 0.36rem 0.9rem 0.36rem 0; text-align: left; vertical-align: baseline; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--muted); font-weight: 500; border-bottom: 1px solid var(--line); }
tbody td { border-bottom: 1px solid var(--faint); }
th, td.number { white-space: nowrap; }
td.text { min-width: 6.5rem; overflow-wrap: anywhere; }
td.text:last-child { min-width: 4rem; }
td.code { min-width: 19rem; font: 0.78rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
.number { white-space: nowrap; }
.number { text-align: right; }
.group th { color: var(--muted); font-weight: 500; padding-top: 0.9rem; }
.marked td:not(.code) { font-weight: 600; }
.marked td:first-child { box-shadow: inset 2px 0 0 var(--accent); padding-left: 0.5rem; }
.bar { display: block; height: 0.6rem; min-width: 1px; background: var(--accent); border-radius: 2px; }
td:has(.bar) { width: 45%; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem 1.25rem; align-items: flex-start; }
.pictures { margin: 0.8rem 0 1rem; }
figure { margin: 0; max-width: 100%; }
figcaption { font-size: 0.82rem; line-height: 1.4; color: var(--muted); max-width: 44rem; }
figcaption { overflow-wrap: anywhere; }
svg { display: block; height: auto; max-width: 100%; }
.bq, .bq-matrix { max-width: max(100%, 30rem); }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 0.5rem; top: 0.5rem; background: var(--paper); padding: 0.4rem 0.8rem; }
progress { width: 100%; margin-bottom: 1.2rem; height: 0.6rem; accent-color: var(--accent); }
#trials-section button, select {
  border: 1px solid var(--line); border-radius: 6px; padding: 0.25rem 0.7rem; font: inherit;
  color: var(--ink); background: var(--faint);
}
#trials td button { border: 0; padding: 0; background: none; color: var(--accent); }
#trials td.code { white-space: nowrap; }
.chart { margin: 1.2rem 0 1.8rem; }
.chart h3 { margin: 0 0 0.2rem; }
.plot { min-height: 320px; }
.tall { max-height: 34rem; overflow: auto; border-bottom: 1px solid var(--line); }
.tall thead th { position: sticky; top: 0; background: var(--paper); }
.tall td.code { white-space: nowrap; min-width: 0; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
th[aria-sort="ascending"] button::after { content: " ↑"; }
th[aria-sort="descending"] button::after { content: " ↓"; }
td button { color: var(--accent); font: 0.8rem/1.5 system-ui, sans-serif; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
pre {
  background: var(--faint); border: 1px solid var(--line); border-radius: 6px; margin: 0 0 0.8rem;
  padding: 0.75rem 0.9rem; overflow-x: auto; font-size: 0.85rem; line-height: 1.5;
}
code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Courier New", monospace; }
summary { cursor: pointer; color: var(--accent); font-size: 0.9rem; }
@media (max-width: 30rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.4rem; }
  .facts { grid-template-columns: 1fr 1fr; }
  .facts dt + dd { font-size: 1.4rem; }
}
@media print {
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  section { margin-top: 1.4rem; padding-top: 0.9rem; }
  .pictures { gap: 0.5rem; }
  .wide, .tall, pre { overflow: visible; }
  .tall { max-height: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  svg.bq, svg.bq-matrix { max-width: 100%; }
  figure, tr, .facts, .caution { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .bar, .caution { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
