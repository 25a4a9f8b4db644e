"use strict";
// Keys of the grid: / searches, j and k or the arrows walk, x ticks. Of an asset: a approves, r rejects, p asks for a
// better photo, z undoes, n shows the next, u goes up; f, s, b, t turn the model, i marks what no photo shows; 1 to 9 put a note. What is decided is
// an ordinary form: the server answers with the next asset of the list.
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const cards = () => all(".card").filter((card) => !card.hidden);
  const viewer = $("viewer"), same = $("same"), slide = $("slide");

  // Our GLBs need no decoder; none may be fetched from elsewhere either.
  customElements.whenDefined("model-viewer").then(() => {
    const element = customElements.get("model-viewer");
    element.dracoDecoderLocation = element.ktx2TranscoderLocation = "";
    if (viewer && window.MESHMILL_MODEL) viewer.src = window.MESHMILL_MODEL;
  });

  // The name and the token are asked once: the one is kept by the browser, the other until its window closes.
  for (const [field, kept] of [["reviewer", "localStorage"], ["token", "sessionStorage"]]) {
    const store = () => { try { return window[kept]; } catch { return null; } };
    for (const input of all(`input[name=${field}]`)) {
      input.value ||= store()?.getItem("meshmill." + field) ?? "";
      input.addEventListener("change", () => {
        store()?.setItem("meshmill." + field, input.value);
        for (const other of all(`input[name=${field}]`)) other.value = input.value;
      });
    }
  }

  // The photo lies over the model as long as the model is seen from where the photo was taken.
  const ANGLES = { side: "90deg 80deg", back: "180deg 80deg", top: "0deg 0deg", underside: "0deg 165deg", edge: "25deg 75deg" };
  function turn(side) {
    if (!viewer) return;
    const front = !(side in ANGLES);
    const from = viewer.dataset.orbit ?? "0deg 75deg auto";
    viewer.cameraOrbit = front ? from : `${ANGLES[side]} ${from.split(" ")[2]}`;
    same?.classList.toggle("turned", !front);
    if (front && viewer.dataset.target) { viewer.cameraTarget = viewer.dataset.target; viewer.fieldOfView = viewer.dataset.field; }
    if ($("marks")) $("marks").hidden = true;
    if (side === "cutout" && slide) { slide.value = 100; same.style.setProperty("--cut", "100%"); markCutout(); }
  }

  // Red on the photo: what is half transparent in the cutout, and holes in it.
  function markCutout() {
    const photo = $("over"), marks = $("marks"), w = photo.naturalWidth, h = photo.naturalHeight;
    if (!w) return;
    marks.width = w; marks.height = h;
    const to = marks.getContext("2d");
    to.drawImage(photo, 0, 0);
    let pixels;
    try { pixels = to.getImageData(0, 0, w, h); } catch { return; } // opened from a disk
    const data = pixels.data, outside = new Uint8Array(w * h), todo = [];
    const reach = (i) => { if (!outside[i] && data[4 * i + 3] < 20) { outside[i] = 1; todo.push(i); } };
    for (let x = 0; x < w; x++) { reach(x); reach((h - 1) * w + x); }
    for (let y = 0; y < h; y++) { reach(y * w); reach(y * w + w - 1); }
    while (todo.length) {
      const i = todo.pop(), x = i % w;
      if (x) reach(i - 1);
      if (x < w - 1) reach(i + 1);
      if (i >= w) reach(i - w);
      if (i < w * (h - 1)) reach(i + w);
    }
    for (let i = 0; i < w * h; i++) {
      const alpha = data[4 * i + 3], doubtful = alpha < 20 ? !outside[i] : alpha < 235;
      data.set([220, 0, 0, doubtful ? 230 : 0], 4 * i);
    }
    to.putImageData(pixels, 0, 0);
    marks.hidden = false;
  }

  // The model in the colours of who saw what, and back.
  for (const button of all("[data-seen]")) button.addEventListener("click", () => {
    const mark = $("seen").getAttribute("aria-pressed") !== "true", own = viewer.dataset.src ??= viewer.src;
    viewer.src = mark ? location.pathname + "/seen.glb" : own;
    $("seen").setAttribute("aria-pressed", mark);
    $("legend").hidden = !mark;
    if (mark) same?.classList.add("turned");
  });
  // Dots on the model's loose pieces.
  for (const button of all("[data-pieces]")) button.addEventListener("click", async () => {
    if (viewer.querySelector(".mark")) return;
    const answer = await fetch(location.pathname + "/pieces.json").catch(() => null);
    if (!answer?.ok) return;
    for (const [i, { x, y, z }] of (await answer.json()).entries()) {
      const mark = document.createElement("span");
      mark.slot = `hotspot-${i}`; mark.className = "mark"; mark.title = "a loose piece";
      mark.dataset.position = `${x}m ${y}m ${z}m`;
      viewer.append(mark);
    }
    same?.classList.add("turned");
  });
  for (const button of all("[data-side]")) button.addEventListener("click", () => turn(button.dataset.side));
  viewer?.addEventListener("camera-change", (event) => {
    if (event.detail.source === "user-interaction") same?.classList.add("turned");
  });
  slide?.addEventListener("input", () => {
    if (same.classList.contains("turned")) turn("front");
    same.style.setProperty("--cut", slide.value + "%");
  });

  // While somebody looks at this one, the next one's files come.
  const next = document.querySelector("a[data-next]")?.dataset.next;
  if (next && viewer) window.addEventListener("load", () => {
    for (const kind of ["glb", "cutout.png", "contact.png"]) fetch(`/assets/${next}/files/${kind}`).catch(() => {});
  });

  // A note at a click.
  for (const chip of all("[data-note]")) chip.addEventListener("click", () => {
    const note = document.querySelector("#review [name=note]"), text = chip.dataset.note + ".";
    note.value = note.value.includes(text) ? note.value.replace(text, "").trim() : `${note.value} ${text}`.trim();
    chip.classList.toggle("on", note.value.includes(text));
  });

  // Ticks.
  const ticks = () => all(".tick").filter((tick) => tick.offsetParent);
  const count = () => {
    if (!$("ticked")) return;
    const some = ticks().filter((tick) => tick.checked).length;
    $("ticked").textContent = some;
    $("bulk").classList.toggle("some", some > 0);
  };
  document.addEventListener("change", count);
  const tickAll = () => {
    const on = ticks().some((tick) => !tick.checked);
    for (const tick of ticks()) tick.checked = on;
    count();
  };
  $("all")?.addEventListener("click", tickAll);
  window.addEventListener("pageshow", count);

  function walk(step) {
    const shown = cards();
    if (!shown.length) return;
    const here = shown.indexOf(document.activeElement);
    shown[Math.max(0, Math.min(shown.length - 1, here < 0 ? 0 : here + step))].focus();
  }

  function across() {
    const shown = cards();
    const top = shown.length ? shown[0].getBoundingClientRect().top : 0;
    return Math.max(1, shown.findIndex((card) => card.getBoundingClientRect().top > top));
  }

  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && !/^(range|checkbox)$/.test(event.target.type);
    if (event.key === "Escape" && typing) return event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key;
    if (key === "/" && $("search")) { event.preventDefault(); $("search").focus(); }
    const steps = { j: 1, k: -1, ArrowRight: 1, ArrowLeft: -1, ArrowDown: across(), ArrowUp: -across() };
    if (key in steps && cards().length) { event.preventDefault(); walk(steps[key]); }
    if (key === "x" && ticks().length) {
      const tick = document.activeElement?.closest?.(".cell")?.querySelector(".tick");
      if (tick) { tick.checked = !tick.checked; count(); } else tickAll();
    }
    const button = { a: "approve", r: "reject", p: "better-photo", z: "undo" }[key];
    if (button) $(button)?.click();
    document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.click();
    if (/^[1-9]$/.test(key)) all("[data-note]")[Number(key) - 1]?.click();
    const way = { u: "up", n: "next" }[key];
    if (way) document.querySelector(`a[rel=${way}]`)?.click();
  });

  // What is being built is shown as soon as it stands.
  const building = document.querySelector("main[data-poll]");
  if (building) setInterval(async () => {
    const answer = await fetch(location.href).catch(() => null);
    if (!answer?.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    if (fresh?.dataset.poll !== building.dataset.poll) location.reload();
  }, 5000);

  // Two versions turn together, each as far away as its size wants.
  const pair = all(".compare model-viewer");
  for (const one of pair) one.addEventListener("camera-change", (event) => {
    if (event.detail.source !== "user-interaction") return;
    const orbit = one.getCameraOrbit(), long = (v) => Math.hypot(...Object.values(v.getDimensions()).filter(Number.isFinite));
    for (const other of pair) if (other !== one && other.loaded) {
      other.cameraOrbit = `${orbit.theta}rad ${orbit.phi}rad ${orbit.radius * long(other) / long(one)}m`;
      other.fieldOfView = `${one.getFieldOfView()}deg`;
      other.jumpCameraToGoal();
    }
  });

  // While a night runs, its page keeps up.
  const live = $("live");
  if (live?.dataset.refresh) setInterval(async () => {
    const answer = await fetch(location.href).catch(() => null);
    if (!answer?.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (fresh) live.replaceChildren(...fresh.childNodes);
  }, 1000 * live.dataset.refresh);

  // A picture that is not there leaves its frame.
  document.addEventListener("error", (event) => {
    if (event.target.tagName === "IMG") event.target.style.visibility = "hidden";
  }, true);

  const filters = $("filters"); // only in an exported gallery
  if (filters) {
    const apply = () => {
      const [text, status, catalogue, low, high] = ["search", "status", "catalogue", "low", "high"].map((id) => $(id).value);
      for (const card of all(".card")) {
        const asset = card.dataset, scored = asset.score !== "";
        card.hidden = !(asset.text.includes(text.toLowerCase()) && (!status || asset.status === status)
          && (!catalogue || asset.catalogue === catalogue)
          && (!low || (scored && Number(asset.score) >= Number(low))) && (!high || (scored && Number(asset.score) <= Number(high))));
      }
    };
    filters.addEventListener("input", apply);
    filters.addEventListener("submit", (event) => event.preventDefault());
  }
})();
