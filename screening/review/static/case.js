import { ask, base, leave, onKeys, storeOrTell, tell, words } from "./room.js";
import { fetchAhead, goTo } from "./ahead.js";

const NEXT = ".around a[rel=next]", PREVIOUS = ".around a[rel=prev]";
const NEXT_CELL = ".cells-strip a.open + a", ALL_AHEAD = `${NEXT}, ${NEXT_CELL}`;
const found = (selector) => document.querySelector(selector);
let shown = new AbortController();

// Everything that a case does; called again when another takes its place on the page.
function start() {
  const { signal } = shown;
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
  const stamp = document.body.dataset.stamp;
  const addressOf = (what, of) => `/${what}/${of}?v=${stamp}`;
  const classes = JSON.parse(form.dataset.classes);  // what the reader corrected: place -> class
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
  }, { signal });
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, (event) => { held.delete(event.pointerId); viewer.classList.remove("moving"); }, { signal });
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
  // Without the original the small picture of the run stands in for it, and it is said why.
  const original = picture.src;
  async function standIn() {
    if (picture.src !== original) { picture.hidden = true; return; }
    picture.src = `${base}${addressOf("thumbnail", key)}`;
    try { await ask(`/original/${key}`); } catch (error) { missing(error); }
  }
  picture.addEventListener("error", standIn);
  if (picture.complete && !picture.naturalWidth) standIn();
  function missing(error) {
    const said = document.getElementById("original-said");
    said.textContent = error.message;
    said.hidden = false;
  }

  // Where the boxes of the record lie on the original, and the chromosomes on the re-laid page.
  const named = () => Object.entries(classes).map(([place, name]) => `${place}:${name}`).join(",");
  const withClasses = () => (named() ? `&classes=${encodeURIComponent(named())}` : "");
  async function layOut() {
    let layout;
    try { layout = await (await ask(`${addressOf("layout", key)}${withClasses()}`)).json(); } catch (error) {
      missing(error);
      if (relaid) relaid.closest("section").hidden = true;
      layout = { box: [0, 0, 1, 1] };
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
      rect.classList.toggle("named", place in classes);
      return rect;
    }));
  }

  // What the next cell and the next case will show is fetched once all of this one is there.
  async function lookAhead() {
    const pictures = cell.dataset.ahead.split(" ").filter(Boolean);
    for (const link of document.querySelectorAll(ALL_AHEAD)) await fetchAhead(link.href, signal);
    for (const next of pictures) {
      for (const what of ["original", "relaid"]) {
        if (signal.aborted) return;
        const ahead = new Image();
        ahead.src = base + addressOf(what, next);
        await ahead.decode().catch(() => {});
      }
      await ask(addressOf("layout", next)).catch(() => {});
    }
  }
  const decoded = [picture, relaid?.querySelector("img")].map((one) => one?.decode().catch(() => {}));
  Promise.all([layOut(), ...decoded]).then(lookAhead);
  if (named()) reread();

  // A chromosome beside its homologs, and its class corrected.
  async function show(name, scroll = true) {
    chosen = name;
    document.querySelectorAll(".boxes rect").forEach((rect) => {
      rect.classList.toggle("chosen", (classes[rect.dataset.place] ?? rect.dataset.name) === name);
    });
    try {
      const answer = await ask(`/homologs/${key}?name=${encodeURIComponent(name)}${withClasses()}`);
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
    if (await reread()) {
      if (named()) form.subject.value = "cell";  // a verdict on the case would keep none of them
      keep();
      return true;
    }
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
  }, { signal });
  addEventListener("pointercancel", () => { dragged?.rect.removeAttribute("transform"); dragged = null; }, { signal });
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
  }, { signal });
  // The boxes as the evidence marks them by the reader's classes, or as the program's once were.
  function mark(marks) {
    const told = new Map(marks.map(([place, ...rest]) => [String(place), rest]));
    for (const rect of boxes?.querySelectorAll("rect") ?? []) {
      const title = rect.querySelector("title"), { place } = rect.dataset;
      rect.dataset.kind ??= rect.getAttribute("class").replace("chosen", "").trim();
      rect.dataset.told ??= title.textContent;
      const [kind, said] = told.get(place) ?? [rect.dataset.kind, rect.dataset.told];
      const chosenNow = rect.classList.contains("chosen");
      rect.setAttribute("class", kind);
      rect.classList.toggle("chosen", chosenNow);
      rect.classList.toggle("named", place in classes);
      title.textContent = place in classes ? words.named.replace("{name}", classes[place]) : said;
    }
  }
  function keep() {
    const note = document.getElementById("named"), many = Object.keys(classes).length;
    note.hidden = !many;
    note.textContent = form.subject.value === "cell" ? words.kept.replace("{n}", many) : words.cell;
    const legend = document.getElementById("named-legend");
    if (legend) legend.hidden = !many;
  }
  async function reread() {
    const many = Object.keys(classes).length;
    try {
      const answer = many ? await ask("/reread", { key, classes }) : null;
      rereadPart.innerHTML = answer ? await answer.text() : "";
    } catch (error) { tell(error.message, true); return false; }
    rereadPart.hidden = !many;
    keep();
    const marks = rereadPart.querySelector("[data-marks]");
    mark(marks ? JSON.parse(marks.dataset.marks) : []);
    relaid.querySelector("img").src = `${base}${addressOf("relaid", key)}${withClasses()}`;
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
      form.iscn.defaultValue = form.iscn.value;
      form.note.value = "";
    }
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); give(form.decision.value); });
  // A karyotype that stood with another decision does not go along with a new one unasked.
  function decideAnew() {
    if (form.iscn.value === form.iscn.defaultValue) { form.iscn.value = ""; check(); }
  }
  form.addEventListener("change", ({ target }) => {
    if (target.name === "decision") decideAnew();
    if (target.name === "subject") keep();
  });
  function decide(decision) {
    const choice = form.querySelector(`input[value="${decision}"]`);
    if (!choice.checked) decideAnew();
    choice.checked = true;
    give(decision);
  }
  async function follow(link) {
    if (!link) { tell(words.last); return; }
    if (!goTo(link.href)) { leave(link.href); return; }
    shown.abort();
    shown = new AbortController();
    start();
    await refresh();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".around a, .cells-strip a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    follow(link);
  }, { signal });
  // A page that was fetched ahead may be older than the last verdict.
  async function refresh() {
    const { signal: mine } = shown;
    const page = await fetchAhead(location.href, mine);
    const history = page?.getElementById("history");
    if (history && !mine.aborted) document.getElementById("history").replaceWith(history);
  }
  function toggleBoxes() {
    const on = boxesButton.getAttribute("aria-pressed") !== "true";
    boxesButton.setAttribute("aria-pressed", String(on));
    boxes.toggleAttribute("hidden", !on);
  }
  boxesButton?.addEventListener("click", toggleBoxes);
  onKeys({
    j: () => follow(found(NEXT)), k: () => follow(found(PREVIOUS)),
    o: () => follow(found(NEXT_CELL) ?? found(".cells-strip a")),
    n: () => decide("normal"), a: () => decide("abnormal"), r: () => decide("redo"),
    b: () => boxesButton && toggleBoxes(), u: () => leave(found(".home").href), "/": () => leave(`${found(".home").href}#search`),
  });
}
start();
