// Copies the address of the page as it stands when the button is clicked. Text only through textContent and value.
const SHOWN = 6000;

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".copy-link");
  const [button, field, said] = ["button", ".address", ".said"].map((name) => root.querySelector(name));
  button.title = [data.label, data.note].filter(Boolean).join(". ");
  button.setAttribute("aria-label", button.title);

  const address = () => {
    const url = new URL(window.location.href);
    for (const [name, value] of Object.entries(data.names)) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    return url.href;
  };
  const say = (text) => {
    said.textContent = [text, data.note].filter(Boolean).join(". ");
    clearTimeout(root.timer);
    root.timer = setTimeout(() => { said.textContent = ""; }, SHOWN);
  };
  const close = () => { field.hidden = true; };
  button.onclick = async () => {
    field.value = address();
    try {
      await navigator.clipboard.writeText(field.value);
      close();
      say("Copied");
    } catch { // no clipboard over plain http from another machine, or the browser refuses
      field.hidden = false;
      field.focus();
      field.select();
      say("Press Ctrl+C or ⌘C to copy");
    }
  };
  field.onkeydown = (event) => {
    if (event.key !== "Escape") return;
    close();
    button.focus();
  };
  field.onblur = close;
}
