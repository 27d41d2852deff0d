import { ask, base, onKeys, storeOrTell, tell, words } from "./room.js";

const cell = document.getElementById("cell");
const key = cell.dataset.key;
const viewer = document.getElementById("viewer");
const sheet = viewer.querySelector(".sheet");
const picture = sheet.querySelector("img");
const boxes = sheet.querySelector(".boxes");
const relaid = document.getElementById("relaid");
const homologs = document.getElementById("homologs");
const rereadPart = document.getElementById("reread");
const form = document.getElementById("verdict");
const boxesButton = document.getElementById("boxes");
const classes = {};  // what the reader corrected: place of a chromosome -> class
let view = { scale: 1, x: 0, y: 0 };
let chosen = "", slots = {};

// The original: zoom and pan.
function draw() {
  sheet.style.setProperty("transform", `translate(${view.x}px, ${view.y}px) scale(${view.scale})`);
}
function fit() {
  const { naturalWidth: w, naturalHeight: h } = picture;
  if (!w) return;
  const scale = Math.min(viewer.clientWidth / w, viewer.clientHeight / h);
  view = { scale, x: (viewer.clientWidth - w * scale) / 2, y: (viewer.clientHeight - h * scale) / 2 };
  draw();
}
function zoom(factor, x = viewer.clientWidth / 2, y = viewer.clientHeight / 2) {
  const scale = Math.min(Math.max(view.scale * factor, 0.05), 20);
  const by = scale / view.scale;
  view = { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
  draw();
}
viewer.addEventListener("wheel", (event) => {
  event.preventDefault();
  const at = viewer.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 400), event.clientX - at.left, event.clientY - at.top);
}, { passive: false });
const held = new Map();
let moved = 0;
viewer.addEventListener("pointerdown", (event) => { held.set(event.pointerId, event); moved = 0; });
addEventListener("pointermove", (event) => {
  const before = held.get(event.pointerId);
  if (!before) return;
  held.set(event.pointerId, event);
  const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
  moved += Math.abs(dx) + Math.abs(dy);
  if (held.size === 1) {
    if (moved < 4) return;
    viewer.classList.add("moving");
    view.x += dx; view.y += dy; draw();
  } else {
    const other = [...held.entries()].find(([id]) => id !== event.pointerId)[1];
    const far = (e) => Math.hypot(e.clientX - other.clientX, e.clientY - other.clientY);
    const at = viewer.getBoundingClientRect();
    zoom(far(event) / Math.max(far(before), 1), other.clientX - at.left, other.clientY - at.top);
  }
});
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, (event) => { held.delete(event.pointerId); viewer.classList.remove("moving"); });
}
viewer.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (by) { view.x += by[0]; view.y += by[1]; draw(); }
  else if (event.key === "+") zoom(1.4);
  else if (event.key === "-") zoom(1 / 1.4);
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
});
document.querySelector(".viewer-tools").addEventListener("click", (event) => {
  const how = event.target.dataset.zoom;
  if (how === "0") fit();
  else if (how === "1:1") zoom(1 / view.scale);
  else if (how) zoom(Number(how));
});
new ResizeObserver(fit).observe(viewer);
if (picture.complete) fit();
picture.addEventListener("load", fit);
picture.addEventListener("error", async () => {
  try { await ask(`/original/${key}`); } catch (error) {
    document.getElementById("original-said").textContent = error.message;
    picture.hidden = true;
  }
});

// Where the boxes of the record lie on the original, and the chromosomes on the re-laid page.
const named = () => Object.entries(classes).map(([place, name]) => `${place}:${name}`).join(",");
const withClasses = () => (named() ? `classes=${encodeURIComponent(named())}` : "");
async function layOut() {
  let layout;
  try { layout = await (await ask(`/layout/${key}?${withClasses()}`)).json(); } catch (error) {
    document.getElementById("original-said").textContent = error.message;
    if (relaid) relaid.hidden = true;
    return;
  }
  const percent = (share) => `${100 * share}%`;
  if (boxes) {
    const [x, y, w, h] = layout.box;
    Object.assign(boxes.style, { left: percent(x), top: percent(y), width: percent(w), height: percent(h), right: "auto", bottom: "auto" });
    boxes.toggleAttribute("hidden", boxesButton.getAttribute("aria-pressed") !== "true");
  }
  if (!relaid || !layout.relaid) return;
  slots = layout.slots;
  const over = relaid.querySelector(".boxes");
  const names = Object.fromEntries([...(boxes?.querySelectorAll("rect") ?? [])].map((r) => [r.dataset.place, r]));
  over.replaceChildren(...layout.relaid.map(([x, y, w, h], place) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ x, y, width: w, height: h })) rect.setAttribute(name, value);
    rect.dataset.place = place;
    rect.dataset.name = classes[place] ?? names[place]?.dataset.name ?? "";
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = names[place]?.querySelector("title").textContent ?? "";
    rect.append(title);
    return rect;
  }));
}
layOut();

// A chromosome beside its homologs, and its class corrected.
async function show(name, scroll = true) {
  chosen = name;
  document.querySelectorAll(".boxes rect").forEach((rect) => {
    rect.classList.toggle("chosen", (classes[rect.dataset.place] ?? rect.dataset.name) === name);
  });
  try {
    const answer = await ask(`/homologs/${key}?name=${encodeURIComponent(name)}&${withClasses()}`);
    homologs.innerHTML = await answer.text();
    homologs.hidden = false;
    if (scroll) homologs.scrollIntoView({ block: "nearest", behavior: "instant" });
  } catch (error) {
    homologs.hidden = true;
    if (scroll) tell(error.message, true);
  }
}
for (const place of [boxes, relaid]) {
  place?.addEventListener("click", (event) => {
    const rect = event.target.closest("rect");
    if (rect && moved < 4) show(classes[rect.dataset.place] ?? rect.dataset.name);
  });
}
document.getElementById("choose")?.addEventListener("change", (event) => event.target.value && show(event.target.value));
homologs.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) homologs.hidden = true;
  if (event.target.closest("[data-turn]")) event.target.closest("figure").classList.toggle("turned");
});
const own = (place) => boxes.querySelector(`rect[data-place="${place}"]`).dataset.name;
async function correct(place, name) {
  const before = classes[place];
  if (name === own(place) || !name) delete classes[place]; else classes[place] = name;
  if (await reread()) return true;
  if (before) classes[place] = before; else delete classes[place];
  return false;
}
homologs.addEventListener("change", async (event) => {
  const { place } = event.target.dataset;
  if (place === undefined) return;
  const typed = event.target.value.trim().toUpperCase().replace("MAR", "mar");
  if (await correct(place, typed)) await show(chosen, false);
  else event.target.value = classes[place] ?? own(place);
});

// A chromosome dragged to another class on the re-laid page.
let dragged = null;
const inPage = (event) => {
  const at = relaid.querySelector(".boxes").getBoundingClientRect();
  return [(event.clientX - at.left) / at.width, (event.clientY - at.top) / at.height];
};
relaid?.addEventListener("pointerdown", (event) => {
  const rect = event.target.closest("rect");
  moved = 0;
  if (rect) { dragged = { rect, from: inPage(event) }; event.preventDefault(); }
});
addEventListener("pointermove", (event) => {
  if (!dragged) return;
  const [x, y] = inPage(event);
  const [dx, dy] = [x - dragged.from[0], y - dragged.from[1]];
  if (Math.hypot(dx, dy) < 0.01 && !moved) return;
  moved = 10;
  dragged.rect.classList.add("dragged");
  dragged.rect.setAttribute("transform", `translate(${dx} ${dy})`);
});
addEventListener("pointercancel", () => { dragged?.rect.removeAttribute("transform"); dragged = null; });
addEventListener("pointerup", async (event) => {
  if (!dragged) return;
  const { rect } = dragged;
  dragged = null;
  rect.classList.remove("dragged");
  rect.removeAttribute("transform");
  if (!moved) return;
  const [x, y] = inPage(event);
  const far = ([left, top, w, h]) => Math.hypot(Math.max(left - x, 0, x - left - w), Math.max(top - y, 0, y - top - h));
  const [name, away] = Object.entries(slots).map(([each, box]) => [each, far(box)]).sort((a, b) => a[1] - b[1])[0] ?? ["", 1];
  if (away > 0.05 || name === (classes[rect.dataset.place] ?? own(rect.dataset.place))) return;
  if (await correct(rect.dataset.place, name)) await show(name, false);
});
async function reread() {
  const note = document.getElementById("named");
  const many = Object.keys(classes).length;
  try {
    const answer = many ? await ask("/reread", { key, classes }) : null;
    rereadPart.innerHTML = answer ? await answer.text() : "";
  } catch (error) { tell(error.message, true); return false; }
  rereadPart.hidden = note.hidden = !many;
  note.textContent = many ? words.kept.replace("{n}", many) : "";
  relaid.querySelector("img").src = `${base}/relaid/${key}?v=${document.body.dataset.stamp}&${withClasses()}`;
  layOut();
  return true;
}
rereadPart.addEventListener("click", async (event) => {
  if (event.target.closest("[data-reset]")) {
    for (const place of Object.keys(classes)) delete classes[place];
    await reread();
    if (chosen) show(chosen, false);
  }
  const taken = event.target.dataset.take;
  if (taken) { form.iscn.value = taken; check(); form.iscn.focus(); }
});

// The verdict.
let checking = 0;
async function check() {
  const place = document.getElementById("iscn-said"), mine = ++checking, text = form.iscn.value.trim();
  if (!text) { place.textContent = ""; form.iscn.setCustomValidity(""); return; }
  try {
    const { problem } = await (await ask(`/iscn?text=${encodeURIComponent(text)}`)).json();
    if (mine !== checking) return;
    place.textContent = problem || words.iscn;
    place.className = `case ${problem ? "wrong" : "right"}`;
    form.iscn.setAttribute("aria-invalid", String(Boolean(problem)));
  } catch (error) { place.textContent = error.message; }
}
form.iscn.addEventListener("input", check);
async function give(decision) {
  const onCell = form.subject.value === "cell";
  const stored = await storeOrTell({
    case: cell.dataset.case, cell: onCell ? key : "", decision, iscn: form.iscn.value,
    note: form.note.value, classes: onCell ? classes : {},
  });
  if (stored) {
    document.getElementById("history").innerHTML = stored.history;
    form.note.value = "";
  }
}
form.addEventListener("submit", (event) => { event.preventDefault(); give(form.decision.value); });
function decide(decision) {
  form.querySelector(`input[value="${decision}"]`).checked = true;
  give(decision);
}
const follow = (rel) => { const link = document.querySelector(`.around a[rel=${rel}]`); if (link) link.click(); else tell(words.last); };
function toggleBoxes() {
  const on = boxesButton.getAttribute("aria-pressed") !== "true";
  boxesButton.setAttribute("aria-pressed", String(on));
  boxes.toggleAttribute("hidden", !on);
}
boxesButton?.addEventListener("click", toggleBoxes);
onKeys({
  j: () => follow("next"), k: () => follow("prev"),
  o: () => (document.querySelector(".cells-strip a.open + a") ?? document.querySelector(".cells-strip a"))?.click(),
  n: () => decide("normal"), a: () => decide("abnormal"), r: () => decide("redo"),
  b: () => boxesButton && toggleBoxes(), u: () => document.querySelector(".home").click(),
  "/": () => document.querySelector(".home").click(),
});
