// Pages fetched before they are asked for, so that the next case takes the place of this one at once.

const ready = new Map();  // address -> Document
const MOST = 8;

// The page at an address as it is now; null when it cannot be had. Kept until it is gone to.
export async function fetchAhead(address, signal) {
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" }, signal });
    if (!answer.ok) return null;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.body.dataset.stamp !== document.body.dataset.stamp) return null;
    ready.delete(address);
    ready.set(address, page);
    if (ready.size > MOST) ready.delete(ready.keys().next().value);
    return page;
  } catch { return null; }
}

// Shows the page at an address in place of this one; false when it was not fetched.
export function goTo(address) {
  const page = ready.get(address);
  if (!page) return false;
  ready.delete(address);
  for (const part of [".around", "main"]) {
    document.querySelector(part).replaceWith(document.importNode(page.querySelector(part), true));
  }
  document.title = page.title;
  history.pushState(null, "", address);
  scrollTo(0, 0);
  const title = document.querySelector("h1");
  title.tabIndex = -1;
  title.focus({ preventScroll: true });
  return true;
}
addEventListener("popstate", () => location.reload());
