// Both answers in full. Places where they differ are buttons, the contrasted one is filled. Text only through textContent.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".answers");
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const places = [];
  const nodes = data.sides.map(({ side, label, token, pieces }) => {
    const line = make("div", `line ${side}`);
    line.append(make("span", "label", label));
    const flow = make("span", "words");
    flow.dir = "auto";
    for (const [text, place, gap, about] of pieces) {
      if (place === null) { flow.append(make("span", "", text)); continue; }
      const node = make("button", "place" + (place === data.current ? " current" : ""));
      const word = place === data.current ? text.match(/^\S*/)[0] : text;  // of a longer run only its first word is filled
      const starts = place === data.current && token && word.startsWith(token) && word !== token;
      if (starts) node.append(make("b", "", token), make("span", "rest", word.slice(token.length)));
      else node.append(make("span", "", word || "∅"));
      if (gap) node.append(make("sup", "", gap));
      node.type = "button";
      node.title = about;
      node.setAttribute("aria-label", `${text || "nothing"}, ${about}`);
      node.setAttribute("aria-pressed", String(place === data.current));
      node.onclick = () => { if (place !== data.current) setTriggerValue("place", place); };
      flow.append(node);
      places.push(node);
      if (word !== text) flow.append(make("span", "run", text.slice(word.length)));
    }
    line.append(flow);
    return line;
  });
  if (data.note) nodes.push(make("div", "note", data.note));
  const start = places.findIndex((node) => node.classList.contains("current"));
  drawWalkable(root, nodes, places, { start: Math.max(0, start), flow: true });
}
