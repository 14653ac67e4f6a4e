"use strict";
// The call is what was typed; each request plays all of it again. What is heard is queued and played in order.
const byId = (id) => document.getElementById(id);
let typed = [];
let shown = 0;
let heard = 0;
let keys = "";
let sending = null;
let queue = [];
let playing = null;

/** Keys typed within this time of each other are one entry, as on a telephone. */
const TOGETHER_MS = 900;

async function play() {
  const answer = await fetch("/call", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(typed),
  });
  if (!answer.ok) {
    byId("now").textContent = await answer.text();
    return;
  }
  const come = await answer.json();
  const page = byId("page");
  page.querySelectorAll("li.new").forEach((line) => line.classList.remove("new"));
  for (const line of come.lines.slice(shown)) {
    const item = document.createElement("li");
    item.textContent = line;
    item.className = "new";
    page.append(item);
  }
  if (come.lines.length > shown) page.lastElementChild.scrollIntoView({ block: "nearest" });
  // What a telephone does is told when the caller has waited for it.
  const quiet = come.lines.length === shown && come.waits_for === "keys" && typed.at(-1)?.phone;
  shown = come.lines.length;
  queue.push(...come.sounds.slice(heard));
  heard = come.sounds.length;
  sound();
  stand(come.waits_for);
  if (quiet) turn({ wait: 1 });
}

function stand(waits) {
  const over = waits === "nothing";
  const person = typeof waits === "object" ? waits.phone : null;
  byId("rung").hidden = person === null;
  byId("say").hidden = waits !== "speech";
  byId("keys").hidden = person !== null;
  byId("wait").disabled = over || person !== null;
  byId("hang-up").disabled = over || person !== null;
  byId("keys").querySelectorAll("button").forEach((key) => (key.disabled = over));
  byId("call").textContent = typed.length > 0 || over ? "Call again" : "Call";
  if (person !== null) byId("person").textContent = person;
  byId("now").textContent = over
    ? "The call is over."
    : person !== null
      ? "You decide what the other telephone does."
      : waits === "speech"
        ? "It listens."
        : "It waits for a key; “Wait” lets time go on.";
}

function sound() {
  if (playing || !byId("aloud").checked || queue.length === 0) return;
  playing = new Audio("/sound/" + encodeURIComponent(queue.shift()));
  const next = () => {
    playing = null;
    sound();
  };
  playing.addEventListener("ended", next);
  playing.addEventListener("error", next);
  playing.play().catch(next);
}

/** Whoever presses a key has heard enough. */
function hush() {
  queue = [];
  if (playing) playing.pause();
  playing = null;
}

function turn(what) {
  hush();
  typed.push(what);
  play();
}

function press(key) {
  hush();
  keys += key;
  byId("pressed").textContent = keys;
  clearTimeout(sending);
  sending = setTimeout(() => {
    const all = keys;
    keys = "";
    byId("pressed").textContent = "";
    turn({ press: all });
  }, TOGETHER_MS);
}

byId("keys").addEventListener("click", (event) => {
  if (event.target.dataset.key && !byId("hang-up").disabled) press(event.target.dataset.key);
});
document.addEventListener("keydown", (event) => {
  const free = event.target.tagName !== "INPUT" && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (free && /^[0-9*#]$/.test(event.key) && !byId("keys").hidden && !byId("hang-up").disabled) press(event.key);
});
byId("does").addEventListener("click", (event) => {
  const does = event.target.dataset.does;
  if (does) turn({ phone: { person: byId("person").textContent, does } });
});
byId("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = byId("words").value.trim();
  byId("words").value = "";
  if (words) turn({ say: words });
});
byId("wait").addEventListener("click", () => turn({ wait: 1 }));
byId("hang-up").addEventListener("click", () => turn("hang_up"));
byId("aloud").addEventListener("change", () => (byId("aloud").checked ? sound() : hush()));
byId("call").addEventListener("click", () => {
  hush();
  [typed, shown, heard, keys] = [[], 0, 0, ""];
  byId("page").replaceChildren();
  play();
});
fetch("/name").then(async (answer) => (byId("name").textContent = await answer.json()));
