// A line under a picture that opens its table. The line stays as it is when it is drawn anew: it may have the focus.
export default function ({ data, parentElement }) {
  parentElement.querySelector("summary").textContent = data.label;
  drawTable(parentElement.querySelector(".scroll"), data.head, data.rows);
}
