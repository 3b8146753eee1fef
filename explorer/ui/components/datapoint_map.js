// The datapoints as points, near each other where they are alike. Text only through textContent: training data is hostile.
const PAD = 14, LINKED = "explorer-datapoints", views = new Map();
const raw = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;

export default function ({ data, parentElement, setTriggerValue, key }) {
  const root = parentElement.querySelector(".map"), canvas = root.querySelector("canvas"), hover = root.querySelector(".hover");
  const ctx = canvas.getContext("2d"), { rows, clusters, colours } = data, xy = new Int16Array(raw(data.points));
  root.stop?.();
  const before = views.get(key), view = before?.scene === data.scene ? before : { k: 1, x: 0, y: 0, scene: data.scene };
  views.set(key, view);
  const back = rows.map((_, i) => i).sort((a, b) => (clusters[a] > 0) - (clusters[b] > 0));  // those of no cluster at the back
  const indexOf = new Map(rows.map((datapoint, i) => [datapoint, i]));
  let width = 0, height = 0, frame = 0, at = -1, marked = [], drag = null;
  const css = (name, otherwise) => getComputedStyle(root).getPropertyValue(name).trim() || otherwise;
  const px = (i) => width / 2 + view.x + (xy[2 * i] / 32767) * (width / 2 - PAD) * view.k;
  const py = (i) => height / 2 + view.y - (xy[2 * i + 1] / 32767) * (height / 2 - PAD) * view.k;
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
      ctx.globalAlpha = data.selected && id !== data.selected ? 0.13 : id ? 0.8 : 0.45;
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
  }
  const redraw = () => { frame ||= requestAnimationFrame(draw); };
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  function find(x, y) {
    let best = -1, least = 9;
    for (let i = 0; i < rows.length; i++) { const d = Math.hypot(px(i) - x, py(i) - y); if (d < least) { least = d; best = i; } }
    return best;
  }
  function showHover(x, y) {
    const id = at < 0 ? 0 : clusters[at], lines = at < 0 ? [] : [["dim", id ? `cluster ${id}` : "no cluster"], ["", data.texts[at]]];
    hover.replaceChildren(...lines.map(([kind, text]) => { const node = document.createElement("div"); node.className = kind; node.textContent = text; return node; }));
    hover.style.display = lines.length ? "block" : "none";
    hover.style.left = x < width / 2 ? `${x + 14}px` : ""; hover.style.right = x < width / 2 ? "" : `${width - x + 14}px`;
    hover.style.top = y < height / 2 ? `${y + 12}px` : ""; hover.style.bottom = y < height / 2 ? "" : `${height - y + 12}px`;
    canvas.style.cursor = at >= 0 ? "pointer" : view.k > 1 ? "grab" : "default";
  }
  const announce = () => window.dispatchEvent(new CustomEvent(LINKED, { detail: { from: "map", datapoints: at >= 0 ? [rows[at]] : [] } }));
  const zoom = (by) => { const k = Math.min(30, Math.max(1, view.k * by)), f = k / view.k; view.x *= f; view.y *= f; view.k = k; if (k === 1) view.x = view.y = 0; redraw(); };
  canvas.onpointerdown = (event) => { drag = { from: place(event), x: view.x, y: view.y, moved: false }; canvas.setPointerCapture(event.pointerId); };
  canvas.onpointermove = (event) => {
    const [x, y] = place(event);
    if (drag) {
      const dx = x - drag.from[0], dy = y - drag.from[1];
      drag.moved ||= Math.hypot(dx, dy) > 4;
      if (drag.moved && view.k > 1) { view.x = drag.x + dx; view.y = drag.y + dy; redraw(); }
      return;
    }
    const hit = find(x, y);
    if (hit !== at) { at = hit; showHover(x, y); announce(); redraw(); }
  };
  canvas.onpointerup = (event) => {
    const moved = drag?.moved, hit = find(...place(event));
    drag = null;
    if (!moved && hit >= 0) setTriggerValue("picked", rows[hit]);
  };
  canvas.onpointerleave = () => { if (!drag) { at = -1; showHover(0, 0); announce(); redraw(); } };
  canvas.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey && !document.fullscreenElement && parentElement.activeElement !== canvas) return;
    event.preventDefault(); zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
  };
  root.querySelector(".in").onclick = () => zoom(1.5);
  root.querySelector(".out").onclick = () => zoom(1 / 1.5);
  root.querySelector(".all").onclick = () => zoom(1e-9);
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
  root.stop = () => { observer.disconnect(); window.removeEventListener(LINKED, listen); document.removeEventListener("fullscreenchange", redraw); };
  return root.stop;
}
