// The search without noise: what one types or ticks asks the server at once, empty fields stay out of the address, and
// names of people are offered. Without this script the form works all the same.
"use strict";

(() => {
  const TYPING = 200; // milliseconds
  const form = document.querySelector("form[data-drop-empty]");
  const found = document.querySelector("[data-found]");
  const list = document.getElementById("people");
  const said = document.querySelector("[data-said]"); // read out: how many were found
  const feed = document.querySelector("[data-feed]");
  let asking = 0;
  let timer = 0;
  let namesTimer = 0;
  let lastNames = "";

  function wanted() {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
    return `${location.pathname}?${query}`;
  }

  async function ask() {
    const number = ++asking;
    const address = wanted();
    try {
      const answer = await fetch(address, { headers: { "HX-Request": "true" } });
      if (number !== asking) return;
      if (!answer.ok) throw new Error(String(answer.status));
      const html = await answer.text();
      if (number !== asking) return;
      found.innerHTML = html;
      said.textContent = document.getElementById("results")?.textContent ?? "";
      feed.href = `${address}&format=atom`;
      history.replaceState(null, "", address);
    } catch {
      if (number === asking) location.assign(address);
    }
  }

  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    const types = event.target.matches("input:not([type=checkbox])");
    timer = setTimeout(ask, types ? TYPING : 0); // what is not valid is said over what was found
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.assign(`${wanted()}#results`);
  });

  // Of several names the last one is being typed.
  async function suggest(field) {
    const [, before, text] = field.value.match(/^(.*[,\s])?(.*)$/s);
    if (!text || text === lastNames) return;
    lastNames = text;
    try {
      const answer = await fetch(`/search/people/?q=${encodeURIComponent(text)}`);
      if (!answer.ok || text !== lastNames) return;
      const { people } = await answer.json();
      list.replaceChildren(...people.map(({ username, display_name: name }) => {
        const option = document.createElement("option");
        option.value = (before || "") + username;
        option.label = name && name !== username ? `${name} (${username})` : username;
        return option;
      }));
    } catch {
      lastNames = ""; // not reached: the field stays a plain one, and the next letter asks again
    }
  }

  for (const field of document.querySelectorAll("input[list='people']")) {
    field.addEventListener("input", () => {
      clearTimeout(namesTimer);
      namesTimer = setTimeout(() => suggest(field), 150);
    });
  }
})();
