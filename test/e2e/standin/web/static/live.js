// Sections marked data-live are fetched again every two seconds while the page is looked at. A section in which
// somebody is busy (focus, or an opened form) stays as it is. Without this script, reload the page.
(() => {
  const busy = (e) => e.contains(document.activeElement) || e.querySelector("details.forms[open]");
  const opened = (e) => [...e.querySelectorAll("details")].map((d) => d.open);
  let running = false;
  async function refresh() {
    if (running || document.hidden) return;
    running = true;
    try {
      const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live]")) {
        const now = fresh.querySelector(`[data-live="${old.dataset.live}"]`);
        if (!now || busy(old) || old.lastSeen === now.innerHTML) continue;
        const first = old.lastSeen === undefined;
        old.lastSeen = now.innerHTML;
        if (first && old.innerHTML === now.innerHTML) continue;
        const was = opened(old);
        old.replaceChildren(...document.importNode(now, true).childNodes);
        const details = old.querySelectorAll("details");
        if (details.length === was.length) details.forEach((d, i) => { d.open = was[i]; });
      }
    } catch (e) {
      // The stand-in is gone; the page stays.
    } finally {
      running = false;
    }
  }
  // After a refused post the address would show the page without the refusal.
  if (document.querySelector("[data-live]") && !document.getElementById("refused")) setInterval(refresh, 2000);
})();
