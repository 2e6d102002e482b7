// Numbers with their course over time; heights are only compared within a tile.
const TILES = new WeakMap(), SVG = "http://www.w3.org/2000/svg", WIDE = 100, HIGH = 26;

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function tileOf(tile) {
  const made = element(tile.href ? "a" : "div", "ti-tile");
  if (tile.href) {
    made.href = tile.href;
    made.addEventListener("click", event => follow(event, tile.href));
  }
  made.setAttribute("role", "listitem");
  made.dataset.label = tile.label;
  made.setAttribute("aria-description", tile.meaning);
  const label = element("span", "ti-label", tile.label);
  label.title = tile.meaning;
  made.append(label, element("span", "ti-value", tile.value));
  if (tile.points.length > 1) made.append(courseOf(tile));
  return made;
}

function courseOf(tile) {
  const course = element("span", "ti-course"), last = element("span", "ti-last", tile.last);
  last.title = tile.points[tile.points.length - 1][1];
  const picture = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `${tile.label} over time, last ${tile.last}` });
  picture.append(...(tile.shape === "bars" ? barsOf(tile.points) : lineOf(tile.points)), ...slicesOf(tile.points));
  course.append(picture, last);
  return course;
}

function barsOf(points) {
  const most = Math.max(...points.map(([height]) => height ?? 0)) || 1, step = WIDE / points.length;
  return points.map(([height], at) => {
    const tall = height ? Math.max(1, height / most * HIGH) : 0;
    return shape("rect", { class: at === points.length - 1 ? "ti-bar ti-now" : "ti-bar",
      x: at * step + step * .12, width: step * .76, y: HIGH - tall, height: tall });
  });
}

function lineOf(points) {
  const most = Math.max(...points.map(([height]) => height ?? 0)) || 1, step = WIDE / points.length;
  const known = points
    .map(([height], at) => height === null ? null : [(at + .5) * step, HIGH - 2 - height / most * (HIGH - 4)])
    .filter(Boolean);
  if (!known.length) return [];
  const [x, y] = known[known.length - 1];
  return [shape("polyline", { points: known.map(place => place.join(",")).join(" ") }),
    shape("path", { class: "ti-dot", d: `M${x} ${y}h0` })];
}

function slicesOf(points) {
  const step = WIDE / points.length;
  return points.map(([, told], at) => {
    const slice = shape("rect", { class: "ti-slice", x: at * step, width: step, y: 0, height: HIGH });
    const title = shape("title", {});
    title.textContent = told;
    slice.append(title);
    return slice;
  });
}

export default function ({ data: [data], parentElement }) {
  const text = JSON.stringify(data);
  if (TILES.get(parentElement) !== text) {
    TILES.set(parentElement, text);
    parentElement.querySelector(".ti").replaceChildren(...data.tiles.map(tileOf));
  }
  return () => TILES.delete(parentElement);
}
