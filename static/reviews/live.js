// The dashboard refreshes itself (htmx asks, this file puts the answer in): rows that stay are not touched, so focus,
// selection and scrolling stay; a hidden tab is not refreshed. Filter as you type hides rows that don't match.
"use strict";

(() => {
  const EVERY = 20000; // milliseconds
  const live = document.querySelector("[data-live]");
  const stale = document.querySelector("[data-stale]");
  const form = document.querySelector("form[data-filter]");
  if (!live) return;
  let answered = Date.now();

  const shownRow = () => [...live.querySelectorAll("tr[data-href]")].find((row) => row.getBoundingClientRect().top >= 0);

  function filter() {
    const words = (form?.elements.q.value || "").toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of live.querySelectorAll("tr[data-href]")) {
      const text = row.textContent.toLowerCase();
      row.hidden = form?.elements.q.value !== form?.elements.q.defaultValue && !words.every((word) => text.includes(word));
    }
  }

  function renew(oldSection, newSection) {
    const oldBody = oldSection.querySelector("tbody");
    const newBody = newSection.querySelector("tbody");
    if (!oldBody || !newBody) {
      if (oldSection.innerHTML !== newSection.innerHTML) oldSection.innerHTML = newSection.innerHTML;
      return;
    }
    oldSection.querySelector("h2").textContent = newSection.querySelector("h2").textContent;
    const known = new Map([...oldBody.rows].map((row) => [row.id, row]));
    let at = oldBody.firstElementChild;
    for (const row of [...newBody.rows]) {
      let old = known.get(row.id);
      known.delete(row.id);
      if (!old) {
        row.classList.add("fresh");
        oldBody.insertBefore(row, at);
        continue;
      }
      if (old.innerHTML !== row.innerHTML) {
        [...row.cells].forEach((cell, place) => {
          if (old.cells[place].innerHTML !== cell.innerHTML) old.cells[place].innerHTML = cell.innerHTML;
        });
      }
      if (old === at) at = at.nextElementSibling;
      else oldBody.insertBefore(old, at);
    }
    for (const gone of known.values()) gone.remove();
    const [oldPages, newPages] = [oldSection.querySelector(".pages"), newSection.querySelector(".pages")];
    if (oldPages && newPages) { if (oldPages.innerHTML !== newPages.innerHTML) oldPages.innerHTML = newPages.innerHTML; }
    else if (newPages) oldSection.append(newPages);
    else oldPages?.remove();
  }

  live.addEventListener("htmx:beforeSwap", (event) => {
    event.detail.shouldSwap = false;
    const { status, responseText } = event.detail.xhr;
    if (status !== 200 && status !== 304) return;
    answered = Date.now();
    stale.hidden = true;
    if (status === 304) return;
    const fresh = new DOMParser().parseFromString(responseText, "text/html").querySelector("[data-live]");
    if (!fresh) return;
    const anchor = shownRow();
    const top = anchor?.getBoundingClientRect().top;
    const notices = (root) => [...root.children].filter((child) => child.matches(".notice"));
    notices(live).forEach((notice) => notice.remove());
    live.prepend(...notices(fresh));
    live.querySelector(".last-import").innerHTML = fresh.querySelector(".last-import").innerHTML;
    live.querySelector("[data-nothing]")?.remove();
    const nothing = fresh.querySelector("[data-nothing]");
    if (nothing) live.querySelector(".last-import").after(nothing);
    for (const section of fresh.querySelectorAll("[data-section]")) {
      renew(live.querySelector(`[data-section="${section.dataset.section}"]`), section);
    }
    filter();
    if (anchor?.isConnected) window.scrollBy(0, anchor.getBoundingClientRect().top - top);
  });

  function lost() {
    const minutes = Math.floor((Date.now() - answered) / 60000);
    stale.textContent = `The server has not answered${minutes ? ` for ${minutes} min` : ""}, so this page may be out of date. It tries again every ${EVERY / 1000} seconds.`;
    stale.hidden = false;
  }
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) live.addEventListener(name, lost);

  const ask = () => { if (!document.hidden) live.dispatchEvent(new Event("refresh")); };
  setInterval(ask, EVERY);
  document.addEventListener("visibilitychange", () => { if (Date.now() - answered > EVERY) ask(); });
  form?.elements.q.addEventListener("input", filter);
})();
