// Clusters as cards: number, name, tag, verdict, two lines about it, and one prompt's two answers. Text through textContent.
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
    node.setAttribute("aria-label", [`cluster ${card.number}`, card.name, card.tag, card.chip, ...card.summary].filter(Boolean).join(", "));
    const head = make("div", "head"), badge = make("span", "badge", String(card.number)), answers = make("div", "answers");
    badge.style.backgroundColor = card.colour;
    head.append(badge, make("span", "name", card.name), make("span", `tag ${card.tag}`, card.tag), make("span", `chip ${card.state}`, card.chip), make("span", "figures", card.figures));
    head.querySelector(".chip").title = card.verdict;
    answers.title = card.prompt;
    answers.append(answer(card.heads[0], card.now), answer(card.heads[1], card.then));
    node.append(head, ...card.summary.map((line, i) => make("div", `summary${i ? " dim" : ""}`, line)), answers);
    node.onclick = () => setTriggerValue("open", card.key);
    walkKeys(node, () => [...root.querySelectorAll(".card")]);
    return node;
  });
  if (nodes.length) root.replaceChildren(...nodes); else root.replaceChildren(make("div", "none", data.empty));
  root.querySelector(".open")?.scrollIntoView({ block: "nearest" });
}
