/* Keeps what is on the page up to date: asks every few seconds whether it changed, and says how old it is. */
(function () {
  "use strict";
  const EVERY = 3000, JITTER = 600, BEHIND = 10, GONE = 60;
  const live = document.querySelector("[data-live]");
  const said = document.querySelector(".fresh");
  const banner = document.getElementById("gone");
  let seen = Date.now();

  function poll() {
    setTimeout(function () {
      if (!document.hidden) { htmx.trigger(live, "poll"); }
      poll();
    }, EVERY + Math.random() * JITTER);
  }

  function tell() {
    const seconds = Math.round((Date.now() - seen) / 1000);
    const behind = live.querySelector("[data-behind]");
    let state = "live", text = said.dataset.textLive.replace("{n}", seconds);
    if (behind) {
      state = "behind"; text = behind.dataset.behind;
    } else if (seconds > BEHIND && !document.hidden) {
      state = "gone"; text = said.dataset.textGone.replace("{time}", said.dataset.seen);
    }
    if (said.textContent !== text) { said.textContent = text; }
    said.dataset.state = state;
    if (banner) { banner.hidden = !(state === "gone" && seconds > GONE); }
  }

  function clock() {
    const parts = new Intl.DateTimeFormat("en-GB", {
      hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: said.dataset.zone
    });
    said.dataset.seen = parts.format(new Date());
  }

  if (live && said) {
    document.addEventListener("htmx:configRequest", function (event) {
      if (event.target === live && live.dataset.tag) { event.detail.headers["If-None-Match"] = live.dataset.tag; }
    });
    document.addEventListener("htmx:afterRequest", function (event) {
      if (event.target !== live) { return; }
      const status = event.detail.xhr.status;
      if (status === 401 || status === 404) { window.location.reload(); return; }
      if (status !== 200 && status !== 304) { return; }
      if (status === 200) { live.dataset.tag = event.detail.xhr.getResponseHeader("ETag") || ""; }
      seen = Date.now();
      clock();
      tell();
    });
    clock();
    tell();
    setInterval(tell, 1000);
    poll();
  }

  for (const select of document.querySelectorAll("select[data-sends]")) {
    select.addEventListener("change", function () { select.form.requestSubmit(); });
  }
  for (const button of document.querySelectorAll("button[data-copies]")) {
    button.hidden = false;
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      button.textContent = button.dataset.done;
    });
  }
})();
