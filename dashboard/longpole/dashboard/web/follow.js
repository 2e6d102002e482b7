// To another page of the app without loading it anew; put before the scripts that need it.

// As the browser's own back button does it. Asking the server to switch pages instead can cross with
// a refresh and leave the page empty.
function goTo(href) {
  history.pushState(null, "", href);
  window.dispatchEvent(new PopStateEvent("popstate", { state: null }));
}

// A click on a link, unless it asks for a window of its own.
function follow(event, href) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  goTo(href);
}

