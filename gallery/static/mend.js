"use strict";
// Mending: the brush on the photo, files that are sent, the front as the model stands now.
(() => {
  const $ = (id) => document.getElementById(id);
  const mend = $("mend");
  if (!mend) return;
  const base = `/assets/${mend.dataset.asset}/`;
  const field = (name) => mend.querySelector(`[name=${name}]`)?.value ?? "";

  async function send(kind, body) {
    $("mended").textContent = "Sending…";
    const headers = { "X-Secret": field("secret"), "X-Token": field("token"), "X-Reviewer": encodeURIComponent(field("reviewer")) };
    const answer = await fetch(base + kind, { method: "POST", body, headers }).catch(() => null);
    if (answer?.ok) { location.href = (await answer.json()).page; return; }
    const page = answer && new DOMParser().parseFromString(await answer.text(), "text/html");
    $("mended").textContent = page?.querySelector("main, body")?.innerText.trim() || "The gallery does not answer; try again.";
  }
  $("send").addEventListener("click", () => {
    const file = $("better").files[0];
    if (file) send("photo", file); else $("mended").textContent = "Choose a photo first.";
  });

  // The front: how far the photo's camera stands from where the model is looked at now.
  const viewer = $("viewer");
  $("front")?.addEventListener("submit", () => {
    const photo = parseFloat(viewer.dataset.orbit ?? "0");
    $("front").elements.azimuth.value = (photo - viewer.getCameraOrbit().theta * 180 / Math.PI).toFixed(1);
  });

  // The brush. `out` is red where the photo is left out, clear where it is kept.
  const paper = $("paper"), out = document.createElement("canvas"), photo = new Image(), mask = new Image();
  const draw = () => {
    const to = paper.getContext("2d");
    to.globalAlpha = 1; to.drawImage(photo, 0, 0, paper.width, paper.height);
    to.globalAlpha = 0.6; to.drawImage(out, 0, 0);
  };
  const begin = async () => {
    photo.src = base + "canvas.jpg"; mask.src = base + "mask.png";
    await Promise.all([photo.decode(), mask.decode()]);
    for (const canvas of [paper, out]) { canvas.width = photo.naturalWidth; canvas.height = photo.naturalHeight; }
    const to = out.getContext("2d", { willReadFrequently: true });
    to.drawImage(mask, 0, 0, out.width, out.height);
    const pixels = to.getImageData(0, 0, out.width, out.height), data = pixels.data;
    for (let i = 0; i < data.length; i += 4) { data[i + 3] = 255 - data[i]; data[i] = 220; data[i + 1] = data[i + 2] = 0; }
    to.putImageData(pixels, 0, 0);
    draw();
    paper.dataset.ready = "yes";
  };
  $("brush").addEventListener("toggle", () => { if ($("brush").open && !paper.dataset.ready) begin().catch(() => { $("mended").textContent = "The photo cannot be shown."; }); });
  $("fresh").addEventListener("click", begin);
  let last = null;
  const at = (event) => {
    const box = paper.getBoundingClientRect(), scale = paper.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale, scale];
  };
  const stroke = (event) => {
    const [x, y, scale] = at(event), to = out.getContext("2d");
    to.globalCompositeOperation = mend.querySelector("[name=tool]:checked").value === "keep" ? "destination-out" : "source-over";
    to.strokeStyle = "rgb(220 0 0)"; to.lineCap = "round"; to.lineWidth = $("width").value * scale;
    to.beginPath(); to.moveTo(...(last ?? [x, y])); to.lineTo(x, y + 0.01); to.stroke();
    last = [x, y];
    draw();
  };
  paper.addEventListener("pointerdown", (event) => { paper.setPointerCapture(event.pointerId); last = null; stroke(event); });
  paper.addEventListener("pointermove", (event) => { if (event.buttons) stroke(event); });
  $("paint").addEventListener("click", () => {
    if (!paper.dataset.ready) return;
    const kept = document.createElement("canvas");
    kept.width = out.width; kept.height = out.height;
    const to = kept.getContext("2d");
    to.drawImage(out, 0, 0); to.globalCompositeOperation = "source-in"; to.fillRect(0, 0, kept.width, kept.height);
    to.globalCompositeOperation = "destination-over"; to.fillStyle = "white"; to.fillRect(0, 0, kept.width, kept.height);
    kept.toBlob((blob) => send("mask", blob), "image/png");
  });
})();
