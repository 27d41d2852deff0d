import { ask, base, leave, onKeys, storeOrTell, tell, words } from "./room.js";

const rows = document.getElementById("rows");
const form = document.querySelector("form.tools");
const search = document.getElementById("search");
let at = -1, asked = 0, waiting;

const lines = () => [...(rows ? rows.querySelectorAll(".case-line") : [])];

function go(step) {
  const all = lines();
  if (!all.length) return;
  if (at + step === all.length) document.querySelector(".pages a[rel=next]")?.click();
  at = Math.min(Math.max(at + step, 0), all.length - 1);
  all[at].querySelector(".open-case").focus();
  all[at].scrollIntoView({ block: "nearest" });
}

// The case that j, k or the focus chose; a verdict never falls on one that nobody chose.
function current() {
  const line = lines()[at];
  if (!line) tell(words.choose);
  return line;
}

async function decide(decision) {
  const line = current();
  if (!line) return;
  const stored = await storeOrTell({ case: line.dataset.key, decision });
  if (!stored) return;
  line.querySelector(".readers").innerHTML = stored.readers;
  document.getElementById("read").textContent = stored.read;
}

function address() {
  const values = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value && !(name === "sort" && value === "urgency")) values.set(name, value);
  }
  return values;
}

async function refresh() {
  const values = address(), mine = ++asked;
  const text = values.toString();
  history.replaceState(null, "", `${base}/${text ? "?" + text : ""}`);
  values.set("part", "rows");
  try {
    const answer = await fetch(`${base}/?${values}`);
    if (mine !== asked) return;
    const came = await answer.text(), chosen = document.activeElement.closest("#rows .case-line");
    rows.innerHTML = came;
    // A case that was gone to before the rows had come stays chosen, if it is among them.
    at = lines().findIndex((line) => line.dataset.key === chosen?.dataset.key);
    if (at >= 0) go(0);
  } catch { tell(words.closed, true); }
}

if (form) {
  if (location.hash === "#search") search.focus();
  form.querySelector(".plain-submit").hidden = true;
  form.addEventListener("submit", (event) => { event.preventDefault(); search.blur(); refresh(); });
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, event.target === search ? 120 : 0);
  });
  rows.addEventListener("click", (event) => {
    const line = event.target.closest("a, summary") ? null : event.target.closest(".case-line");
    line?.querySelector(".open-case").focus();
  });
  rows.addEventListener("focusin", (event) => { at = lines().indexOf(event.target.closest(".case-line")); });
}
// The first case is fetched while the list is looked at: it brings in what the server still lacks.
const first = rows?.querySelector("[data-first]");
if (first) setTimeout(() => {
  const key = `${first.dataset.first}?v=${document.body.dataset.stamp}`;
  ask(`/layout/${key}`).catch(() => {});
  for (const what of ["original", "relaid"]) new Image().src = `${base}/${what}/${key}`;
}, 800);
onKeys({
  j: () => go(1), k: () => go(-1),
  o: () => { const line = current(); if (line) leave(line.querySelector(".open-case").href); },
  n: () => decide("normal"), a: () => decide("abnormal"), r: () => decide("redo"),
  "/": () => (search ? search.focus() : leave(`${base}/#search`)), u: () => leave(`${base}/`),
});
