// Says below the crontab of a periodic task what it means. django_celery_beat's own script is inline, which our policy forbids.
"use strict";

(() => {
  const readable = JSON.parse(document.getElementById("readable-crontabs").textContent);
  const choice = document.getElementById("id_crontab");
  const help = document.querySelector(".field-crontab .help");
  const translation = document.querySelector(".field-crontab_translation");
  if (translation) translation.hidden = true;
  if (!choice || !help) return;
  const line = help.appendChild(document.createElement("div"));
  const show = () => { line.textContent = readable[choice.value] ? `Means: ${readable[choice.value]}` : ""; };
  choice.addEventListener("change", show);
  show();
})();
