// Swagger UI has a dark style and leaves it to the page to ask for it: here it follows the reader's system.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
document.documentElement.lang = "en"; // Swagger UI's page has none
