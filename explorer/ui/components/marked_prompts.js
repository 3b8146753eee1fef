// Prompts with some tokens struck through ("del") or underlined ("ins"), and sentences below. Text only by textContent.
export default function ({ data, parentElement }) {
  const make = (tag, text, className) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  const prompt = ({ title, mark, runs }) => {
    const text = make("div", undefined, mark === "ins" ? "text alone" : "text");
    text.tabIndex = 0;  // a long one scrolls
    text.setAttribute("role", "group");
    text.setAttribute("aria-label", title);
    text.append(...runs.map((run) => {
      const line = make("div");
      line.append(...run.map(([words, marked]) => make(marked ? mark : "span", words)));
      return line;
    }));
    return text;
  };
  parentElement.querySelector(".marked").replaceChildren(...data.parts.flatMap((part) => [
    ...(part.title ? [make("h4", part.title)] : []),
    ...(part.runs.length ? [prompt(part)] : []),
    ...part.sentences.map((sentence) => make("p", sentence)),
  ]));
}
