// Tokens as columns, layers as rows, drawn on a canvas with zoom and pan. Text only through fillText and textContent.
// A Streamlit component; the stand-alone page (page.js) runs it too, with data.standalone.
const RED = [$RED], BLUE = [$BLUE], LEFT = 46, TOP = 22, BOTTOM = 84, views = new Map();
const number = (value) => (value > 0 ? "+" : "") + Number(value.toPrecision(3));
const shade = (value, alpha) => `rgba(${(value > 0 ? RED : BLUE).join()}, ${alpha})`;
const clip = (text, n) => (text.length > n ? text.slice(0, n - 1) + "…" : text);
// what sets the direction of the text after it would turn the rest of a line around
const still = (text) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "·");
const visible = (text) => still(text).replace(/\n/g, "↵").replace(/\t/g, "⇥") || "·";

export default function graph({ data, parentElement, setTriggerValue, key }) {
  const [root, canvas, hover, above, below] = [".graph", "canvas", ".hover", ".above", ".below"].map((name) => parentElement.querySelector(name));
  const ctx = canvas.getContext("2d");
  const { nodes, edges, columns, rows } = data;
  root.stop?.();  // Streamlit calls this function anew for new data, and its own clean-up only at the very end
  const kept = views.get(key);
  const view = kept?.scene === data.scene ? kept : { k: 1, x: 0, y: 0, scene: data.scene, wanted: data.zoom ?? [] };
  views.set(key, view);
  const strongest = Math.max(...edges.flatMap((e) => [e.weight, ...e.run.map((bead) => bead[1])]).map(Math.abs), 1e-12);
  const biggest = Math.max(...nodes.map((n) => Math.abs(n.relevance)), 1e-12);
  const touching = nodes.map(() => []);
  edges.forEach((e, i) => { touching[e.source].push(i); touching[e.target].push(i); });
  const bold = edges.some((e) => e.bold);
  let width = 0, height = 0, at = null, frame = 0;

  const css = (name, otherwise) => getComputedStyle(root).getPropertyValue(name).trim() || otherwise;
  const across = () => width - LEFT - 30, along = () => height - TOP - BOTTOM;
  const px = (col) => LEFT + 14 + view.x + ((col + 0.5) / columns.length) * across() * view.k;
  const levels = [0];  // opened gaps get more room
  for (let row = 0; row + 1 < rows.length; row++) levels.push(levels[row] + (data.opened.includes(rows[row]) ? 5 : 1));
  const level = (row) => { const low = Math.floor(row), high = Math.ceil(row); return levels[low] + (levels[high] - levels[low]) * (row - low); };
  const py = (row) => TOP + view.y + (1 - level(row) / Math.max(levels.at(-1), 1)) * along() * view.k;
  const radius = (n) => 2.5 + 8 * Math.sqrt(Math.abs(n.relevance) / biggest);
  const thick = (value) => 0.6 + 6 * Math.abs(value) / strongest;
  const edgeName = (e) => `edge:${nodes[e.source].id}:${nodes[e.target].id}`;
  function curve(e) {  // from port to port, sideways on the edge's own lane
    const a = nodes[e.source], b = nodes[e.target], room = Math.min(11, 0.36 * (px(1) - px(0)));
    const x1 = px(a.col) + room * e.out, x2 = px(b.col) + room * e.into, y1 = py(a.row), y2 = py(b.row), lane = y1 + (y2 - y1) * e.lane;
    return [x1, y1, x1, lane, x2, lane, x2, y2];
  }
  const lit = () => {
    if (at?.kind === "node") return new Set(touching[at.index]);
    if (at?.kind === "edge") return new Set([at.index]);
    return null;
  };

  function traceRun(e, more) {  // a band as wide as the relevance of its nodes
    const x = px(nodes[e.source].col), half = e.run.map(([row, value]) => [py(row), (thick(value) + more) / 2]);
    half.forEach(([y, w], n) => (n ? ctx.lineTo(x - w, y) : ctx.moveTo(x - w, y)));
    half.reverse().forEach(([y, w]) => ctx.lineTo(x + w, y));
    ctx.closePath();
  }
  function drawEdges(bright) {
    for (let i = edges.length - 1; i >= 0; i--) {
      const e = edges[i], share = Math.abs(e.weight) / strongest, chosen = data.selected === edgeName(e);
      const dim = bright ? !bright.has(i) : bold && !e.bold;
      const colour = shade(e.weight, dim ? 0.07 : chosen || e.bold || bright ? 0.95 : 0.2 + 0.6 * Math.sqrt(share));
      ctx.beginPath();
      if (e.run.length) {
        traceRun(e, chosen ? 2 : 0);
        ctx.fillStyle = colour; ctx.fill();
        continue;
      }
      const c = curve(e);
      ctx.moveTo(c[0], c[1]);
      ctx.bezierCurveTo(c[2], c[3], c[4], c[5], c[6], c[7]);
      ctx.lineWidth = thick(e.weight) + (chosen ? 2 : 0);
      ctx.strokeStyle = colour;
      ctx.stroke();
    }
  }
  function drawNodes(bright, ink, paper) {
    const near = bright && new Set([...bright].flatMap((e) => [edges[e].source, edges[e].target]));
    nodes.forEach((n, i) => {
      const x = px(n.col), y = py(n.row), r = radius(n);
      ctx.globalAlpha = near && !near.has(i) && at.index !== i ? 0.25 : 1;
      ctx.beginPath();
      if (n.part === "group") ctx.roundRect(x - r - 3, y - r - 3, 2 * r + 6, 2 * r + 6, 5);
      else n.part ? ctx.rect(x - 4, y - 4, 8, 8) : ctx.arc(x, y, r, 0, 2 * Math.PI);
      ctx.fillStyle = paper; ctx.fill();
      ctx.fillStyle = shade(n.relevance || 1, 0.25 + 0.7 * Math.sqrt(Math.abs(n.relevance) / biggest)); ctx.fill();
      const chosen = data.selected === `node:${n.id}`;
      const marked = n.pinned || n.part === "group";
      ctx.lineWidth = chosen ? 2.5 : marked ? 2 : 0.8;
      ctx.strokeStyle = chosen || marked ? ink : shade(n.relevance || 1, 0.9);
      ctx.stroke();
      if (at?.walked && at.index === i) {
        ctx.beginPath(); ctx.arc(x, y, r + 6, 0, 2 * Math.PI);
        ctx.lineWidth = 2; ctx.strokeStyle = css("--st-primary-color", "#6741d9"); ctx.stroke();
      }
      if (n.part && n.part !== "group" && data.opened.length === 1 && columns.length < 40) { ctx.fillStyle = ink; ctx.globalAlpha = 0.7; ctx.fillText(n.part === "MLP" ? "M" : "A", x - 4, y - 11); ctx.globalAlpha = 1; }
      if (marked) {
        const mark = [n.part ? clip(still(n.text), 28) : "⚲", x + r + 6, y - r - 2];
        ctx.lineWidth = 3; ctx.strokeStyle = paper; ctx.strokeText(...mark);
        ctx.fillStyle = ink; ctx.fillText(...mark);
      }
      ctx.globalAlpha = 1;
    });
  }
  function drawFrame(ink, faint) {
    ctx.font = `11px ${css("--st-font", "sans-serif")}`;
    ctx.textBaseline = "middle";
    rows.forEach((layer, row) => {
      const y = py(row);
      if (y < TOP - 14 || y > height - BOTTOM + 10) return;
      ctx.strokeStyle = faint; ctx.lineWidth = 0.5;
      ctx.beginPath(); ctx.moveTo(LEFT, y); ctx.lineTo(width, y); ctx.stroke();
      if (at?.kind === "gap" && at.index === row) {
        ctx.fillStyle = css("--st-primary-color", "#6741d9"); ctx.globalAlpha = 0.25;
        ctx.fillRect(0, py(row + 1), LEFT - 6, y - py(row + 1)); ctx.globalAlpha = 1;
      }
      ctx.fillStyle = ink; ctx.textAlign = "right";
      if (rows.length < 20 || row % 2 === 0 || view.k > 1.6) ctx.fillText(layer === 0 ? "emb" : String(layer), LEFT - 10, y);
    });
    let last = -99;
    columns.forEach((c, col) => {
      const x = px(col);
      if (x < LEFT || x > width) return;
      if (c.folded) { ctx.globalAlpha = 0.3; ctx.fillStyle = faint; ctx.fillRect(x - 5, TOP, 10, height - TOP - BOTTOM + 6); ctx.globalAlpha = 1; }
      if (x - last < 9) return;
      last = x;
      ctx.save();
      ctx.translate(x, height - BOTTOM + 16); ctx.rotate(-Math.PI / 3.2);
      ctx.textAlign = "right"; ctx.globalAlpha = c.segment === "template" || c.folded ? 0.5 : 1;
      ctx.font = `${c.segment === "evidence" ? "bold " : ""}11px ${css("--st-font", "sans-serif")}`;
      ctx.fillStyle = ink; ctx.fillText(clip(visible(c.text), 15), 0, 0);
      ctx.restore();
    });
    ctx.font = `600 12px ${css("--st-font", "sans-serif")}`;
  }
  function draw() {
    frame = 0;
    const ratio = window.devicePixelRatio || 1;
    width = root.clientWidth;
    const full = document.fullscreenElement || parentElement.fullscreenElement;
    const around = above.offsetHeight + below.offsetHeight;
    const room = full ? window.innerHeight : data.standalone ? root.clientHeight : Math.max(430, Math.min(760, window.innerHeight - 306));
    height = Math.max(room - around, data.standalone ? 120 : 300);
    canvas.style.height = `${height}px`;
    if (view.wanted.length && width) {  // what the link says, in shares of the drawing: windows differ
      view.k = view.wanted[0]; view.x = view.wanted[1] * across(); view.y = view.wanted[2] * along(); view.wanted = [];
    }
    canvas.style.touchAction = view.k > 1 ? "none" : "pan-y";
    canvas.width = width * ratio; canvas.height = height * ratio;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    const ink = css("--st-text-color", "#222"), paper = css("--st-background-color", "#fff"), faint = css("--st-border-color", "#ddd");
    drawFrame(ink, faint);
    ctx.save(); ctx.beginPath(); ctx.rect(LEFT, 0, width - LEFT, height - BOTTOM + 10); ctx.clip();
    const bright = lit();
    drawEdges(bright);
    ctx.font = `11px ${css("--st-font", "sans-serif")}`; ctx.textAlign = "left";
    drawNodes(bright, ink, paper);
    ctx.restore();
  }
  const redraw = () => { frame ||= requestAnimationFrame(draw); };

  function distance(e, x, y) {  // from a point to the border of an edge, in pixels
    if (e.run.length) {
      const [low, high] = [e.run[0][0], e.run.at(-1)[0]].map(py), middle = px(nodes[e.source].col);
      return y > low || y < high ? Infinity : Math.abs(x - middle) - thick(e.weight) / 2;
    }
    const c = curve(e);
    if (x < Math.min(c[0], c[6]) - 8 || x > Math.max(c[0], c[6]) + 8 || y > Math.max(c[1], c[7]) + 8 || y < Math.min(c[1], c[7]) - 8) return Infinity;
    let least = Infinity;
    for (let n = 0; n <= 24; n++) {
      const t = n / 24, u = 1 - t;
      least = Math.min(least, Math.hypot(u*u*u*c[0] + 3*u*u*t*c[2] + 3*u*t*t*c[4] + t*t*t*c[6] - x, u*u*u*c[1] + 3*u*u*t*c[3] + 3*u*t*t*c[5] + t*t*t*c[7] - y));
    }
    return least - thick(e.weight) / 2;
  }
  function find(x, y) {
    if (y > height - BOTTOM + 4) {
      const col = columns.findIndex((c, i) => Math.abs(px(i) - x) < 7);
      return col >= 0 && columns[col].folded ? { kind: "fold", index: col } : null;
    }
    if (x < LEFT - 4) {
      for (let row = 0; row + 1 < rows.length; row++) if (y <= py(row) && y > py(row + 1)) return { kind: "gap", index: row };
      return null;
    }
    let best = null, least = 12;
    nodes.forEach((n, i) => { const d = Math.hypot(px(n.col) - x, py(n.row) - y) - radius(n); if (d < Math.min(least, 4)) { least = d; best = { kind: "node", index: i }; } });
    if (best) return best;
    least = 5;
    edges.forEach((e, i) => { const d = distance(e, x, y); if (d < least) { least = d; best = { kind: "edge", index: i }; } });
    if (best) return best;
    const col = columns.findIndex((c, i) => c.folded && Math.abs(px(i) - x) < 6);
    return col >= 0 ? { kind: "fold", index: col } : null;
  }
  const layerName = (layer) => (layer === 0 ? "embedding" : `layer ${layer}`);
  const label = (n) => `${JSON.stringify(still(n.text))} ${n.part === "group" ? `group of ${n.members}` : n.part ? `${n.part}, block ${n.layer}` : layerName(n.layer)}`;
  const strongestOf = (n, end) => touching[n].map((e) => edges[e]).filter((e) => e[end] === n).sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  // What the pointer is at, as elements of text; of a node's edges the strongest `most` each way.
  function figures(most) {
    const lines = [], open = data.standalone ? "" : ": click to open";
    if (at?.kind === "node") {
      const n = nodes[at.index];
      lines.push(["head", label(n)], ["", `relevance ${number(n.relevance)} logits${n.part === "group" ? "" : `, position ${n.token}`}`]);
      if (n.pinned) lines.push(["", "pinned"]);
      const list = (title, mine) => {
        const found = strongestOf(at.index, mine).slice(0, most);
        if (found.length) lines.push(["dim", title]);
        found.forEach((e) => lines.push(["", `${number(e.weight).padStart(8)}  ${label(nodes[e[mine === "target" ? "source" : "target"]])}`]));
      };
      list("comes from", "target");
      list("goes to", "source");
    } else if (at?.kind === "edge") {
      const e = edges[at.index];
      lines.push(["head", `${number(e.weight)} logits`]);
      if (e.run.length) lines.push(["", "mean relevance of a residual run; nothing else enters or leaves it"]);
      else if (e.count > 1) lines.push(["", `the sum of ${e.count} edges`]);
      lines.push(["", `from ${label(nodes[e.source])}`], ["", `to ${label(nodes[e.target])}`]);
    } else if (at?.kind === "gap") lines.push(["", `layers ${rows[at.index]} → ${rows[at.index + 1]}${open}`]);
    else if (at?.kind === "fold") lines.push(["", `${columns[at.index].last - columns[at.index].first + 1} tokens${open}`]);
    return lines.map(([kind, text]) => Object.assign(document.createElement("div"), { className: kind, textContent: text }));
  }
  function tell() {
    hover.replaceChildren(...figures(4));
    hover.style.display = at ? "block" : "none";
    canvas.style.cursor = at ? "pointer" : "grab";
  }
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const zoom = (by, x = width / 2, y = height / 2) => {
    const k = Math.min(data.most_zoom, Math.max(1, view.k * by)), f = k / view.k;
    view.x = x - LEFT - 14 - (x - LEFT - 14 - view.x) * f; view.y = y - TOP - (y - TOP - view.y) * f; view.k = k;
    if (k === 1) view.x = view.y = 0;
    redraw(); tellZoom();
  };
  function tellZoom() {
    clearTimeout(view.timer);
    const shares = () => [view.k, view.x / across(), view.y / along()].map((n) => n.toFixed(3));
    if (!data.standalone) view.timer = setTimeout(() => setTriggerValue("zoomed", view.k === 1 ? "none" : shares().join()), 400);
  }
  canvas.onpointerdown = (event) => { view.drag = { from: place(event), x: view.x, y: view.y, moved: false }; canvas.setPointerCapture(event.pointerId); };
  canvas.onpointermove = (event) => {
    const [x, y] = place(event);
    if (view.drag) {
      const dx = x - view.drag.from[0], dy = y - view.drag.from[1];
      if (Math.hypot(dx, dy) > 4) view.drag.moved = true;
      if (view.drag.moved && view.k > 1) { view.x = view.drag.x + dx; view.y = view.drag.y + dy; redraw(); }
      return;
    }
    const found = find(x, y);
    if (found?.kind !== at?.kind || found?.index !== at?.index) { at = found; tell(); redraw(); }
  };
  canvas.onpointerup = (event) => {
    const moved = view.drag?.moved;
    view.drag = null;
    if (moved) return view.k > 1 ? tellZoom() : undefined;
    at = find(...place(event));  // a finger was nowhere before it touched
    tell();
    pick();
  };
  function pick() {
    if (!at) return setTriggerValue("picked", "none");
    const n = at.index;
    const name = { node: () => `node:${nodes[n].id}`, edge: () => edgeName(edges[n]),
      gap: () => `gap:${rows[n]}:${rows[n + 1]}`, fold: () => `fold:${columns[n].first}` }[at.kind]();
    setTriggerValue("picked", name);
  }
  // By key: the nearest node that way, of which the same row or column comes first.
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const walkedTo = () => { const found = nodes.findIndex((n) => n.id === view.walked); return found < 0 ? data.contrast : found; };
  function walk(to) {
    at = { kind: "node", index: to, walked: true };
    view.walked = nodes[to].id;
    tell(); redraw();
  }
  function next(from, [right, up]) {
    let best = from, least = Infinity;
    nodes.forEach((n, i) => {
      const col = n.col - nodes[from].col, row = n.row - nodes[from].row, on = right ? right * col : up * row, aside = Math.abs(right ? row : col);
      if (on > 1e-6 && on + 3 * aside < least) { least = on + 3 * aside; best = i; }
    });
    return best;
  }
  canvas.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const from = at?.kind === "node" ? at.index : data.contrast;
    if (event.key in ways) walk(at?.kind === "node" ? next(from, ways[event.key]) : from);
    else if (event.key === "Home") walk(data.contrast);
    else if (event.key === "Enter" || event.key === " ") pick();
    else if (event.key === "Escape" && data.selected) setTriggerValue("picked", "none");
    else return;
    event.preventDefault();
  };
  canvas.onfocus = () => { if (!at && canvas.matches(":focus-visible")) walk(walkedTo()); };
  canvas.onblur = () => { at = null; tell(); redraw(); };
  canvas.onpointercancel = () => { view.drag = null; };
  canvas.onpointerleave = () => { if (!view.drag) { at = null; tell(); redraw(); } };
  canvas.onwheel = (event) => {
    if (!data.standalone && !event.ctrlKey && !event.metaKey && !document.fullscreenElement && document.activeElement !== canvas && !parentElement.activeElement) return;
    event.preventDefault(); zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, ...place(event));
  };
  canvas.ondblclick = () => { view.k = 1; view.x = view.y = 0; redraw(); tellZoom(); };
  root.querySelector(".in").onclick = () => zoom(1.4);
  root.querySelector(".out").onclick = () => zoom(1 / 1.4);
  root.querySelector(".fit").onclick = canvas.ondblclick;
  root.querySelector(".full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  tabulate();
  describe();
  root.figures = () => figures(Infinity);
  // What tests and screen readers can reach without pixels: where things are, by name.
  root.locate = (name) => {
    const [kind, a, b] = name.split(":");
    if (kind === "node") { const n = nodes.find((m) => m.id === a); return n && [px(n.col), py(n.row)]; }
    if (kind === "gap") { const row = rows.indexOf(Number(a)); return [LEFT / 2, (py(row) + py(row + 1)) / 2]; }
    const e = edges.find((one) => edgeName(one) === name), c = curve(e);
    if (e.run.length) return [c[0], (py(e.run[0][0]) + py(e.run[1][0])) / 2];
    return [(c[0] + 3 * c[2] + 3 * c[4] + c[6]) / 8, (c[1] + 3 * c[3] + 3 * c[5] + c[7]) / 8];
  };
  function tabulate() {  // the picture for those who can't see it
    const cell = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
    const line = (kind, texts) => { const tr = document.createElement("tr"); tr.append(...texts.map((text) => cell(kind, text))); return tr; };
    const far = (n, end, other) => strongestOf(n, end).slice(0, 3).map((e) => `${number(e.weight)} ${label(nodes[e[other]])}`).join("; ") || "none";
    const table = document.createElement("table");
    table.append(cell("caption", data.title), line("th", ["node", "relevance in logits", "strongest edges from", "strongest edges to"]));
    nodes.forEach((n, i) => table.append(line("td", [label(n), number(n.relevance), far(i, "target", "source"), far(i, "source", "target")])));
    root.querySelector(".table").replaceChildren(table);
  }
  function describe() {  // what the picture shows, so that it can be read where it is seen alone
    const part = (kind, name, text) => Object.assign(document.createElement(kind), { className: name, textContent: still(text) });
    above.replaceChildren(part("div", "title", data.title), part("div", "about", data.about));
    const told = window.explorerTold, verdict = data.verdict || (data.drawing && told?.drawing === data.drawing ? told.verdict : "");
    if (verdict) above.append(part("div", "verdict", verdict));
    const legend = part("div", "legend", ""), kept = part("div", "kept", data.kept);
    data.legend.forEach(([name, text]) => legend.append(part("span", name, text)));
    const had = root.getRootNode().activeElement?.dataset.ask;
    (data.asks ?? []).forEach(({ name, label, title, on }) => {
      const button = Object.assign(part("button", "ask", label), { title, ariaLabel: title, onclick: () => setTriggerValue("asked", name) });
      button.dataset.ask = name;
      if (on !== null) button.ariaPressed = String(on);
      kept.append(button);
    });
    below.replaceChildren(legend, kept);
    if (had) (below.querySelector(`[data-ask="${had}"]`) ?? below.querySelector("button") ?? canvas).focus();
  }
  root.edgesFound = () => edges.map((e, i) => {  // for tests: does the pointer find each edge where it is drawn?
    const found = find(...root.locate(edgeName(e)));
    return found?.kind === "edge" && found.index === i;
  });
  const observer = new ResizeObserver(redraw);
  observer.observe(root);
  document.addEventListener("fullscreenchange", redraw);
  const listen = () => { describe(); redraw(); };  // the verdict: see told.js
  window.addEventListener("explorer-told", listen);
  if (view.walked && root.getRootNode().activeElement === canvas && canvas.matches(":focus-visible")) walk(walkedTo());
  draw();
  root.dataset.drawn = `${nodes.length} nodes, ${edges.length} edges`;
  root.stop = () => {
    observer.disconnect();
    document.removeEventListener("fullscreenchange", redraw);
    window.removeEventListener("explorer-told", listen);
  };
  return root.stop;
}
