"use strict";
// Keys: / searches, j and k or the arrows walk the grid, a approves, r rejects, n shows the next to review, u goes up.
(() => {
  const cards = () => [...document.querySelectorAll(".card")].filter((card) => !card.hidden);
  const viewer = document.getElementById("viewer");

  // Our GLBs need no decoder; none may be fetched from elsewhere either.
  customElements.whenDefined("model-viewer").then(() => {
    const element = customElements.get("model-viewer");
    element.dracoDecoderLocation = element.ktx2TranscoderLocation = "";
    if (viewer && window.MESHMILL_MODEL) viewer.src = window.MESHMILL_MODEL;
  });

  function walk(step) {
    const all = cards();
    if (!all.length) return;
    const here = all.indexOf(document.activeElement);
    all[Math.max(0, Math.min(all.length - 1, here < 0 ? 0 : here + step))].focus();
  }

  function across() {
    const all = cards();
    const top = all.length ? all[0].offsetTop : 0;
    return Math.max(1, all.findIndex((card) => card.offsetTop > top));
  }

  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === "Escape" && typing) return event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.target === viewer) return;
    const search = document.getElementById("search");
    if (event.key === "/" && search) { event.preventDefault(); search.focus(); }
    const steps = { j: 1, k: -1, ArrowRight: 1, ArrowLeft: -1, ArrowDown: across(), ArrowUp: -across() };
    if (event.key in steps && cards().length) { event.preventDefault(); walk(steps[event.key]); }
    const button = { a: "approve", r: "reject" }[event.key];
    if (button) document.getElementById(button)?.focus();
    const way = { u: "up", n: "next" }[event.key];
    if (way) document.querySelector(`a[rel=${way}]`)?.click();
  });

  // A picture that is not there leaves its frame.
  document.addEventListener("error", (event) => {
    if (event.target.tagName === "IMG") event.target.style.visibility = "hidden";
  }, true);

  const filters = document.getElementById("filters"); // only in an exported gallery
  if (filters) {
    const apply = () => {
      const [text, status, catalogue, low, high] = ["search", "status", "catalogue", "low", "high"]
        .map((id) => document.getElementById(id).value);
      for (const card of document.querySelectorAll(".card")) {
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
