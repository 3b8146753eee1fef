// The figures of a picture as a table, for who can't see the picture. Text through textContent.
function drawTable(box, head, rows) {
  const make = (tag, text) => {
    const node = document.createElement(tag);
    if (text !== undefined) { node.textContent = text; node.dir = "auto"; }
    return node;
  };
  const table = make("table"), top = make("thead"), first = make("tr"), body = make("tbody");
  for (const name of head) { const cell = make("th", name); cell.scope = "col"; first.append(cell); }
  for (const row of rows) {
    const line = make("tr");
    row.forEach((text, i) => { const cell = make(i ? "td" : "th", text); if (!i) cell.scope = "row"; line.append(cell); });
    body.append(line);
  }
  top.append(first);
  table.append(top, body);
  box.replaceChildren(table);
}
