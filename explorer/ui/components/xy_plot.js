// Lines and points on two axes, as SVG; what has an id can be pressed. Text only through textContent.
const SVG = "http://www.w3.org/2000/svg";

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".plot");
  root.stop?.();
  const make = (tag, className, at = {}, text) => {
    const node = document.createElementNS(SVG, tag);
    if (className) node.setAttribute("class", className);
    for (const [name, value] of Object.entries(at)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const ticks = (axis, most) => {
    if (axis.ticks) {
      const every = Math.ceil(axis.ticks.length / most);
      return axis.ticks.filter((_, i) => i % every === 0);
    }
    const span = axis.max - axis.min || 1, raw = span / most, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw) || raw, values = [];
    for (let v = Math.ceil(axis.min / step) * step; v <= axis.max + step * 1e-6; v += step) values.push([v, `${+v.toPrecision(3) || 0}`.replace("-", "−")]);
    return values;
  };
  const press = (node, key, label) => {
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", label);
    node.append(make("title", "", {}, label));
    node.onclick = () => setTriggerValue("picked", key);
    node.click ??= () => node.onclick();
    return node;
  };

  function draw() {
    const width = root.clientWidth || 300, height = data.height, pad = { left: 46, right: data.right || 12, top: 8, bottom: 36 };
    const svg = make("svg", "", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": data.title });
    const X = (x) => pad.left + ((x - data.x.min) / (data.x.max - data.x.min || 1)) * (width - pad.left - pad.right);
    const Y = (y) => height - pad.bottom - ((y - data.y.min) / (data.y.max - data.y.min || 1)) * (height - pad.top - pad.bottom);
    for (const [v, text] of ticks(data.x, Math.max(2, Math.floor(width / 90)))) {
      svg.append(make("text", "tick", { x: X(v), y: height - pad.bottom + 13, "text-anchor": "middle" }, text));
    }
    for (const [v, text] of ticks(data.y, 4)) {
      svg.append(make("line", v === 0 && data.y.min < 0 ? "zero" : "grid", { x1: pad.left, x2: width - pad.right, y1: Y(v), y2: Y(v) }));
      svg.append(make("text", "tick", { x: pad.left - 5, y: Y(v) + 3.5, "text-anchor": "end" }, text));
    }
    if (data.cross) svg.append(make("line", "zero", { x1: X(0), x2: X(0), y1: pad.top, y2: height - pad.bottom }));
    if (data.diagonal) {
      const low = Math.max(data.x.min, data.y.min), high = Math.min(data.x.max, data.y.max);
      svg.append(make("line", "diagonal", { x1: X(low), y1: Y(low), x2: X(high), y2: Y(high) }));
    }
    svg.append(make("text", "title", { x: (pad.left + width - pad.right) / 2, y: height - 6, "text-anchor": "middle" }, data.x.title));
    svg.append(make("text", "title", { x: -(pad.top + height - pad.bottom) / 2, y: 11, "text-anchor": "middle", transform: "rotate(-90)" }, data.y.title));
    const pressed = [], ends = [];
    for (const { key, label, tone, width: w, alpha, points, end } of data.lines) {
      const d = points.map(([x, y], i) => `${i ? "L" : "M"}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`).join("");
      const dim = data.selected && key !== null && data.selected !== key;
      const group = make("g", "item line" + (key === null ? "" : " link") + (data.selected === key && key !== null ? " selected" : ""));
      group.append(make("path", "seen", { d, stroke: tone, "stroke-width": w, opacity: dim ? alpha * 0.3 : alpha, fill: "none" }));
      if (key !== null) {
        group.append(make("path", "hit", { d }));
        pressed.push(press(group, key, label));
      }
      if (end) ends.push({ x: X(points.at(-1)[0]) + 4, y: Y(points.at(-1)[1]) + 3.5, tone, end });
      svg.append(group);
    }
    ends.sort((a, b) => b.y - a.y).forEach((one, i) => {  // from below upwards, none over another
      one.y = Math.min(one.y, (ends[i - 1]?.y ?? Infinity) - 12);
      svg.append(make("text", "end", { x: one.x, y: one.y, fill: one.tone }, one.end));
    });
    for (const { key, label, tone, x, y } of data.points) {
      const node = make("circle", "item point link" + (data.selected === key ? " selected" : ""), { cx: X(x), cy: Y(y), r: 4, fill: tone });
      pressed.push(press(node, key, label));
      svg.append(node);
    }
    drawWalkable(root, [svg], pressed, { flow: true });
  }
  let width = 0;
  const observer = new ResizeObserver(() => { if (root.clientWidth !== width) { width = root.clientWidth; draw(); } });
  observer.observe(root);
  width = root.clientWidth;
  draw();
  root.dataset.drawn = data.lines.length + data.points.length;
  root.stop = () => observer.disconnect();
  return root.stop;
}
