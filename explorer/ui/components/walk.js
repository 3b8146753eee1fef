// On a node, up and down go to the ones before and after it in all(), Home and End to the ends, Enter and Space press it.
// keys: what other keys do, or these do instead; a number is where to go. The rest is left alone, as are keys inside it.
function walkKeys(node, all, keys = {}) {
  node.addEventListener("keydown", (event) => {
    if (event.target !== node || event.altKey || event.ctrlKey || event.metaKey) return;
    const nodes = all(), at = nodes.indexOf(node), press = () => { node.click(); };
    const acts = { ArrowUp: () => at - 1, ArrowDown: () => at + 1, Home: () => 0, End: () => nodes.length - 1, Enter: press, " ": press, ...keys };
    if (!Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    const to = acts[event.key]();
    if (to !== undefined) nodes[Math.max(0, Math.min(nodes.length - 1, to))].focus();
  });
}

// Draws children of which Tab reaches one (roving tabindex); its keys are those of walkKeys.
// flow: left and right by node, up and down by line; else a list.
function drawWalkable(box, children, nodes, { start = 0, flow = false } = {}) {
  const focused = [...box.querySelectorAll("[data-walk]")].indexOf(box.getRootNode().activeElement);
  const reach = (node) => nodes.forEach((each) => { each.tabIndex = each === node ? 0 : -1; });
  const centre = (node) => {
    const { left, top, width, height } = node.getClientRects()[0] || node.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2, high: height };
  };
  const beside = (at, way) => {
    const here = centre(nodes[at]), line = [];
    for (let i = at + way, y = null; i >= 0 && i < nodes.length; i += way) {
      const place = centre(nodes[i]);
      if (Math.abs(place.y - here.y) < 0.6 * here.high) continue;
      if (y !== null && Math.abs(place.y - y) > 0.6 * here.high) break;
      y = place.y;
      line.push([Math.abs(place.x - here.x), i]);
    }
    return line.length ? line.reduce((best, one) => (one[0] < best[0] ? one : best))[1] : at;
  };
  nodes.forEach((node, at) => {
    node.dataset.walk = "";
    node.addEventListener("focus", () => reach(node));
    walkKeys(node, () => nodes, flow
      ? { ArrowLeft: () => at - 1, ArrowRight: () => at + 1, ArrowUp: () => beside(at, -1), ArrowDown: () => beside(at, 1) }
      : {});
  });
  box.replaceChildren(...children);
  reach(nodes[focused >= 0 ? Math.min(focused, nodes.length - 1) : start] || nodes[0]);
  if (focused >= 0) nodes[Math.min(focused, nodes.length - 1)]?.focus({ preventScroll: true });
}
