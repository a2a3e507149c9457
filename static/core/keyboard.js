// The keyboard: j and k move, Enter opens, l locks, t tests, / searches, n and p go along the line, ? shows them.
"use strict";

(() => {
  const KEYS = [
    ["j", "next item"], ["k", "previous item"], ["Enter", "open it"], ["l", "lock it"], ["t", "test it"],
    ["/", "search"], ["p", "previous review or page"], ["n", "next review or page"], ["?", "show these keys"],
  ];
  const rows = () => [...document.querySelectorAll("tr[data-href]")].filter((row) => !row.hidden);
  const chosen = () => document.querySelector("tr.chosen:not([hidden])");
  let dialog;

  function choose(step) {
    const all = rows();
    if (!all.length) return;
    const before = chosen();
    const at = before ? all.indexOf(before) + step : 0;
    const row = all[Math.max(0, Math.min(all.length - 1, at))];
    before?.classList.remove("chosen");
    row.classList.add("chosen");
    row.querySelector(".title").focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function show() {
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.setAttribute("aria-label", "Keyboard");
      const title = document.createElement("h2");
      title.textContent = "Keyboard";
      const list = document.createElement("dl");
      list.className = "details";
      for (const [key, meaning] of KEYS) {
        const [term, words, cap] = ["dt", "dd", "kbd"].map((name) => document.createElement(name));
        cap.textContent = key;
        term.append(cap);
        words.textContent = meaning;
        list.append(term, words);
      }
      const close = document.createElement("button");
      close.textContent = "Close";
      close.addEventListener("click", () => dialog.close());
      dialog.append(title, list, close);
      document.body.append(dialog);
    }
    dialog.showModal();
  }

  // On a page with rows: l locks the chosen item and shows it, t shows its tests. On its own page: press, or find, the form.
  function act(what) {
    const row = chosen();
    const token = document.querySelector("input[name=csrfmiddlewaretoken]");
    if (row && what === "lock" && token) {
      const lock = document.createElement("form");
      lock.method = "post";
      lock.action = `${row.dataset.href}lock/`;
      lock.append(token.cloneNode());
      document.body.append(lock);
      lock.submit();
      return;
    }
    if (row) { location.assign(what === "lock" ? row.dataset.href : `${row.dataset.href}#tests`); return; }
    const form = document.querySelector(what === "lock" ? "form[action$='/lock/']" : "form[action$='/test-runs/']");
    if (what === "lock") { form?.requestSubmit(); return; }
    form?.closest("details")?.setAttribute("open", "");
    form?.querySelector("input:not([type=hidden]), button")?.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.target.closest("input, select, textarea, dialog, [contenteditable]")) return;
    const follow = (selector) => document.querySelector(selector)?.click();
    const deeds = {
      j: () => choose(1), k: () => choose(-1), l: () => act("lock"), t: () => act("tests"), "?": show,
      "/": () => document.querySelector("form[data-filter] input[type=search], [data-key-search], input[type=search]")?.focus(),
      "[": () => follow("main a[rel=prev]"), "]": () => follow("main a[rel=next]"),
      p: () => follow("main a[rel=prev]"), n: () => follow("main a[rel=next]"),
      Enter: () => location.assign(chosen().dataset.href),
    };
    const deed = deeds[event.key];
    if (!deed || (event.key === "Enter" && (!chosen() || event.target.closest("a, button, summary")))) return;
    event.preventDefault();
    deed();
  });

  for (const button of document.querySelectorAll("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", show);
  }
})();
