// What the script adds to the page: fields and bytes that light each other,
// arrow keys in the tree, buttons to copy, hellos in an address.
"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// The annotated hello: leaves of the tree and runs of bytes share numbers.
function annotate(tree, dump, at) {
  const runs = [];
  for (const e of all("[data-l]", dump)) (runs[e.dataset.l] ||= []).push(e);
  const empty = at.textContent;
  let lit = [];

  function range(field) { return [+field.dataset.a, +field.dataset.b]; }

  function path(field) {
    const names = [];
    for (let f = field; f; f = f.closest(".kids")?.previousElementSibling) names.unshift(f.querySelector(".n").textContent);
    return names.join(" › ");
  }

  function light(field, follow) {
    for (const e of lit) e.classList.remove("lit");
    lit = [];
    if (!field) { at.textContent = empty; return; }
    const [first, last] = range(field);
    for (let i = first; i <= last; i++) lit.push(...(runs[i] || []));
    lit.push(field);
    for (const e of lit) e.classList.add("lit");
    const from = +field.dataset.o, n = +field.dataset.n;
    at.textContent = path(field) + " · " + (n === 1 ? "byte " + from : n ? `bytes ${from} to ${from + n - 1}` : "no bytes");
    if (follow === "bytes" && lit[0] !== field) reveal(lit[0]);
  }

  // Scrolls the dump alone, never the page.
  function reveal(run) {
    const box = dump.getBoundingClientRect(), r = run.getBoundingClientRect();
    if (r.top < box.top || r.bottom > box.bottom) dump.scrollTop += r.top - box.top - box.height / 4;
  }

  // The innermost field with the leaf that can be seen.
  function fieldOf(leaf) {
    let field = tree.querySelector("#l" + leaf);
    for (let d = field?.closest("details"); d; d = d.parentElement.closest("details"))
      if (!d.open) field = d.querySelector("summary");
    return field;
  }

  const fieldAt = e => e.target.closest?.(".f");
  const leafAt = e => e.target.closest?.("[data-l]")?.dataset.l;

  tree.addEventListener("pointerover", e => light(fieldAt(e), "bytes"));
  tree.addEventListener("focusin", e => light(fieldAt(e), "bytes"));
  tree.addEventListener("pointerleave", () => light(tree.contains(document.activeElement) ? fieldAt({ target: document.activeElement }) : null));
  dump.addEventListener("pointerover", e => light(leafAt(e) && fieldOf(leafAt(e))));
  dump.addEventListener("pointerleave", () => light(null));

  function open(leaf) {
    const field = tree.querySelector("#l" + leaf);
    for (let d = field.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
    field.focus({ preventScroll: true });
    field.scrollIntoView({ block: "nearest" });
  }
  dump.addEventListener("click", e => {
    const leaf = leafAt(e);
    if (!leaf || e.target.closest("summary")) return;
    e.preventDefault();
    open(leaf);
  });
  tree.addEventListener("click", e => {
    const field = fieldAt(e);
    if (field?.matches("a")) { e.preventDefault(); light(field, "bytes"); }
  });
  tree.addEventListener("keydown", e => {
    const field = fieldAt(e), details = field?.matches("summary") ? field.parentElement : null;
    const shown = () => all(".f", tree).filter(f => f.checkVisibility());
    const step = n => { const list = shown(); list[list.indexOf(field) + n]?.focus(); };
    const keys = {
      ArrowDown: () => step(1),
      ArrowUp: () => step(-1),
      ArrowRight: () => details && !details.open ? (details.open = true) : step(1),
      ArrowLeft: () => details?.open ? (details.open = false) : field.closest(".kids")?.previousElementSibling.focus(),
      Home: () => shown()[0].focus(),
      End: () => shown().at(-1).focus(),
    };
    if (!field || !keys[e.key] || e.ctrlKey || e.altKey || e.metaKey) return;
    e.preventDefault();
    keys[e.key]();
  });

  for (const [tool, open] of [["expand", true], ["collapse", false]]) {
    const button = document.querySelector(`[data-tool=${tool}]`);
    button.hidden = false;
    button.addEventListener("click", () => { for (const d of all("details", tree)) d.open = open; });
  }

  // Links to a byte, from the tells.
  for (const a of all("[data-byte]")) a.addEventListener("click", e => {
    e.preventDefault();
    const byte = +a.dataset.byte;
    const leaf = all(".leaf .f", tree).find(f => byte < +f.dataset.o + +f.dataset.n);
    if (leaf) open(leaf.dataset.a);
  });
}

const tree = document.getElementById("tree");
if (tree) annotate(tree, document.getElementById("dump"), document.getElementById("at"));

// Buttons that copy.
if (navigator.clipboard) for (const b of all(".copy")) {
  b.hidden = false;
  b.addEventListener("click", async () => {
    const label = b.textContent;
    try {
      await navigator.clipboard.writeText(b.dataset.copy);
      b.textContent = "Copied";
    } catch {
      b.textContent = "Not allowed";
    }
    setTimeout(() => { b.textContent = label; }, 1500);
  });
}
