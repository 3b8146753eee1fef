// Sources among the best rows: name, hits of total, lift, p. Text only through textContent.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".sources");
  const row = (className, cells) => {
    const node = document.createElement("div");
    node.className = `row ${className}`;
    for (const text of cells) {
      const cell = document.createElement("span");
      cell.textContent = text;
      node.append(cell);
    }
    return node;
  };
  const rows = data.rows.map(({ name, cells, sure, chosen }) => {
    const node = row("link" + (sure ? " sure" : "") + (chosen ? " chosen" : ""), [name || "(no source)", ...cells]);
    node.title = `${name}: show only these`;
    node.tabIndex = 0;
    node.onclick = () => setTriggerValue("picked", name);
    node.onkeydown = (event) => { if (event.key === "Enter") node.onclick(); };
    return node;
  });
  root.replaceChildren(row("top", data.head), ...rows);
}
