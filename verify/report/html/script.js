"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const numbers = (element) => element.dataset.i.split(" ");
  let pinned = null;

  // Instructions in the listing and in the graph, and the slots they store to, carry the numbers of the instructions.
  function mark(element) {
    all(".marked").forEach((other) => other.classList.remove("marked"));
    if (!element) return;
    const wanted = new Set(numbers(element));
    all("[data-i]", element.closest("[data-routine]"))
      .filter((other) => numbers(other).some((number) => wanted.has(number)))
      .forEach((other) => other.classList.add("marked"));
  }
  const carrier = (event) => event.target.closest && event.target.closest("[data-i]");
  document.addEventListener("pointerover", (event) => mark(carrier(event) || pinned));
  document.addEventListener("focusin", (event) => mark(carrier(event) || pinned));
  document.addEventListener("click", (event) => {
    const found = carrier(event);
    if (!found || found === pinned) pinned = null;
    else pinned = found;
    mark(pinned);
  });

  // What a link leads to may lie in a part that is folded.
  function unfold() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target.matches(".routine")) all(":scope > details:not(.rests)", target).forEach((part) => { part.open = true; });
    target.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  addEventListener("hashchange", unfold);
  unfold();

  for (const button of all(".show-path")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const routine = button.closest("[data-routine]");
      all(".show-path", routine).forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      all(".edge", routine).forEach((edge) => edge.classList.toggle(
        "taken", (edge.dataset.paths || "").split(" ").includes(button.dataset.path)));
      const graph = routine.querySelector("svg.graph");
      if (graph) { graph.closest("details").open = true; graph.scrollIntoView({ block: "nearest" }); }
    });
  }

  function go(step) {
    const titles = all(".routine > h3").filter((title) => title.offsetParent);
    const tops = titles.map((title) => title.getBoundingClientRect().top);
    const next = step > 0 ? tops.findIndex((top) => top > 24) : tops.findLastIndex((top) => top < 8);
    if (next >= 0) { titles[next].focus({ preventScroll: true }); titles[next].scrollIntoView({ block: "start" }); }
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const actions = { j: () => go(1), k: () => go(-1), Escape: () => { pinned = null; mark(null); } };
    if (actions[event.key]) actions[event.key]();
  });
})();
