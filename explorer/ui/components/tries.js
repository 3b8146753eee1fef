// The list of tries: what was edited, what the map predicted, what was measured. Text only through textContent.
export default function ({ data, parentElement }) {
  const body = parentElement.querySelector("tbody");
  const make = (tag, text, className) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  body.replaceChildren(...data.rows.map((row, number) => {
    const line = make("tr", undefined, number === data.now ? "now" : "");
    const words = make("td");
    row.words.forEach(({ old, new: instead }, at) => {
      words.append(at ? ", " : "", make("del", old));
      if (instead) words.append(" → ", make("ins", instead));
    });
    const link = make("a", "Link");
    link.href = row.href;
    link.setAttribute("aria-label", `Link to this try: ${words.textContent}`);
    const last = make("td");
    last.append(link);
    const cells = row.error
      ? [Object.assign(make("td", row.error), { colSpan: 4 })]
      : [...["predicted", "measured", "gap"].map((name) => make("td", row[name], "number")), make("td", row.answer)];
    line.append(words, ...cells, last);
    return line;
  }));
  const unit = ["predicted", "measured", "gap then"];
  parentElement.querySelectorAll("th.number").forEach((node, at) => { node.title = `${unit[at]}, in ${data.unit}`; });
}
