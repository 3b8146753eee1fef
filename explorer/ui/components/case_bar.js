// The slim bar that says which failure is on screen. Text only through textContent; a part without text is left out.
export default function ({ data, parentElement }) {
  const set = (name, text) => {
    const node = parentElement.querySelector("." + name);
    node.textContent = text;
    node.title = text;
    node.hidden = !text;
  };
  for (const name of ["prompt", "wrong", "right", "gap", "note"]) set(name, data[name]);
  parentElement.querySelector(".arrow").hidden = !data.wrong || !data.right;
  parentElement.querySelector(".answers").hidden = Boolean(data.answers_below);
}
