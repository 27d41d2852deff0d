// The list of the page: search, filter, a page of rows at a time. Rows that do not stand in the page
// are unpacked when they are shown.
(async () => {
  const PER_PAGE = 20;
  const tools = document.querySelector(".tools"), search = document.getElementById("search");
  const shown = document.getElementById("shown"), list = document.getElementById("rows");
  const turns = document.querySelectorAll("[data-turn]"), paper = document.getElementById("paper");
  const pieces = [...document.querySelectorAll("script[data-rows]")], opened = new Map();
  const inline = [...list.children];
  let route = "", first = 0, asked = 0;

  async function unpack(piece) {
    const bytes = Uint8Array.from(atob(piece.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }
  function element(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.firstElementChild;
  }
  async function row(i) {
    if (i < inline.length) return inline[i];
    const per = Number(list.dataset.packed), piece = Math.floor((i - inline.length) / per);
    if (!opened.has(piece)) {
      if (opened.size > 40) opened.delete(opened.keys().next().value);
      opened.set(piece, unpack(pieces[piece]));
    }
    return element((await opened.get(piece))[(i - inline.length) % per]);
  }
  const told = (one) => [...one.querySelectorAll("[data-find]")].map((part) => part.textContent);
  const index = inline.map((one) => [one.dataset.route, told(one).join("\n"), one.dataset.of]);
  const rest = document.querySelector("script[data-index]");
  if (rest) {
    try {
      index.push(...(await unpack(rest)));
    } catch {
      document.getElementById("too-old").hidden = false;
      return;
    }
  }
  const texts = index.map((one) => one[1].toLowerCase());

  async function show() {
    const turn = ++asked, words = search.value.toLowerCase().trim(), found = [];
    index.forEach((one, i) => {
      if ((!route || one[0] === route) && texts[i].includes(words)) found.push(i);
    });
    first = Math.min(first, Math.max(0, Math.floor((found.length - 1) / PER_PAGE) * PER_PAGE));
    const rows = await Promise.all(found.slice(first, first + PER_PAGE).map(row));
    if (turn !== asked) return;
    list.replaceChildren(...rows);
    const last = Math.min(first + PER_PAGE, found.length);
    const counts = { found: found.length, all: index.length, first: first + 1, last };
    shown.textContent = (shown.dataset.found + (found.length > PER_PAGE ? shown.dataset.part : ""))
      .replace(/\{(\w+)\}/g, (_, name) => counts[name]);
    turns.forEach((button) => {
      button.hidden = found.length <= PER_PAGE;
      button.disabled = button.dataset.turn < 0 ? first === 0 : last === found.length;
    });
  }
  // Print: a page for each case worth one, which the browser has only once its rows are unpacked.
  async function print() {
    const cases = new Map();
    index.forEach((one, i) => {
      if (one[2]) cases.set(one[2], [...(cases.get(one[2]) || []), i]);
    });
    paper.replaceChildren();
    for (const [name, places] of cases) {
      const section = document.createElement("section"), title = document.createElement("h2");
      title.textContent = name;
      section.append(title, ...(await Promise.all(places.map(row))).map((one) => one.cloneNode(true)));
      paper.append(section);
    }
    await Promise.all([...paper.querySelectorAll("img")].map((each) => each.decode().catch(() => {})));
    document.body.classList.add("whole");
    window.print();
  }
  window.addEventListener("afterprint", () => {
    document.body.classList.remove("whole");
    paper.replaceChildren();
  });

  search.addEventListener("input", () => { first = 0; show(); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button"), picture = event.target.closest(".picture");
    if (picture) picture.closest(".row").classList.toggle("open");
    if (!button) return;
    if (button.dataset.turn) {
      first += Number(button.dataset.turn) * PER_PAGE;
      show().then(() => document.getElementById("list").scrollIntoView());
    } else if ("route" in button.dataset) {
      route = button.dataset.route; first = 0;
      tools.querySelectorAll("[data-route]").forEach((each) => {
        each.setAttribute("aria-pressed", String(each === button));
      });
      show();
    } else if ("case" in button.dataset) {
      search.value = button.dataset.case;
      tools.querySelector("[data-route='']").click();
      document.getElementById("list").scrollIntoView();
    } else if ("print" in button.dataset) print();
  });
  document.addEventListener("keydown", (event) => {
    const picture = event.target.closest(".picture");
    if (picture && (event.key === "Enter" || event.key === " ")) {
      picture.closest(".row").classList.toggle("open");
      event.preventDefault();
    }
  });
  await show();
  tools.hidden = false;
})();
