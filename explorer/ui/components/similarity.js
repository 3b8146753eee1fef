// The similarity matrix between its two trees, on a canvas. Text only through fillText and textContent: prompts are hostile.
const ALIKE = [$ALIKE], OPPOSITE = [$OPPOSITE], LEFT = 62, TOP = 34, STRIP = 12, LINKED = "explorer-datapoints";
const bytes = (text) => new Int8Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".matrix"), canvas = root.querySelector("canvas"), hover = root.querySelector(".hover");
  const ctx = canvas.getContext("2d"), top = root.querySelector(".top");
  root.stop?.();
  const { rows, columns, order, colours } = data, cells = bytes(data.cells);
  const R = rows.length - 1, C = columns.length - 1, x0 = LEFT + STRIP + 2, y0 = TOP + STRIP + 2;
  const placeOf = new Map(order.map((datapoint, i) => [datapoint, columns[0] + i]));
  let width = 0, height = 0, frame = 0, at = null, drag = null, marked = [];
  const css = (name, otherwise) => getComputedStyle(root).getPropertyValue(name).trim() || otherwise;
  const px = (place) => x0 + ((place - columns[0]) / (columns[C] - columns[0])) * (width - x0 - 6);
  const py = (place) => y0 + ((place - rows[0]) / (rows[R] - rows[0])) * (height - y0 - 6);
  const back = (value, low, high, from, to) => from + ((value - low) / (high - low)) * (to - from);

  const picture = document.createElement("canvas");
  picture.width = C; picture.height = R;
  const image = new ImageData(C, R);
  cells.forEach((value, i) => {
    const [r, g, b] = value > 0 ? ALIKE : OPPOSITE;
    image.data.set([r, g, b, Math.round((Math.abs(value) / 127) * 240)], 4 * i);
  });
  picture.getContext("2d").putImageData(image, 0, 0);

  function drawLinks(ink) {
    ctx.strokeStyle = ink; ctx.lineWidth = 0.8; ctx.globalAlpha = 0.55;
    const tree = (links, path) => {
      const most = Math.max(...links.map((l) => l[4]), 1e-12);
      ctx.beginPath();
      for (const [a, ha, b, hb, h] of links) path(a, ha / most, b, hb / most, h / most);
      ctx.stroke();
    };
    tree(data.rowLinks, (a, ha, b, hb, h) => {
      const at = (v) => LEFT - v * (LEFT - 8);
      ctx.moveTo(at(ha), py(a)); ctx.lineTo(at(h), py(a)); ctx.lineTo(at(h), py(b)); ctx.lineTo(at(hb), py(b));
    });
    tree(data.columnLinks, (a, ha, b, hb, h) => {
      const at = (v) => TOP - v * (TOP - 8);
      ctx.moveTo(px(a), at(ha)); ctx.lineTo(px(a), at(h)); ctx.lineTo(px(b), at(h)); ctx.lineTo(px(b), at(hb));
    });
    ctx.globalAlpha = 1;
  }
  // runs of one cluster along an axis: [cluster, first place, last place]
  const runs = (ids, edges) => ids.reduce((list, id, i) => {
    const last = list.at(-1);
    if (last && last[0] === id) last[2] = edges[i + 1]; else list.push([id, edges[i], edges[i + 1]]);
    return list;
  }, []);
  const rowRuns = runs(data.rowClusters, rows), columnRuns = runs(data.columnClusters, columns);
  function drawStrips() {
    const alpha = (id) => (data.selected && id !== data.selected ? 0.22 : 1);
    ctx.font = `600 10px ${css("--st-font", "sans-serif")}`; ctx.textAlign = "center"; ctx.textBaseline = "middle";
    for (const [id, a, b] of rowRuns) {
      ctx.globalAlpha = alpha(id); ctx.fillStyle = colours[id];
      ctx.fillRect(LEFT, py(a), STRIP, py(b) - py(a));
      if (id && py(b) - py(a) > 11) { ctx.globalAlpha = 1; ctx.fillStyle = "#fff"; ctx.fillText(id, LEFT + STRIP / 2, (py(a) + py(b)) / 2); }
    }
    for (const [id, a, b] of columnRuns) {
      if (!id) continue;
      ctx.globalAlpha = alpha(id); ctx.fillStyle = colours[id];
      ctx.fillRect(px(a), TOP, Math.max(px(b) - px(a), 0.7), STRIP);
    }
    ctx.globalAlpha = 1; ctx.fillStyle = css("--st-primary-color", "#6741d9");
    data.brushed?.forEach((inside, c) => { if (inside) ctx.fillRect(px(columns[c]), TOP - 4, Math.max(px(columns[c + 1]) - px(columns[c]), 1), 3); });
  }
  function drawMarks(ink) {
    ctx.lineWidth = 1.5; ctx.strokeStyle = ink;
    for (const [id, a, b] of rowRuns) if (id === data.selected && id) ctx.strokeRect(x0 - 1, py(a), width - x0 - 4, py(b) - py(a));
    const [row, column] = data.mark;
    ctx.lineWidth = 1;
    if (row !== null && row >= rows[0] && row < rows[R]) { ctx.beginPath(); ctx.moveTo(x0, py(row + 0.5)); ctx.lineTo(width - 6, py(row + 0.5)); ctx.stroke(); }
    const lines = [...marked, column].filter((place) => place !== null && place >= columns[0] && place < columns[C]);
    ctx.beginPath();
    for (const place of lines) { ctx.moveTo(px(place + 0.5), y0); ctx.lineTo(px(place + 0.5), height - 6); }
    ctx.stroke();
    if (at?.r !== undefined) {
      ctx.setLineDash([2, 2]); ctx.beginPath();
      const x = (px(columns[at.c]) + px(columns[at.c + 1])) / 2, y = (py(rows[at.r]) + py(rows[at.r + 1])) / 2;
      ctx.moveTo(x0, y); ctx.lineTo(width - 6, y); ctx.moveTo(x, y0); ctx.lineTo(x, height - 6); ctx.stroke(); ctx.setLineDash([]);
    }
    if (drag?.moved) {
      ctx.fillStyle = css("--st-primary-color", "#6741d9"); ctx.globalAlpha = 0.18;
      const [a, b, c, d] = [...drag.from, ...drag.to];
      ctx.fillRect(Math.min(a, c), Math.min(b, d), Math.abs(a - c), Math.abs(b - d));
      ctx.globalAlpha = 1; ctx.strokeRect(Math.min(a, c), Math.min(b, d), Math.abs(a - c), Math.abs(b - d));
    }
  }
  function draw() {
    frame = 0;
    const ratio = window.devicePixelRatio || 1, full = document.fullscreenElement || parentElement.fullscreenElement;
    width = root.clientWidth;
    height = full ? window.innerHeight - top.offsetHeight : Math.max(270, Math.min(540, window.innerHeight * 0.43));
    canvas.style.height = `${height}px`;
    canvas.width = width * ratio; canvas.height = height * ratio;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    const ink = css("--st-text-color", "#222");
    drawLinks(ink);
    drawStrips();
    const wide = width - x0 - 6, high = height - y0 - 6;
    ctx.imageSmoothingEnabled = C > wide * ratio || R > high * ratio;
    ctx.imageSmoothingQuality = "high";
    ctx.drawImage(picture, x0, y0, wide, high);
    drawMarks(ink);
  }
  const redraw = () => { frame ||= requestAnimationFrame(draw); };

  const cell = (edges, place) => { let k = 0; while (k < edges.length - 2 && edges[k + 1] <= place) k++; return k; };
  const clip = (value, low, high) => Math.min(high, Math.max(low, value));
  function find(x, y) {
    const column = clip(back(x, x0, width - 6, columns[0], columns[C]), columns[0], columns[C] - 1e-6);
    const row = clip(back(y, y0, height - 6, rows[0], rows[R]), rows[0], rows[R] - 1e-6);
    const c = cell(columns, column), r = cell(rows, row);
    if (x < x0 && y >= y0) return { cluster: data.rowClusters[r] };
    if (y < y0 && x >= x0) return { cluster: data.columnClusters[c] };
    return x >= x0 && y >= y0 ? { r, c, row, column } : null;
  }
  function showHover(x, y) {
    const lines = [];
    if (at?.r !== undefined) {
      const [prompt, answer] = data.rowTexts[at.r], n = rows[at.r + 1] - rows[at.r], m = columns[at.c + 1] - columns[at.c];
      const value = (cells[at.r * C + at.c] / 127) * data.scale, over = Math.abs(cells[at.r * C + at.c]) === 127 ? "≥ " : "";
      const mean = n * m > 1 ? `, mean of ${n > 1 ? `${n} prompts × ` : ""}${m} datapoint${m > 1 ? "s" : ""}` : "";
      lines.push(["b", `${over && value < 0 ? "≤ " : over}${value > 0 ? "+" : ""}${value.toFixed(2)}`, ` similarity${mean}`]);
      lines.push(["dim", data.titles[data.rowClusters[at.r]]], ["", prompt], ["dim", `→ ${answer}`], ["", `${m > 1 ? "e.g. " : ""}datapoint: ${data.columnTexts[at.c]}`]);
    } else if (at?.cluster) lines.push(["", `${data.titles[at.cluster]}: click to open`]);
    hover.replaceChildren(...lines.map(([kind, text, rest]) => {
      const node = document.createElement("div");
      node.className = kind === "dim" ? "dim" : "";
      const own = document.createElement(kind === "b" ? "b" : "span");
      own.textContent = text;
      node.append(own, rest || "");
      return node;
    }));
    hover.style.display = lines.length ? "block" : "none";
    hover.style.left = x < width / 2 ? `${x + 16}px` : ""; hover.style.right = x < width / 2 ? "" : `${width - x + 16}px`;
    hover.style.top = y < height / 2 ? `${y + top.offsetHeight + 14}px` : ""; hover.style.bottom = y < height / 2 ? "" : `${height - y + 14}px`;
    canvas.style.cursor = at?.r !== undefined ? "crosshair" : at?.cluster ? "pointer" : "default";
  }
  const announce = (datapoints) => window.dispatchEvent(new CustomEvent(LINKED, { detail: { from: "matrix", datapoints } }));
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.onpointerdown = (event) => { drag = { from: place(event), to: place(event), moved: false }; canvas.setPointerCapture(event.pointerId); };
  canvas.onpointermove = (event) => {
    const [x, y] = place(event);
    if (drag) {
      drag.to = [clip(x, x0, width - 6), clip(y, y0, height - 6)];
      drag.moved ||= Math.hypot(x - drag.from[0], y - drag.from[1]) > 5 && find(...drag.from)?.r !== undefined;
      if (drag.moved) { hover.style.display = "none"; redraw(); }
      return;
    }
    at = find(x, y);
    showHover(x, y); redraw();
    announce(at?.r !== undefined ? order.slice(columns[at.c] - columns[0], columns[at.c + 1] - columns[0]) : []);
  };
  canvas.onpointerup = (event) => {
    const { from, to, moved } = drag || {};
    drag = null;
    const a = from && find(...from), b = from && find(...to);
    if (moved && a?.r !== undefined && b?.r !== undefined) {
      const [r1, r2] = [a.row, b.row].sort((p, q) => p - q), [c1, c2] = [a.column, b.column].sort((p, q) => p - q);
      return setTriggerValue("window", [Math.floor(r1), Math.ceil(r2), Math.floor(c1), Math.ceil(c2)]);
    }
    act(find(...place(event)));
  };
  const act = (hit) => {
    if (hit?.r !== undefined) setTriggerValue("picked", [rows[hit.r], rows[hit.r + 1], columns[hit.c], columns[hit.c + 1]]);
    else if (hit?.cluster) setTriggerValue("cluster", hit.cluster);
  };
  const walk = (r, c) => {
    at = { r: clip(r, 0, R - 1), c: clip(c, 0, C - 1) };
    at.row = rows[at.r]; at.column = columns[at.c];
    showHover((px(columns[at.c]) + px(columns[at.c + 1])) / 2, (py(rows[at.r]) + py(rows[at.r + 1])) / 2); redraw();
    root.dataset.at = `${at.r},${at.c}`;
    announce(order.slice(columns[at.c] - columns[0], columns[at.c + 1] - columns[0]));
  };
  // arrows walk the cells, Page up and down the clusters; Tab is left alone
  canvas.onkeydown = (event) => {
    const { r, c } = at?.r !== undefined ? at : { r: data.mark[0] === null ? 0 : cell(rows, data.mark[0]), c: data.mark[1] === null ? 0 : cell(columns, data.mark[1]) };
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); return act({ r, c }); }
    const run = rowRuns.findIndex(([, a, b]) => rows[r] >= a && rows[r] < b), step = event.shiftKey ? 10 : 1;
    const page = (by) => [rows.indexOf((rowRuns[clip(run + by, 0, rowRuns.length - 1)] || [0, rows[0]])[1]), c];
    const to = { ArrowDown: [r + step, c], ArrowUp: [r - step, c], ArrowRight: [r, c + step], ArrowLeft: [r, c - step], Home: [r, 0], End: [r, C - 1] }[event.key]
      || (event.key === "PageDown" ? page(1) : event.key === "PageUp" ? page(-1) : null);
    if (to) { event.preventDefault(); walk(...to); }
  };
  canvas.onblur = () => { at = null; showHover(0, 0); announce([]); redraw(); };
  canvas.onpointercancel = () => { drag = null; redraw(); };
  canvas.onpointerleave = () => { if (!drag) { at = null; showHover(0, 0); announce([]); redraw(); } };
  const zoom = (by) => {
    const around = (edges, total) => {
      const middle = (edges[0] + edges.at(-1)) / 2, half = Math.max(2, ((edges.at(-1) - edges[0]) / 2) * by);
      return [Math.max(0, Math.floor(middle - half)), Math.min(total, Math.ceil(middle + half))];
    };
    setTriggerValue("window", [...around(rows, data.total[0]), ...around(columns, data.total[1])]);
  };
  root.querySelector(".low").textContent = `opposite −${data.scale.toFixed(2)}`;
  root.querySelector(".high").textContent = `+${data.scale.toFixed(2)} alike`;
  const button = (name, act, off) => { const node = root.querySelector(`.${name}`); node.onclick = act; node.disabled = off; };
  const whole = rows[0] === 0 && columns[0] === 0 && rows[R] === data.total[0] && columns[C] === data.total[1];
  button("in", () => zoom(0.5), false);
  button("out", () => zoom(2), whole);
  button("all", () => setTriggerValue("window", [0, data.total[0], 0, data.total[1]]), whole);
  button("own", () => setTriggerValue("own", data.selected), !data.selected);
  button("full", () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()), false);
  // where a row of a cluster and a datapoint of the window are, for tests: no pixels needed
  root.locate = (cluster) => { const run = rowRuns.find(([id]) => id === cluster); return run && [(x0 + width) / 2, (py(run[1]) + py(run[2])) / 2]; };
  canvas.setAttribute("aria-label", `Similarity of ${rows[R] - rows[0]} prompts with ${columns[C] - columns[0]} datapoints. Arrow keys walk the cells, Page up and down the clusters, Enter opens.`);
  const listen = (event) => {
    if (event.detail.from === "matrix") return;
    marked = event.detail.datapoints.map((datapoint) => placeOf.get(datapoint)).filter((p) => p !== undefined);
    redraw();
  };
  window.addEventListener(LINKED, listen);
  const observer = new ResizeObserver(redraw);
  observer.observe(root);
  document.addEventListener("fullscreenchange", redraw);
  draw();
  root.dataset.drawn = `${R} × ${C} cells of ${data.total.join(" × ")}`;
  root.dataset.selected = data.selected;
  root.stop = () => { observer.disconnect(); window.removeEventListener(LINKED, listen); document.removeEventListener("fullscreenchange", redraw); };
  return root.stop;
}
