// The cases of a survey as a table: sorted by its heads, walked by arrows. All text through textContent: logs are hostile.
const RED = "$RED", BLUE = "$BLUE", FIRST = 50, MORE = 100;

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".cases");
  const box = root.querySelector(".scroll") || root.appendChild(document.createElement("div"));
  box.className = "scroll";
  const before = box.querySelector("tr:focus")?.dataset.id ?? (root.contains(root.getRootNode().activeElement) ? root.focused : undefined);
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) { node.textContent = text; node.dir = "auto"; }
    return node;
  };
  // a list that only grows: of two triggers before the server looks, it would hear the last one alone
  const change = (kind, id, value) => {
    root.turn = Math.max((root.turn || 0) + 1, Date.now());
    root.changes = [...(root.changes || []), [root.turn, kind, id, value]].slice(-100);
    setStateValue("changes", root.changes);
  };
  const button = (className, text, label, act) => {
    const node = make("button", className, text);
    node.type = "button";
    node.title = label;
    node.setAttribute("aria-label", label);
    node.onclick = (event) => { event.stopPropagation(); act(node); };
    return node;
  };

  const head = () => {
    const line = make("tr"), down = data.sort.startsWith("-"), by = data.sort.replace("-", "");
    const all = make("input"), cell = make("th", "tick");
    all.type = "checkbox";
    all.checked = data.rows.length > 0 && data.rows.every((row) => row.ticked);
    all.title = all.ariaLabel = "Select all that are listed";
    all.onchange = () => change("all", "", all.checked);
    cell.append(all);
    line.append(cell);
    for (const { key, label, help, className } of data.columns) {
      const th = make("th", className);
      th.scope = "col";
      if (key) {
        const sorted = key === by;
        th.setAttribute("aria-sort", sorted ? (down ? "descending" : "ascending") : "none");
        const to = sorted ? (down ? key : `-${key}`) : key === "gap" || key === "sink" ? `-${key}` : key;
        th.append(button("sort", label + (sorted ? (down ? " ↓" : " ↑") : ""), help, () => setTriggerValue("sort", to)));
      } else { th.append(make("span", "", label)); th.title = help; }
      line.append(th);
    }
    const top = make("thead");
    top.append(line);
    return top;
  };

  const words = (row) => {
    const cell = make("td", "words"), full = Math.max(...row.words.map(([, value]) => Math.abs(value)), 1e-9);
    for (const [text, value] of row.words) {
      const word = make("span", "word", text);
      word.style.backgroundColor = `rgba(${value > 0 ? RED : BLUE}, ${(0.12 + 0.43 * Math.abs(value) / full).toFixed(2)})`;
      word.title = `${value > 0 ? "+" : ""}${value.toPrecision(2)} logits, towards the ${value > 0 ? "wrong" : "right"} answer`;
      cell.append(word);
    }
    return cell;
  };
  const segments = (row) => {
    const cell = make("td", "segments"), bar = make("div", "bar");
    cell.title = row.segments.map(([name, share]) => `${name} ${Math.round(100 * share)} %`).join(", ");
    row.segments.forEach(([, share], i) => {
      const part = make("i", `s${Math.min(i, 3)}`);
      part.style.flexGrow = share;
      bar.append(part);
    });
    if (row.segments.length) cell.append(bar, make("span", "small", `${row.segments[0][0]} ${Math.round(100 * row.segments[0][1])} %`));
    return cell;
  };
  const noteCell = (row) => {
    const cell = make("td", "note");
    const edit = (text) => {
      root.editing = { id: row.id, text };
      const field = make("input", "field");
      field.value = text;
      field.maxLength = data.most;
      field.setAttribute("aria-label", `Note on ${row.id}: Enter keeps it, Escape leaves it as it was`);
      field.onclick = (event) => event.stopPropagation();
      field.oninput = () => { root.editing.text = field.value; };
      const leave = () => { root.editing = null; cell.replaceChildren(...both()); cell.closest("tr").focus({ preventScroll: true }); };
      field.onkeydown = (event) => {
        if (event.key === "Enter") { row.note = field.value; change("note", row.id, field.value); leave(); }
        else if (event.key === "Escape") leave();
        event.stopPropagation();
      };
      cell.replaceChildren(field);
      return field;
    };
    const both = () => {
      const seen = button("seen" + (row.seen ? " on" : ""), row.seen ? "✓ seen" : "○", row.seen ? "Seen: mark as not seen (S)" : "Mark as seen (S)", (node) => {
        row.seen = !row.seen;
        node.replaceWith(both()[0]);
        change("seen", row.id, row.seen);
      });
      seen.tabIndex = -1;
      seen.setAttribute("aria-pressed", String(row.seen));
      const note = button("write" + (row.note ? " has" : ""), row.note || "✎", `${row.note || "Write a note"} (N)`, () => edit(row.note).focus());
      note.tabIndex = -1;
      return [seen, note];
    };
    if (root.editing?.id === row.id) edit(root.editing.text); else cell.append(...both());
    cell.edit = () => edit(row.note).focus();
    return cell;
  };

  const line = (row) => {
    const node = make("tr", ["row", row.id === data.current ? "current" : "", row.seen ? "read" : "", row.can ? "" : "off"].join(" "));
    node.dataset.id = row.id;
    node.tabIndex = -1;
    node.setAttribute("aria-label", `${row.gap} logits, ${row.outcome || row.mark}${row.ticked ? ", selected" : ""}: ${row.prompt} → ${row.wrong} instead of ${row.right}`);
    const tick = make("input"), first = make("td", "tick");
    tick.type = "checkbox";
    tick.checked = row.ticked;
    tick.tabIndex = -1;
    tick.setAttribute("aria-label", `select ${row.id}`);
    tick.onchange = () => { row.ticked = tick.checked; change("tick", row.id, tick.checked); };
    first.onclick = (event) => event.stopPropagation();
    first.append(tick);
    const gap = make("td", "gap"), value = make("b", row.sign, row.gap);
    gap.append(value);
    if (row.profile) { const badge = make("span", "badge", row.profile); badge.style.backgroundColor = row.colour; badge.title = `profile cluster ${row.profile}`; gap.append(badge); }
    const outcome = make("td", "outcome");
    if (row.mark) { const mark = make("span", "mark", row.mark); mark.title = row.mark; outcome.append(mark); }
    if (row.outcome) { const text = make("span", "name", row.outcome); text.title = row.meaning; outcome.append(text); }
    const under = [row.pattern, row.verdict].filter(Boolean).join(" · ");
    if (under) { const text = make("span", "small", under); text.title = row.figures; outcome.append(text); }
    const texts = make("td", "texts"), answers = make("span", "answers");
    answers.append(make("span", "wrong", row.wrong), make("span", "instead", " instead of "), make("span", "right", row.right || "?"));
    if (row.category) answers.append(make("span", "category", row.category));
    texts.append(make("span", "prompt", row.prompt), answers);
    texts.title = row.whole;
    node.append(first, gap, outcome, texts, words(row), segments(row), make("td", "sink", row.sink), noteCell(row));
    const open = () => { if (row.can) setTriggerValue("open", row.id); };
    node.onclick = open;
    node.onfocus = () => { root.focused = row.id; for (const other of rows()) other.tabIndex = other === node ? 0 : -1; };
    const seen = () => { node.querySelector(".seen").click(); }, note = () => { node.querySelector(".note").edit(); };
    walkKeys(node, rows, { Enter: open, " ": () => { tick.click(); }, s: seen, S: seen, n: note, N: note });
    node.addEventListener("keydown", (event) => { if (event.key === "ArrowDown" && !node.nextElementSibling) fill(MORE); }, true);
    return node;
  };

  const table = make("table"), body = make("tbody");
  const rows = () => [...body.children].filter((node) => node.dataset.id !== undefined);
  let drawn = 0;
  const fill = (more) => {
    for (const row of data.rows.slice(drawn, drawn + more)) body.append(line(row));
    drawn = Math.min(drawn + more, data.rows.length);
    root.dataset.drawn = drawn;
  };
  const same = root.dataset.sheet === data.sheet, scrolled = same ? box.scrollTop : 0;
  fill(same ? Math.max(FIRST, root.kept || 0) : FIRST);
  if (!data.rows.length) { const none = make("tr"), cell = make("td", "none", data.empty); cell.colSpan = data.columns.length + 1; none.append(cell); body.append(none); }
  table.append(make("caption", "", data.caption), head(), body);
  box.replaceChildren(table);
  box.onscroll = () => {
    if (drawn < data.rows.length && box.scrollTop + box.clientHeight > box.scrollHeight - 600) fill(MORE);
    root.kept = drawn;
  };
  box.scrollTop = scrolled;
  root.dataset.sheet = data.sheet;
  root.dataset.rows = data.rows.length;
  const all = rows(), reach = all.find((node) => node.dataset.id === (before ?? data.current)) ?? all[0];
  if (reach) reach.tabIndex = 0;
  if (root.editing) { const field = box.querySelector(".field"); field?.focus({ preventScroll: true }); }
  else if (before) all.find((node) => node.dataset.id === before)?.focus({ preventScroll: true });
}
