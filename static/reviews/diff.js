// The diff of a review. While it is being fetched the page asks again; a link to a line opens the file that it is in.
"use strict";

(() => {
  const waiting = document.querySelector("[data-waiting]");
  if (waiting) {
    const FIRST = 1000, LONGEST = 15000; // milliseconds between two looks
    let pause = FIRST;
    async function look() {
      pause = Math.min(pause * 1.5, LONGEST);
      if (!document.hidden) {
        try {
          const answer = await fetch(location.pathname, { credentials: "same-origin" });
          if (answer.ok && !(await answer.text()).includes(" data-waiting")) {
            location.reload();
            return;
          }
        } catch {
          // The next look may succeed.
        }
      }
      setTimeout(look, pause);
    }
    setTimeout(look, pause);
  }

  function openTarget() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const file = target && target.closest("details.file");
    if (file && !file.open) {
      file.open = true;
      target.scrollIntoView();
    }
  }
  window.addEventListener("hashchange", openTarget);
  openTarget();
})();
