// Draws the figures of a report when they come into view, in the reader's theme and width.
"use strict";
(() => {
  const swaps = JSON.parse(document.getElementById("theme").textContent).dark;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const config = { displayModeBar: false, displaylogo: false, showSendToCloud: false, doubleClick: "reset",
    typesetMath: false };
  const PRINT_PX = 660, NARROW_PX = 560;
  let isPrinting = false;

  // Colours are the only texts of a figure that read like one.
  const themed = value =>
    typeof value === "string" ? swaps[value] ?? value
    : Array.isArray(value) ? value.map(themed)
    : value && typeof value === "object"
      ? Object.fromEntries(Object.entries(value).map(([key, below]) => [key, themed(below)]))
    : value;

  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const wide = text => pen.measureText(text).width;
  // Plotly takes a little markup in every text; a name is none.
  const literal = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const cut = (text, most) => {
    if (wide(text) <= most) return text;
    let length = Math.min(text.length, Math.ceil(most / 3));
    while (length > 1 && wide(`${text.slice(0, length)}…`) > most) length--;
    return `${text.slice(0, length)}…`;
  };

  class Plot {
    constructor(host) {
      this.host = host;
      this.figure = JSON.parse(host.previousElementSibling.textContent);
      this.isWaterfall = host.classList.contains("waterfall");
      this.isSeen = false;
    }

    draw() {
      const figure = structuredClone(this.figure);
      const { data, layout } = dark.matches && !isPrinting ? themed(figure) : figure;
      layout.width = isPrinting ? PRINT_PX : this.host.clientWidth;
      if (this.isWaterfall) this.fit(data, layout);
      this.isSeen = true;
      Plotly.react(this.host, data, layout, config);
    }

    // The names get a part of the width; the rest belongs to the bars.
    fit(data, layout) {
      const room = layout.width - layout.margin.l - layout.margin.r;
      const names = Math.min(300, Math.max(112, room * 0.26));
      layout.xaxis2 = { ...layout.xaxis2, domain: [0, names / room], range: [0, names] };
      layout.xaxis.domain = [Math.min(0.9, (names + 8) / room), 1];
      const trace = data.find(one => one.xaxis === "x2");
      trace.text = this.figure.names.map((name, row) => literal(cut(name, names - trace.x[row] - 8)));
      const isNarrow = layout.width < NARROW_PX;
      layout.xaxis.nticks = isNarrow ? 4 : 9;
      // A finger on a small screen wants to scroll.
      if (isNarrow) layout.dragmode = false;
    }
  }

  const plots = Array.from(document.querySelectorAll(".plot"), host => new Plot(host));
  const plotOf = new Map(plots.map(plot => [plot.host, plot]));
  const redraw = () => plots.forEach(plot => plot.isSeen && plot.draw());

  const seen = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      plotOf.get(entry.target).draw();
    }
  }, { rootMargin: "600px" });
  plots.forEach(plot => seen.observe(plot.host));

  let width = innerWidth, waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width || isPrinting) return;
    width = innerWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(redraw);
  });
  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", () => { isPrinting = true; plots.forEach(plot => plot.draw()); });
  addEventListener("afterprint", () => { isPrinting = false; redraw(); });
})();
