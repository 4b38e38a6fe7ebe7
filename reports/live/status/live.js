// Looks at the page again without losing the place: what is marked live is put in, the rest stays. Without this script the page loads again by itself.
(() => {
  "use strict";
  const every = 1000 * Number(document.documentElement.dataset.refresh || 15);
  const note = document.getElementById("fresh");
  const main = () => document.getElementById("live");
  if (!main() || !note || !(every > 0)) return;
  let at = Date.now(), busy = false;
  const say = text => { if (note.textContent !== text) note.textContent = text; };
  const opened = root => new Set([...root.querySelectorAll("details[id]")].filter(d => d.open).map(d => d.id));
  // Somebody types, or copies from the page.
  const held = here => {
    const active = document.activeElement, chosen = getSelection();
    return here.contains(active) && active.matches("input, select") || String(chosen) && here.contains(chosen.anchorNode);
  };
  async function again() {
    if (busy || document.hidden || held(main())) return;
    busy = true;
    try {
      const answer = await fetch(location.href, {cache: "no-store", redirect: "error"});
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (!fresh) throw new Error("no page");
      const here = main(), active = document.activeElement; // as they are now
      if (held(here)) return;
      const open = opened(here), all = new Set([...here.querySelectorAll("details[id]")].map(d => d.id));
      for (const d of fresh.querySelectorAll("details[id]")) if (all.has(d.id)) d.open = open.has(d.id);
      for (const e of here.querySelectorAll("form input[type=search], form select")) { // typed, and not sent
        const same = fresh.querySelector("#" + e.id);
        if (same) same.value = e.value;
      }
      const key = here.contains(active) ? active.getAttribute("href") || active.id : "";
      const x = scrollX, y = scrollY;
      here.replaceWith(document.adoptNode(fresh));
      if (key) {
        const same = [...fresh.querySelectorAll("a, summary, [id]")].find(e => (e.getAttribute("href") || e.id) === key);
        if (same) same.focus({preventScroll: true});
      }
      scrollTo(x, y);
      document.title = page.title;
      at = Date.now();
      document.body.classList.remove("old");
      say("");
    } catch {
      document.body.classList.add("old");
      say("Not refreshed for " + Math.round((Date.now() - at) / 1000) + " s: the canary does not answer.");
    } finally {
      busy = false;
    }
  }
  setInterval(again, every);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && Date.now() - at > every) again(); });
})();
