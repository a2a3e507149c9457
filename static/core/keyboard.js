// The keyboard. In a list a row is chosen, and remembered for when one comes back; ? shows all keys, and lets one turn
// them off. Each key only presses what the page has: a button, a link, a field.
"use strict";

(() => {
  // Group of the list, its key after g, its name.
  const GROUPS = [
    ["my-turn", "m", "My turn"], ["waiting", "a", "All waiting"], ["incoming", "i", "Incoming"],
    ["reviews", "r", "Reviews"], ["submitters", "s", "Waiting for submitters"], ["mine", "y", "Mine"],
  ];
  const KEYS = [
    ["Everywhere", [
      ["/", "search, or filter the list"], ["u", "up to the list"], ["N", "next for me: lock and open it"],
      ["?", "show these keys"],
    ]],
    ["In a list", [
      ["j", "next row"], ["k", "previous row"], ["Enter", "open it"], ["l", "lock or release it"], ["t", "its tests"],
      ["x", "select it"], ["n", "next page"], ["p", "previous page"],
    ]],
    ["On an item", [
      ["l", "lock or release it"], ["t", "test it"], ["c", "comment"], ["n", "next item"], ["p", "previous item"],
    ]],
    ["Go to a group", GROUPS.map(([, key, name]) => [`g ${key}`, name])],
  ];
  const isVisitor = !document.querySelector(".account form"); // nobody to log out
  const FOR_ACCOUNTS = ["N", "l", "x", "c", "g m", "g y"];
  const GO_TIMEOUT = 2000; // milliseconds between g and the letter after it
  const list = document.querySelector("tr[data-href], [data-list]");
  const place = `row:${location.pathname}`; // of the chosen row, as long as the tab lives
  const rows = () => [...document.querySelectorAll("tr[data-href]")];
  const chosen = () => document.querySelector("tr.chosen");
  const press = (selector) => document.querySelector(selector)?.click();
  let at = 0; // the place of the chosen row, for when it leaves the list
  let going = 0; // when g was pressed
  let dialog;

  // Storage may be switched off; then nothing is remembered.
  function remember(storage, name, value) {
    try { storage.setItem(name, value); } catch { /* see above */ }
  }
  function recall(storage, name) {
    try { return storage.getItem(name) || ""; } catch { return ""; }
  }

  function mark(row) {
    chosen()?.classList.remove("chosen");
    row.classList.add("chosen");
    at = rows().indexOf(row);
    remember(sessionStorage, place, row.id);
  }

  function choose(row) {
    mark(row);
    row.querySelector(".title").focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const before = chosen();
    const to = before ? all.indexOf(before) + step : at;
    choose(all[Math.max(0, Math.min(all.length - 1, to))]);
  }

  function openRow() {
    location.assign(chosen().dataset.href);
  }

  function lock() {
    const row = chosen();
    const button = row ? row.querySelector(".c-lock button") : document.querySelector("[data-key-lock]");
    if (button) button.click();
    else if (row && !document.getElementById("act")) lockByForm(row); // a list without buttons
  }

  function lockByForm(row) {
    const token = document.querySelector("input[name=csrfmiddlewaretoken]");
    if (!token) { openRow(); return; } // a visitor
    const form = element("form");
    form.method = "post";
    form.action = `${row.dataset.href}lock/`;
    const back = element("input");
    [back.type, back.name, back.value] = ["hidden", "next", location.pathname + location.search];
    form.append(token.cloneNode(), back);
    document.body.append(form);
    form.submit();
  }

  function test() {
    if (chosen()) { location.assign(`${chosen().dataset.href}#tests`); return; }
    const form = document.querySelector("form[action$='/test-runs/']");
    form?.closest("details")?.setAttribute("open", "");
    form?.querySelector("input:not([type=hidden]), button")?.focus();
  }

  function select() {
    if (!chosen()) move(0);
    chosen()?.querySelector("input[name=review]")?.click();
  }

  function comment() {
    const field = document.querySelector("[data-key-comment]");
    field?.scrollIntoView({ block: "center" });
    field?.focus({ preventScroll: true });
  }

  function up() {
    if (!list) location.assign(recall(sessionStorage, "list") || document.querySelector(".brand").href);
  }

  function go(key) {
    const tab = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    const group = GROUPS.find(([, letter]) => letter === key);
    if (tab) tab.click();
    else if (group) location.assign(`${document.querySelector(".brand").href}?group=${group[0]}`);
  }

  function element(name, text = "", ...children) {
    const made = document.createElement(name);
    made.textContent = text;
    made.append(...children);
    return made;
  }

  function makeDialog() {
    const made = element("dialog");
    made.setAttribute("aria-label", "Keyboard");
    const groups = element("div");
    groups.className = "keys";
    for (const [name, keys] of KEYS) {
      const terms = element("dl");
      terms.className = "details";
      for (const [key, meaning] of keys) {
        if (isVisitor && FOR_ACCOUNTS.includes(key)) continue;
        const caps = key.split(" ").map((each) => element("kbd", each));
        terms.append(element("dt", "", ...caps), element("dd", meaning));
      }
      groups.append(element("section", "", element("h3", name), terms));
    }
    const on = document.createElement("input");
    on.type = "checkbox";
    on.checked = recall(localStorage, "keys") !== "off";
    on.addEventListener("change", () => remember(localStorage, "keys", on.checked ? "on" : "off"));
    const switched = element("label", "", on, " Use these keys");
    switched.className = "check";
    const close = element("button", "Close");
    close.addEventListener("click", () => made.close());
    made.append(element("h2", "Keyboard"), groups, switched, close);
    document.body.append(made);
    return made;
  }

  function show() {
    dialog ??= makeDialog();
    dialog.showModal();
  }

  const DEEDS = {
    j: () => move(1), k: () => move(-1), l: lock, t: test, x: select, c: comment, u: up, "?": show,
    N: () => document.querySelector("form[data-next]")?.requestSubmit(),
    "/": () => document.querySelector("form[data-filter] input[type=search], [data-key-search], input[type=search]")?.focus(),
    "[": () => press("main a[rel~=prev]"), "]": () => press("main a[rel~=next]"),
    p: () => press("main a[rel~=prev]"), n: () => press("main a[rel~=next]"),
    g: () => { going = Date.now(); },
    Enter: openRow,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.target.closest("textarea, select, dialog, [contenteditable], input:not([type=checkbox])")) return;
    if (recall(localStorage, "keys") === "off" || event.key === "Shift") return;
    const isGroup = Date.now() - going < GO_TIMEOUT;
    going = 0;
    if (isGroup) {
      event.preventDefault();
      go(event.key);
      return;
    }
    const deed = Object.hasOwn(DEEDS, event.key) ? DEEDS[event.key] : null;
    if (!deed) return;
    if (event.key === "Enter" && (!chosen() || event.target.closest("a, button, summary, input"))) return;
    event.preventDefault();
    deed();
  });

  // A row that was opened by a click is the chosen one too.
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && event.target.closest("a[href]")) mark(row);
  });

  // What was chosen may have left the list: the row in its place is next.
  document.addEventListener("list:changed", () => {
    if (!chosen() && recall(sessionStorage, place) && rows().length) mark(rows()[Math.min(at, rows().length - 1)]);
  });

  if (list) {
    addEventListener("pagehide", () => remember(sessionStorage, "list", location.pathname + location.search));
    const before = document.getElementById(recall(sessionStorage, place));
    if (before?.matches("tr[data-href]")) {
      mark(before);
      const came = performance.getEntriesByType("navigation")[0]?.type;
      if (came === "back_forward" || (document.referrer && new URL(document.referrer).pathname !== location.pathname)) {
        choose(before);
      }
    }
  }

  for (const button of document.querySelectorAll("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", show);
  }
})();
