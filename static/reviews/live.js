// The list keeps itself fresh. Only what changes is asked for (tabs, notices, rows); rows that stay are not touched, so
// focus, selection and scrolling stay; a hidden tab asks nothing. What one types or ticks asks the server, and the
// address follows. Without this script the form and the buttons do the same.
"use strict";

(() => {
  const EVERY = 20000; // milliseconds
  const TYPING = 200;
  const live = document.querySelector("[data-list]");
  const stale = document.querySelector("[data-stale]");
  const form = document.querySelector("form[data-filter]");
  const act = document.getElementById("act");
  if (!live) return;
  let answered = Date.now();
  let tag = "";
  let asking = 0;
  let timer = 0;

  const address = () => location.search || live.dataset.view;

  // The list's own address: who comes back to where they were sees it, and can pass it on.
  if (!location.search && live.dataset.view !== "?group=waiting") history.replaceState(null, "", live.dataset.view);

  function wanted() {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
    return `?${query}`;
  }

  const shownRow = () => [...live.querySelectorAll("tr[data-href]")].find((row) => row.getBoundingClientRect().top >= 0);

  function renewRows(oldBody, newBody) {
    const known = new Map([...oldBody.rows].map((row) => [row.id, row]));
    let at = oldBody.firstElementChild;
    for (const row of [...newBody.rows]) {
      const old = known.get(row.id);
      known.delete(row.id);
      if (!old) {
        row.classList.add("fresh");
        oldBody.insertBefore(row, at);
        continue;
      }
      [...row.cells].forEach((cell, place) => {
        if (old.cells[place].innerHTML !== cell.innerHTML) old.cells[place].innerHTML = cell.innerHTML;
      });
      if (old === at) at = at.nextElementSibling;
      else oldBody.insertBefore(old, at);
    }
    for (const gone of known.values()) gone.remove();
  }

  function renewPart(old, fresh) {
    const [oldBody, newBody] = [old.querySelector("tbody"), fresh.querySelector("tbody")];
    if (!oldBody || !newBody) {
      if (old.innerHTML !== fresh.innerHTML) old.innerHTML = fresh.innerHTML;
      return;
    }
    for (const selector of ["h2", "thead", ".pages"]) {
      const [before, after] = [old.querySelector(selector), fresh.querySelector(selector)];
      if (before && after && before.innerHTML !== after.innerHTML) before.innerHTML = after.innerHTML;
      else if (before && !after) before.remove();
      else if (!before && after) old.append(after);
    }
    renewRows(oldBody, newBody);
  }

  function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    const parts = [...fresh.querySelectorAll("[data-part]")];
    if (!parts.length) return false;
    const anchor = shownRow();
    const top = anchor?.getBoundingClientRect().top;
    const focused = live.contains(document.activeElement) && document.activeElement.closest("tr")?.id;
    const known = new Map([...document.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    for (const part of parts) {
      const old = known.get(part.dataset.part);
      known.delete(part.dataset.part);
      if (old) renewPart(old, part);
      else live.append(part);
    }
    for (const gone of known.values()) gone.remove();
    if (focused && !live.contains(document.activeElement)) {
      document.getElementById(focused)?.querySelector("td.c-lock button, .title")?.focus({ preventScroll: true });
    }
    if (anchor?.isConnected) window.scrollBy(0, anchor.getBoundingClientRect().top - top);
    document.dispatchEvent(new Event("list:changed"));
    return true;
  }

  function lost() {
    const minutes = Math.floor((Date.now() - answered) / 60000);
    stale.textContent = `The server has not answered${minutes ? ` for ${minutes} min` : ""}, so this page may be out of date. It tries again every ${EVERY / 1000} seconds.`;
    stale.hidden = false;
  }

  async function ask() {
    const number = ++asking;
    try {
      const answer = await fetch(`/${address()}`, { headers: { "HX-Request": "true" }, cache: "no-cache" });
      if (number !== asking) return; // a later question is on its way
      if (!answer.ok || answer.redirected) { lost(); return; }
      const html = await answer.text();
      if (number !== asking) return;
      answered = Date.now();
      stale.hidden = true;
      const now = answer.headers.get("ETag") || "";
      if (now && now === tag) return;
      if (show(html)) tag = now;
    } catch {
      if (number === asking) lost();
    }
  }

  function narrow() {
    clearTimeout(timer);
    history.replaceState(null, "", wanted());
    if (act) act.elements.next.value = location.pathname + location.search;
    ask();
  }

  // A button of a row does its work in place. Whatever went wrong is said by the page that the form leads to.
  async function press(event) {
    const button = event.submitter;
    if (!button?.hasAttribute("data-in-place")) return;
    event.preventDefault();
    button.disabled = true;
    try {
      const body = new FormData(act);
      if (button.name) body.append(button.name, button.value);
      const answer = await fetch(button.formAction, { method: "POST", body });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const words = "main > .notice[role=status]:not([data-stale])";
      const anchor = button.isConnected ? button : shownRow();
      const top = anchor?.getBoundingClientRect().top;
      document.querySelectorAll(words).forEach((old) => old.remove());
      document.getElementById("content").prepend(...page.querySelectorAll(words));
      if (anchor) window.scrollBy(0, anchor.getBoundingClientRect().top - top); // what one works with stays in its place
      await ask();
    } catch {
      button.removeAttribute("data-in-place"); // the browser sends it as it would without this script
      button.disabled = false;
      act.requestSubmit(button);
    }
    button.disabled = false;
  }

  setInterval(() => { if (!document.hidden) ask(); }, EVERY);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && Date.now() - answered > EVERY) ask(); });
  live.addEventListener("refresh", ask);
  act?.addEventListener("submit", press);
  form?.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(narrow, event.target.matches("input[type=search], input:not([type])") ? TYPING : 0);
  });
  form?.addEventListener("submit", (event) => { event.preventDefault(); narrow(); });
})();
