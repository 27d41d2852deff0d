// What every page of the reading room shares: initials, keys, sentences, storing a verdict.

export const base = document.body.dataset.base;
export const words = JSON.parse(document.body.dataset.words);
const initials = document.querySelector("input[name=initials]");
const said = document.querySelector(".said");
const help = document.querySelector(".help");
let fading;

export function tell(text, bad = false) {
  said.textContent = text;
  said.classList.toggle("bad", bad);
  said.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { said.hidden = true; }, bad ? 12000 : 4000);
}

// Asks the server; what it cannot do it says in a sentence, and so does a server that is gone.
export async function ask(path, asked) {
  const options = asked === undefined ? {} : {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(asked),
  };
  let answer;
  try {
    answer = await fetch(base + path, options);
  } catch {
    throw new Error(words.gone);
  }
  if (!answer.ok) {
    const text = await answer.text();
    let told = text;
    try { told = JSON.parse(text).said; } catch { /* plain text */ }
    throw new Error(told);
  }
  return answer;
}

export async function store(verdict) {
  const answer = await ask("/verdict", {
    ...verdict, initials: initials.value, stamp: document.body.dataset.stamp,
  });
  const stored = await answer.json();
  tell(stored.said);
  return stored;
}

export async function storeOrTell(verdict) {
  try {
    return await store(verdict);
  } catch (error) {
    tell(error.message, true);
    if (!initials.value) initials.focus();
    return null;
  }
}

let acts = {};
// Goes to another page: what is typed until it is there is for that page, no verdict on this one.
export function leave(address) {
  acts = {};
  location.assign(address);
}

// Calls keys[key] for a plain key that no field takes; from then on the page says that it listens.
export function onKeys(keys) {
  acts = keys;
  document.body.dataset.keys = Object.keys(keys).join("");
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.key === "Escape" && event.target.matches("input, textarea, select")) event.target.blur();
  if (event.target.matches("input:not([type=radio]), textarea, select")) return;
  if (event.key === "?") { help.showModal(); event.preventDefault(); return; }
  const act = acts[event.key];
  if (act) { act(event); event.preventDefault(); }
});

// A page that the browser kept aside as it was has no keys and old verdicts.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll(".trust, .evidence")) folded.open = true;
});
document.querySelector("[data-help]").addEventListener("click", () => help.showModal());
document.querySelector("form.reader").addEventListener("submit", (event) => { event.preventDefault(); initials.blur(); });
initials.addEventListener("change", async () => {
  try {
    await ask("/reader", { initials: initials.value });
    // Only a blind room shows other verdicts to another reader; elsewhere nothing typed is lost.
    if (document.body.dataset.blind) location.reload();
    else tell(words.given.replace("{initials}", () => initials.value));
  } catch (error) { tell(error.message, true); }
});
