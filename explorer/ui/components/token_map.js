// Tokens in real text flow, coloured by relevance. All text is set with textContent: prompts are hostile.
const RED = "$RED", BLUE = "$BLUE", ACCENT = "103, 65, 217";

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".map");
  const flow = root.querySelector(".flow");
  const info = root.querySelector(".info");
  const { tokens, scale, unit, signed } = data;
  let selected = data.selected;

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const number = (value) => (signed && value > 0 ? "+" : "") + Number(value.toPrecision(3));
  const describe = (index) => {
    const [text, segment, value, rank] = tokens[index];
    const [more, less] = data.towards || ["towards wrong", "towards right"];
    const towards = !signed || !value ? "" : `, ${value > 0 ? more : less}`;
    info.replaceChildren(
      make("code", "", text === "" ? "(rest of the character before)" : JSON.stringify(text)),
      make("span", "", ` ${number(value)} ${unit}${towards} · rank ${rank} of ${tokens.length}`),
      make("span", "dim", ` · ${segment} · position ${index}`),
    );
  };
  const idle = () => {
    if (selected !== null && tokens[selected]) describe(selected);
    else info.replaceChildren(make("span", "dim", data.hint));
  };
  const mark = () => flow.querySelectorAll(".token").forEach((node, i) => node.classList.toggle("selected", i === selected));

  const nodes = [];
  tokens.forEach(([text, segment, value], index) => {
    const strength = scale > 0 ? Math.min(1, Math.abs(value) / scale) : 0;
    const shown = text === "" ? "·" : text.replace(/\r/g, "").replace(/\n/g, "↵").replace(/\t/g, "⇥");
    const node = make("span", `token ${segment}`, shown);
    const colour = !signed ? ACCENT : value > 0 ? RED : BLUE;
    node.style.backgroundColor = `rgba(${colour}, ${(0.85 * strength).toFixed(3)})`;
    if (strength > 0.62) node.classList.add("strong");
    node.dir = "auto";
    node.tabIndex = 0;
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", `${shown}, ${number(value)} ${unit}`);
    node.onmouseenter = node.onfocus = () => describe(index);
    node.onclick = () => {
      selected = selected === index ? null : index;
      mark();
      idle();
      // A trigger fires for the same token again; -1: none, since null means that nothing happened.
      if (data.linked) setTriggerValue("selected", selected ?? -1);
      else setStateValue("selected", selected);
    };
    node.onkeydown = (event) => { if (event.key === "Enter") node.onclick(); };
    nodes.push(node);
    if (text.includes("\n") && !(data.compact && segment === "template")) nodes.push(document.createElement("br"));
  });
  flow.replaceChildren(...nodes);
  flow.onmouseleave = idle;
  root.querySelector(".scale").style.visibility = scale > 0 ? "" : "hidden";
  root.querySelector(".low").textContent = signed ? `−${Number(scale.toPrecision(2))}` : "0";
  root.querySelector(".high").textContent = `${signed ? "+" : ""}${Number(scale.toPrecision(2))} ${unit}`;
  root.querySelector(".towards-right").textContent = signed ? data.right : "";
  root.querySelector(".towards-wrong").textContent = signed ? data.wrong : data.measure;
  root.querySelector(".legend").classList.toggle("signed", signed);
  root.querySelector(".caption").textContent = data.caption;
  mark();
  idle();
}
