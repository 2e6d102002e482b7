// Links to other pages of the app; labels from traces are only ever set as text.
const SHOWN = new WeakMap();

function linkOf([what, label, href]) {
  const link = document.createElement("a");
  link.href = href;
  link.title = label;
  if (what) {
    const before = document.createElement("span");
    before.textContent = what;
    link.append(before);
  }
  link.append(label);
  link.addEventListener("click", event => follow(event, href));
  return link;
}

export default function ({ data: [data], parentElement }) {
  const text = JSON.stringify(data);
  if (SHOWN.get(parentElement) !== text) {
    SHOWN.set(parentElement, text);
    parentElement.querySelector(".li").replaceChildren(...data.links.map(linkOf));
  }
  return () => SHOWN.delete(parentElement);
}
