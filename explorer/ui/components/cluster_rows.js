// Prompts with two answers each, and datapoints: what a cluster holds, or what something is like. Text through textContent.
const FIRST = 6;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".rows");
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) { node.textContent = text; node.dir = "auto"; }
    return node;
  };
  const act = (node, name, value, title) => {
    node.tabIndex = 0;
    node.setAttribute("role", "button");
    node.title = title;
    node.onclick = () => setTriggerValue(name, value);
    walkKeys(node, () => [...root.querySelectorAll(".row")]);
    return node;
  };
  const button = (text, title, name, value) => {
    const node = make("button", "small", text);
    node.title = title;
    node.setAttribute("aria-label", title);
    node.onclick = (event) => { event.stopPropagation(); setTriggerValue(name, value); };
    return node;
  };
  const answer = (who, text) => {
    const node = make("div", "answer");
    node.append(make("div", "who", who), make("div", "said", text));
    return node;
  };
  const prompt = (row) => {
    const node = act(make("div", "row prompt-row"), "trace", row.id, "Trace this prompt: which words pushed the model to its answer");
    node.dataset.id = row.id;
    const head = make("div", "line"), answers = make("div", "answers");
    if (row.score) head.append(make("b", "score", row.score));
    head.append(make("span", "prompt", row.prompt), button("≈", "What else is like this prompt", "hand", row.id));
    answers.append(answer(row.heads[0], row.now), answer(row.heads[1], row.then));
    node.append(head, answers);
    return node;
  };
  const datapoint = (row) => {
    const node = act(make("div", "row data-row"), "row", row.id, "Open this training example");
    node.dataset.id = row.id;
    const tick = make("input");
    tick.type = "checkbox";
    tick.checked = row.ticked;
    tick.setAttribute("aria-label", `put ${row.id} into the basket`);
    tick.onclick = (event) => event.stopPropagation();
    tick.onchange = () => setTriggerValue("tick", [row.id, tick.checked]);
    const words = make("div", "words"), chips = make("div", "chips");
    for (const text of row.chips) chips.append(make("span", "chip", text));
    words.append(make("div", "prompt clip", row.prompt), make("div", "said", row.answer));
    const side = make("div", "side"), figures = make("div", "figures");
    figures.append(make("b", "score", row.score), button("≈", "What else is like this training example", "like", row.id));
    side.append(figures, chips);
    node.append(tick, words, side);
    return node;
  };
  const section = (title, rows, draw, empty) => {
    const node = make("div", "section"), list = make("div", "list");
    const fill = (count) => {
      list.replaceChildren(...rows.slice(0, count).map(draw));
      if (rows.length > count) {
        const more = make("button", "more", `Show all ${rows.length}`);
        more.onclick = () => fill(rows.length);
        list.append(more);
      }
      if (!rows.length) list.append(make("div", "none", empty));
    };
    fill(rows.length > FIRST + 2 ? FIRST : rows.length);
    node.append(make("div", "title", title), list);
    return node;
  };
  const top = [];
  if (data.verdict) {
    const words = make("div", "words");
    words.append(...data.words.map((word) => make("span", "word", word)));
    top.push(...data.summary.map((line) => make("div", "summary", line)), make("div", "verdict", data.verdict), make("div", "about", data.figures), words);
  }
  root.replaceChildren(...top, ...data.sections.map(({ kind, title, rows, empty }) => section(title, rows, kind === "prompts" ? prompt : datapoint, empty)));
}
