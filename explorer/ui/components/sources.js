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
    node.setAttribute("role", "button");
    node.setAttribute("aria-pressed", chosen);
    node.setAttribute("aria-label", `${name || "no source"}: ${cells.map((cell, i) => `${data.head[i + 1]} ${cell}`).join(", ")}`);
    node.onclick = () => setTriggerValue("picked", name);
    return node;
  });
  const head = row("top", data.head);
  head.title = data.help ?? "";
  drawWalkable(root, [head, ...rows], rows);
}
