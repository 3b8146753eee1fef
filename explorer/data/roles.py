"""What became of the columns of somebody's data, over all of its rows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from explorer.data.formats import quoted
from explorer.data.names import ANSWERS, EXTRA, FIELDS, MESSAGES, PAIR, PROMPTS, TEXT
from explorer.errors import ExplorerError, count
from explorer.limits import COLUMNS

EXPECTED_PROMPT = f"expected {', '.join(PROMPTS)}, {MESSAGES} or {TEXT}; '--columns prompt=…' names another one"
EXPECTED_ANSWER = (
    f"expected {', '.join(ANSWERS)}, both chosen and rejected, {MESSAGES} or {TEXT}; "
    "'--columns response=…' names another one"
)


@dataclass
class ColumnRoles:
    """How the columns of a file were read, over all of its rows.

    Attributes:
        each: whether a conversation becomes one datapoint for each of its answers.
        chosen: field → column, as people chose it.
        raw: whether the rows are for a model that reads raw text.
        roles: column → fields of a datapoint that it gave, or ``extra``.
        dropped: columns left out (the keys; a dictionary keeps their order).
        columns: all columns that occur, likewise; names: what they are read as.
        conversations, answers: rows with several answers of the assistant, and the number of these answers.
        contexts: pairs with earlier answers before the two that are compared.
        counts: (what is counted, sentence about it) → how many.
    """

    each: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)
    raw: bool = False

    roles: dict[str, set[str]] = field(default_factory=dict)
    dropped: dict[str, None] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    conversations: int = 0
    answers: int = 0
    contexts: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def see(self, columns: Iterable[str], where: str) -> None:
        """Note the columns of a row. Raises ExplorerError for too many in all."""
        self.columns.update(dict.fromkeys(columns))
        if len(self.columns) > COLUMNS:
            raise ExplorerError(
                f"{where}: more than {COLUMNS} columns up to here; expected the same ones in every row."
            )

    def add(self, column: str, role: str) -> None:
        """Note that a column gave a field."""
        self.roles.setdefault(column, set()).add(role)

    def summary(self) -> dict[str, str]:
        """Column → its fields, joined with `` + ``; columns in the file's order, fields in the table's."""
        order = (*FIELDS, EXTRA)
        used = [name for name in self.columns if name in self.roles]
        used += [name for name in self.roles if name not in self.columns]  # ``a.b``, within another one
        return {name: " + ".join(sorted(self.roles[name], key=order.index)) for name in used}

    def check_chosen(self, path: object) -> None:
        """Raise ExplorerError for a column that was chosen and is in no row."""
        for field_name, column in self.chosen.items():
            if column not in self.columns and column.partition(".")[0] not in self.columns:
                found = f"found {quoted(self.columns)}"
                raise ExplorerError(f"{path}: no column '{column}' for '--columns {field_name}={column}'; {found}.")

    def check(self, path: object) -> None:
        """Raise ExplorerError if no row had a column for answers, or none had the other half of a pair."""
        if not self.names & {*ANSWERS, MESSAGES} and not {*PAIR} <= self.names:
            raise ExplorerError(f"{path}: no column for answers; found {quoted(self.columns)}; {EXPECTED_ANSWER}.")

    def problems(self) -> list[str]:
        """What should be looked at, one sentence each."""
        several, pairs = f"{count(self.conversations, 'conversation')} of several answers", count(self.contexts, "pair")
        if self.each:
            kept = f"{several}: made into {self.answers:,} rows, one an answer ('--turns all' keeps each as one row)"
        else:
            kept = f"{several}: one row each, with the loss on all answers ('--turns each' makes {self.answers:,} rows)"
        before = f"{pairs} with earlier answers: these are context, and the loss is on the last ones alone"
        told = [sentence for n, sentence in ((self.conversations, kept), (self.contexts, before)) if n]
        return told + [f"{count(n, what)} {sentence}" for (what, sentence), n in self.counts.items()]
