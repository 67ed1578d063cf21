// Keys, and live updates where the server sends them. The page does without all of it.
"use strict";
const rows = () => [...document.querySelectorAll(".ep > summary, .see, .front a")].filter((e) => e.offsetParent);
const move = (by) => {
  const all = rows(), at = all.indexOf(document.activeElement);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
  if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
};
const filter = (by) => {
  const all = [...document.querySelectorAll(".filters a")], at = all.findIndex((a) => a.hasAttribute("aria-current"));
  if (all.length) all[(at + by + all.length) % all.length].click();
};
const MEANINGS = [["j k", "next, previous row"], ["Enter", "open"], ["/", "find endpoints"], ["f F", "next, previous filter"],
  ["e", "the example"], ["n p", "next, previous example"], ["o", "over time"], ["a", "accept or ignore"], ["t", "top"], ["?", "this help"]];
const help = () => {
  const open = document.querySelector(".help");
  if (open) { open.close(); return; }
  const box = document.createElement("dialog"), head = document.createElement("h2"), list = document.createElement("dl"), done = document.createElement("button");
  box.className = "help";
  head.textContent = "Keys";
  head.id = "help-title";
  box.setAttribute("aria-labelledby", head.id);
  for (const [keys, text] of MEANINGS) {
    const term = document.createElement("dt"), meaning = document.createElement("dd");
    for (const key of keys.split(" ")) {
      const kbd = document.createElement("kbd");
      kbd.textContent = key;
      term.append(kbd, " ");
    }
    meaning.textContent = text;
    list.append(term, meaning);
  }
  done.textContent = "Close";
  done.addEventListener("click", () => box.close());
  box.addEventListener("close", () => box.remove());
  box.append(head, list, done);
  document.body.append(box);
  box.showModal();
};
const show = (id) => {
  const part = document.getElementById(id);
  if (!part) return;
  if (part.tagName === "DETAILS") { part.open = true; part.querySelector("summary").focus(); }
  part.scrollIntoView();
};
const go = (selector) => document.querySelector(selector)?.click();
const KEYS = {
  j: () => move(1), k: () => move(-1), f: () => filter(1), F: () => filter(-1), "?": help,
  e: () => show("example"), o: () => show("trend"), a: () => show("review"), t: () => scrollTo(0, 0), "/": () => document.getElementById("find")?.focus(),
  n: () => go("#example a[rel=next]"), p: () => go("#example a[rel=prev]"),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  if (document.querySelector(".help") && event.key !== "?") return; // the dialog's own
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});

const keys = document.getElementById("keys");
if (keys) { keys.hidden = false; keys.addEventListener("click", help); }

// What was opened on a page stays open when one comes back to it from an example or a filter.
const PLACE = `open ${location.pathname}`;
const opened = () => JSON.stringify([...document.querySelectorAll("details[id][open]")].map((d) => d.id));
try {
  for (const id of JSON.parse(sessionStorage.getItem(PLACE) ?? "[]")) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
  addEventListener("pagehide", () => sessionStorage.setItem(PLACE, opened()));
} catch { /* a browser that keeps nothing */ }

// The same page anew, put in place of this one; what is open stays open, and what is in use stays put.
const refresh = async () => {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const known = new Map([...document.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
  for (const details of page.querySelectorAll("details[id]")) if (known.has(details.id)) details.open = known.get(details.id);
  for (const part of ["main > .verdict", ".checks", "#checks", ".where", ".trend", ".rest", ".made"]) {
    const before = document.querySelector(part), after = page.querySelector(part);
    if (before && after && !before.contains(document.activeElement)) before.replaceWith(after);
  }
  document.title = page.title;
};

// Under traffic a verdict changes every second. Nobody reads that fast, and nobody reads a hidden page.
const EVERY_MS = 4000;
let shown = "", newest = "", waiting = false, last = -EVERY_MS;
const follow = () => {
  if (waiting || newest === shown || document.hidden) return;
  waiting = true;
  setTimeout(async () => {
    shown = newest;
    try { await refresh(); } catch { shown = ""; } // the next event tries again
    last = performance.now();
    waiting = false;
    follow();
  }, Math.max(0, last + EVERY_MS - performance.now()));
};
const source = document.body.dataset.events;
if (source) {
  const live = document.getElementById("live");
  const events = new EventSource(source);
  events.addEventListener("verdict", (event) => {
    live.textContent = "live";
    newest = event.lastEventId;
    shown ||= newest;
    follow();
  });
  events.onerror = () => { live.textContent = "not live: the server does not answer"; };
  addEventListener("visibilitychange", follow);
}
