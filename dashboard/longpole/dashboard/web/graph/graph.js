// Boxes and frames as HTML, lines as SVG below them. What comes from traces is only ever set as text.
const GRAPHS = new WeakMap();
const SVG = "http://www.w3.org/2000/svg";
const SMALLEST = 0.75;

class Graph {
  constructor(root) {
    this.host = root.querySelector(".lg");
    this.scroller = root.querySelector(".lg-scroll");
    this.canvas = root.querySelector(".lg-canvas");
    this.canvas.addEventListener("click", event => {
      const button = event.target.closest("button");
      if (button) this.report("opened", button.dataset.id);
    });
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.host);
  }

  destroy() { this.observer.disconnect(); }

  show(content) {
    this.content = content;
    const lines = document.createElementNS(SVG, "svg");
    lines.setAttribute("width", content.width);
    lines.setAttribute("height", content.height);
    // The critical path last, so that no other line crosses it.
    const sorted = [...content.edges].sort((one, other) => one[4] - other[4]);
    lines.append(...sorted.map(edge => this.line(edge)));
    this.canvas.replaceChildren(
      ...content.frames.map((frame, at) => this.frame(frame, at === 0)), lines,
      ...content.heads.map(([x, y, text]) => placed(element("div", "lg-head", text), [x, y])),
      ...content.boxes.map(box => this.box(box)));
    this.fit();
  }

  // As small as it can still be read; beyond that it scrolls.
  fit() {
    if (!this.content || !this.scroller.clientWidth) return;
    const { width, height } = this.content, room = this.scroller.clientWidth - 20;
    const scale = Math.max(SMALLEST, Math.min(1, room / width));
    this.canvas.style.transform = `scale(${scale})`;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.canvas.style.marginRight = scale < 1 ? `${-width * (1 - scale)}px` : "auto";
    this.canvas.style.marginBottom = `${-height * (1 - scale)}px`;
  }

  line([x0, y0, x1, y1, isOnPath]) {
    const path = document.createElementNS(SVG, "path"), bend = (x1 - x0) / 2;
    path.setAttribute("d", `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`);
    if (isOnPath) path.setAttribute("class", "lg-on");
    return path;
  }

  frame(step, isWhole) {
    const frame = placed(element("div", "lg-frame"), step.at), title = this.button(step, "");
    title.append(step.label);
    if (step.count) title.append(element("i", "", step.count));
    title.append(element("i", "", step.time));
    if (step.failed) title.append(element("i", "lg-bad", "✕"));
    if (isWhole) frame.style.background = "none";
    frame.append(title);
    return frame;
  }

  box(step) {
    const box = placed(this.button(step, "lg-box"), step.at);
    const colour = this.content.colours[isDark(this.host) ? "dark" : "light"][step.family];
    const head = element("b", step.failed ? "lg-bad" : ""), foot = element("span", "");
    head.append(element("u", "", (step.failed ? "✕ " : "") + step.label), element("em", "", step.count));
    foot.append(element("u", "", step.inner), element("em", "", [step.hidden, step.time].filter(Boolean).join(" · ")));
    const edge = element("s", ""), share = element("i", "");
    edge.style.background = share.style.background = colour;
    share.style.width = `calc((100% - 4px) * ${step.share})`;
    if (step.onPath) box.classList.add("lg-on");
    box.append(edge, head, foot, share);
    return box;
  }

  button(step, className) {
    const button = element("button", className);
    button.type = "button";
    button.dataset.id = step.id;
    button.title = step.told;
    button.setAttribute("aria-label", step.told);
    return button;
  }
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function placed(item, [x, y, width, height]) {
  item.style.left = `${x}px`;
  item.style.top = `${y}px`;
  if (width !== undefined) item.style.width = `${width}px`;
  if (height !== undefined) item.style.height = `${height}px`;
  return item;
}

function isDark(host) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(host).getPropertyValue("--st-background-color").trim() || "#fff";
  const [red, green, blue] = [1, 3, 5].map(at => parseInt(probe.fillStyle.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

export default function ({ data: [data], parentElement, setTriggerValue }) {
  let shown = GRAPHS.get(parentElement);
  if (!shown) GRAPHS.set(parentElement, shown = new Graph(parentElement));
  shown.report = setTriggerValue;
  const text = JSON.stringify(data) + isDark(shown.host);
  if (text !== shown.text) {
    shown.text = text;
    shown.show(data);
  }
  return () => {
    shown.destroy();
    GRAPHS.delete(parentElement);
  };
}
