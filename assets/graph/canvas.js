// Tokens as columns, layers as rows, drawn on a canvas with zoom and pan. Text only through fillText and textContent.
// A Streamlit component; the stand-alone page (page.js) runs it too, with data.standalone.
const RED = [$RED], BLUE = [$BLUE], LEFT = 46, TOP = 50, BOTTOM = 92, views = new Map();
const number = (value) => (value > 0 ? "+" : "") + Number(value.toPrecision(3));
const shade = (value, alpha) => `rgba(${(value > 0 ? RED : BLUE).join()}, ${alpha})`;
const clip = (text, n) => (text.length > n ? text.slice(0, n - 1) + "…" : text);
// what sets the direction of the text after it would turn the rest of a line around
const still = (text) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "·");
const visible = (text) => still(text).replace(/\n/g, "↵").replace(/\t/g, "⇥") || "·";

export default function graph({ data, parentElement, setTriggerValue, key }) {
  const root = parentElement.querySelector(".graph"), canvas = root.querySelector("canvas"), hover = root.querySelector(".hover");
  const ctx = canvas.getContext("2d");
  const { nodes, edges, columns, rows } = data;
  root.stop?.();  // Streamlit calls this function anew for new data, and its own clean-up only at the very end
  const kept = views.get(key);
  const view = kept?.scene === data.scene ? kept : { k: 1, x: 0, y: 0, scene: data.scene };
  views.set(key, view);
  const strongest = Math.max(...edges.map((e) => Math.abs(e[2])), 1e-12);
  const biggest = Math.max(...nodes.map((n) => Math.abs(n.relevance)), 1e-12);
  const touching = nodes.map(() => []);
  edges.forEach(([a, b], e) => { touching[a].push(e); touching[b].push(e); });
  const onPath = new Set((data.path || []).map((p) => p.join("_")));
  let width = 0, height = 0, at = null, frame = 0;

  const css = (name, otherwise) => getComputedStyle(root).getPropertyValue(name).trim() || otherwise;
  const px = (col) => LEFT + 14 + view.x + ((col + 0.5) / columns.length) * (width - LEFT - 30) * view.k;
  const levels = [0];  // opened gaps get more room
  for (let row = 0; row + 1 < rows.length; row++) levels.push(levels[row] + (data.opened.includes(rows[row]) ? 5 : 1));
  const level = (row) => { const low = Math.floor(row), high = Math.ceil(row); return levels[low] + (levels[high] - levels[low]) * (row - low); };
  const py = (row) => TOP + view.y + (1 - level(row) / Math.max(levels.at(-1), 1)) * (height - TOP - BOTTOM) * view.k;
  const radius = (n) => 2.5 + 8 * Math.sqrt(Math.abs(n.relevance) / biggest);
  const curve = (a, b) => { const y1 = py(a.row), y2 = py(b.row); return [px(a.col), y1, px(a.col), (y1 + y2) / 2, px(b.col), (y1 + y2) / 2, px(b.col), y2]; };
  const lit = () => {
    if (at?.kind === "node") return new Set(touching[at.index]);
    if (at?.kind === "edge") return new Set([at.index]);
    return null;
  };

  function drawEdges(bright) {
    for (let e = edges.length - 1; e >= 0; e--) {
      const [a, b, weight] = edges[e], share = Math.abs(weight) / strongest;
      const route = onPath.has(`${nodes[a].id}_${nodes[b].id}`), chosen = data.selected === `edge:${nodes[a].id}:${nodes[b].id}`;
      const dim = bright ? !bright.has(e) : onPath.size > 0 && !route;
      const c = curve(nodes[a], nodes[b]);
      ctx.beginPath();
      ctx.moveTo(c[0], c[1]);
      ctx.bezierCurveTo(c[2], c[3], c[4], c[5], c[6], c[7]);
      ctx.lineWidth = 0.6 + 6 * share + (chosen ? 2 : 0);
      ctx.strokeStyle = shade(weight, dim ? 0.07 : chosen || route || bright ? 0.95 : 0.2 + 0.6 * Math.sqrt(share));
      ctx.stroke();
    }
  }
  function drawNodes(bright, ink, paper) {
    const near = bright && new Set([...bright].flatMap((e) => edges[e].slice(0, 2)));
    nodes.forEach((n, i) => {
      const x = px(n.col), y = py(n.row), r = radius(n);
      ctx.globalAlpha = near && !near.has(i) && at.index !== i ? 0.25 : 1;
      ctx.beginPath();
      n.part ? ctx.rect(x - 4, y - 4, 8, 8) : ctx.arc(x, y, r, 0, 2 * Math.PI);
      ctx.fillStyle = paper; ctx.fill();
      ctx.fillStyle = shade(n.relevance || 1, 0.25 + 0.7 * Math.sqrt(Math.abs(n.relevance) / biggest)); ctx.fill();
      const chosen = data.selected === `node:${n.id}`;
      ctx.lineWidth = chosen ? 2.5 : n.pinned ? 2 : 0.8;
      ctx.strokeStyle = chosen || n.pinned ? ink : shade(n.relevance || 1, 0.9);
      ctx.stroke();
      if (n.part && data.opened.length === 1 && columns.length < 40) { ctx.fillStyle = ink; ctx.globalAlpha = 0.7; ctx.fillText(n.part === "MLP" ? "M" : "A", x - 4, y - 11); ctx.globalAlpha = 1; }
      if (n.pinned) { ctx.fillStyle = ink; ctx.fillText(n.group || "⚲", x + r + 3, y - r); }
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
    height = full ? window.innerHeight : data.standalone ? root.clientHeight : Math.max(430, Math.min(760, window.innerHeight - 250));
    canvas.style.height = `${height}px`;
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
    const top = nodes[data.contrast];
    ctx.font = `600 12px ${css("--st-font", "sans-serif")}`; ctx.textAlign = "right"; ctx.fillStyle = ink;
    if (top && width > 560) ctx.fillText(clip(data.title, 60), Math.min(px(top.col) + 60, width - 150), py(top.row) - 20);
    ctx.restore();
  }
  const redraw = () => { frame ||= requestAnimationFrame(draw); };

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
    edges.forEach(([a, b, w], e) => {
      const c = curve(nodes[a], nodes[b]), slack = 0.5 + 3 * Math.abs(w) / strongest;
      if (x < Math.min(c[0], c[6]) - 8 || x > Math.max(c[0], c[6]) + 8 || y > c[1] + 8 || y < c[7] - 8) return;
      for (let t = 0; t <= 1; t += 0.05) {
        const u = 1 - t, d = Math.hypot(u*u*u*c[0] + 3*u*u*t*c[2] + 3*u*t*t*c[4] + t*t*t*c[6] - x, u*u*u*c[1] + 3*u*u*t*c[3] + 3*u*t*t*c[5] + t*t*t*c[7] - y) - slack;
        if (d < least) { least = d; best = { kind: "edge", index: e }; }
      }
    });
    if (best) return best;
    const col = columns.findIndex((c, i) => c.folded && Math.abs(px(i) - x) < 6);
    return col >= 0 ? { kind: "fold", index: col } : null;
  }
  const label = (n) => `${JSON.stringify(still(n.text))} ${n.part || (n.layer === 0 ? "embedding" : "layer " + n.layer)}`;
  // What the pointer is at, as elements of text; of a node's edges the strongest `most` each way.
  function figures(most) {
    const lines = [], open = data.standalone ? "" : ": click to open";
    if (at?.kind === "node") {
      const n = nodes[at.index];
      lines.push(["head", label(n)], ["", `relevance ${number(n.relevance)} logits, position ${n.token}`]);
      if (n.pinned) lines.push(["", n.group ? `group ${n.group}` : "pinned"]);
      const list = (title, mine) => {
        const found = touching[at.index].filter(mine).sort((a, b) => Math.abs(edges[b][2]) - Math.abs(edges[a][2])).slice(0, most);
        if (found.length) lines.push(["dim", title]);
        found.forEach((e) => lines.push(["", `${number(edges[e][2]).padStart(8)}  ${label(nodes[edges[e][edges[e][0] === at.index ? 1 : 0]])}`]));
      };
      list("comes from", (e) => edges[e][1] === at.index);
      list("goes to", (e) => edges[e][0] === at.index);
    } else if (at?.kind === "edge") {
      const [a, b, w] = edges[at.index];
      lines.push(["head", `${number(w)} logits`], ["", `from ${label(nodes[a])}`], ["", `to ${label(nodes[b])}`]);
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
    const k = Math.min(12, Math.max(1, view.k * by)), f = k / view.k;
    view.x = x - LEFT - 14 - (x - LEFT - 14 - view.x) * f; view.y = y - TOP - (y - TOP - view.y) * f; view.k = k;
    if (k === 1) view.x = view.y = 0;
    redraw();
  };
  let drag = null;
  canvas.onpointerdown = (event) => { drag = { from: place(event), x: view.x, y: view.y, moved: false }; canvas.setPointerCapture(event.pointerId); };
  canvas.onpointermove = (event) => {
    const [x, y] = place(event);
    if (drag) {
      const dx = x - drag.from[0], dy = y - drag.from[1];
      if (Math.hypot(dx, dy) > 4) drag.moved = true;
      if (drag.moved && view.k > 1) { view.x = drag.x + dx; view.y = drag.y + dy; redraw(); }
      return;
    }
    const found = find(x, y);
    if (found?.kind !== at?.kind || found?.index !== at?.index) { at = found; tell(); redraw(); }
  };
  canvas.onpointerup = (event) => {
    const moved = drag?.moved;
    drag = null;
    if (moved) return;
    at = find(...place(event));  // a finger was nowhere before it touched
    tell();
    if (!at) return setTriggerValue("picked", "none");
    const n = at.index;
    const name = { node: () => `node:${nodes[n].id}`, edge: () => `edge:${nodes[edges[n][0]].id}:${nodes[edges[n][1]].id}`,
      gap: () => `gap:${rows[n]}:${rows[n + 1]}`, fold: () => `fold:${columns[n].first}` }[at.kind]();
    setTriggerValue("picked", name);
  };
  canvas.onpointerleave = () => { if (!drag) { at = null; tell(); redraw(); } };
  canvas.onwheel = (event) => {
    if (!data.standalone && !event.ctrlKey && !event.metaKey && !document.fullscreenElement && document.activeElement !== canvas && !parentElement.activeElement) return;
    event.preventDefault(); zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, ...place(event));
  };
  canvas.ondblclick = () => { view.k = 1; view.x = view.y = 0; redraw(); };
  root.querySelector(".in").onclick = () => zoom(1.4);
  root.querySelector(".out").onclick = () => zoom(1 / 1.4);
  root.querySelector(".fit").onclick = canvas.ondblclick;
  root.querySelector(".full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  root.figures = () => figures(Infinity);
  // What tests and screen readers can reach without pixels: where things are, by name.
  root.locate = (name) => {
    const [kind, a, b] = name.split(":");
    if (kind === "node") { const n = nodes.find((m) => m.id === a); return n && [px(n.col), py(n.row)]; }
    if (kind === "gap") { const row = rows.indexOf(Number(a)); return [LEFT / 2, (py(row) + py(row + 1)) / 2]; }
    const e = edges.find((one) => nodes[one[0]].id === a && nodes[one[1]].id === b), c = curve(nodes[e[0]], nodes[e[1]]);
    return [(c[0] + 3 * c[2] + 3 * c[4] + c[6]) / 8, (c[1] + 3 * c[3] + 3 * c[5] + c[7]) / 8];
  };
  const observer = new ResizeObserver(redraw);
  observer.observe(root);
  document.addEventListener("fullscreenchange", redraw);
  draw();
  root.dataset.drawn = `${nodes.length} nodes, ${edges.length} edges`;
  root.stop = () => { observer.disconnect(); document.removeEventListener("fullscreenchange", redraw); };
  return root.stop;
}
