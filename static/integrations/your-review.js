// Your review: what is typed is kept a second later, also when the tab is closed; what was sent off is followed until it
// is posted. Without this script the buttons do the same.
(() => {
  "use strict";
  const SAVE_AFTER = 1000;
  const LOOK_EVERY = 2000;
  const LOOKS = 60; // afterwards the page's own refresh follows it, more rarely

  const form = document.querySelector("form[data-draft]");
  const isTyping = form ? keepDraft(form) : () => false;
  follow(LOOKS);

  function keepDraft(form) {
    const text = form.elements.text;
    const status = form.querySelector("[data-draft-status]");
    const other = form.querySelector("[data-other-tab]");
    let kept = text.value;
    let timer = 0;
    let sent = false;
    let saving = Promise.resolve();

    const fields = () => {
      const data = new FormData(form);
      data.set("action", "save");
      return data;
    };
    const address = form.getAttribute("action"); // form.action is the first button of that name
    const request = (more) => fetch(address, {
      method: "POST", body: fields(), headers: { Accept: "application/json" }, redirect: "error", ...more,
    });

    async function save() {
      const written = text.value;
      if (sent || written === kept) return;
      status.textContent = "Keeping your draft …";
      try {
        const answer = await request({});
        const said = await answer.json();
        if (!answer.ok) throw new Error(said.problem);
        kept = written;
        form.elements.version.value = said.version;
        status.textContent = "Draft kept";
        if (said.other) {
          other.querySelector("pre").textContent = said.other;
          other.hidden = false;
        }
      } catch (error) {
        status.textContent = "Your draft is not kept: this page could not reach the queue, or you are logged out.";
      }
    }
    const saveSoon = () => {
      clearTimeout(timer);
      status.textContent = "";
      // One after the other: each has to know the version that the one before made.
      timer = setTimeout(() => { saving = saving.then(save); }, SAVE_AFTER);
    };
    text.addEventListener("input", saveSoon);
    form.addEventListener("submit", () => { sent = true; clearTimeout(timer); });
    window.addEventListener("pagehide", () => {
      if (!sent && text.value !== kept) request({ keepalive: true }).catch(() => {});
    });
    window.addEventListener("pageshow", () => { sent = false; });
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      const post = form.querySelector("[data-post]");
      if (post) form.requestSubmit(post);
    });
    return () => text.value !== text.defaultValue || document.activeElement === text;
  }

  function follow(looks) {
    const posts = document.getElementById("own-posts");
    if (!posts?.dataset.moving || looks === 0) return;
    setTimeout(async () => {
      if (!document.hidden) await look(posts);
      follow(looks - 1);
    }, LOOK_EVERY);
  }

  async function look(posts) {
    try {
      const answer = await fetch(posts.dataset.moving, { redirect: "error" });
      const current = document.getElementById("own-posts");
      if (!answer.ok || !current || current.contains(document.activeElement)) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("own-posts");
      if (!fresh) return;
      if (!fresh.dataset.moving && !isTyping()) {
        location.reload(); // it is among the comments now, or is a draft again and says why
        return;
      }
      if (!fresh.dataset.moving && !fresh.childElementCount) {
        fresh.textContent = "What became of your review stands on this page when you load it again.";
      }
      if (fresh.textContent.replace(/\s+/g, " ") !== current.textContent.replace(/\s+/g, " ")) {
        current.replaceWith(document.adoptNode(fresh));
      }
    } catch (error) {
      // The next look tells more.
    }
  }
})();
