// Draws the page's charts in its colours, sorts its tables and copies its codes.
"use strict";
const blockqnn = (() => {
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const canvas = document.createElement("canvas");
  const accelerated = Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl"));
  const drawn = new Map(); // place -> figure

  function axis(given, ink, line) {
    return {
      gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: { color: ink },
      automargin: true, ...given, title: { font: { color: ink, size: 12 }, ...(given.title || {}) },
    };
  }

  function dressed(figure) {
    const ink = style("--muted"), line = style("--line");
    const series = [1, 2, 3, 4].map((n) => style(`--series-${n}`));
    const layout = { ...figure.layout };
    for (const name of ["xaxis", "yaxis", "yaxis2"]) {
      if (layout[name]) layout[name] = axis(layout[name], ink, line);
    }
    layout.shapes = (layout.shapes || []).map((shape) => ({
      ...shape, fillcolor: style("--faint"), label: { ...shape.label, font: { color: ink, size: 11 } },
    }));
    const data = figure.data.map((trace) => (
      trace.type === "scattergl" && !accelerated ? { ...trace, type: "scatter" } : trace
    ));
    return [data, {
      ...layout, colorway: series, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: style("--ink") },
      margin: { l: 48, r: 16, t: 8, b: 40 }, height: 320, hovermode: "closest",
      legend: { orientation: "h", y: -0.28, x: 0 },
      hoverlabel: { bgcolor: style("--paper"), bordercolor: line, font: { color: style("--ink") } },
    }, { responsive: true, displaylogo: false, displayModeBar: false }];
  }

  function draw(place, figure) {
    drawn.set(place, figure);
    return Plotly.react(place, ...dressed(figure));
  }

  function drawWhenSeen(chart) {
    const place = chart.querySelector(".plot");
    const figure = () => JSON.parse(chart.querySelector("script").textContent);
    const watcher = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      watcher.disconnect();
      draw(place, figure());
    }, { rootMargin: "300px" });
    watcher.observe(chart);
    addEventListener("beforeprint", () => { if (!drawn.has(place)) draw(place, figure()); });
  }

  function value(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent;
    const number = Number(text.replaceAll(",", "").replace(/[\s\u00a0]*%$/, ""));
    return text.trim() === "" || Number.isNaN(number) ? text : number;
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b));
  }

  const headings = (table) => [...table.tHead.rows[0].cells];

  function sort(table, column, up) {
    for (const heading of headings(table)) heading.ariaSort = null;
    headings(table)[column].ariaSort = up ? "ascending" : "descending";
    for (const body of table.tBodies) {
      const rows = [...body.rows].sort((a, b) => compare(value(a, column), value(b, column)));
      body.append(...(up ? rows : rows.reverse()));
    }
  }

  function sortable(table) {
    headings(table).forEach((heading, column) => {
      const button = document.createElement("button");
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, column, heading.ariaSort === "descending"));
      heading.append(button);
    });
  }

  function order(table) {
    const sorted = headings(table).find((heading) => heading.ariaSort);
    const focused = headings(table).find((heading) => heading.contains(document.activeElement));
    return { by: sorted?.textContent, up: sorted?.ariaSort === "ascending", at: focused?.textContent };
  }

  function restore(table, { by, up, at }) {
    headings(table).forEach((heading, column) => {
      if (heading.textContent === by) sort(table, column, up);
      if (heading.textContent === at) heading.querySelector("button").focus({ preventScroll: true });
    });
  }

  function copyable(code) {
    const button = document.createElement("button");
    button.textContent = "copy";
    button.ariaLabel = `copy the code ${code.textContent}`;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
    code.before(button, " ");
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const [place, figure] of drawn) draw(place, figure);
  });
  function prepare(place) {
    place.querySelectorAll("figure.chart:has(script)").forEach(drawWhenSeen);
    place.querySelectorAll("table.sortable").forEach(sortable);
    place.querySelectorAll("code.block").forEach(copyable);
  }

  // Puts new content there; a table stays sorted as it was.
  function renew(place, html) {
    const tables = () => [...place.querySelectorAll("table.sortable")];
    const before = tables().map(order);
    place.innerHTML = html;
    prepare(place);
    tables().forEach((table, number) => { if (before[number]) restore(table, before[number]); });
  }

  prepare(document);
  return { draw, renew };
})();
