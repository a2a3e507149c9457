// The search without noise: empty fields stay out of its URL, and names of people are offered while one types.
// Without this script the form works all the same.
"use strict";

for (const form of document.querySelectorAll("form[data-drop-empty]")) {
  form.addEventListener("submit", () => {
    for (const field of form.elements) {
      if (field.name && field.value === "") field.disabled = true;
    }
  });
  // Back from the results: the page may come out of the browser's memory, fields disabled.
  window.addEventListener("pageshow", () => {
    for (const field of form.elements) field.disabled = false;
  });
}

const list = document.getElementById("people");
let asked = "";
let timer = 0;

async function suggest(text) {
  if (text === asked || text.length < 1) return;
  asked = text;
  try {
    const answer = await fetch(`/search/people/?q=${encodeURIComponent(text)}`);
    if (!answer.ok || text !== asked) return;
    const { people } = await answer.json();
    list.replaceChildren(...people.map(({ username, display_name: name }) => {
      const option = document.createElement("option");
      option.value = username;
      option.label = name && name !== username ? `${name} (${username})` : username;
      return option;
    }));
  } catch {
    asked = ""; // not reached: the field stays a plain one, and the next letter asks again
  }
}

for (const field of document.querySelectorAll("input[list='people']")) {
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => suggest(field.value.trim()), 150);
  });
}
