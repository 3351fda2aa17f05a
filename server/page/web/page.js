// What the script adds to the page: fields and bytes that light each other,
// arrow keys in the tree, buttons to copy, hellos in an address.
"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// The annotated hello: leaves of the tree and runs of bytes share numbers.
function annotate(tree, dump, at) {
  const runs = [];
  for (const e of all("[data-l]", dump)) (runs[e.dataset.l] ||= []).push(e);
  const hint = at.textContent;
  at.hidden = false;
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
    if (!field) { at.textContent = hint; return; }
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

  // Links to a field, from the tells.
  for (const a of all("[data-leaf]")) a.addEventListener("click", e => { e.preventDefault(); open(a.dataset.leaf); });
}

const tree = document.getElementById("tree");
if (tree) annotate(tree, document.getElementById("dump"), document.getElementById("at"));

// Buttons that copy.
if (navigator.clipboard) for (const b of all(".copy")) {
  const text = "link" in b.dataset ? new URL(b.dataset.copy, location).href : b.dataset.copy;
  const label = [...b.childNodes];
  b.hidden = false;
  b.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      b.textContent = "Copied";
    } catch {
      b.textContent = "Not allowed";
    }
    setTimeout(() => b.replaceChildren(...label), 1500);
  });
}

// A permalink brings its hello in the fragment, which browsers do not send. It
// is put in the form, and sent only when the reader asks.
function arrive() {
  const fragment = location.hash.slice(1), box = document.getElementById("hello-text"), note = document.getElementById("arrived");
  if (!note || !box || !/^(tls|quic|dtls)\.[\w-]+$/.test(fragment)) return;
  const bytes = Math.floor(fragment.split(".")[1].length * 3 / 4);
  box.value = fragment;
  note.hidden = false;
  note.textContent = `The link brought a hello of ${bytes} bytes. It has not left this browser: “Take it apart” sends it to this server, which keeps nothing.`;
  box.form.querySelector("button.main").focus();
}
arrive();
addEventListener("hashchange", arrive);

// Files can be dropped anywhere on a page with the form.
const form = document.querySelector("form[data-drop]");
if (form) {
  const over = on => document.body.classList.toggle("over", on);
  const hasFiles = e => e.dataTransfer.types.includes("Files"); // text goes where it is dropped
  addEventListener("dragover", e => { if (hasFiles(e)) { e.preventDefault(); over(true); } });
  addEventListener("dragleave", e => { if (!e.relatedTarget) over(false); });
  addEventListener("drop", e => {
    if (!hasFiles(e)) return;
    e.preventDefault();
    over(false);
    form.querySelector("[type=file]").files = e.dataTransfer.files;
    form.requestSubmit();
  });
  form.addEventListener("submit", () => {
    // Of text, file and client the first that is given counts: the file.
    const file = form.querySelector("[type=file]");
    if (file.files.length) form.querySelector("textarea").value = "";
  });
}

// The live view.
const live = document.getElementById("live");
if (live) watch(live);

function watch(root) {
  const most = 100;
  const at = id => document.getElementById(id);
  const state = at("live-state"), pause = at("live-pause"), rows = at("live-rows");
  let seen = root.dataset.seen, source;

  const cell = (text, name = "td", kind = "") => {
    const e = document.createElement(name);
    e.textContent = text;
    if (kind) e.className = kind;
    return e;
  };

  function row(r) {
    const tr = document.createElement("tr"), ja4 = document.createElement("td");
    ja4.append(cell(r.ja4, "code"));
    tr.append(cell(r.time.slice(11, 19)), ...(root.dataset.addresses ? [cell(r.address || "")] : []),
      cell(r.transport), cell(r.sni, "td", "name"), cell(r.client, "td", "name"), ja4, cell(r.session));
    return tr;
  }

  function chart(list, counts) {
    list.replaceChildren(...counts.map(c => {
      const li = document.createElement("li");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      svg.setAttribute("aria-hidden", "true");
      rect.setAttribute("width", Math.max(1, c.count * 100 / counts[0].count) + "%");
      rect.setAttribute("height", "100%");
      svg.append(rect);
      li.append(cell(c.text, "span", "label"), svg, cell(c.count, "span", "count"));
      return li;
    }));
  }

  function update(u) {
    seen = u.total;
    at("live-total").textContent = u.total;
    rows.prepend(...u.rows.reverse().map(row));
    while (rows.childElementCount > most) rows.lastElementChild.remove();
    chart(at("clients"), u.clients);
    chart(at("ja4s"), u.ja4s);
  }

  function start() {
    const query = new URLSearchParams({ seen });
    if (root.dataset.addresses) query.set("addresses", 1);
    source = new EventSource("/live/events?" + query);
    source.onopen = () => { state.textContent = "New ones appear here."; };
    source.onerror = () => {
      state.textContent = "The connection is lost.";
      if (source.readyState === EventSource.CLOSED) state.textContent = "This server takes no more watchers now.";
    };
    source.onmessage = e => update(JSON.parse(e.data));
    pause.textContent = "Pause";
  }

  function stop() {
    source.close();
    source = null;
    state.textContent = "Paused.";
    pause.textContent = "Go on";
  }

  pause.hidden = false;
  pause.addEventListener("click", () => source ? stop() : start());
  start();
}
