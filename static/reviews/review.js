// A page about a review keeps itself fresh: every 15 seconds it asks whether something changed (the answer is "304 Not
// Modified" when nothing did), and puts the new text of those parts in that changed. What the reader has opened stays
// open, and where the keyboard is and what is selected stay. A hidden tab asks nothing.
"use strict";

(() => {
  const EVERY = 15000; // milliseconds
  const LIMIT = 10000; // milliseconds that an answer may take
  const live = document.querySelector("[data-live]");
  const stale = document.querySelector("[data-stale]");
  if (!live || !stale) return;
  let version = `"${live.dataset.version}"`;
  let answered = Date.now();
  let asking = false;
  let over = false;

  // What is compared: without tokens, which every answer has new, and without times in words, which change by themselves.
  const withoutNoise = (html) => html
    .replace(/<input type="hidden" name="csrfmiddlewaretoken"[^>]*>/g, "")
    .replace(/<time[^>]*datetime="([^"]*)"[^>]*>[^<]*<\/time>/g, "$1");

  const parts = (root) => new Map([...root.querySelectorAll("[data-part][id]")].map((part) => [part.id, part]));
  const shown = new Map([...parts(live)].map(([id, part]) => [id, withoutNoise(part.innerHTML)]));

  // Where an element stands: the nearest id at or above it, and the way down from there.
  function placeOf(element) {
    const steps = [];
    let at = element;
    for (; at && !at.id; at = at.parentElement) {
      steps.unshift(`${at.localName}:nth-child(${[...at.parentElement.children].indexOf(at) + 1})`);
    }
    return [at ? `#${CSS.escape(at.id)}` : "body", ...steps].join(" > ");
  }

  // The reader is in the middle of something here: typing, or selecting text.
  function isBusy(part) {
    const active = document.activeElement;
    const selection = document.getSelection();
    return (part.contains(active) && active.matches("input:not([type=hidden]), select, textarea"))
      || (selection && !selection.isCollapsed && selection.containsNode(part, true));
  }

  function renewPart(part, fresh) {
    const open = [...part.querySelectorAll("details[open]")].map(placeOf);
    const closed = [...part.querySelectorAll("details:not([open])")].map(placeOf);
    const focused = part.contains(document.activeElement) ? placeOf(document.activeElement) : "";
    part.replaceChildren(...fresh.childNodes);
    part.className = fresh.className;
    for (const place of open) document.querySelector(place)?.setAttribute("open", "");
    for (const place of closed) document.querySelector(place)?.removeAttribute("open");
    if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
  }

  // Whether all that changed was put in; what a reader is busy with waits for the next time.
  function renew(html) {
    const fresh = parts(new DOMParser().parseFromString(html, "text/html"));
    const anchor = [...live.querySelectorAll("[id]")].find((element) => element.getBoundingClientRect().top >= 0);
    const before = anchor && [anchor.id, anchor.getBoundingClientRect().top];
    let isWhole = true;
    let changed = false;
    for (const [id, part] of parts(live)) {
      const text = fresh.has(id) ? withoutNoise(fresh.get(id).innerHTML) : shown.get(id);
      if (text === shown.get(id)) continue;
      if (isBusy(part)) {
        isWhole = false;
        continue;
      }
      shown.set(id, text);
      renewPart(part, fresh.get(id));
      changed = true;
    }
    if (changed) {
      const after = before && document.getElementById(before[0]);
      if (after && window.scrollY > 0) window.scrollBy(0, after.getBoundingClientRect().top - before[1]);
      document.dispatchEvent(new CustomEvent("parts-renewed"));
    }
    return isWhole;
  }

  function say(words) {
    stale.hidden = !words;
    if (stale.textContent !== words) stale.textContent = words;
  }

  function sayLost() {
    const minutes = Math.floor((Date.now() - answered) / 60000);
    say(`The server has not answered${minutes ? ` for ${minutes} min` : ""}, so this page may be out of date. `
      + `It asks again every ${EVERY / 1000} seconds.`);
  }

  async function ask() {
    if (document.hidden || asking || over) return;
    asking = true;
    try {
      const answer = await fetch(live.dataset.live, {
        headers: { "HX-Request": "true", "If-None-Match": version }, cache: "no-store", signal: AbortSignal.timeout(LIMIT),
      });
      if (answer.status === 404) {
        over = true;
        say("This item can’t be shown any more: it was removed, or you may not see it. What is below is out of date.");
        return;
      }
      if (answer.status !== 304 && !answer.ok) throw new Error(answer.statusText);
      if (answer.status !== 304 && renew(await answer.text())) version = answer.headers.get("ETag") || version;
      answered = Date.now();
      say("");
    } catch {
      sayLost();
    } finally {
      asking = false;
    }
  }

  setInterval(ask, EVERY);
  document.addEventListener("visibilitychange", () => { if (Date.now() - answered > EVERY) ask(); });
})();
