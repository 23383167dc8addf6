// What the page cannot do without a script: uploads, filters that search at once, answers in place, events.
"use strict";

document.documentElement.classList.add("js");
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const headers = () => ({ "X-CSRF-Token": $("meta[name=csrf]").content });

// For screen readers.
function say(text) {
  $("#said").textContent = text;
}

// Puts another page in the place of this one, without loading it. What was chosen stays in the history of this tab.
function show(html, address, state, replace) {
  const page = new DOMParser().parseFromString(html, "text/html");
  document.title = page.title;
  const unfolded = $(".filters")?.open;
  const { name, value } = document.activeElement?.closest(".filters") ? document.activeElement : {};
  $("#main").replaceWith(document.adoptNode($("#main", page)));
  if (unfolded && $(".filters")) $(".filters").open = true;
  if (name) $$(".filters [name]").find((one) => one.name === name && (one.type !== "checkbox" || one.value === value))?.focus();
  if (address) history[replace ? "replaceState" : "pushState"](state, "", address);
  const preview = $("[data-preview]");
  if (preview && state?.preview) preview.src = URL.createObjectURL(new Blob([bytes(state.preview)], { type: "image/jpeg" }));
  if (!replace && !name) scrollTo(0, 0);
  prepare();
  say(`${page.title}. ${$(".answer .lead")?.innerText ?? ""}`);
}

// A small copy of a picture, as base64, for the place beside the results. The server keeps none.
async function smaller(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, 480 / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", 0.85).split(",")[1];
  } catch {
    return null; // the server says what is wrong with it
  }
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
}

// Searches for a file, or for what was searched for before, which the history holds as an embedding.
let running;
async function search(address, what, state, replace = false) {
  running?.abort();
  running = new AbortController();
  const main = $("#main");
  main.setAttribute("aria-busy", "true");
  try {
    const isFile = what instanceof Blob;
    const type = isFile ? what.type : "application/json";
    const body = isFile ? what : JSON.stringify({ vector: what });
    const sent = { method: "POST", body, headers: { ...headers(), "Content-Type": type }, signal: running.signal };
    const [answer, preview] = await Promise.all([fetch(address, sent), state?.preview ?? smaller(what)]);
    const html = await answer.text();
    const vector = new DOMParser().parseFromString(html, "text/html").querySelector("[data-vector]")?.dataset.vector;
    show(html, answer.ok ? address : null, { vector, preview }, replace);
  } catch (error) {
    if (error.name !== "AbortError") problem("The gallery does not answer. Try again.");
  } finally {
    main.removeAttribute("aria-busy");
  }
}

function problem(text) {
  const place = $("[data-progress]");
  if (!place) return say(text);
  place.textContent = text;
  place.classList.add("problem");
}

function tooLarge(file, most) {
  return file.size > most && `${file.name || "The picture"} is larger than ${Math.floor(most / 2 ** 20)} MB.`;
}

// Files that were dropped anywhere, pasted, chosen or photographed go to the form of the page.
function take(files) {
  const pictures = [...files].filter((file) => file.type.startsWith("image/"));
  const start = $("[data-search]");
  if (!pictures.length) return problem("That is not a picture.");
  if ($("[data-enrol]")) return queue(pictures);
  if (!start && !$(".results")) return;
  const most = start ? +start.dataset.most : Infinity;
  const why = tooLarge(pictures[0], most);
  if (why) return problem(why);
  const progress = $("[data-progress]");
  if (progress) progress.textContent = "Searching…";
  search(`/${filtersOf(location.search)}`, pictures[0]);
}

function filtersOf(query) {
  const fields = new URLSearchParams(query);
  fields.delete("like");
  return fields.size ? `?${fields}` : "";
}

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  take(event.dataTransfer.files);
});
addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) take(event.clipboardData.files);
});
addEventListener("change", (event) => {
  const { target } = event;
  if (target.matches("[data-file]") && target.files.length) {
    take(target.files);
    target.value = ""; // so that the same file can be chosen again
  } else if (target.closest("[data-filters]")) filter(target.form);
  else if (target.closest(".tile")) count(target.form);
});
addEventListener("reset", (event) => setTimeout(() => count(event.target)));

// Filters: the address follows the form, and what was searched for stays.
function filter(form) {
  const fields = [...new FormData(form)].filter(([, value]) => value !== "");
  again(fields.length ? `/?${new URLSearchParams(fields)}` : "/");
}

function again(address) {
  const state = history.state;
  if (state?.vector && $(".results")) search(address, state.vector, state);
  else if ($(".results")) location.assign(address);
  else {
    history.replaceState(null, "", address); // nothing to search for yet
    const start = $("[data-search]");
    if (start) start.dataset.search = address;
  }
}

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
  const label = event.target.closest("[data-photograph]");
  if (label && event.target.tagName !== "INPUT" && matchMedia("(pointer: fine)").matches && navigator.mediaDevices) {
    event.preventDefault();
    photograph();
  }
  for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape")
    for (const menu of $$("details.menu[open]")) {
      menu.open = false;
      $("summary", menu).focus();
    }
});

// A photo by the camera of a desk; phones open their own camera.
async function photograph() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 }, facingMode: "environment" } });
  } catch {
    return problem("There is no camera, or the page may not use it.");
  }
  const box = document.createElement("dialog");
  box.setAttribute("aria-label", "Take a photo");
  const video = document.createElement("video");
  const row = document.createElement("div");
  const button = (text, style) => Object.assign(document.createElement("button"), { textContent: text, className: style });
  const shoot = button("Take the photo", "main");
  const stop = button("Cancel", "");
  row.className = "row";
  row.append(shoot, stop);
  box.append(video, row);
  document.body.append(box);
  Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
  video.play();
  box.addEventListener("close", () => {
    for (const track of stream.getTracks()) track.stop();
    box.remove();
  });
  stop.onclick = () => box.close();
  shoot.onclick = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    box.close();
    canvas.toBlob((photo) => take([new File([photo], "photo.jpg", { type: photo.type })]), "image/jpeg", 0.95);
  };
  box.showModal();
}

// Enrolling: a picture at a time, so that one that fails stops no other.
let waiting = [];

function queue(files) {
  const form = $("[data-enrol]");
  const list = $(".queue", form);
  for (const file of files) {
    const item = document.createElement("li");
    const frame = Object.assign(document.createElement("span"), { className: "frame" });
    const picture = Object.assign(new Image(), { alt: file.name, src: URL.createObjectURL(file) });
    const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
    const words = Object.assign(document.createElement("span"), { className: "seen", textContent: file.name });
    picture.onload = () => URL.revokeObjectURL(picture.src);
    remove.setAttribute("aria-label", `Leave out ${file.name}`);
    const one = { file, item, words, remove };
    remove.onclick = () => {
      waiting = waiting.filter((other) => other !== one);
      item.remove();
      settle(form);
    };
    frame.append(picture);
    item.append(frame, remove, words);
    list.append(item);
    const why = tooLarge(file, +form.dataset.most);
    if (why) fail(one, why);
    else waiting.push(one);
  }
  settle(form);
}

function settle(form) {
  const list = $(".queue", form);
  const button = $(".row button.main", form);
  list.hidden = !list.children.length;
  button.disabled = !waiting.length;
  button.textContent = waiting.length > 1 ? `Enrol ${waiting.length} pictures` : "Enrol";
}

function fail(one, why) {
  one.words.textContent = why;
  one.remove.hidden = false;
  one.words.classList.add("problem");
}

async function enrol(form) {
  const fields = new FormData(form);
  const each = fields.get("each");
  let who = fields.get("identity");
  const button = $(".row button.main", form);
  const failed = [];
  let done = 0;
  button.disabled = true;
  for (const one of waiting) {
    const labels = { identity: who, camera: fields.get("camera"), time: fields.get("time"), note: fields.get("note"), source: one.file.name };
    one.words.textContent = "Enrolling…";
    one.remove.hidden = true;
    try {
      const sent = { method: "POST", body: one.file, headers: { ...headers(), Accept: "application/json", "Content-Type": one.file.type } };
      const answer = await fetch(`${form.dataset.enrol}?${new URLSearchParams(labels)}`, sent);
      const said = await answer.json();
      if (!answer.ok) throw new Error(said.error);
      one.words.replaceChildren(said.new ? "" : "already there: ", link(`/identities/${said.identity}`, said.name));
      if (!each && !who) who = `#${said.identity}`; // the others show the same one
      done += 1;
    } catch (error) {
      fail(one, error.message || "The gallery does not answer.");
      failed.push(one);
    }
  }
  waiting = failed;
  $("[data-progress]", form).textContent = failed.length ? `${done} enrolled, ${failed.length} not` : `${done} enrolled`;
  settle(form);
}

function link(address, text) {
  const made = Object.assign(document.createElement("a"), { href: address });
  made.append(Object.assign(document.createElement("bdi"), { textContent: text }));
  return made;
}

addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.matches("[data-enrol]")) {
    event.preventDefault();
    enrol(form);
  } else if (form.matches("[data-filters]")) {
    event.preventDefault();
    filter(form);
  } else if (form.matches("[data-search]")) event.preventDefault();
  else if (form.matches("[data-quiet]")) {
    event.preventDefault();
    const fields = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { Accept: "application/json" } });
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

// Those on the watch list who are seen while the page is open.
let events;
function listen() {
  events?.close();
  const list = $("[data-events]");
  if (!list) return;
  events = new EventSource(list.dataset.events);
  events.addEventListener("seen", async () => {
    const page = await (await fetch(location.pathname)).text();
    const fresh = new DOMParser().parseFromString(page, "text/html").querySelector("[data-events]");
    if (!fresh) return;
    list.replaceChildren(...fresh.children);
    say(list.firstElementChild.innerText);
  });
}

function prepare() {
  waiting = [];
  listen();
}

// A page that was loaded anew, or gone back to: the tab's history knows what was searched for.
addEventListener("popstate", () => {
  if (history.state?.vector) search(location.pathname + location.search, history.state.vector, history.state, true);
  else location.reload();
});
prepare();
if (history.state?.vector && location.pathname === "/" && !new URLSearchParams(location.search).has("like"))
  search(location.pathname + location.search, history.state.vector, history.state, true);
