// Selecting several rows: how many are ticked, and a bar that acts on them. A click with Shift ticks all from the last
// one; one box ticks all of a table. Without this script the boxes and the bar below the list do the same work.
"use strict";

(() => {
  const bar = document.querySelector("[data-selection]");
  if (!bar) return;
  const words = bar.querySelector("[data-selected]");
  const none = bar.querySelector("[data-select-none]");
  const boxes = (inside = document) => [...inside.querySelectorAll("input[name=review]")];
  let last = null;

  function count() {
    const ticked = boxes().filter((box) => box.checked).length;
    bar.classList.toggle("some", ticked > 0);
    words.textContent = `${ticked} selected`;
    for (const all of document.querySelectorAll("input[data-select-all]")) {
      const own = boxes(all.closest("table"));
      const many = own.filter((box) => box.checked).length;
      all.checked = many > 0 && many === own.length;
      all.indeterminate = many > 0 && many < own.length;
    }
  }

  document.addEventListener("click", (event) => {
    const box = event.target.closest("input[name=review]");
    if (!box) return;
    if (event.shiftKey && last?.isConnected) {
      const all = boxes();
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((one, two) => one - two);
      for (const between of all.slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
    count();
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("input[data-select-all]")) return;
    for (const box of boxes(event.target.closest("table"))) box.checked = event.target.checked;
    count();
  });
  none.addEventListener("click", () => {
    for (const box of boxes()) box.checked = false;
    count();
  });
  document.addEventListener("list:changed", count);

  none.hidden = false;
  count(); // the browser may have kept ticks over a reload
})();
