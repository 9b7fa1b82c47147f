
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  root.classList.add("js");
  const make = (tag, name, text) => {
    const e = document.createElement(tag);
    if (name) e.className = name;
    if (text !== undefined) e.textContent = text;
    return e;
  };

  // Theme: that of the system, until somebody chooses.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const name = () => { $("theme").textContent = dark() ? "Light" : "Dark"; };
  const theme = () => { root.dataset.theme = dark() ? "light" : "dark"; name(); };
  $("tools").hidden = false;
  $("theme").addEventListener("click", theme);
  system.addEventListener("change", name);
  name();
  $("keys").addEventListener("click", () => $("help").showModal());

  const groups = Array.from(document.querySelectorAll(".g"));
  if (!$("filters") || groups.length === 0) {
    addEventListener("keydown", (e) => { if (e.key === "t" && !e.ctrlKey && !e.metaKey) theme(); });
    return;
  }

  // Filters. What is chosen is in the controls and in the address, nowhere else.
  const controls = { q: $("q"), where: $("where-filter"), concern: $("concern"), risk: $("risk"), kind: $("kind") };
  const facts = groups.map((g) => ({
    g,
    c: new Set(g.dataset.c.split(" ")), v: new Set(g.dataset.v.split(" ")), r: new Set(g.dataset.r.split(" ")),
    k: g.dataset.k, t: g.dataset.t, s: g.dataset.s, text: "",
  }));
  const textOf = (f) => f.text || (f.text = f.g.textContent.toLowerCase());
  const chosen = (select) => select.selectedOptions[0] || select.options[0];
  let split = false;
  let shown = groups;

  const wanted = () => {
    const at = chosen(controls.where).dataset, risk = chosen(controls.risk).dataset;
    const words = controls.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const k = chosen(controls.concern).dataset.k, t = controls.kind.value;
    return (f) => (at.c === undefined || f.c.has(at.c)) && (at.v === undefined || f.v.has(at.v)) &&
      (k === undefined || f.k === k) && (!t || f.t === t) &&
      (risk.s === undefined || f.s === risk.s) && (risk.r === undefined || f.r.has(risk.r)) &&
      words.every((w) => textOf(f).includes(w));
  };
  const apply = () => {
    const want = wanted();
    shown = [];
    for (const f of facts) {
      const keep = want(f);
      if (f.g.hidden === keep) f.g.hidden = !keep;
      if (keep) shown.push(f.g);
    }
    const all = groups.length.toLocaleString("en"), n = shown.length.toLocaleString("en");
    $("shown").textContent = shown.length === groups.length ? all : n + " of " + all;
    $("none").hidden = shown.length > 0;
    for (const c of Object.values(controls)) c.classList.toggle("set", c.value !== "");
    $("all").textContent = "Expand all";
    highlight();
  };
  const store = () => {
    const p = new URLSearchParams();
    for (const [key, c] of Object.entries(controls)) if (c.value) p.set(key, c.value);
    if (split) p.set("view", "split");
    const s = p.toString();
    history.replaceState(null, "", s ? "#" + s : location.pathname + location.search);
  };
  const changed = () => { apply(); store(); };
  const clear = () => {
    for (const c of Object.values(controls)) c.value = "";
    changed();
  };
  const load = () => {
    const hash = location.hash.slice(1);
    if (/^g-[0-9a-f]+$/.test(hash)) {
      const g = $(hash);
      if (g) { g.open = true; select(g); }
      return;
    }
    if (hash && !hash.includes("=")) return; // a section of the page
    const p = new URLSearchParams(hash);
    for (const [key, c] of Object.entries(controls)) {
      c.value = p.get(key) || "";
      if (c.selectedIndex === -1) c.value = "";
    }
    view(p.get("view") === "split");
    apply();
  };
  $("filters").hidden = false;
  $("filters").addEventListener("submit", (e) => e.preventDefault());
  $("filters").addEventListener("reset", (e) => { e.preventDefault(); clear(); });
  $("none-clear").addEventListener("click", clear);
  let timer = 0;
  controls.q.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(changed, 80); });
  for (const c of [controls.where, controls.concern, controls.risk, controls.kind]) c.addEventListener("change", changed);
  addEventListener("hashchange", load);

  // Matrix: a grid in which the arrow keys move, and whose cells and heads filter.
  const tables = Array.from(document.querySelectorAll(".matrix"));
  const headOf = (table, i) => table.tHead.rows[table.tHead.rows.length - 1].cells[i];
  const place = (cell) => {
    const table = cell.closest("table"), head = headOf(table, cell.cellIndex), row = cell.parentElement;
    return { c: cell.cellIndex ? head.dataset.c : undefined, v: cell.cellIndex ? head.dataset.v : undefined, k: row.dataset.k };
  };
  const option = (select, key, value) => Array.from(select.options).find((o) => value !== undefined && o.dataset[key] === value);
  const pick = (cell) => {
    const at = place(cell), same = cell.classList.contains("on");
    const where = option(controls.where, "c", at.c) || option(controls.where, "v", at.v), k = option(controls.concern, "k", at.k);
    controls.where.value = !same && where ? where.value : "";
    controls.concern.value = !same && k ? k.value : "";
    changed();
    if (!same) $("changes").scrollIntoView({ block: "nearest" });
  };
  const active = (cell) => cell && (cell.matches("td.hit, th[data-c], th[data-v]") || cell.matches("tr[data-k] > th"));
  function highlight() {
    const at = chosen(controls.where).dataset, k = chosen(controls.concern).dataset.k;
    for (const old of document.querySelectorAll(".matrix .on")) old.classList.remove("on");
    if (at.c === undefined && at.v === undefined && k === undefined) return;
    for (const table of tables) {
      const heads = Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells);
      const column = heads.findIndex((h) => (at.c !== undefined && h.dataset.c === at.c) || (at.v !== undefined && h.dataset.v === at.v));
      const row = Array.from(table.tBodies[0].rows).find((r) => k !== undefined && r.dataset.k === k);
      if ((at.c !== undefined || at.v !== undefined) && column < 0) continue;
      const cell = row ? row.cells[Math.max(column, 0)] : heads[column];
      if (cell) cell.classList.add("on");
    }
  }
  for (const table of tables) {
    table.setAttribute("role", "grid");
    let focus = table.querySelector("td.hit") || table.querySelector("tbody th");
    if (focus) focus.tabIndex = 0;
    table.addEventListener("click", (e) => {
      const cell = e.target.closest("td, th");
      if (active(cell)) pick(cell);
    });
    table.addEventListener("mouseover", (e) => {
      const cell = e.target.closest("td.hit");
      if (!cell || cell.title) return;
      cell.title = cell.parentElement.cells[0].textContent + " on " + headOf(table, cell.cellIndex).firstElementChild.textContent;
    });
    table.addEventListener("keydown", (e) => {
      const cell = e.target.closest("td, th");
      if (!cell) return;
      if ((e.key === "Enter" || e.key === " ") && active(cell)) { e.preventDefault(); pick(cell); return; }
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
      if (!step) return;
      e.preventDefault();
      const row = table.rows[cell.parentElement.rowIndex + step[0]], next = row && row.cells[cell.cellIndex + step[1]];
      if (!next || row.cells.length !== cell.parentElement.cells.length) return;
      focus.tabIndex = -1;
      focus = next;
      focus.tabIndex = 0;
      focus.focus();
    });
  }

  // Differences: the text of the page, as a table with the numbers of the lines.
  const linesOf = (pre) => {
    const out = [];
    let before = 1, after = 1;
    for (const node of pre.childNodes) {
      if (node.nodeName === "B") {
        before = Number(node.dataset.b);
        after = Number(node.dataset.a);
        out.push({ op: "@", text: node.textContent.trimEnd() });
        continue;
      }
      const lines = node.textContent.split("\n");
      lines.pop();
      for (const l of lines) {
        const op = l[0] || " ";
        out.push({ op, text: l.slice(1), b: op === "+" ? "" : before++, a: op === "-" ? "" : after++ });
      }
    }
    return out;
  };
  // Two lines that replace each other: what they have in common at both ends is not marked.
  const marked = (cell, text, other) => {
    let from = 0, to = 0;
    const most = Math.min(text.length, other.length);
    while (from < most && text[from] === other[from]) from++;
    while (to < most - from && text[text.length - 1 - to] === other[other.length - 1 - to]) to++;
    if (from + to < Math.min(text.length, other.length) * 0.3) { cell.textContent = text; return cell; }
    cell.append(text.slice(0, from));
    const middle = text.slice(from, text.length - to);
    if (middle) cell.append(make("mark", "", middle));
    cell.append(text.slice(text.length - to));
    return cell;
  };
  // Runs of "-" and "+" that follow each other go side by side.
  const pairs = (lines) => {
    const out = [];
    for (let i = 0; i < lines.length;) {
      if (lines[i].op !== "-" && lines[i].op !== "+") { out.push([lines[i], lines[i]]); i++; continue; }
      const cut = [], add = [];
      while (i < lines.length && lines[i].op === "-") cut.push(lines[i++]);
      while (i < lines.length && lines[i].op === "+") add.push(lines[i++]);
      for (let n = 0; n < Math.max(cut.length, add.length); n++) out.push([cut[n], add[n]]);
    }
    return out;
  };
  const half = (row, line, other, side) => {
    const look = !line ? " void" : line.op === "-" ? " cut" : line.op === "+" ? " add" : "";
    row.append(make("td", "no" + (side ? " half" : ""), line ? (side ? line.a : line.b) : ""), make("td", "op" + look, line ? line.op : ""));
    const cell = make("td", look.trim());
    if (line && other && line !== other) marked(cell, line.text, other.text); else cell.textContent = line ? line.text : "";
    row.append(cell);
  };
  const frame = (name, columns) => {
    const box = make("div", name), t = make("table"), sizes = make("colgroup"), body = make("tbody");
    box.tabIndex = 0;
    for (const c of columns) sizes.append(make("col", c));
    t.append(sizes, body);
    box.append(t);
    return [box, body];
  };
  const hunk = (text, columns) => {
    const row = make("tr", "hunk"), cell = make("td", "", text);
    cell.colSpan = columns;
    row.append(cell);
    return row;
  };
  const sideBySide = (pre) => {
    const [box, body] = frame("lines two", ["no", "op", "", "no", "op", ""]);
    for (const [l, r] of pairs(linesOf(pre))) {
      if (l && l.op === "@") { body.append(hunk(l.text, 6)); continue; }
      const row = make("tr");
      half(row, l, r, 0);
      half(row, r, l, 1);
      body.append(row);
    }
    return box;
  };
  // The unified table keeps the order of the lines; pairs tell what to mark.
  const unified = (pre) => {
    const [box, body] = frame("lines", ["no", "no", "op", ""]), lines = linesOf(pre), mate = new Map();
    for (const [l, r] of pairs(lines)) if (l && r && l !== r) { mate.set(l, r); mate.set(r, l); }
    for (const l of lines) {
      if (l.op === "@") { body.append(hunk(l.text, 4)); continue; }
      const row = make("tr", l.op === "-" ? "cut" : l.op === "+" ? "add" : ""), cell = make("td");
      if (mate.has(l)) marked(cell, l.text, mate.get(l).text); else cell.textContent = l.text;
      row.append(make("td", "no", l.b), make("td", "no", l.a), make("td", "op", l.op), cell);
      body.append(row);
    }
    return box;
  };
  const draw = (g) => {
    const pre = g.querySelector(".diff pre");
    if (!pre) return;
    const mode = split ? "split" : "unified", old = g.querySelector(".lines");
    if (old && g.dataset.mode === mode) return;
    if (old) old.remove();
    pre.hidden = true;
    pre.after(split ? sideBySide(pre) : unified(pre));
    g.dataset.mode = mode;
  };
  const undraw = (g) => {
    const old = g.querySelector(".lines");
    if (old) { old.remove(); g.querySelector(".diff pre").hidden = false; delete g.dataset.mode; }
  };
  $("groups").addEventListener("toggle", (e) => {
    if (!e.target.matches(".g")) return;
    if (e.target.open) draw(e.target); else undraw(e.target);
  }, true);
  function view(side) {
    split = side;
    $("split").setAttribute("aria-pressed", String(split));
    for (const g of groups) if (g.open) draw(g);
  }
  $("split").addEventListener("click", () => { view(!split); store(); });

  // The change that j, k and e are about.
  let current = null;
  function select(g) {
    if (current) current.classList.remove("at-it");
    current = g;
    g.classList.add("at-it");
    g.firstElementChild.focus({ preventScroll: true });
    g.scrollIntoView({ block: "nearest" });
    const top = g.getBoundingClientRect().top, bar = document.querySelector(".changes .head").getBoundingClientRect().bottom;
    if (top < bar) scrollBy(0, top - bar - 4);
  }
  $("groups").addEventListener("focusin", (e) => {
    const g = e.target.closest(".g");
    if (g && g !== current) { if (current) current.classList.remove("at-it"); current = g; g.classList.add("at-it"); }
  });
  const move = (by) => {
    if (shown.length === 0) return;
    const at = shown.indexOf(current);
    select(shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : Math.min(Math.max(at + by, 0), shown.length - 1)]);
  };
  const most = 200; // that are opened at once
  const everything = () => {
    const open = !shown.slice(0, most).some((g) => g.open);
    for (const g of shown.slice(0, most)) g.open = open;
    $("all").textContent = open ? "Collapse all" : "Expand all";
  };
  $("all").addEventListener("click", everything);

  const keys = {
    j: () => move(1), k: () => move(-1), u: () => { view(!split); store(); }, t: theme, E: everything,
    e: () => { if (!current || current.hidden) move(1); else current.open = !current.open; },
    "/": () => { controls.q.focus(); controls.q.select(); }, "?": () => $("help").showModal(),
  };
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || $("help").open) return;
    if (e.key === "Escape") {
      if (document.activeElement === controls.q) controls.q.blur();
      clear();
      return;
    }
    if (!(e.target instanceof Element) || e.target.closest("input, select, textarea")) return;
    const run = keys[e.key];
    if (run) { e.preventDefault(); run(); }
  });
  load();
  for (const g of groups) if (g.open) draw(g);
})();
