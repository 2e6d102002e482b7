// JSON that folds. Rows are made when they are unfolded; what was recorded is only ever set as text.
// One stop of the Tab key: ↑ ↓ go from row to row, → ← unfold and fold, Enter does either, C copies.
const TREES = new WeakMap(), INDENT_PX = 14, MOST_INDENTED = 16, LONG = 400;

function span(className, text) {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = text;
  return made;
}

// [key, node] of what a node holds.
function itemsOf([kind, , items]) {
  if (kind === "o") return items;
  return kind === "a" ? items.map((item, at) => [String(at), item]) : [];
}

function countText([kind, count]) {
  const [open, close] = kind === "o" ? "{}" : "[]", noun = kind === "o" ? "key" : "item";
  return count ? `${open} ${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"} ${close}` : open + close;
}

// JSON as far as it is here; `isWhole` is cleared where something is missing.
function written(node, told, indent = "") {
  const [kind, value] = node;
  if (kind === "n" || kind === "k") return value;
  if (kind === "s") {
    if (value.length < node[2]) told.isWhole = false;
    return JSON.stringify(value);
  }
  const items = itemsOf(node), deeper = `${indent}  `;
  if (items.length < node[1]) told.isWhole = false;
  if (!items.length) return kind === "o" ? "{}" : "[]";
  const lines = items.map(([key, item]) =>
    deeper + (kind === "o" ? `${JSON.stringify(key)}: ` : "") + written(item, told, deeper));
  return `${kind === "o" ? "{" : "["}\n${lines.join(",\n")}\n${indent}${kind === "o" ? "}" : "]"}`;
}

class Tree {
  constructor(root) {
    this.host = root.querySelector(".jt");
    this.told = root.querySelector(".jt-told");
    this.host.addEventListener("click", event => this.clicked(event));
    this.host.addEventListener("keydown", event => this.keyPressed(event));
    this.host.addEventListener("focusin", event => this.stand(event.target.closest(".jt-row")));
  }

  show({ node, label, unfolded }) {
    this.host.setAttribute("aria-label", label);
    this.told.textContent = "";
    const top = this.row(null, node, 1);
    this.host.replaceChildren(top);
    this.stand(top);
    for (let level = 1; level <= unfolded; level += 1) {
      for (const row of this.rows().filter(one => one.level === level)) this.unfold(row);
    }
  }

  rows() { return Array.from(this.host.querySelectorAll(".jt-row")); }

  row(key, node, level) {
    const row = document.createElement("div"), holds = node[0] === "o" || node[0] === "a";
    Object.assign(row, { className: "jt-row", tabIndex: -1, node, level, key });
    row.setAttribute("role", "treeitem");
    row.setAttribute("aria-level", level);
    row.style.paddingLeft = `${4 + Math.min(level - 1, MOST_INDENTED) * INDENT_PX}px`;
    const fold = span("jt-fold", "");
    fold.setAttribute("aria-hidden", "true");
    row.append(fold);
    if (key !== null) row.append(span("jt-key", key));
    if (holds && node[1]) this.mark(row, false);
    row.append(holds ? span("jt-value jt-count", countText(node)) : this.leaf(row, node));
    if (navigator.clipboard) row.append(copyButton());
    return row;
  }

  leaf(row, [kind, text, length]) {
    if (kind !== "s") return span(`jt-value jt-${kind}`, text);
    const isLong = text.length > LONG || length > text.length;
    if (isLong) this.mark(row, false);
    return span("jt-value jt-s", isLong ? shortText(text, length) : `"${text}"`);
  }

  mark(row, isUnfolded) {
    row.setAttribute("aria-expanded", isUnfolded);
    row.firstChild.textContent = isUnfolded ? "▾" : "▸";
  }

  isUnfolded(row) { return row.getAttribute("aria-expanded") === "true"; }

  unfold(row) {
    if (row.getAttribute("aria-expanded") !== "false") return;
    this.mark(row, true);
    const { node, level } = row;
    if (node[0] === "s") return void this.retext(row, longText(node[1], node[2]));
    const items = itemsOf(node), made = items.map(([key, item]) => this.row(key, item, level + 1));
    if (items.length < node[1]) made.push(leftRow(node[1] - items.length, level + 1));
    row.after(...made);
  }

  foldUp(row) {
    if (!this.isUnfolded(row)) return;
    this.mark(row, false);
    if (row.node[0] === "s") return void this.retext(row, shortText(row.node[1], row.node[2]));
    while (row.nextElementSibling && row.nextElementSibling.level > row.level) row.nextElementSibling.remove();
  }

  retext(row, text) { row.querySelector(".jt-value").textContent = text; }

  // Has the Tab key lead to this row, and to no other.
  stand(row) {
    if (!row) return;
    for (const other of this.host.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    row.tabIndex = 0;
  }

  clicked(event) {
    const row = event.target.closest(".jt-row");
    if (!row || row.getRootNode().getSelection?.()?.toString() || getSelection().toString()) return;
    if (event.target.closest(".jt-copy")) this.copy(row);
    else if (this.isUnfolded(row)) this.foldUp(row);
    else this.unfold(row);
  }

  keyPressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const row = event.target.closest(".jt-row");
    if (event.key === "c" || event.key === "C") this.copy(row);
    else if (event.key === "Enter" || event.key === " ") this.isUnfolded(row) ? this.foldUp(row) : this.unfold(row);
    else if (event.key === "ArrowRight") this.isUnfolded(row) ? this.go(row, 1) : this.unfold(row);
    else if (event.key === "ArrowLeft") this.isUnfolded(row) ? this.foldUp(row) : this.goUp(row);
    else if (event.key === "ArrowDown") this.go(row, 1);
    else if (event.key === "ArrowUp") this.go(row, -1);
    else if (event.key === "Home") this.go(row, -Infinity);
    else if (event.key === "End") this.go(row, Infinity);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  go(row, step) {
    const rows = this.rows(), to = Math.max(0, Math.min(rows.length - 1, rows.indexOf(row) + step));
    rows[to].focus();
  }

  goUp(row) {
    const rows = this.rows(), above = rows.slice(0, rows.indexOf(row)).reverse().find(one => one.level < row.level);
    above?.focus();
  }

  copy(row) {
    if (!row.node || !navigator.clipboard) return;
    const told = { isWhole: true }, [kind, text] = row.node;
    const copied = kind === "s" ? text : written(row.node, told);
    if (kind === "s" && text.length < row.node[2]) told.isWhole = false;
    navigator.clipboard.writeText(copied).then(
      () => this.tell(told.isWhole ? "Copied" : "Copied as far as it is shown; the rest was left out"),
      () => this.tell("The browser did not let it be copied"));
  }

  tell(text) { this.told.textContent = text; }
}

function shortText(text, length) { return `"${text.slice(0, LONG)}…" ${length.toLocaleString("en")} characters`; }

function longText(text, length) {
  const left = length - text.length;
  return left ? `"${text}…" and ${left.toLocaleString("en")} more characters` : `"${text}"`;
}

function leftRow(count, level) {
  const row = document.createElement("div");
  Object.assign(row, { className: "jt-row jt-left", tabIndex: -1, level, node: null });
  row.setAttribute("role", "treeitem");
  row.setAttribute("aria-level", level);
  row.style.paddingLeft = `${20 + Math.min(level - 1, MOST_INDENTED) * INDENT_PX}px`;
  row.textContent = `… ${count.toLocaleString("en")} more; all of it is in the text`;
  return row;
}

function copyButton() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "jt-copy";
  button.tabIndex = -1;
  button.textContent = "copy";
  button.title = "Copy (C)";
  return button;
}

export default function ({ data: [data], parentElement }) {
  let shown = TREES.get(parentElement);
  if (!shown) TREES.set(parentElement, shown = new Tree(parentElement));
  const text = JSON.stringify(data);
  if (text !== shown.text) {
    shown.text = text;
    shown.show(data);
  }
  return () => TREES.delete(parentElement);
}
