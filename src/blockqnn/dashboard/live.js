// Asks for what is new and puts it into the page.
"use strict";
(() => {
  const source = document.body.dataset.source;
  const at = (id) => document.getElementById(id);
  let known = 0, offset = 0;

  function replace(id, html) {
    const place = at(id);
    if (!place || place.dataset.html === html) return;
    place.dataset.html = html;
    blockqnn.renew(place, html);
  }

  async function trials() {
    const query = new URLSearchParams({ state: at("trial-state").value, offset });
    const answer = await fetch(`${source}/trials?${query}`);
    if (answer.ok) replace("trials", await answer.text());
  }

  async function look() {
    let again = 5;
    try {
      const answer = await fetch(`${source}/state?known=${known}`);
      const told = await answer.json();
      again = told.again;
      if (at("state").textContent !== told.state) at("state").textContent = told.state;
      if (told.share !== undefined) at("progress").value = told.share;
      if (told.version !== known) {
        known = told.version;
        for (const [id, html] of Object.entries(told.parts)) replace(id, html);
        for (const [name, figure] of Object.entries(told.charts || {})) {
          const chart = at(`chart-${name}`);
          if (!chart) continue;
          chart.querySelector("figcaption").textContent = figure.told;
          blockqnn.draw(chart.querySelector(".plot"), figure);
        }
        if (at("trials")) await trials();
      }
    } catch (error) {
      at("state").textContent = "The live page's program does not answer; it is asked again.";
    }
    setTimeout(look, 1000 * again);
  }

  if (at("trials")) {
    const shown = Number(at("trials").dataset.shown);
    const go = (to) => { offset = Math.max(0, to); trials(); };
    at("trial-state").addEventListener("change", () => go(0));
    at("trials-newer").addEventListener("click", () => go(offset - shown));
    at("trials-older").addEventListener("click", () => go(offset + shown));
  }
  look();
})();
