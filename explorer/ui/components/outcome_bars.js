// Stacked bars: a line a category, a part an outcome; parts, names and the legend can be pressed. Text through textContent.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".stacks");
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) { node.textContent = text; node.dir = "auto"; }
    return node;
  };
  const pressed = [];
  const press = (node, category, key, label) => {
    node.type = "button";
    node.title = label;
    node.setAttribute("aria-label", label);
    node.setAttribute("aria-pressed", String((category === null || category === data.picked[0]) && (key === null || key === data.picked[1])));
    node.onclick = () => setTriggerValue("picked", [category, key]);
    pressed.push(node);
    return node;
  };
  const dim = (category, key) => (data.picked[0] !== null && data.picked[0] !== category) || (data.picked[1] !== null && data.picked[1] !== key);
  const legend = make("div", "legend");
  for (const { key, label, short, tone, count } of data.keys) {
    const node = press(make("button", "key" + (dim(data.picked[0], key) ? " dim" : "")), null, key, `${label}: ${count}. List only these`);
    node.append(make("i", `tone ${tone}`), make("span", "", short), make("b", "", count));
    legend.append(node);
  }
  const lines = data.rows.map(({ category, label, cases, parts }) => {
    const line = make("div", "line"), track = make("div", "track");
    const name = press(make("button", "name", label), category, null, `${label}: ${cases} cases. List only these`);
    for (const { key, tone, count, text } of parts) {
      const part = press(make("button", `tone ${tone}` + (dim(category, key) ? " dim" : "")), category, key, text);
      part.style.flexGrow = count;
      part.append(make("span", "", String(count)));
      track.append(part);
    }
    line.append(name, track, make("span", "cases", cases));
    return line;
  });
  const list = make("div", "lines");
  list.append(...lines);
  const scrolled = root.querySelector(".lines")?.scrollTop || 0;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", data.title);
  drawWalkable(root, [legend, list], pressed, { flow: true });
  list.scrollTop = scrolled;
}
