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

// To another page of the app without loading it anew, as a row of a table does.
function follow(event, href) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", href);
  window.dispatchEvent(new PopStateEvent("popstate", { state: null }));
}

export default function ({ data: [data], parentElement }) {
  const text = JSON.stringify(data);
  if (SHOWN.get(parentElement) !== text) {
    SHOWN.set(parentElement, text);
    parentElement.querySelector(".li").replaceChildren(...data.links.map(linkOf));
  }
  return () => SHOWN.delete(parentElement);
}
