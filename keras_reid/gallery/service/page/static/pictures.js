// Pictures that come by dropping, pasting, choosing or a camera, and the part of one that is searched for.
"use strict";

let original; // the file that was searched for, and its small copy; gone once the page is loaded anew

// Files go to the form of the view: one to a search, all to enrolment.
function take(files) {
  const pictures = [...files].filter((file) => file.type.startsWith("image/"));
  const start = $("[data-search]");
  if (!pictures.length) return problem("That is not a picture.");
  if ($("[data-enrol]")) return queue(pictures);
  if (!start && !$(".results")) return;
  const why = start && tooLarge(pictures[0], +start.dataset.most);
  if (why) return problem(why);
  const progress = $("[data-progress]");
  if (progress) progress.textContent = "Searching…";
  seek(pictures[0], pictures[0]);
}

async function seek(picture, whole) {
  const copy = await smaller(picture);
  original = { file: whole, copy };
  const fields = new URLSearchParams(location.search);
  fields.delete("like");
  search(fields.size ? `/?${fields}` : "/", picture, { preview: copy });
}

function tooLarge(file, most) {
  return file.size > most && `${file.name || "The picture"} is larger than ${Math.floor(most / 2 ** 20)} MB.`;
}

// A small copy as base64, to be seen beside the results; null if the browser cannot read it.
async function smaller(file) {
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) return null;
  const scale = Math.min(1, 480 / Math.max(picture.width, picture.height));
  const canvas = drawn(picture, 0, 0, picture.width, picture.height, scale);
  return canvas.toDataURL("image/jpeg", 0.85).split(",")[1];
}

function drawn(picture, x, y, width, height, scale = 1) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d").drawImage(picture, x, y, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function fileOf(canvas, name) {
  return new Promise((resolve) =>
    canvas.toBlob((blob) => resolve(new File([blob], name, { type: blob.type })), "image/jpeg", 0.95),
  );
}

function preview() {
  const place = $("[data-preview]");
  const copy = history.state?.preview;
  if (!place || !copy) return;
  const bytes = Uint8Array.from(atob(copy), (one) => one.charCodeAt(0));
  place.src = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  $("[data-part]").hidden = original?.copy !== copy;
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
addEventListener("change", ({ target }) => {
  if (!target.matches("[data-file]") || !target.files.length) return;
  take(target.files);
  target.value = ""; // so that the same file can be chosen again
});
addEventListener("click", (event) => {
  if (event.target.closest("[data-part]")) choosePart();
  // Phones open their own camera. `detail` is 0 where the label hands its click on to the input.
  const desk = matchMedia("(pointer: fine)").matches && navigator.mediaDevices;
  if (desk && event.target.closest("[data-photograph]")) {
    event.preventDefault();
    photograph();
  }
});

function made(kind, properties, ...children) {
  const one = Object.assign(document.createElement(kind), properties);
  one.append(...children);
  return one;
}

// A dialog with something to look at, a button that does it, and one that does not.
function ask(title, scene, words, act) {
  const yes = made("button", { className: "main", textContent: words });
  const no = made("button", { textContent: "Cancel" });
  const box = made("dialog", {}, scene, made("div", { className: "row" }, yes, no));
  box.setAttribute("aria-label", title);
  box.addEventListener("close", () => box.remove());
  no.onclick = () => box.close();
  yes.onclick = () => {
    act();
    box.close();
  };
  document.body.append(box);
  box.showModal();
  return box;
}

async function photograph() {
  const wanted = { video: { width: { ideal: 1920 }, facingMode: "environment" } };
  const stream = await navigator.mediaDevices.getUserMedia(wanted).catch(() => null);
  if (!stream) return problem("There is no camera, or the page may not use it.");
  const video = made("video", { srcObject: stream, muted: true, playsInline: true, autoplay: true });
  const box = ask("Take a photo", video, "Take the photo", async () => {
    const canvas = drawn(video, 0, 0, video.videoWidth, video.videoHeight);
    take([await fileOf(canvas, "photo.jpg")]);
  });
  box.addEventListener("close", () => stream.getTracks().forEach((track) => track.stop()));
}

// A photo shows a scene, and a model wants one person or thing: a rectangle that is drawn by a pointer, or moved by the
// arrow keys and resized by them with Shift.
function choosePart() {
  const { file } = original;
  const part = { x: 0.25, y: 0.1, width: 0.5, height: 0.8 };
  const mark = made("div", { className: "mark", tabIndex: 0 });
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", "The part: arrow keys move it, and with Shift resize it");
  const picture = made("img", { alt: "", src: URL.createObjectURL(file), draggable: false });
  const scene = made("div", { className: "scene" }, picture, mark);
  const draw = () => {
    for (const [side, field] of Object.entries({ left: "x", top: "y", width: "width", height: "height" }))
      mark.style[side] = `${100 * part[field]}%`;
  };
  const within = (value, most) => Math.min(Math.max(value, 0), most);
  let from;
  const at = (event) => {
    const box = picture.getBoundingClientRect();
    return [within((event.clientX - box.x) / box.width, 1), within((event.clientY - box.y) / box.height, 1)];
  };
  scene.onpointerdown = (event) => {
    from = at(event);
    scene.setPointerCapture(event.pointerId);
  };
  scene.onpointermove = (event) => {
    if (!from) return;
    const [x, y] = at(event);
    part.x = Math.min(x, from[0]);
    part.y = Math.min(y, from[1]);
    part.width = Math.max(Math.abs(x - from[0]), 0.02);
    part.height = Math.max(Math.abs(y - from[1]), 0.02);
    draw();
  };
  scene.onpointerup = () => (from = null);
  mark.onkeydown = (event) => {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (x === undefined) return;
    event.preventDefault();
    if (event.shiftKey) {
      part.width = Math.max(within(part.width + 0.02 * x, 1 - part.x), 0.02);
      part.height = Math.max(within(part.height + 0.02 * y, 1 - part.y), 0.02);
    } else {
      part.x = within(part.x + 0.02 * x, 1 - part.width);
      part.y = within(part.y + 0.02 * y, 1 - part.height);
    }
    draw();
  };
  draw();
  ask("Choose a part of the picture", scene, "Search for this part", async () => {
    const whole = await createImageBitmap(file);
    const [width, height] = [part.width * whole.width, part.height * whole.height];
    const canvas = drawn(whole, part.x * whole.width, part.y * whole.height, width, height);
    seek(await fileOf(canvas, file.name), file);
  });
  mark.focus();
}
