// Asks the page to look again after a while, as long as it says how long; asks once more where no answer came, because
// a server that is drawing the page anew may drop a question.
const UNHEARD = 10_000;

export default function ({ data, parentElement, setTriggerValue }) {
  clearTimeout(parentElement.timer);
  const ask = (after) => {
    parentElement.timer = setTimeout(() => {
      setTriggerValue("look", true);
      ask(UNHEARD);
    }, after);
  };
  if (data.after !== null) ask(data.after);
  return () => clearTimeout(parentElement.timer);
}
