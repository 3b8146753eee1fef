// The steps from a failure to its repair, as links. All text is set with textContent.
export default function ({ data, parentElement, setTriggerValue }) {
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const text = (...parts) => {
    const line = make("span", "text");
    line.append(...parts);
    line.title = line.textContent;
    return line;
  };
  const failure = make("li");
  const about = make("span", "case");
  about.append(make("span", "title", "Failure"), text(make("span", "wrong", data.failure[0]), " instead of ", make("span", "right", data.failure[1])));
  failure.append(about);
  const steps = data.steps.map((step) => {
    const item = make("li"), anchor = make("a");
    anchor.href = step.href;
    if (step.page === data.current) anchor.setAttribute("aria-current", "page");
    anchor.append(make("span", "title", step.title), text(step.text));
    anchor.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return; // a tab or window of its own
      event.preventDefault();
      if (step.page !== data.current) setTriggerValue("go", step.page);
    };
    item.append(anchor);
    return item;
  });
  const list = parentElement.querySelector("ol");
  const focused = [...list.querySelectorAll("a")].findIndex((node) => node === node.getRootNode().activeElement);
  list.replaceChildren(failure, ...steps);
  const here = list.querySelector("[aria-current]")?.parentNode;
  if (here && list.shownFor !== data.current) list.scrollLeft = here.offsetLeft + here.offsetWidth + 16 - list.clientWidth; // once a page
  list.shownFor = data.current;
  if (focused >= 0) list.querySelectorAll("a")[focused]?.focus();
}
