
// The page plays Streamlit's part: it hands the canvas its data, and shows the figures of what is clicked.
const main = document.querySelector("main"), aside = main.querySelector("aside");
const data = JSON.parse(document.getElementById("data").textContent);

function show(selected) {
  const setTriggerValue = (_, picked) => {
    aside.replaceChildren(...main.querySelector(".graph").figures());
    show(picked);
  };
  graph({ data: { ...data, selected }, parentElement: main, key: "page", setTriggerValue });
}

show("none");
