// Labelled bars either side of a zero line; rows with an index can be clicked. Text only through textContent.
export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".bars");
  const make = (className, text) => {
    const node = document.createElement("div");
    node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const number = (value) => (value > 0 ? "+" : "") + Number(value.toPrecision(2));
  const children = [];
  for (const group of data.groups) {
    children.push(make("head " + (group.tone || ""), group.title));
    if (!group.rows.length) children.push(make("none", group.empty));
    for (const [label, negative, positive, index, note] of group.rows) {
      const row = make("row" + (index === null ? "" : " link") + (index !== null && index === data.selected ? " selected" : ""));
      const track = make("track");
      const left = make("left"), right = make("right");
      left.style.width = `${50 * Math.min(1, -negative / data.scale)}%`;
      right.style.width = `${50 * Math.min(1, positive / data.scale)}%`;
      track.append(left, right);
      const name = make("label", label);
      name.title = label + (note ? ` (${note})` : "");
      row.append(name, track, make("value", number(negative + positive)));
      if (index !== null) {
        row.tabIndex = 0;
        const next = index === data.selected ? null : index;
        row.onclick = () => (data.linked ? setTriggerValue("selected", next ?? -1) : setStateValue("selected", next));
        row.onkeydown = (event) => { if (event.key === "Enter") row.onclick(); };
      }
      children.push(row);
    }
  }
  root.replaceChildren(...children);
}
