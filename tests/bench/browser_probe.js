// In every page before its own scripts: when what was asked for stands on the screen, and how often it is drawn.
window.bench = {
  // What fits a selector, inside of components too.
  all(selector) {
    const found = [...document.querySelectorAll(selector)];
    for (const host of document.querySelectorAll('[data-testid^="stBidiComponent"], [data-testid^="stBidiComponent"] *')) {
      if (host.shadowRoot) found.push(...host.shadowRoot.querySelectorAll(selector));
    }
    return found;
  },

  drawing() { return bench.all(".wf").map(host => host.waterfall).find(one => one && one.paints > 0); },

  holds({ text, selector, spans, isWhole }) {
    if (spans && bench.drawing()?.trace.rows !== spans) return false;
    if (isWhole && !bench.drawing().trace.isWhole) return false;
    if (!document.querySelector('[data-test-script-state="notRunning"]')) return false;
    if (document.querySelector('[data-stale="true"]')) return false;
    if (selector && !bench.all(selector).length) return false;
    return !text || (document.querySelector('[data-testid="stMain"]')?.textContent ?? "").includes(text);
  },

  frame() { return new Promise(resolve => requestAnimationFrame(resolve)); },

  // Resolves to the moment when it is on the screen: the second frame begins after the first is drawn.
  async painted(wanted) {
    const deadline = performance.now() + 60_000;
    while (!bench.holds(wanted)) {
      if (performance.now() > deadline) throw new Error(`never seen: ${JSON.stringify(wanted)} on ${location}`);
      await bench.frame();
    }
    await bench.frame();
    await bench.frame();
    return performance.now();
  },

  // What comes by itself; returns how long that took from now on.
  async come(wanted) {
    const begin = performance.now();
    return await bench.painted(wanted) - begin;
  },

  // As the tables do it when a link is clicked.
  async go(href, wanted) {
    const begin = performance.now();
    history.pushState(null, "", href);
    window.dispatchEvent(new PopStateEvent("popstate", { state: null }));
    return await bench.painted(wanted) - begin;
  },

  async click(selector, wanted) {
    const link = bench.all(selector)[0], begin = performance.now();
    link.click();
    return await bench.painted(wanted) - begin;
  },

  // One movement a frame; returns how long each frame took.
  async frames(move, count) {
    const it = bench.drawing(), lengths = [];
    const wheel = (delta, keys) => it.scroller.dispatchEvent(new WheelEvent("wheel",
      { deltaY: delta, clientX: it.width * 0.6, bubbles: true, cancelable: true, ...keys }));
    const moves = {
      zoom: at => wheel(Math.floor(at / 25) % 2 ? 60 : -60, { ctrlKey: true }),
      pan: at => wheel(Math.floor(at / 25) % 2 ? 30 : -30, { shiftKey: true }),
      scroll: at => { it.scroller.scrollTop += Math.floor(at / 40) % 2 ? -400 : 400; },
      fold: () => it.act("fold"),
    };
    if (move === "pan") it.zoom(0.3);
    if (move === "fold" && it.layout.members.size) it.groupAll();
    await bench.frame();
    let before = performance.now();
    for (let at = 0; at < count; at++) {
      const paints = it.paints;
      moves[move](at);
      await bench.frame();
      // The drawing follows in the next frame; what is scrolled is told of it before that.
      if (move !== "scroll" && it.paints === paints) await bench.frame();
      const now = performance.now();
      lengths.push(now - before);
      before = now;
    }
    return lengths;
  },
};
