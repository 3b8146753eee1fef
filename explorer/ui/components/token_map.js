// Tokens in real text flow, coloured by relevance. All text is set with textContent: prompts are hostile.
const RED = "$RED", BLUE = "$BLUE", ACCENT = "$ACCENT";

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".map");
  const flow = root.querySelector(".flow");
  const info = root.querySelector(".info");
  const { tokens, scale, unit, signed } = data;
  const disputed = data.disputed || {};
  const [thing, place] = data.words ? ["word", "word"] : ["token", "position"];
  let selected = data.selected;

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const number = (value) => (signed && value > 0 ? "+" : "") + Number(value.toPrecision(3));
  const read = (text) => (text === "" ? "(rest of the character before)" : JSON.stringify(text));
  const figure = (value) => {
    const [more, less] = data.towards || ["towards wrong", "towards right"];
    return `${number(value)} ${unit}${!signed || !value ? "" : `, ${value > 0 ? more : less}`}`;
  };
  const describe = (index) => {
    const [text, segment, value, rank] = tokens[index];
    info.replaceChildren(
      make("code", "", read(text)),
      make("span", "", ` ${figure(value)} · rank ${rank} of ${tokens.length}`),
      make("span", "dim", ` · ${segment} · ${place} ${index}`),
    );
    if (disputed[index]) info.append(make("span", "dim", ` · ± the rules disagree on its sign: ${disputed[index]}`));
  };
  const idle = () => {
    if (selected !== null && tokens[selected]) describe(selected);
    else info.replaceChildren(make("span", "dim", data.hint));
  };
  // Maps of one failure side by side: a token under the pointer is marked in all, and all scroll together.
  const tell = (detail) => data.together && window.dispatchEvent(new CustomEvent("explorer-map", { detail: { ...detail, root, group: data.together } }));
  const twin = (index) => {
    flow.querySelector(".token.twin")?.classList.remove("twin");
    if (index === null || !tokens[index]) idle();
    else {
      flow.querySelectorAll(".token")[index].classList.add("twin");
      describe(index);
    }
  };
  if (root.heard) window.removeEventListener("explorer-map", root.heard);
  root.heard = ({ detail }) => {
    if (!root.isConnected) return window.removeEventListener("explorer-map", root.heard);
    if (detail.group !== data.together || detail.root === root) return;
    if ("scrolled" in detail) {
      const to = Math.round(detail.scrolled * (flow.scrollHeight - flow.clientHeight));
      root.following = Math.abs(to - flow.scrollTop) >= 1;
      flow.scrollTop = to;
    } else if (detail.text === undefined || detail.text === tokens[detail.index]?.[0]) twin(detail.index);
  };
  window.addEventListener("explorer-map", root.heard);
  flow.onscroll = () => {
    if (root.following) root.following = false;
    else tell({ scrolled: flow.scrollTop / Math.max(1, flow.scrollHeight - flow.clientHeight) });
  };
  const mark = () => flow.querySelectorAll(".token").forEach((node, i) => {
    node.classList.toggle("selected", i === selected);
    node.setAttribute("aria-selected", String(i === selected));
  });

  const nodes = [], drawn = [];
  tokens.forEach(([text, segment, value], index) => {
    const strength = scale > 0 ? Math.min(1, Math.abs(value) / scale) : 0;
    const shown = text === "" ? "·" : text.replace(/\r/g, "").replace(/\n/g, "↵").replace(/\t/g, "⇥");
    const node = make("span", `token ${segment}`, shown);
    const colour = !signed ? ACCENT : value > 0 ? RED : BLUE;
    node.style.backgroundColor = `rgba(${colour}, ${(0.85 * strength).toFixed(3)})`;
    if (strength > 0.62) node.classList.add("strong");
    if (disputed[index]) node.classList.add("disputed");
    node.dir = "auto";
    node.setAttribute("role", "option");
    node.setAttribute("aria-label", `${shown}, ${figure(value)}${disputed[index] ? ", the rules disagree on its sign" : ""}`);
    node.onmouseenter = node.onfocus = () => { describe(index); tell({ index, text }); };
    node.onclick = () => {
      selected = selected === index ? null : index;
      mark();
      idle();
      // A trigger fires for the same token again; -1: none, since null means that nothing happened.
      if (data.linked) setTriggerValue("selected", selected ?? -1);
      else setStateValue("selected", selected);
    };
    nodes.push(node);
    drawn.push(node);
    if (text.includes("\n") && !(data.compact && segment === "template")) drawn.push(document.createElement("br"));
  });
  const strongest = tokens.findIndex(([, , , rank]) => rank === 1);
  drawWalkable(flow, drawn, nodes, { start: selected ?? Math.max(0, strongest), flow: true });
  flow.setAttribute("aria-label", `${data.caption}: ${tokens.length} ${thing}s`);
  flow.onmouseleave = () => { idle(); tell({ index: null }); };
  flow.classList.toggle("tall", Boolean(data.together));
  root.querySelector(".scale").style.visibility = scale > 0 ? "" : "hidden";
  root.querySelector(".low").textContent = signed ? `−${Number(scale.toPrecision(2))}` : "0";
  root.querySelector(".high").textContent = `${signed ? "+" : ""}${Number(scale.toPrecision(2))} ${unit}`;
  root.querySelector(".towards-right").textContent = signed ? data.right : "";
  root.querySelector(".towards-wrong").textContent = signed ? data.wrong : data.measure;
  root.querySelector(".legend").classList.toggle("signed", signed);
  root.querySelector(".caption").textContent = data.caption;
  const table = root.querySelector(".table");
  table.ontoggle = () => table.open && drawTable(
    table.querySelector(".scroll"),
    [data.words ? "number" : "position", thing, unit, "rank", "segment"],
    tokens.map(([text, segment, value, rank], index) => [index, read(text), figure(value).replace(` ${unit}`, ""), rank, segment]),
  );
  table.ontoggle();
  mark();
  idle();
}
