// The tests of a review refresh themselves (htmx). What a reader has opened stays open, and where the keyboard is it
// stays; an answer "not modified" changes nothing.
(() => {
  "use strict";
  let open = [];
  let focused = "";

  const isRuns = (element) => element instanceof Element && element.hasAttribute("data-keeps-open");

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isRuns(event.detail.target)) return;
    if (event.detail.xhr.status === 304) {
      event.detail.shouldSwap = false;
      return;
    }
    open = [...event.detail.target.querySelectorAll("details[open][id]")].map((details) => details.id);
    const active = document.activeElement;
    focused = event.detail.target.contains(active) ? pathOf(active, event.detail.target) : "";
  });

  document.addEventListener("htmx:afterSwap", () => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
    open = [];
    focused = "";
  });

  // A selector of the element: by the nearest id above it, then by its place.
  function pathOf(element, top) {
    const steps = [];
    for (let at = element; at; at = at.parentElement) {
      if (at.id) {
        steps.unshift(`#${CSS.escape(at.id)}`);
        break;
      }
      if (at === top) break;
      const place = [...at.parentElement.children].indexOf(at) + 1;
      steps.unshift(`${at.localName}:nth-child(${place})`);
    }
    return steps.join(" > ");
  }
})();
