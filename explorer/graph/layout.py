"""Where the nodes of a drawing stand: tokens as columns, layers as rows; runs of unused tokens fold into one column."""

from dataclasses import dataclass

from explorer.graph.prune import Drawing, Node
from explorer.trace.explain import Explanation


@dataclass(frozen=True)
class Column:
    """One column: a token, or a folded run of tokens first..last (both included) without nodes."""

    first: int
    last: int
    text: str
    segment: str

    @property
    def folded(self) -> bool:
        """True for a run of tokens."""
        return self.last > self.first


def columns(
    shown: Explanation, drawing: Drawing, unfolded: frozenset[int] = frozenset(), least: int = 3
) -> list[Column]:
    """The columns from left to right. Runs of at least ``least`` tokens without nodes fold, unless one is unfolded."""
    used = {token for _, token in drawing.nodes} | unfolded
    result: list[Column] = []
    at, tokens = 0, shown.tokens
    while at < len(tokens):
        end = at
        while end < len(tokens) and end not in used:
            end += 1
        if end - at >= least:
            result.append(Column(at, end - 1, f"… {end - at}", "folded"))
            at = end
            continue
        stop = max(end, at + 1)
        result += [Column(i, i, tokens[i].text, tokens[i].segment) for i in range(at, stop)]
        at = stop
    return result


def positions(drawing: Drawing, shown_columns: list[Column]) -> dict[Node, tuple[int, int]]:
    """(column, row) of every node; row 0 is the lowest drawn layer."""
    column_of = {c.first: n for n, c in enumerate(shown_columns) if not c.folded}
    row_of = {layer: n for n, layer in enumerate(drawing.layers)}
    return {(layer, token): (column_of[token], row_of[layer]) for layer, token in drawing.nodes}
