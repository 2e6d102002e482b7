// A table as plain HTML. What comes from traces is only ever set as text.
// The rows are one stop of the Tab key: arrows go from row to row, Enter opens, Space ticks.
const TABLES = new WeakMap(), TICK_PX = 34, PAGE_ROWS = 10, SVG = "http://www.w3.org/2000/svg";
const STATUS_MARKS = { ok: "✓", error: "✕", running: "●", cancelled: "⊘", interrupted: "‖", lost: "?", note: "!" };

class DataTable {
  constructor(root) {
    const find = selector => root.querySelector(selector);
    this.host = find(".lt");
    this.caption = find("caption");
    this.columnGroup = find("colgroup");
    this.header = find("thead tr");
    this.body = find("tbody");
    this.sort = null;
    this.ticked = [];  // ids, in the order of the ticks
    this.current = null;  // id of the row that the Tab key leads to
    this.anchor = null;  // id of the row that was ticked last, where a range begins
    this.root = this.host.getRootNode();
    this.bar = find(".lt-ticked");
    this.bar.querySelector(".lt-clear").addEventListener("click", () => this.clear());
    this.bar.querySelector("nav").addEventListener("click", event => this.actionClicked(event));
    this.header.addEventListener("change", () => this.tickAll());
    this.header.addEventListener("click", event => this.headerClicked(event));
    this.body.addEventListener("click", event => this.bodyClicked(event));
    this.body.addEventListener("keydown", event => this.keyPressed(event));
    this.body.addEventListener("focusin", event => this.stand(event.target.closest("tr")));
    this.timer = setInterval(() => this.tellTime(), 5000);
  }

  destroy() { clearInterval(this.timer); }

  show(content) {
    this.content = content;
    if (!content.sortsHere || !this.sort) this.sort = content.sort;
    this.caption.textContent = content.caption;
    this.host.style.maxHeight = `${content.maxHeight}px`;
    this.host.classList.toggle("lt-headless", !content.showsHeader);
    this.host.classList.toggle("lt-wraps", Boolean(content.wraps));
    this.host.classList.toggle("lt-tree", content.rows.some(row => row.indent > 0));
    this.ticks = content.actions.length > 0;
    const width = content.columns.reduce((sum, column) => sum + column.width, this.ticks ? TICK_PX : 0);
    this.host.querySelector("table").style.minWidth = `${width}px`;
    this.columnGroup.replaceChildren(...(this.ticks ? [tickColumn()] : []), ...content.columns.map(column => {
      const item = document.createElement("col");
      if (!column.grows) item.style.width = `${column.width}px`;
      return item;
    }));
    const focus = this.focused();
    this.fillHeader();
    this.fillBody();
    this.fillBar();
    if (focus) focus();
  }

  // How to have the focus where it is now, after what has it was made anew; rows may have come.
  focused() {
    const active = this.root.activeElement, line = active && this.body.contains(active) ? active.closest("tr") : null;
    if (line) return () => this.lineOf(line.dataset.id)?.focus({ preventScroll: true });
    const key = active && this.header.contains(active) ? active.dataset.key : null;
    return key ? () => this.header.querySelector(`[data-key="${key}"]`)?.focus({ preventScroll: true }) : null;
  }

  fillHeader() {
    this.header.replaceChildren(...(this.ticks ? [tickHeader()] : []), ...this.content.columns.map(column => {
      const cell = document.createElement("th");
      cell.className = `lt-${column.kind}`;
      cell.scope = "col";
      if (column.help) cell.title = column.help;
      const isSorted = this.sort && this.sort.key === column.key;
      if (isSorted) cell.setAttribute("aria-sort", this.sort.descending ? "descending" : "ascending");
      const label = document.createElement(column.sortable ? "button" : "span");
      if (column.sortable) {
        label.type = "button";
        label.dataset.key = column.key;
      }
      label.textContent = column.label + (isSorted ? (this.sort.descending ? " ↓" : " ↑") : "");
      cell.append(label);
      return cell;
    }));
  }

  fillBody() {
    const { content } = this, opens = content.columns.some(column => column.kind === "link");
    this.isWalked = opens || this.ticks;
    this.body.replaceChildren(...this.rows().map(row => {
      const line = document.createElement("tr");
      if (row.strong) line.className = "lt-strong";
      line.dataset.id = row.id;
      if (opens) line.dataset.opens = "";
      if (this.isWalked) line.tabIndex = -1;
      if (this.ticks) line.append(this.tickCell(row));
      line.append(...row.cells.map((cell, at) => this.cell(content.columns[at], cell, row)));
      return line;
    }));
    this.stand(this.lineOf(this.current) ?? this.body.rows[0]);
    this.tellTime();
  }

  lineOf(id) { return Array.from(this.body.rows).find(line => line.dataset.id === id); }

  // Has the Tab key lead to this row, and to no other.
  stand(line) {
    if (!this.isWalked || !line) return;
    for (const other of this.body.querySelectorAll("tr[tabindex='0']")) other.tabIndex = -1;
    line.tabIndex = 0;
    this.current = line.dataset.id;
  }

  rows() {
    const { content, sort } = this;
    if (!content.sortsHere || !sort) return content.rows;
    const at = content.columns.findIndex(column => column.key === sort.key);
    if (at < 0) return content.rows;
    const order = sort.descending ? -1 : 1;
    return [...content.rows].sort((left, right) => {
      const a = left.cells[at][1], b = right.cells[at][1];
      if (a === null || b === null) return (a === null) - (b === null);
      return (a < b ? -1 : a > b ? 1 : 0) * order;
    });
  }

  cell(column, [text, value, ratio, note, points], row) {
    const cell = document.createElement("td");
    cell.className = `lt-${column.kind}`;
    if (note) cell.title = note;
    if (column.kind === "status") cell.append(statusPill(text));
    else if (column.kind === "mark") cell.append(statusMark(text, note));
    else if (column.kind === "link") cell.append(this.link(text, row));
    else cell.textContent = text;
    if (column.kind === "course" && points) cell.prepend(course(points));
    if (column.kind === "link" && row.indent) cell.style.paddingLeft = `${8 + Math.min(row.indent, 12) * 12}px`;
    if (column.kind === "since") cell.dataset.since = value;
    if (column.kind === "bar") {
      const track = document.createElement("i"), bar = document.createElement("b");
      bar.style.width = `${Math.max(0, Math.min(1, ratio)) * 100}%`;
      track.append(bar);
      cell.append(track);
    }
    return cell;
  }

  tickCell(row) {
    const cell = document.createElement("td"), label = document.createElement("label"), box = document.createElement("input");
    cell.className = "lt-tick";
    box.type = "checkbox";
    box.tabIndex = -1;
    box.checked = this.ticked.includes(row.id);
    box.setAttribute("aria-label", `Choose ${row.cells.map(one => one[0]).filter(Boolean).slice(0, 3).join(", ")}`);
    label.append(box);
    cell.append(label);
    return cell;
  }

  // From the row ticked before to this one, where Shift is held.
  toggle(id, isRange) {
    const isTicked = this.ticked.includes(id), ids = Array.from(this.body.rows, line => line.dataset.id);
    const [from, to] = [ids.indexOf(this.anchor), ids.indexOf(id)].sort((a, b) => a - b);
    const meant = isRange && from >= 0 ? ids.slice(from, to + 1) : [id];
    const others = this.ticked.filter(one => !meant.includes(one));
    this.anchor = id;
    this.tick(isTicked && !isRange ? others : [...others, ...meant]);
  }

  tickAll() {
    const ids = Array.from(this.body.rows, line => line.dataset.id), areAll = ids.every(id => this.ticked.includes(id));
    const others = this.ticked.filter(id => !ids.includes(id));
    this.tick(areAll ? others : [...others, ...ids]);
  }

  // What had the focus may be gone with the bar.
  clear() {
    this.tick([]);
    this.lineOf(this.current)?.focus({ preventScroll: true });
  }

  tick(ids) {
    this.ticked = ids;
    for (const line of this.body.rows) {
      const box = line.querySelector("input");
      if (box) box.checked = ids.includes(line.dataset.id);
    }
    this.fillBar();
  }

  fillBar() {
    const count = this.ticked.length, isShown = this.ticks && count > 0;
    this.bar.hidden = !isShown;
    // The bar covers the other headers; nobody should come to stand behind it.
    for (const button of this.header.querySelectorAll("button")) button.tabIndex = isShown ? -1 : 0;
    this.fillBoxOfAll();
    this.bar.querySelector("span").textContent = `${count.toLocaleString("en")} chosen`;
    this.bar.querySelector("nav").replaceChildren(...this.content.actions
      .filter(action => action.least <= count && count <= action.most)
      .map(action => this.action(action)));
  }

  fillBoxOfAll() {
    const box = this.header.querySelector("input");
    if (!box) return;
    const here = Array.from(this.body.rows, line => this.ticked.includes(line.dataset.id));
    box.checked = here.length > 0 && here.every(Boolean);
    box.indeterminate = !box.checked && here.some(Boolean);
  }

  action(action) {
    const made = document.createElement(action.href === null ? "button" : "a");
    made.textContent = action.label;
    made.dataset.key = action.key;
    if (action.href === null) made.type = "button";
    else made.href = action.href.replace(/\{(all|\d+)\}/g, (_, which) => encodeURIComponent(
      which === "all" ? this.ticked.join(",") : this.ticked[Number(which) - 1] ?? ""));
    return made;
  }

  actionClicked(event) {
    const made = event.target.closest("a, button");
    if (!made) return;
    if (made.tagName === "BUTTON") this.report("acted", { key: made.dataset.key, ids: this.ticked });
    else follow(event, made.getAttribute("href"));
  }

  link(text, row) {
    const link = document.createElement("a");
    link.href = row.href ?? "#";
    link.tabIndex = -1;
    link.textContent = text;
    return link;
  }

  tellTime() {
    const now = Date.now();
    for (const cell of this.body.querySelectorAll("[data-since]")) {
      cell.textContent = sinceText(now - Number(cell.dataset.since));
    }
  }

  headerClicked(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const key = button.dataset.key;
    const descending = this.sort && this.sort.key === key ? !this.sort.descending : true;
    if (!this.content.sortsHere) return void this.report("sorted", { key, descending });
    this.sort = { key, descending };
    this.fillHeader();
    this.fillBody();
    this.header.querySelector(`[data-key="${key}"]`).focus();
  }

  bodyClicked(event) {
    // A click on the label comes a second time, as one on its box.
    if (event.target.matches(".lt-tick input")) {
      this.toggle(event.target.closest("tr").dataset.id, event.shiftKey);
      event.target.closest("tr").focus({ preventScroll: true });
    }
    if (event.target.closest(".lt-tick")) return;
    const line = event.target.closest("tr[data-opens]");
    if (!line) return;
    const link = event.target.closest("a");
    if (link && link.getAttribute("href") !== "#" && (event.ctrlKey || event.metaKey || event.shiftKey)) return;
    event.preventDefault();
    if (!link && getSelection().toString()) return;  // somebody is copying text
    this.open(line.dataset.id);
  }

  open(id) {
    const row = this.content.rows.find(one => one.id === id);
    if (row.href) goTo(row.href);
    else this.report("opened", row.id);
  }

  keyPressed(event) {
    const line = event.target.closest("tr");
    if (!line || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" && line.dataset.opens !== undefined) this.open(line.dataset.id);
    else if (event.key === " " && this.ticks) this.toggle(line.dataset.id, event.shiftKey);
    else if (event.key === "Escape" && this.ticked.length) this.tick([]);
    else if (!this.walk(line, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Goes to another row, if the key says so.
  walk(line, key) {
    const lines = Array.from(this.body.rows), at = lines.indexOf(line), last = lines.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + PAGE_ROWS, PageUp: at - PAGE_ROWS, Home: 0, End: last }[key];
    if (to === undefined) return false;
    const next = lines[Math.max(0, Math.min(last, to))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  }
}

function course(points) {
  const picture = document.createElementNS(SVG, "svg"), shape = document.createElementNS(SVG, "path");
  picture.setAttribute("viewBox", `0 0 ${points.length} 1`);
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  shape.setAttribute("d", `M0 1${points.map((height, at) => `L${at} ${1 - height}H${at + 1}`).join("")}V1Z`);
  picture.append(shape);
  return picture;
}

function tickColumn() {
  const item = document.createElement("col");
  item.style.width = `${TICK_PX}px`;
  return item;
}

function tickHeader() {
  const cell = document.createElement("th"), label = document.createElement("label"), box = document.createElement("input");
  cell.className = "lt-tick";
  cell.scope = "col";
  box.type = "checkbox";
  box.title = "Choose all rows of this page";
  box.setAttribute("aria-label", box.title);
  label.append(box);
  cell.append(label);
  return cell;
}

function statusMark(status, told) {
  const mark = statusPill(status);
  mark.lastChild.remove();
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", told || status);
  return mark;
}

function statusPill(status) {
  const pill = document.createElement("span"), mark = document.createElement("i");
  pill.className = `lt-pill lt-${status}`;
  mark.textContent = STATUS_MARKS[status] ?? "";
  pill.append(mark, status);
  return pill;
}

function sinceText(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

export default function ({ data: [data], parentElement, setTriggerValue }) {
  let shown = TABLES.get(parentElement);
  if (!shown) TABLES.set(parentElement, shown = new DataTable(parentElement));
  shown.report = setTriggerValue;
  const text = JSON.stringify(data);
  if (text !== shown.text) {
    shown.text = text;
    shown.show(data);
  }
  return () => {
    shown.destroy();
    TABLES.delete(parentElement);
  };
}
