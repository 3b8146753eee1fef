// A sentence whose words have the colour of their side. All text is set with textContent: it quotes the prompt.
// With data.more it has one line, and a button that opens the rest where there is one.
export default function ({ data, parentElement }) {
  const parts = data.parts.map(([text, side]) => {
    const span = document.createElement("span");
    span.className = side;
    span.dir = "auto";
    span.textContent = text;
    return span;
  });
  const sentence = parentElement.querySelector(".sentence"), words = document.createElement("span");
  const button = (label, act) => Object.assign(document.createElement("button"), { type: "button", textContent: label, onclick: act });
  words.className = "words";
  words.append(...parts);
  sentence.replaceChildren(words);
  sentence.classList.toggle("short", Boolean(data.more));
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(words.textContent);
      copying.textContent = "Copied";
    } catch { // no clipboard over plain http from another machine, or the browser refuses
      getSelection().setBaseAndExtent(parts[0], 0, parts.at(-1), 1);
      copying.textContent = "Press Ctrl+C or ⌘C";
    }
    setTimeout(() => { copying.textContent = data.copy; }, 6000);
  };
  const copying = button(data.copy, copy);
  if (data.copy) sentence.append(" ", copying);
  if (!data.more) return;
  const more = button("", () => { sentence.classList.toggle("open"); fold(); });
  function fold() {
    const open = sentence.classList.contains("open");
    more.textContent = open ? "less" : "more";
    more.ariaExpanded = String(open);
    more.hidden = !open && words.scrollHeight <= words.clientHeight + 1;
  }
  words.after(" ", more);
  const observer = new ResizeObserver(fold);
  observer.observe(words);
  return () => observer.disconnect();
}
