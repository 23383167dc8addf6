// Enrolment: a picture at a time, so that one that fails stops no other.
"use strict";

let waiting = [];

function queue(files) {
  const form = $("[data-enrol]");
  for (const file of files) {
    const picture = made("img", { alt: "", src: URL.createObjectURL(file) });
    const words = made("span", { className: "seen", textContent: file.name });
    const remove = made("button", { type: "button", textContent: "×" });
    const item = made("li", {}, made("span", { className: "frame" }, picture), remove, words);
    const one = { file, words, remove };
    picture.onload = () => URL.revokeObjectURL(picture.src);
    picture.onerror = () => (picture.hidden = true);
    remove.setAttribute("aria-label", `Leave out ${file.name}`);
    remove.onclick = () => {
      waiting = waiting.filter((other) => other !== one);
      item.remove();
      settle(form);
    };
    $(".queue", form).append(item);
    const why = tooLarge(file, +form.dataset.most);
    if (why) fail(one, why);
    else waiting.push(one);
  }
  settle(form);
}

// The list and the button, as many pictures as wait.
function settle(form) {
  const list = $(".queue", form);
  const button = $("[data-go]", form);
  list.hidden = !list.children.length;
  button.disabled = !waiting.length;
  button.textContent = waiting.length > 1 ? `Enrol ${waiting.length} pictures` : "Enrol";
}

function fail(one, why) {
  one.words.textContent = why[0].toUpperCase() + why.slice(1);
  one.words.classList.add("problem");
  one.remove.hidden = false;
}

async function enrol(form) {
  const { each, ...labels } = Object.fromEntries(new FormData(form));
  const failed = [];
  let done = 0;
  $("[data-go]", form).disabled = true;
  for (const one of waiting) {
    one.words.textContent = "Enrolling…";
    one.words.classList.remove("problem");
    one.remove.hidden = true;
    try {
      const body = new FormData(); // not in the address, which proxies log
      for (const [label, value] of Object.entries(labels)) body.append(label, value);
      body.append("image", one.file);
      const answer = await send(form.dataset.enrol, body, null, { headers: { Accept: "application/json" } });
      const said = await answer.json();
      if (!answer.ok) throw new Error(said.error);
      const name = made("a", { href: `/identities/${said.identity}` }, made("bdi", { textContent: said.name }));
      one.words.replaceChildren(said.new ? "" : "already there: ", name);
      if (!each && !labels.identity) labels.identity = `#${said.identity}`; // the others show the same one
      done += 1;
    } catch (error) {
      fail(one, error.message || "The gallery does not answer.");
      failed.push(one);
    }
  }
  waiting = failed;
  settle(form);
  $("[data-progress]", form).textContent = failed.length ? `${done} enrolled, ${failed.length} not` : `${done} enrolled`;
}

addEventListener("submit", (event) => {
  if (!event.target.matches("[data-enrol]")) return;
  event.preventDefault();
  enrol(event.target);
});
