// What all views share, and the search: filters that search at once, answers in place, events.
"use strict";

document.documentElement.classList.add("js");
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const parsed = (html) => new DOMParser().parseFromString(html, "text/html");

// Sends something to this service, as a page of this session.
function send(address, body, type, more = {}) {
  const headers = { "X-CSRF-Token": $("meta[name=csrf]").content, ...more.headers };
  if (type) headers["Content-Type"] = type; // of a FormData the browser names it itself
  return fetch(address, { method: "POST", body, ...more, headers });
}

// For screen readers.
function say(text) {
  $("#said").textContent = text;
}

function problem(text) {
  const place = $("[data-progress]");
  if (!place) return say(text);
  place.textContent = text;
  place.classList.add("problem");
}

// Puts another page in the place of this one, without loading it. What was searched for stays in the history of this
// tab, so that the server keeps nothing of it.
function show(page, address, state, replace) {
  const unfolded = $(".filters")?.open;
  const { name, value } = document.activeElement?.closest(".filters") ? document.activeElement : {};
  document.title = page.title;
  $("#main").replaceWith(document.adoptNode($("#main", page)));
  if (address) history[replace ? "replaceState" : "pushState"](state, "", address);
  here = place();
  if (unfolded && $(".filters")) $(".filters").open = true;
  if (name) {
    const fields = $$(".filters [name]").filter((one) => one.name === name);
    fields.find((one) => one.type !== "checkbox" || one.value === value)?.focus();
  } else if (!replace) {
    scrollTo(0, 0);
    $("h1[tabindex]")?.focus(); // the keyboard goes on from the answer
  }
  prepare();
  say(`${page.title}. ${$(".answer .lead")?.innerText ?? ""}`);
}

// Searches for a file, or for what was searched for before, whose embedding the history holds.
let running;
async function search(address, what, state, replace = false) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const main = $("#main");
  main.setAttribute("aria-busy", "true");
  try {
    const asked =
      what instanceof Blob
        ? send(address, what, what.type, { signal })
        : send(address, JSON.stringify({ vector: what }), "application/json", { signal });
    const [answer, preview] = await Promise.all([asked, state?.preview ?? smaller(what)]);
    const page = parsed(await answer.text());
    const why = answer.ok ? null : $("#main .lead", page)?.textContent;
    if (why && $("[data-progress]")) return problem(why);
    show(page, answer.ok ? address : null, { vector: $("[data-vector]", page)?.dataset.vector, preview }, replace);
  } catch (error) {
    if (error.name !== "AbortError") problem("The gallery does not answer. Try again.");
  } finally {
    main.removeAttribute("aria-busy");
  }
}

// Filters: the address follows the form, and what was searched for stays.
function filter(form) {
  const fields = [...new FormData(form)].filter(([, value]) => value !== "");
  again(fields.length ? `/?${new URLSearchParams(fields)}` : "/");
}

function again(address) {
  if ($(".results") && history.state?.vector) search(address, history.state.vector, history.state);
  else if ($(".results")) location.assign(address);
  else history.replaceState(null, "", address); // nothing to search for yet
}

addEventListener("change", ({ target }) => {
  if (target.closest("[data-filters]")) filter(target.form);
  else if (target.closest(".tile")) count(target.form);
});
addEventListener("reset", ({ target }) => setTimeout(() => count(target)));

function count(form) {
  const place = $("[data-count]", form);
  if (place) place.textContent = `${$$(".tile :checked", form).length} chosen`;
}

addEventListener("click", (event) => {
  const link = event.target.closest("a[data-again]");
  if (link && history.state?.vector) {
    event.preventDefault();
    again(link.getAttribute("href"));
  }
  for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
addEventListener(
  "toggle",
  ({ target }) => target.matches("details.menu[open]") && $("input:not([type])", target)?.focus(),
  true, // it does not bubble
);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of $$("details.menu[open]")) {
    menu.open = false;
    $("summary", menu).focus();
  }
});

addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.matches("[data-filters]")) {
    event.preventDefault();
    filter(form);
  } else if (form.matches("[data-quiet]")) {
    event.preventDefault();
    const fields = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await send(form.action, fields, "application/x-www-form-urlencoded", {
      headers: { Accept: "application/json" },
    });
    const said = await answer.json();
    form.textContent = said.said ?? said.error;
    form.classList.toggle("problem", !answer.ok);
    say(form.textContent);
  } else if (form.dataset.busy) {
    const button = $("button", form);
    button.textContent = form.dataset.busy;
    setTimeout(() => (button.disabled = true)); // after it was sent
  }
});

// Names that hold what is typed.
let typed;
addEventListener("input", ({ target }) => {
  if (!target.matches("[data-names]")) return;
  clearTimeout(typed);
  typed = setTimeout(async () => {
    if (!target.value.trim()) return target.list.replaceChildren();
    const headers = { Accept: "application/json" };
    const answer = await fetch(`/names?${new URLSearchParams({ words: target.value })}`, { headers });
    if (!answer.ok) return;
    target.list.replaceChildren(...(await answer.json()).map((name) => made("option", { value: name })));
  }, 120);
});

// Those on the watch list who are seen while the page is open.
let events;
function listen() {
  events?.close();
  const list = $("[data-events]");
  if (!list) return;
  events = new EventSource(list.dataset.events);
  events.addEventListener("seen", async () => {
    const page = parsed(await (await fetch(location.pathname)).text());
    list.replaceChildren(...$("[data-events]", page).children);
    say(list.firstElementChild.innerText);
  });
}

// What a view needs once it is there.
function prepare() {
  listen();
  preview();
}

let here;
const place = () => ({ address: location.pathname + location.search, hash: location.hash, state: history.state });

// A page that was loaded anew, or gone back to: the history of the tab knows what was searched for.
const before = () => search(location.pathname + location.search, history.state.vector, history.state, true);
addEventListener("popstate", ({ state }) => {
  const old = here;
  here = place();
  if (state?.vector) before();
  else if (old.address === here.address && old.hash !== here.hash) {
    history.replaceState(old.state, ""); // a link to a place of this page
    here = place();
  } else location.reload();
});
addEventListener("DOMContentLoaded", () => {
  const [{ type }] = performance.getEntriesByType("navigation");
  if (type === "navigate") history.replaceState(null, ""); // a link to the address that is there keeps its state
  here = place();
  prepare();
  if (history.state?.vector && $("[data-search]")) before();
});
