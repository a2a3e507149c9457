// Times in the reader's zone, UTC on hover; "3 min ago" stays true while the page is open. Without this script the times
// are UTC and say so.
"use strict";

(() => {
  const EVERY = 60_000; // milliseconds
  const UTC = /(\d{4}-\d\d-\d\d) (\d\d:\d\d(?::\d\d)?) UTC/g;
  // As core/text.py has them: the least number of seconds that is said in a unit, the unit's length, its name.
  const UNITS = [
    [2 * 365 * 86400, 365 * 86400, "year"], [2 * 30 * 86400, 30 * 86400, "month"], [3 * 7 * 86400, 7 * 86400, "week"],
    [86400, 86400, "day"], [3600, 3600, "hour"], [60, 60, "min"],
  ];

  const two = (number) => String(number).padStart(2, "0");
  const zones = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" });
  const zone = (at) => zones.formatToParts(at).find((part) => part.type === "timeZoneName").value;

  // "2026-01-31 09:05" of UTC as "2026-01-31 10:05 CET".
  function local(day, time) {
    const at = new Date(`${day}T${time}Z`);
    const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
    const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":").slice(0, time.length);
    return `${date} ${clock} ${zone(at)}`;
  }

  function inWords(seconds) {
    const unit = UNITS.find(([least]) => seconds >= least);
    if (!unit) return "";
    const count = Math.floor(seconds / unit[1]);
    return `${count} ${unit[2]}${count === 1 || unit[2] === "min" ? "" : "s"}`;
  }

  const WORDS = {
    ago: (seconds) => (inWords(seconds) ? `${inWords(seconds)} ago` : "just now"),
    age: (seconds) => inWords(seconds) || "now",
    until: (seconds) => (inWords(-seconds) ? `in ${inWords(-seconds)}` : "within a minute"),
  };

  // Only the text itself is replaced, so that nothing else on the page has to move or to be watched.
  function write(element, text) {
    if (element.firstChild && element.firstChild.data !== text) element.firstChild.data = text;
  }

  function keepTrue() {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("time[data-words]")) {
      const seconds = (Date.now() - Date.parse(element.dateTime.replace(" ", "T"))) / 1000;
      const words = WORDS[element.dataset.words];
      if (words && !Number.isNaN(seconds)) write(element, words(seconds));
    }
  }

  function localize(root) {
    for (const element of root.querySelectorAll("time:not([data-words])")) {
      const utc = element.textContent;
      const text = utc.replace(UTC, (all, day, time) => local(day, time));
      if (text === utc || element.childElementCount) continue;
      element.title = utc;
      write(element, text);
    }
  }

  if (zone(new Date()) !== "UTC") {
    localize(document);
    new MutationObserver((changes) => {
      if (changes.some((change) => change.addedNodes.length)) localize(document);
    }).observe(document.body, { childList: true, subtree: true });
    // On hover, when it is asked for: a list has hundreds.
    document.addEventListener("pointerover", (event) => {
      const element = event.target.closest?.("[title$=' UTC']:not([data-local])");
      if (!element || (element.matches("time:not([data-words])"))) return;
      element.title = element.title.replace(UTC, (all, day, time) => `${local(day, time)} (${all})`);
      element.dataset.local = "";
    });
  }
  setInterval(keepTrue, EVERY);
  document.addEventListener("visibilitychange", keepTrue);
})();
