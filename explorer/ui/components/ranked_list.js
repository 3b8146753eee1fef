// The ranked training examples, two lines of text each. All text is set with textContent: training data is hostile.
const RED = "$RED", BLUE = "$BLUE";

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".list");
  const before = root.querySelector(".row:focus")?.dataset.id;
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const line = (className, tokens) => {
    const node = make("div", `line ${className}`);
    node.dir = "auto";
    for (const [text, score] of tokens) {
      const strength = data.scale > 0 ? Math.min(1, Math.abs(score) / data.scale) : 0;
      const token = make("span", "", text.replace(/\s+/g, " "));
      if (strength > 0.04) token.style.backgroundColor = `rgba(${score > 0 ? RED : BLUE}, ${(0.6 * strength).toFixed(3)})`;
      node.append(token);
    }
    return node;
  };
  const chip = (kind, text) => {
    const node = make("span", `chip ${kind}`, text);
    node.title = `${kind.split(" ")[0]}: ${text}`;
    return node;
  };

  const rows = data.rows.map((row) => {
    const node = make("div", "row" + (row.id === data.open ? " open" : ""));
    node.dataset.id = row.id;
    node.tabIndex = 0;
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", row.id === data.open);
    node.setAttribute("aria-label", `rank ${row.rank}, score ${row.score}`);

    const head = make("label", "head");
    const tick = make("input");
    tick.type = "checkbox";
    tick.checked = row.ticked;
    tick.setAttribute("aria-label", `put rank ${row.rank} into the basket`);
    tick.onchange = () => setTriggerValue("tick", row.id);
    head.onclick = (event) => event.stopPropagation();
    head.append(tick, make("span", "rank", row.rank));

    const words = make("div", "words");
    words.append(line("prompt", row.prompt), line("answer", row.answer));

    const side = make("div", "side"), figures = make("div", "figures"), chips = make("div", "chips");
    figures.append(make("b", "", row.score), make("span", "share", row.percentile));
    figures.title = `score ${row.score}; scores higher than ${row.percentile} of the corpus`;
    if (row.source) chips.append(chip("source", row.source));
    if (row.label) chips.append(chip(row.quiet ? "label quiet" : "label", row.label));
    side.append(figures, chips);
    node.append(head, words, side);

    node.onclick = () => {
      rows.forEach((other) => other.classList.toggle("open", other === node));
      setTriggerValue("open", row.id);
    };
    node.onkeydown = (event) => {
      if (event.target !== node) return;
      const next = { ArrowDown: node.nextElementSibling, ArrowUp: node.previousElementSibling }[event.key];
      if (next) next.focus();
      else if (event.key === "Enter") node.onclick();
      else if (event.key === " ") tick.click();
      else return;
      event.preventDefault();
    };
    return node;
  });
  if (!rows.length) root.replaceChildren(make("div", "none", data.empty));
  else root.replaceChildren(...rows);
  if (root.dataset.sheet !== data.sheet) root.scrollTop = 0;
  root.dataset.sheet = data.sheet;
  root.dataset.coloured = data.coloured;
  if (before) rows.find((node) => node.dataset.id === before)?.focus({ preventScroll: true });
}
