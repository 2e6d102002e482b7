// The view: which part of the trace is looked at, and what mouse and keys do to it.
const INSTANCES = new WeakMap();
const SETTLED_MS = 400;
const TOOLS = 29;  // height of one line of tools, which the height told by the server counts in
const GROUPED_FROM = 200;  // rows; fewer can be looked through as they are
const KEYS = [["↑ ↓", "previous, next span"], ["← →", "fold, unfold; to the parent"], ["Enter", "show details"],
  ["Home End", "first, last span"], ["+ −", "zoom"], ["0", "whole run"], ["z", "zoom to the span"],
  ["p", "next on the critical path"], ["c", "dim the rest"], ["e", "next error"], ["/", "find"], ["n N", "next, previous found"], ["f", "fold all branches"],
  ["g", "alike rows as one, ×N"],
  ["Ctrl + wheel", "zoom"], ["Shift + wheel, drag", "move in time"], ["Esc", "close this"]];

class Waterfall {
  constructor(root) {
    const find = selector => root.querySelector(selector);
    this.host = find(".wf");
    this.tools = find(".wf-tools");
    this.scroller = find(".wf-scroll");
    this.space = find(".wf-space");
    this.main = find(".wf-main");
    this.mini = find(".wf-mini");
    this.axis = find(".wf-axis");
    this.tip = find(".wf-tip");
    this.keys = find(".wf-keys");
    this.live = find(".wf-live");
    this.legend = find(".wf-legend");
    this.finder = find(".wf-find");
    this.told = find(".wf-found");
    this.found = null;  // rows that the text in the finder fits, or null without one
    this.painter = new Painter(this);
    this.folded = new Set();  // rows
    this.groups = null;  // whether alike rows are shown as one; at first it depends on how many rows
    this.opened = new Set();
    this.selected = -1;
    this.hovered = -1;
    this.dims = false;
    this.paints = 0;
    this.host.waterfall = this;  // for tests: what a canvas shows cannot be asked otherwise
    this.listen();
    this.fillKeys();
  }

  listen() {
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.host);
    this.scroller.addEventListener("scroll", () => this.invalidate());
    this.scroller.addEventListener("wheel", event => this.wheel(event), { passive: false });
    this.main.addEventListener("pointerdown", event => this.press(event));
    this.main.addEventListener("pointermove", event => this.move(event));
    this.main.addEventListener("pointerup", event => this.release(event));
    this.main.addEventListener("pointerleave", () => this.hover(-1));
    this.main.addEventListener("dblclick", event => this.zoomTo(this.rowAt(event)));
    this.mini.addEventListener("pointerdown", event => this.brush(event, true));
    this.mini.addEventListener("pointermove", event => event.buttons && this.brush(event, false));
    this.mini.addEventListener("dblclick", () => this.fit());
    this.host.addEventListener("keydown", event => this.key(event));
    this.finder.addEventListener("input", () => this.find());
    this.tools.addEventListener("click", event => {
      const button = event.target.closest("button");
      if (button) this.act(button.dataset.act);
    });
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.zoomTimer);
  }

  // --- data in ---------------------------------------------------------------------------------

  load(trace) {
    const before = this.trace, kept = before && this.selected >= 0 ? before.id(this.selected) : null;
    const seesEnd = before && Math.abs(this.to - before.last) < (before.last - before.first) * 0.002;
    this.trace = trace;
    if (before && this.folded.size) this.folded = this.foldedIn(trace, before);
    if (!before) this.lookAsTold(trace);
    else this.show(this.from, seesEnd ? trace.last : Math.min(this.to, trace.last));
    this.selected = kept === null ? -1 : trace.rowOf(kept);
    this.hovered = -1;
    if (this.found) this.find();
    this.arrange();
    this.restyle();
    if (trace.focus !== (before ? before.focus : null)) this.showFocus(trace.rowOf(trace.focus));
  }

  // A run that grows gets rows between the others.
  foldedIn(trace, before) {
    return new Set([...this.folded].map(row => trace.rowOf(before.id(row))).filter(row => row >= 0));
  }

  // What the address says to look at, as far as the run has it.
  lookAsTold({ zoom, first, last }) {
    const [from, to] = zoom ?? [first, last], isSeen = from < to && from < last && to > first;
    [this.from, this.to] = isSeen ? [Math.max(first, from), Math.min(last, to)] : [first, last];
    this.zoomSaid = this.zoomText();
  }

  showFocus(row) {
    if (row < 0) return;
    this.unfoldTo(row);
    this.selected = row;
    this.resize();
    this.reveal(row);
  }

  restyle() {
    this.theme = new Theme(this.host);
    this.miniature = null;
    this.fillLegend();
    this.setButtons();
    this.resize();
  }

  arrange() {
    const groups = this.groups ?? this.trace.rows > GROUPED_FROM;
    this.layout = new Layout(this.trace, this.folded, group => groups && !this.opened.has(group));
    this.space.style.height = `${this.layout.count * ROW}px`;
    this.invalidate();
  }

  resize() {
    if (!this.trace || !this.host.clientWidth) return;
    // Tools that take a second line, as on a phone, take it from nobody.
    this.host.style.height = `${this.trace.height + Math.max(0, this.tools.offsetHeight - TOOLS)}px`;
    this.ratio = window.devicePixelRatio || 1;
    this.width = this.scroller.clientWidth;
    this.height = this.scroller.clientHeight;
    this.gutter = Math.round(Math.min(340, Math.max(130, this.width * (this.width < 560 ? 0.38 : 0.27))));
    this.margin = this.width < 560 ? 14 : 66;  // room for the numbers of what ends with the run
    const sized = [[this.main, this.width, this.height], [this.mini, this.width - this.gutter, MINI],
      [this.axis, this.width, AXIS]];
    for (const [canvas, width, height] of sized) {
      canvas.width = Math.max(1, width * this.ratio);
      canvas.height = Math.max(1, height * this.ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    this.mini.style.marginLeft = `${this.gutter}px`;
    this.miniature = null;
    this.invalidate();
  }

  invalidate() {
    if (this.frame || !this.trace) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.width) return;
      this.painter.paint();
      this.paints++;
      if (!this.trace.isWhole) this.askForRest();
    });
  }

  // Once, and when the first picture is on the screen: the rest would only hold it up.
  askForRest() {
    if (this.hasAsked) return;
    this.hasAsked = true;
    requestAnimationFrame(() => setTimeout(() => this.report("painted", true)));
  }

  scaled(canvas) {
    const context = canvas.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    return context;
  }

  // --- where things are ------------------------------------------------------------------------

  x(at) { return this.gutter + (at - this.from) / (this.to - this.from) * (this.width - this.gutter - this.margin); }

  wide(length) { return length / (this.to - this.from) * (this.width - this.gutter - this.margin); }

  timeAt(x) { return this.from + (x - this.gutter) / (this.width - this.gutter - this.margin) * (this.to - this.from); }

  // Deep trees get narrower steps, so that names keep at least half of the gutter.
  indent(depth) {
    const room = this.gutter * 0.42, deepest = this.deepest();
    return 8 + depth * Math.min(INDENT, deepest ? room / deepest : INDENT);
  }

  deepest() {
    if (this.deepestOf !== this.trace) {
      this.deepestOf = this.trace;
      this.deepestDepth = most(this.trace.depth);
    }
    return this.deepestDepth;
  }

  localX(event) { return event.clientX - this.main.getBoundingClientRect().left; }

  rowAt(event) {
    const y = event.clientY - this.main.getBoundingClientRect().top + this.scroller.scrollTop;
    const at = Math.floor(y / ROW);
    return at >= 0 && at < this.layout.count ? this.layout.shown[at] : -1;
  }

  // --- looking ---------------------------------------------------------------------------------

  look(from, to) {
    this.show(from, to);
    clearTimeout(this.zoomTimer);
    this.zoomTimer = setTimeout(() => this.reportZoom(), SETTLED_MS);
  }

  show(from, to) {
    const { first, last } = this.trace, whole = last - first;
    const length = Math.min(whole, Math.max(Math.min(1000, whole), to - from));
    this.from = Math.max(first, Math.min(last - length, from));
    this.to = this.from + length;
    this.invalidate();
  }

  // For the address, when the view has come to rest; empty while the whole run is seen.
  reportZoom() {
    const zoom = this.zoomText();
    if (zoom !== this.zoomSaid) this.report("zoom", this.zoomSaid = zoom);
  }

  zoomText() {
    const { from, to, trace } = this;
    return to - from < trace.last - trace.first ? `${(from / 1e6).toFixed(3)}-${(to / 1e6).toFixed(3)}` : "";
  }

  zoom(factor, at = (this.from + this.to) / 2) {
    this.look(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  fit() { this.look(this.trace.first, this.trace.last); }

  zoomTo(row) {
    if (row < 0) return;
    const margin = this.trace.length(row) * 0.12 + 500;
    this.look(this.trace.start[row] - margin, this.trace.end[row] + margin);
  }

  reveal(row) {
    const y = this.layout.place[row] * ROW, top = this.scroller.scrollTop;
    if (y < top || y > top + this.height - ROW) this.scroller.scrollTop = Math.max(0, y - this.height / 2);
  }

  wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY * 0.002), this.timeAt(Math.max(this.gutter, this.localX(event))));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      const by = (this.to - this.from) * (event.deltaX || event.deltaY) / 1000;
      this.look(this.from + by, this.to + by);
    }
  }

  press(event) {
    if (event.button) return;
    this.grip = { x: event.clientX, y: event.clientY, from: this.from, to: this.to,
      top: this.scroller.scrollTop, isDrag: false };
    this.main.setPointerCapture(event.pointerId);
  }

  move(event) {
    const grip = this.grip;
    if (!grip) return void this.hover(this.rowAt(event), event);
    const dx = event.clientX - grip.x, dy = event.clientY - grip.y;
    if (Math.abs(dx) + Math.abs(dy) > 4) grip.isDrag = true;
    if (!grip.isDrag) return;
    this.hover(-1);
    const by = -dx / (this.width - this.gutter) * (grip.to - grip.from);
    this.look(grip.from + by, grip.to + by);
    this.scroller.scrollTop = grip.top - dy;
  }

  release(event) {
    const grip = this.grip;
    this.grip = null;
    if (!grip || grip.isDrag) return;
    const row = this.rowAt(event);
    if (row < 0) return;
    if (this.layout.groupAt(row)) return void this.openGroup(row);
    const isOnArrow = this.localX(event) < this.indent(this.trace.depth[row]) + 10;
    if (isOnArrow && this.trace.below[row]) this.toggle(row);
    else this.select(row);
  }

  brush(event, isStart) {
    const box = this.mini.getBoundingClientRect(), { first, last } = this.trace;
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / (box.width - this.margin)));
    const at = first + share * (last - first);
    if (isStart) {
      this.mini.setPointerCapture(event.pointerId);
      this.brushFrom = at;
      const length = this.to - this.from;
      if (length < last - first) this.look(at - length / 2, at + length / 2);
    } else if (Math.abs(at - this.brushFrom) > (last - first) * 0.004) {
      this.look(Math.min(at, this.brushFrom), Math.max(at, this.brushFrom));
    }
  }

  // --- choosing --------------------------------------------------------------------------------

  select(row) {
    this.mark(row);
    this.report("selected", this.trace.id(row));
  }

  mark(row) {
    this.selected = row;
    this.reveal(row);
    this.live.textContent = this.spoken(row);
    this.invalidate();
  }

  spoken(row) {
    const trace = this.trace, members = this.layout.groupAt(row);
    if (members) return `${this.groupLabel(row, members)}, alike; Enter shows them`;
    const parts = [trace.label(row), trace.kinds[trace.kind[row]], durationText(trace.length(row)),
      trace.statuses[trace.status[row]]];
    if (trace.has(row, FLAG.onPath)) parts.push("on the critical path");
    return parts.join(", ");
  }

  step(by) {
    const at = this.selected < 0 ? -1 : this.layout.place[this.selected];
    this.mark(this.layout.shown[Math.max(0, Math.min(this.layout.count - 1, at + by))]);
  }

  next(matches, way = 1) {
    const { rows } = this.trace, from = this.selected < 0 && way < 0 ? 0 : this.selected;
    for (let by = 1; by <= rows; by++) {
      const row = (from + way * by + 2 * rows) % rows;
      if (!matches(row)) continue;
      this.unfoldTo(row);
      return this.select(row);
    }
  }

  // In the order of time, not of rows: the path jumps between branches.
  nextOnPath() {
    const { pathRow } = this.trace;
    const at = pathRow.lastIndexOf(this.selected);
    const row = pathRow[(at + 1) % pathRow.length];
    this.unfoldTo(row);
    this.select(row);
  }

  nextError() { this.next(row => this.trace.failures.has(row)); }

  // --- finding ---------------------------------------------------------------------------------

  find() {
    const words = this.finder.value.toLowerCase().split(/\s+/).filter(Boolean), { trace } = this;
    this.found = words.length ? new Set() : null;
    for (let row = 0; words.length && row < trace.rows; row++) {
      const text = this.said(row);
      if (words.every(word => text.includes(word))) this.found.add(row);
    }
    this.tellFound();
    this.invalidate();
  }

  said(row) {
    const { trace } = this;
    return [trace.label(row), trace.models[trace.model[row]], trace.kinds[trace.kind[row]],
      trace.statuses[trace.status[row]]].join(" ").toLowerCase();
  }

  tellFound() {
    const { found } = this;
    if (!found) this.told.textContent = "";
    else if (!found.size) this.told.textContent = "none";
    else {
      const at = [...found].indexOf(this.selected) + 1;
      this.told.textContent = at ? `${at} of ${found.size.toLocaleString("en")}` : found.size.toLocaleString("en");
    }
  }

  nextFound(by) {
    if (!this.found || !this.found.size) return;
    this.next(row => this.found.has(row), by);
    this.tellFound();
  }

  finderKey(event) {
    // Not for the page: it has letters of its own.
    event.stopPropagation();
    if (event.key === "Enter") this.nextFound(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      this.finder.value = "";
      this.find();
      this.host.focus();
    } else return;
    event.preventDefault();
  }

  // --- folding ---------------------------------------------------------------------------------

  toggle(row) {
    if (!this.folded.delete(row)) this.folded.add(row);
    this.arrange();
    this.setButtons();
  }

  unfoldTo(row) {
    if (this.layout.isShown(row)) return;
    this.opened.add(this.trace.group[row]);
    for (let above = this.trace.parent[row]; above >= 0; above = this.trace.parent[above]) {
      this.folded.delete(above);
      this.opened.add(this.trace.group[above]);
    }
    this.arrange();
    this.setButtons();
  }

  openGroup(row) {
    this.opened.add(this.trace.group[row]);
    this.arrange();
    this.mark(row);
    this.setButtons();
  }

  // Shows alike rows as one, or, when all are, each by itself.
  groupAll() {
    this.groups = !this.layout.members.size;
    this.opened.clear();
    this.arrange();
    this.setButtons();
  }

  groupLabel(row, members) {
    return `${this.trace.names[this.trace.name[row]]} ×${members.length.toLocaleString("en")}`;
  }

  foldAll() {
    const trace = this.trace;
    if (this.folded.size) {
      this.folded.clear();
    } else {
      const isBranch = row => trace.branches[trace.branch[row]] !== "";
      const hasBranches = trace.branch.some((_, row) => isBranch(row) && trace.below[row] > 0);
      for (let row = 1; row < trace.rows; row++) {
        const folds = hasBranches ? isBranch(row) : trace.depth[row] === 1;
        if (folds && trace.below[row]) this.folded.add(row);
      }
    }
    this.arrange();
    this.setButtons();
  }

  leftKey(row) {
    if (row < 0) return;
    if (this.layout.groupAt(row)) return void this.mark(this.trace.parent[row]);
    if (this.trace.below[row] && !this.folded.has(row)) this.toggle(row);
    else if (this.trace.parent[row] >= 0) this.mark(this.trace.parent[row]);
  }

  rightKey(row) {
    if (this.layout.groupAt(row)) this.openGroup(row);
    else if (row >= 0 && this.folded.has(row)) this.toggle(row);
    else if (row >= 0 && this.trace.below[row]) this.mark(row + 1);
  }

  // --- keys and buttons ------------------------------------------------------------------------

  key(event) {
    if (event.target === this.finder) return void this.finderKey(event);
    if (event.ctrlKey || event.metaKey || event.altKey || !this.trace) return;
    if (event.target.closest("button") && (event.key === "Enter" || event.key === " ")) return;
    const page = Math.max(1, Math.floor(this.height / ROW) - 1);
    const actions = {
      ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1),
      PageDown: () => this.step(page), PageUp: () => this.step(-page),
      Home: () => this.step(-Infinity), End: () => this.step(Infinity),
      ArrowLeft: () => this.leftKey(this.selected), ArrowRight: () => this.rightKey(this.selected),
      Enter: () => this.enterKey(this.selected),
      "+": () => this.act("in"), "=": () => this.act("in"), "-": () => this.act("out"), "−": () => this.act("out"),
      0: () => this.fit(), z: () => this.zoomTo(this.selected), p: () => this.nextOnPath(),
      c: () => this.act("dim"), e: () => this.nextError(), f: () => this.foldAll(),
      g: () => this.act("group"), "/": () => this.finder.focus(),
      n: () => this.nextFound(1), N: () => this.nextFound(-1),
      "?": () => this.act("keys"), Escape: () => this.showKeys(false),
    };
    const action = actions[event.key];
    if (!action) return;
    action();
    event.preventDefault();
    event.stopPropagation();
  }

  enterKey(row) {
    if (this.layout.groupAt(row)) this.openGroup(row);
    else if (row >= 0) this.select(row);
  }

  act(name) {
    ({
      fit: () => this.fit(), in: () => this.zoom(0.6), out: () => this.zoom(1 / 0.6), fold: () => this.foldAll(),
      group: () => this.groupAll(),
      dim: () => { this.dims = !this.dims; this.invalidate(); },
      next: () => this.nextOnPath(), error: () => this.nextError(), keys: () => this.showKeys(this.keys.hidden),
      copy: () => this.copyLink(),
    })[name]();
    this.setButtons();
  }

  setButtons() {
    const press = (act, isOn) => this.button(act).setAttribute("aria-pressed", String(isOn));
    press("fold", this.folded.size > 0);
    press("group", this.layout.members.size > 0);
    this.button("group").disabled = !this.trace.group.some(group => group >= 0);
    press("dim", this.dims);
    press("keys", !this.keys.hidden);
    this.button("error").disabled = this.trace.failures.size === 0;
  }

  copyLink() {
    const button = this.button("copy");
    const tell = text => {
      button.textContent = text;
      setTimeout(() => { button.textContent = "Copy link"; }, 1500);
    };
    // Only pages on this machine or over TLS may write there.
    if (!navigator.clipboard) return tell("Copy the address above");
    navigator.clipboard.writeText(location.href).then(() => tell("Copied"), () => tell("Copy the address above"));
  }

  button(act) { return this.host.querySelector(`[data-act="${act}"]`); }

  showKeys(isShown) {
    this.keys.hidden = !isShown;
    this.setButtons();
  }

  fillKeys() {
    const title = document.createElement("b");
    title.textContent = "Keys";
    this.keys.replaceChildren(title, ...KEYS.map(([keys, meaning]) => {
      const line = document.createElement("div"), key = document.createElement("kbd");
      key.textContent = keys;
      line.append(key, meaning);
      return line;
    }));
  }

  fillLegend() {
    const { trace } = this, seen = new Set(trace.family), entries = [];
    const entry = (text, colour, shape) => {
      const item = document.createElement("span"), swatch = document.createElement("i");
      if (shape) swatch.className = shape;
      else swatch.style.background = colour;
      item.append(swatch, text);
      entries.push(item);
    };
    trace.families.forEach((name, number) => {
      if (seen.has(number)) entry(name, trace.colours[this.theme.name()][number]);
    });
    if (trace.wait.some(wait => wait > 0)) entry("queue wait", null, "wf-wait");
    entry("critical path", null, "wf-line");
    this.legend.replaceChildren(...entries);
  }

  // --- hover card ------------------------------------------------------------------------------

  hover(row, event) {
    if (row !== this.hovered) {
      this.hovered = row;
      this.invalidate();
      if (row >= 0) this.fillTip(row);
    }
    this.tip.style.display = row < 0 ? "none" : "block";
    if (row < 0 || !event) return;
    const box = this.host.getBoundingClientRect();
    const x = event.clientX - box.left + 16, y = event.clientY - box.top + 14;
    this.tip.style.left = `${Math.max(4, Math.min(box.width - this.tip.offsetWidth - 6, x))}px`;
    const fits = y + this.tip.offsetHeight < box.height - 6;
    this.tip.style.top = `${fits ? y : Math.max(4, y - this.tip.offsetHeight - 28)}px`;
  }

  fillTip(row) {
    const title = document.createElement("b");
    const members = this.layout.groupAt(row);
    title.textContent = members ? this.groupLabel(row, members) : this.trace.label(row);
    this.tip.replaceChildren(title, ...(members ? this.groupFacts(members) : this.facts(row)).map(([name, value, isBad]) => {
      const line = document.createElement("div"), label = document.createElement("span");
      label.textContent = name;
      line.append(label, value);
      if (isBad) line.className = "wf-bad";
      return line;
    }));
  }

  // Of a group: how many, how long in the middle and at most.
  groupFacts(members) {
    const lengths = members.map(row => this.trace.length(row)).sort((one, other) => one - other);
    const failed = members.filter(row => this.trace.has(row, FLAG.error)).length;
    const facts = [["alike", members.length.toLocaleString("en")], ["median", durationText(lengths[lengths.length >> 1])],
      ["longest", durationText(lengths[lengths.length - 1])], ["click", "shows each"]];
    return failed ? [...facts, ["failed", String(failed), true]] : facts;
  }

  facts(row) {
    const trace = this.trace, wall = trace.length(0), isShown = value => Number.isFinite(value) && value > 0;
    const model = trace.models[trace.model[row]];
    const status = trace.statuses[trace.status[row]];
    const facts = [["kind", trace.kinds[trace.kind[row]] + (model ? ` · ${model}` : "")],
      ["start", `+${durationText(trace.start[row])}`], ["duration", durationText(trace.length(row))]];
    if (trace.isWhole && trace.below[row]) facts.push(["own", durationText(trace.self[row])]);
    if (trace.has(row, FLAG.onPath)) {
      facts.push(["on critical path", `${durationText(trace.onPath[row])} · ${shareText(trace.onPath[row] / wall)}`]);
      if (trace.isWhole) facts.push(["drag", durationText(trace.drag[row])]);
    } else if (trace.isWhole) {
      facts.push(["slack", Number.isFinite(trace.slack[row]) ? durationText(trace.slack[row]) : "any"]);
    }
    if (isShown(trace.wait[row])) facts.push([trace.has(row, FLAG.waitInferred) ? "queued (inferred)" : "queued", durationText(trace.wait[row])]);
    if (isShown(trace.firstToken[row])) facts.push(["first token", durationText(trace.firstToken[row])]);
    if (trace.tokens[row]) facts.push(["tokens", tokensText(trace.tokens[row])]);
    if (Number.isFinite(trace.cost[row])) facts.push(["cost", usdText(trace.cost[row])]);
    if (trace.attempt[row] > 1) facts.push(["attempt", String(trace.attempt[row])]);
    if (trace.has(row, FLAG.tied)) facts.push(["ends with", "the critical path (tied)"]);
    if (trace.has(row, FLAG.wasted)) facts.push(["result", "not used"]);
    if (status !== "ok") facts.push(["status", status, trace.has(row, FLAG.error | FLAG.lost)]);
    return facts;
  }
}

export default function ({ data, parentElement, setStateValue }) {
  let waterfall = INSTANCES.get(parentElement);
  if (!waterfall) INSTANCES.set(parentElement, waterfall = new Waterfall(parentElement));
  waterfall.report = setStateValue;
  if (data && data !== waterfall.bytes) {
    waterfall.bytes = data;
    waterfall.load(new Trace(data));
  } else if (waterfall.trace) {
    waterfall.restyle();
  }
  return () => {
    waterfall.destroy();
    INSTANCES.delete(parentElement);
  };
}
