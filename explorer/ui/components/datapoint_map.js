// The datapoints as points, near each other where they are alike. Text only through textContent: training data is hostile.
const PAD = 14, LINKED = "explorer-datapoints", views = new Map(), tools = new Map();
const raw = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;

export default function ({ data, parentElement, setTriggerValue, key }) {
  const root = parentElement.querySelector(".map"), canvas = root.querySelector("canvas"), hover = root.querySelector(".hover");
  const ctx = canvas.getContext("2d"), { rows, clusters, colours } = data, xy = new Int16Array(raw(data.points));
  root.stop?.();
  // the view is the link's; while it is on its way there, the one on screen: zoom, and the middle in the map's units
  const known = `${data.scene} ${data.view}`, before = views.get(key), [k, x, y] = data.view.map((value) => value / 1000);
  const view = before?.known === known ? before : { known, k, x, y };
  views.set(key, view);
  let tool = tools.get(key)?.name || "box", timer = 0;
  const back = rows.map((_, i) => i).sort((a, b) => (clusters[a] > 0) - (clusters[b] > 0));  // those of no cluster at the back
  const indexOf = new Map(rows.map((datapoint, i) => [datapoint, i]));
  const position = (datapoint) => indexOf.get(datapoint) ?? -1;
  // what a key or the pointer has begun goes on where new data is drawn meanwhile
  let width = 0, height = 0, frame = 0, marked = [], { at, anchor, drag } = root.begun || {};
  [at, anchor, drag] = [position(at), position(anchor), drag || null];
  const css = (name, otherwise) => getComputedStyle(root).getPropertyValue(name).trim() || otherwise;
  const right = (X) => width / 2 + (X - view.x) * (width / 2 - PAD) * view.k, down = (Y) => height / 2 - (Y - view.y) * (height / 2 - PAD) * view.k;
  const mapped = ([a, b]) => [(a - width / 2) / ((width / 2 - PAD) * view.k) + view.x, (height / 2 - b) / ((height / 2 - PAD) * view.k) + view.y];
  const px = (i) => right(xy[2 * i] / 32767), py = (i) => down(xy[2 * i + 1] / 32767);
  const middles = new Map();
  rows.forEach((_, i) => { const id = clusters[i]; if (id) (middles.get(id) || middles.set(id, []).get(id)).push(i); });

  function draw() {
    frame = 0;
    const ratio = window.devicePixelRatio || 1, full = document.fullscreenElement || parentElement.fullscreenElement;
    width = root.clientWidth;
    height = full ? window.innerHeight : Math.max(190, Math.min(340, window.innerHeight * 0.265));
    canvas.style.height = `${height}px`;
    canvas.width = width * ratio; canvas.height = height * ratio;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    const ink = css("--st-text-color", "#222"), paper = css("--st-background-color", "#fff"), r = 2 + 0.5 * Math.log2(view.k);
    for (const i of back) {
      const id = clusters[i];
      ctx.globalAlpha = (data.selected && id !== data.selected) || (data.inside && !data.inside[i]) ? 0.13 : id ? 0.8 : 0.45;
      ctx.fillStyle = colours[id];
      ctx.beginPath(); ctx.arc(px(i), py(i), r, 0, 7); ctx.fill();
    }
    ctx.globalAlpha = 1; ctx.strokeStyle = ink; ctx.lineWidth = 1.5;
    for (const i of [...marked, data.mark === null ? undefined : indexOf.get(data.mark), at >= 0 ? at : undefined]) {
      if (i === undefined) continue;
      ctx.beginPath(); ctx.arc(px(i), py(i), r + 3, 0, 7); ctx.stroke();
    }
    ctx.font = `600 11px ${css("--st-font", "sans-serif")}`; ctx.textAlign = "center"; ctx.textBaseline = "middle";
    for (const [id, own] of middles) {
      const middle = (of) => own.map(of).sort((a, b) => a - b)[own.length >> 1], x = middle(px), y = middle(py);
      ctx.globalAlpha = data.selected && id !== data.selected ? 0.4 : 1;
      ctx.beginPath(); ctx.arc(x, y, 9, 0, 7); ctx.fillStyle = paper; ctx.fill();
      ctx.strokeStyle = colours[id]; ctx.lineWidth = 2; ctx.stroke();
      ctx.fillStyle = ink; ctx.fillText(id, x, y + 0.5);
    }
    ctx.globalAlpha = 1;
    const accent = css("--st-primary-color", "#6741d9"), shape = drawnShape();
    const outline = shape || (data.brush || []).map(([X, Y]) => [right(X / 1000), down(Y / 1000)]);
    if (outline.length > 1) {
      ctx.beginPath(); outline.forEach(([a, b], i) => (i ? ctx.lineTo(a, b) : ctx.moveTo(a, b))); ctx.closePath();
      ctx.fillStyle = accent; ctx.globalAlpha = 0.1; ctx.fill(); ctx.globalAlpha = 1;
      ctx.strokeStyle = accent; ctx.lineWidth = 1.5; ctx.stroke();
    }
  }
  const corners = ([a, b], [c, d]) => [[a, b], [c, b], [c, d], [a, d]];
  // what is being drawn, by pointer or by keys, in pixels
  function drawnShape() {
    if (drag?.moved && tool === "box") return corners(drag.from, drag.path.at(-1));
    if (drag?.moved && tool === "lasso") return drag.path;
    return anchor >= 0 && at >= 0 ? corners([px(anchor), py(anchor)], [px(at), py(at)]) : null;
  }
  const redraw = () => { frame ||= requestAnimationFrame(draw); };
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  function find(x, y) {
    let best = -1, least = 9;
    for (let i = 0; i < rows.length; i++) { const d = Math.hypot(px(i) - x, py(i) - y); if (d < least) { least = d; best = i; } }
    return best;
  }
  function showHover(x, y) {
    const id = at < 0 ? 0 : clusters[at], lines = at < 0 ? [] : [["dim", data.titles[id]], ["", data.texts[at]]];
    hover.replaceChildren(...lines.map(([kind, text]) => { const node = document.createElement("div"); node.className = kind; node.textContent = text; return node; }));
    hover.style.display = lines.length ? "block" : "none";
    hover.style.left = x < width / 2 ? `${x + 14}px` : ""; hover.style.right = x < width / 2 ? "" : `${width - x + 14}px`;
    hover.style.top = y < height / 2 ? `${y + 12}px` : ""; hover.style.bottom = y < height / 2 ? "" : `${height - y + 12}px`;
    canvas.style.cursor = at >= 0 ? "pointer" : tool !== "hand" ? "crosshair" : view.k > 1 ? "grab" : "default";
  }
  const announce = () => window.dispatchEvent(new CustomEvent(LINKED, { detail: { from: "map", datapoints: at >= 0 ? [rows[at]] : [] } }));
  const clip = (value, low, high) => Math.min(high, Math.max(low, value)), whole = (value) => Math.round(value * 1000);
  const hold = () => { const far = 1 - 1 / view.k; view.x = clip(view.x, -far, far); view.y = clip(view.y, -far, far); redraw(); };
  const tellView = () => { clearTimeout(timer); timer = setTimeout(() => setTriggerValue("view", [view.k, view.x, view.y].map(whole).join()), 350); };
  const zoom = (by) => { view.k = clip(view.k * by, 1, data.limits.zoom); hold(); tellView(); };
  // at most as many corners as a link holds, evenly along the line
  const select = (path) => {
    const step = Math.ceil(path.length / data.limits.corners), few = path.filter((_, i) => i % step === 0);
    setTriggerValue("brush", few.map((point) => mapped(point).map((value) => clip(whole(value), -9999, 9999)).join()).join());
  };
  canvas.onpointerdown = (event) => { const from = place(event); drag = { from, path: [from], x: view.x, y: view.y, moved: false }; canvas.setPointerCapture(event.pointerId); };
  canvas.onpointermove = (event) => {
    const [x, y] = place(event);
    if (drag) {
      const dx = x - drag.from[0], dy = y - drag.from[1];
      drag.moved ||= Math.hypot(dx, dy) > 4;
      if (!drag.moved) return;
      drag.path.push([clip(x, 0, width), clip(y, 0, height)]);
      hover.style.display = "none";
      if (tool === "hand") { view.x = drag.x - dx / ((width / 2 - PAD) * view.k); view.y = drag.y + dy / ((height / 2 - PAD) * view.k); hold(); }
      return redraw();
    }
    const hit = find(x, y);
    if (hit !== at) { at = hit; anchor = -1; showHover(x, y); announce(); redraw(); }
  };
  canvas.onpointerup = (event) => {
    const done = drag, hit = find(...place(event));
    drag = null; redraw();
    if (done?.moved && tool === "hand") return tellView();
    if (done?.moved) return select(tool === "box" ? [done.from, done.path.at(-1)] : done.path);
    if (hit >= 0) setTriggerValue("picked", rows[hit]);
    else if (data.brush) setTriggerValue("brush", "");
  };
  canvas.onpointercancel = () => { drag = null; redraw(); };
  // the nearest point in the direction of an arrow
  function beyond(from, dx, dy) {
    let best = from, least = Infinity;
    for (let i = 0; i < rows.length; i++) {
      const a = px(i) - px(from), b = py(i) - py(from), ahead = a * dx + b * dy, aside = Math.abs(a * dy) + Math.abs(b * dx);
      if (i !== from && ahead > 0.5 && ahead + 3 * aside < least && px(i) >= 0 && px(i) <= width && py(i) >= 0 && py(i) <= height) { least = ahead + 3 * aside; best = i; }
    }
    return best;
  }
  const centre = () => rows.reduce((best, _, i) => { const d = Math.hypot(px(i) - width / 2, py(i) - height / 2); return d < best[1] ? [i, d] : best; }, [0, Infinity])[0];
  canvas.onkeydown = (event) => {
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (way && rows.length) {
      const from = at >= 0 ? at : indexOf.get(data.mark) ?? centre();
      anchor = event.shiftKey ? (anchor >= 0 ? anchor : from) : -1;
      at = at >= 0 || event.shiftKey ? beyond(from, ...way) : from;
      root.dataset.at = rows[at];
      showHover(px(at), py(at)); announce(); redraw();
    } else if (event.key === "Enter" || event.key === " ") {
      if (anchor >= 0 && at >= 0) { const [a, b] = [anchor, at]; anchor = -1; select([[Math.min(px(a), px(b)) - 1, Math.min(py(a), py(b)) - 1], [Math.max(px(a), px(b)) + 1, Math.max(py(a), py(b)) + 1]]); }
      else if (at >= 0) setTriggerValue("picked", rows[at]);
    } else if (event.key === "Escape" && (anchor >= 0 || data.brush)) {
      if (anchor >= 0) { anchor = -1; redraw(); } else setTriggerValue("brush", "");
    } else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.5 : 1 / 1.5);
    else return;
    event.preventDefault();
  };
  canvas.onblur = () => { at = anchor = -1; showHover(0, 0); announce(); redraw(); };
  // a finger scrolls the page until a tool has been chosen; then it draws
  const choose = (name, byHand) => {
    tool = name; tools.set(key, { name, byHand });
    canvas.style.touchAction = byHand ? "none" : "";
    for (const node of root.querySelectorAll(".tool")) node.setAttribute("aria-pressed", String(node.dataset.tool === name));
  };
  for (const node of root.querySelectorAll(".tool")) node.onclick = () => choose(node.dataset.tool, true);
  choose(tool, tools.get(key)?.byHand || false);
  if ([view.k, view.x, view.y].map(whole).join() !== data.view.join()) tellView();  // told before, and not heard
  canvas.onpointerleave = () => { if (!drag) { at = -1; showHover(0, 0); announce(); redraw(); } };
  canvas.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey && !document.fullscreenElement && parentElement.activeElement !== canvas) return;
    event.preventDefault(); zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
  };
  root.querySelector(".in").onclick = () => zoom(1.5);
  root.querySelector(".out").onclick = () => zoom(1 / 1.5);
  root.querySelector(".all").onclick = () => { view.x = view.y = 0; zoom(1e-9); };
  root.querySelector(".full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  root.locate = (datapoint) => { const i = indexOf.get(datapoint); return i === undefined ? null : [px(i), py(i)]; };
  const listen = (event) => {
    if (event.detail.from === "map") return;
    marked = event.detail.datapoints.map((datapoint) => indexOf.get(datapoint)).filter((i) => i !== undefined);
    redraw();
  };
  window.addEventListener(LINKED, listen);
  const observer = new ResizeObserver(redraw);
  observer.observe(root);
  document.addEventListener("fullscreenchange", redraw);
  draw();
  root.dataset.drawn = `${rows.length} datapoints`;
  root.dataset.selected = data.selected;
  root.dataset.inside = data.inside ? data.inside.filter(Boolean).length : "";
  root.stop = () => { root.begun = { at: rows[at], anchor: rows[anchor], drag }; clearTimeout(timer); observer.disconnect(); window.removeEventListener(LINKED, listen); document.removeEventListener("fullscreenchange", redraw); };
  return root.stop;
}
