// The failures on offer: grouped, searched by words, chosen by mouse or keys. All text is set with textContent.
const MOST = 200; // entries drawn at once
const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) || [];

export default function ({ data, parentElement, setTriggerValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const [open, panel, search, list] = [".open", ".panel", ".search", ".entries"].map(find);
  const make = (tag, className, ...parts) => {
    const node = document.createElement(tag);
    node.className = className;
    node.append(...parts);
    return node;
  };
  const lines = (entry) => [
    make("span", "title", entry.title),
    make("span", "answers", make("span", "wrong", entry.wrong), " instead of ", make("span", "right", entry.right)),
  ];
  const current = data.entries.find((entry) => entry.id === data.current);
  find(".now").replaceChildren(...(current ? lines(current) : [make("span", "title", "Your own prompt")]));

  const choose = (entry) => {
    panel.hidePopover();
    open.focus();
    if (entry.id !== data.current) setTriggerValue("chosen", entry.id);
  };
  const draw = () => {
    const wanted = words(search.value);
    const fits = (entry) => {
      const has = words(`${entry.group} ${entry.title} ${entry.prompt} ${entry.wrong} ${entry.right}`);
      return wanted.every((word) => has.some((one) => one.startsWith(word)));
    };
    const found = data.entries.filter(fits);
    const nodes = [];
    let group = "";
    for (const entry of found.slice(0, MOST)) {
      if (group !== entry.group + entry.model) {
        group = entry.group + entry.model;
        nodes.push(make("div", "group", make("span", "", entry.group), make("span", "model", entry.model)));
      }
      const node = make("div", "entry", ...lines(entry));
      node.setAttribute("role", "option");
      node.setAttribute("aria-selected", String(entry.id === data.current));
      node.tabIndex = -1;
      node.title = entry.prompt;
      node.onclick = () => choose(entry);
      node.onkeydown = (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          choose(entry);
        }
      };
      nodes.push(node);
    }
    if (!found.length) nodes.push(make("div", "rest", "No failure has all of these words."));
    if (found.length > MOST) nodes.push(make("div", "rest", `${found.length - MOST} more: type words to narrow the list.`));
    list.replaceChildren(...nodes);
  };
  const entries = () => [...list.querySelectorAll(".entry")];
  const move = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = entries();
    const at = all.indexOf(panel.getRootNode().activeElement);
    if (at === 0 && step < 0) search.focus();
    else all[Math.max(0, Math.min(all.length - 1, at + step))]?.focus();
  };
  panel.onkeydown = move;
  search.oninput = draw;
  search.onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // the button, which has the focus next, must not be pressed too
    entries()[0]?.click();
  };
  open.onclick = () => {
    const box = open.getBoundingClientRect();
    search.value = "";
    draw();
    panel.showPopover();
    panel.style.left = `${Math.max(8, Math.min(box.left, innerWidth - panel.offsetWidth - 8))}px`;
    panel.style.top = `${Math.max(8, Math.min(box.bottom + 4, innerHeight - panel.offsetHeight - 8))}px`;
    list.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "center" });
    search.focus();
  };
}
