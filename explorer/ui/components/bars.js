// Labelled bars either side of a zero line, a table to screen readers; rows with an index can be pressed. Text only
// through textContent.
export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".bars");
  const make = (className, role, text) => {
    const node = document.createElement("div");
    node.className = className;
    if (role) node.setAttribute("role", role);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const number = (value) => (value > 0 ? "+" : "") + Number(value.toPrecision(2));
  const pressed = [];
  const groups = data.groups.map(({ title, tone, rows, empty }) => {
    const group = make("group");
    const table = make("rows", rows.some((row) => row[3] !== null) ? "grid" : "table");
    table.setAttribute("aria-label", title);
    group.append(make("head " + (tone || ""), "", title), rows.length ? table : make("none", "", empty));
    for (const [label, negative, positive, index, note] of rows) {
      const linked = index !== null, selected = linked && index === data.selected;
      const row = make("row" + (linked ? " link" : "") + (selected ? " selected" : ""), "row");
      const track = make("track");
      const left = make("left"), right = make("right");
      left.style.width = `${50 * Math.min(1, -negative / data.scale)}%`;
      right.style.width = `${50 * Math.min(1, positive / data.scale)}%`;
      track.append(left, right);
      track.setAttribute("aria-hidden", "true");
      const name = make("label", linked ? "gridcell" : "rowheader", label);
      name.title = label + (note ? ` (${note})` : "");
      row.append(name, track, make("value", linked ? "gridcell" : "cell", number(negative + positive)));
      if (linked) {
        row.setAttribute("aria-selected", String(selected));
        const next = selected ? null : index;
        row.onclick = () => (data.linked ? setTriggerValue("selected", next ?? -1) : setStateValue("selected", next));
        pressed.push(row);
      }
      table.append(row);
    }
    return group;
  });
  drawWalkable(root, groups, pressed, { start: Math.max(0, pressed.findIndex((row) => row.classList.contains("selected"))) });
}
