// Comments on lines of a diff: press a line's number, and the form opens below it. What is kept joins the draft of one's
// review. Without this script the form stands below the diff and asks for the line's address.
"use strict";

(() => {
  const form = document.querySelector("[data-line-comment]");
  const diff = document.querySelector("[data-diff-number]");
  if (!form || !diff?.dataset.diffNumber) return;
  const home = form.parentElement;
  const { diff_number: number, line, place, text } = form.elements;
  const problem = form.querySelector("[data-problem]");
  const cancel = form.querySelector("[data-cancel]");
  let holder = null;

  number.value = diff.dataset.diffNumber;
  cancel.hidden = false;
  home.classList.add("waits"); // out of sight until a line is chosen

  function close() {
    home.append(form);
    holder?.remove();
    holder = null;
  }

  function open(row) {
    if (holder?.previousElementSibling === row) { close(); return; }
    close();
    holder = document.createElement("tr");
    holder.className = "said";
    const cell = document.createElement("td");
    cell.colSpan = 3;
    cell.append(form);
    holder.append(cell);
    row.after(holder);
    line.value = row.dataset.line;
    place.value = row.id;
    problem.hidden = true;
    text.focus({ preventScroll: true });
    holder.scrollIntoView({ block: "nearest" });
  }

  diff.addEventListener("click", (event) => {
    const link = event.target.closest(".no a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", link.hash);
    open(link.closest("tr"));
  });
  cancel.addEventListener("click", () => {
    const row = holder?.previousElementSibling;
    close();
    row?.querySelector(".no a")?.focus();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") cancel.click();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new FormData(form);
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
      const said = await answer.json();
      if (said.problem) throw new Error(said.problem);
      const kept = document.createElement("tr");
      kept.className = "said draft";
      const cell = document.createElement("td");
      cell.colSpan = 3;
      const words = document.createElement("p");
      words.className = "text";
      words.textContent = text.value;
      const note = document.createElement("p");
      note.className = "soft small";
      note.textContent = `Kept in your draft: ${said.count} comment${said.count === 1 ? "" : "s"} on lines so far.`;
      cell.append(words, note);
      kept.append(cell);
      const row = holder?.previousElementSibling;
      text.value = "";
      close();
      row?.after(kept);
      row?.querySelector(".no a")?.focus();
    } catch (error) {
      problem.textContent = error instanceof TypeError ? "The server could not be reached. Your text is still here." : error.message;
      problem.hidden = false;
    }
  });
})();
