"use strict";
(() => {
  const shown = document.documentElement.dataset.version;
  let failures = 0;
  const ask = async () => {
    try {
      const answer = await fetch("/step", { cache: "no-store" });
      failures = 0;
      if (answer.ok && (await answer.text()) !== shown) {
        location.replace("/");
        return;
      }
    } catch {
      failures++;
    }
    if (failures < 5) setTimeout(ask, 1000);
    else document.getElementById("ended")?.removeAttribute("hidden");
  };
  if (shown && !shown.startsWith("done")) setTimeout(ask, 1000);
})();
