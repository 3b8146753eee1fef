// Clusters as cards: number, verdict, words, and one prompt with its two answers. All text through textContent.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".cards");
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) { node.textContent = text; node.dir = "auto"; }
    return node;
  };
  const answer = (who, text) => {
    const node = make("div", "answer");
    node.append(make("div", "who", who), make("div", "said", text));
    return node;
  };
  const nodes = data.cards.map((card) => {
    const node = make("div", "card" + (card.key === data.open ? " open" : ""));
    node.dataset.key = card.key;
    node.tabIndex = 0;
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", `cluster ${card.number} ${card.name}`);
    const head = make("div", "head"), badge = make("span", "badge", String(card.number));
    badge.style.backgroundColor = card.colour;
    const words = make("div", "words"), line = make("div", "line");
    words.append(...card.words.map((word) => make("span", "word", word)));
    head.append(badge, make("span", "name", card.name), make("span", `chip ${card.state}`, card.chip), words);
    line.append(make("div", "prompt", card.prompt), make("span", "figures", card.figures));
    head.querySelector(".chip").title = card.verdict;
    const answers = make("div", "answers");
    answers.append(answer(card.heads[0], card.now), answer(card.heads[1], card.then));
    node.append(head, line, answers);
    node.onclick = () => setTriggerValue("open", card.key);
    node.onkeydown = (event) => { if (event.key === "Enter" && event.target === node) node.onclick(); };
    return node;
  });
  if (nodes.length) root.replaceChildren(...nodes); else root.replaceChildren(make("div", "none", data.empty));
  root.querySelector(".open")?.scrollIntoView({ block: "nearest" });
}
