// The ranked training examples, two lines of text each. All text is set with textContent: training data is hostile.
const RED = "$RED", BLUE = "$BLUE";

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".list"), reader = parentElement.querySelector(".reader");
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

  const table = () => {
    const whole = make("table"), words = (tokens) => tokens.map(([text]) => text).join("").trim();
    whole.append(make("caption", "", "Ranked training examples"));
    const add = (tag, cells) => {
      const line = make("tr");
      line.append(...cells.map((text) => make(tag, "", text)));
      whole.append(line);
    };
    add("th", ["rank", "score", "scores higher than", "prompt", "answer", "source", "label"]);
    for (const r of data.rows) add("td", [r.rank, r.score, r.percentile, words(r.prompt), words(r.answer), r.source, r.label]);
    return whole;
  };

  const rows = data.rows.map((row) => {
    const node = make("div", "row" + (row.id === data.open ? " open" : ""));
    node.dataset.id = row.id;
    node.tabIndex = -1;
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", row.id === data.open);
    const texts = [row.prompt, row.answer].map((tokens) => tokens.map(([text]) => text).join("").trim());
    node.setAttribute("aria-label", `rank ${row.rank}, score ${row.score}${row.ticked ? ", in the basket" : ""}: ${texts.join(" → ")}`);

    const head = make("label", "head");
    const tick = make("input");
    tick.type = "checkbox";
    tick.checked = row.ticked;
    tick.tabIndex = -1;
    tick.setAttribute("aria-label", `put rank ${row.rank} into the basket`);
    tick.onchange = () => setTriggerValue("tick", [row.id, tick.checked]);
    head.onclick = (event) => event.stopPropagation();
    head.append(tick, make("span", "rank", row.rank));

    const words = make("div", "words");
    words.append(line("prompt", row.prompt), line("answer", row.answer));

    const side = make("div", "side"), figures = make("div", "figures"), chips = make("div", "chips");
    figures.append(make("b", "", row.score), make("span", "share", row.percentile));
    figures.title = `score ${row.score}; scores higher than ${row.percentile} of the corpus`;
    const bar = make("div", "bar" + (data.mark !== null && row.bar <= data.mark ? " weak" : "")), fill = make("i");
    fill.style.width = `${100 * row.bar}%`;
    bar.append(fill);
    if (data.mark !== null && data.mark <= 1) {
      const mark = make("u");
      mark.style.left = `${100 * data.mark}%`;
      bar.title = "The mark: what the best rows of 95 % of unrelated questions do not exceed";
      bar.append(mark);
    }
    if (row.source) chips.append(chip("source", row.source));
    if (row.label) chips.append(chip(row.quiet ? "label quiet" : "label", row.label));
    side.append(figures, bar, chips);
    node.append(head, words, side);

    node.onfocus = () => rows.forEach((other) => { other.tabIndex = other === node ? 0 : -1; });
    node.onclick = () => {
      rows.forEach((other) => other.classList.toggle("open", other === node));
      setTriggerValue("open", row.id);
    };
    walkKeys(node, () => rows, { " ": () => { tick.click(); } });
    return node;
  });
  if (!rows.length) root.replaceChildren(make("div", "none", data.empty));
  else root.replaceChildren(...rows);
  (rows.find((node) => node.dataset.id === (before ?? data.open)) ?? rows[0])?.setAttribute("tabindex", "0");
  reader.replaceChildren(table());
  if (root.dataset.sheet !== data.sheet) root.scrollTop = 0;
  root.dataset.sheet = data.sheet;
  root.dataset.coloured = data.coloured;
  if (before) rows.find((node) => node.dataset.id === before)?.focus({ preventScroll: true });
}
