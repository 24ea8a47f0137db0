// Pages are whole without this file. It reads a page again when a job has changed, and shows some links as dialogs.
"use strict";

const told = document.getElementById("told");
const dialog = document.getElementById("dialog");

/** A page of ours as a document; nothing where there is none, and where the session has ended the page to sign in. */
async function read(address) {
  const answer = await fetch(address, { redirect: "manual", headers: { accept: "text/html" } });
  if (answer.type === "opaqueredirect") location.reload();
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}

/** Puts what has changed in the place of what it was; what is the same stays, with the focus and what points at it. */
function renew(region, fresh) {
  const focused = document.activeElement?.id;
  const [olds, news] = [[...region.children], [...fresh.children]];
  const keep = new Map(olds.map((part) => [part.id, part]));
  const parts = news.map((part) => {
    const old = keep.get(part.id);
    return old && old.outerHTML === part.outerHTML ? old : document.adoptNode(part);
  });
  if (parts.length === olds.length && parts.every((part, index) => part === olds[index])) return;
  // Only what differs is touched: to put an element back where it is would take the focus from it.
  for (const old of olds) if (!parts.includes(old)) old.remove();
  parts.forEach((part, index) => {
    if (region.children[index] !== part) region.insertBefore(part, region.children[index] ?? null);
  });
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

const region = document.querySelector("[data-live]");
let reading = false;
let again = false;

async function refresh() {
  if (reading) {
    again = true;
    return;
  }
  reading = true;
  try {
    const fresh = (await read(location.href))?.querySelector("[data-live]");
    if (fresh) renew(region, fresh);
  } catch {
    // The api is away; the stream of events says so.
  } finally {
    reading = false;
  }
  if (again) {
    again = false;
    soon();
  }
}

let waiting = 0;

/** Events come in bursts, twice a second at most. */
function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, 150);
}

let events = null;

/** A browser has few connections to one host, so that a page that nobody sees gives its own back. */
function listen() {
  events?.close();
  events = null;
  if (document.hidden) return;
  events = new EventSource("/console/events");
  events.addEventListener("open", () => told.classList.remove("lost"));
  events.addEventListener("job", (event) => {
    const job = JSON.parse(event.data);
    if (["succeeded", "failed", "cancelled"].includes(job.state)) {
      told.textContent = `${job.kind.replaceAll("_", " ")} ${job.state}`;
    }
    soon();
  });
  events.addEventListener("error", () => {
    told.textContent = "Not connected. Trying again …";
    told.classList.add("lost");
    if (events?.readyState !== EventSource.CLOSED) return;
    // Refused: the session has ended, which reading the page again finds out, or there is no room for another listener.
    soon();
    setTimeout(listen, 5000);
  });
}

if (region) {
  listen();
  setInterval(() => document.hidden || refresh(), 1000 * Number(region.dataset.live));
  document.addEventListener("visibilitychange", () => {
    listen();
    if (!document.hidden) soon();
  });
  // Or a browser shows the end of the stream, on the way to another page, as if the api were gone.
  addEventListener("pagehide", () => events?.close());
}

async function show(link) {
  const wait = document.createElement("p");
  wait.textContent = "Loading …";
  dialog.replaceChildren(wait);
  dialog.showModal();
  const page = await read(link.href).catch(() => null);
  const sheet = page?.getElementById("sheet");
  if (!sheet) {
    location.assign(link.href);
    return;
  }
  dialog.replaceChildren(document.adoptNode(sheet));
  dialog.querySelector("[autofocus]")?.focus();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("dialog [data-close]") || event.target === dialog) {
    event.preventDefault();
    dialog.close();
    return;
  }
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link);
});

// What was sent once is not sent twice by an impatient finger.
document.addEventListener("submit", (event) => {
  setTimeout(() => {
    for (const button of event.target.querySelectorAll("button")) button.disabled = true;
  });
});

// A page that the browser kept shows its buttons as they were.
addEventListener("pageshow", (event) => event.persisted && location.reload());
