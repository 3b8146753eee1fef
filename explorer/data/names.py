"""Which column of anybody's data is which field: the usual names, capitals aside, and a map that people give."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from explorer.errors import ExplorerError

PROMPTS = ("prompt", "prompts", "instruction", "question", "query", "problem", "input")
ANSWERS = ("response", "output", "completion", "answer", "solution")
PAIR = ("chosen", "rejected")
MESSAGES, TEXT, EXTRA = "messages", "text", "extra"
CONTEXTS = ("input", "context")
"""Columns that complete a prompt: its text, a blank line, theirs."""
COMPLETED = ("instruction", "question", "query", "problem", "input")
"""Prompts that they complete."""
PLAIN = ("system", "label", "source")
FIELDS = ("id", "history", "prompt", "response", *PAIR, *PLAIN)
"""The columns of a datapoint, in the table's order."""
MAPPED = ("prompt", "response", *PAIR, MESSAGES, "system", "context", "id", "label", "source")
"""Fields that a column can be chosen for by hand."""
KTO = "kto_tag"
ALIASES = {
    "conversations": MESSAGES,
    "conversation": MESSAGES,
    "system_prompt": "system",
    "system_message": "system",
    "preferred_output": "chosen",
    "non_preferred_output": "rejected",
    "chosen_response": "chosen",
    "rejected_response": "rejected",
}
KNOWN = {*PROMPTS, *ANSWERS, *PAIR, MESSAGES, TEXT, *CONTEXTS, *FIELDS, KTO}
NESTED = {*PROMPTS, *ANSWERS, *PAIR, MESSAGES, *ALIASES}
"""Columns that may hold messages, or objects with messages."""


@lru_cache(maxsize=1024)
def fields_of(columns: tuple[str, ...]) -> dict[str, str]:
    """Column → the name that it is read under: a usual one for a spelling or an alias of it, else its own."""
    names: dict[str, str] = {}
    taken = {*columns}
    for column in columns:
        folded = "_".join(column.strip().casefold().replace("-", " ").split())
        usual = ALIASES.get(folded, folded)
        names[column] = column
        if column not in KNOWN and usual in KNOWN and usual not in taken:
            names[column] = usual
            taken.add(usual)
    return names


def parse_columns(text: str) -> dict[str, str]:
    """Read ``prompt=Question,response=Best answer`` as field → column. Raises ExplorerError."""
    pairs = [part.partition("=") for part in text.split(",")]
    if any(not column.strip() for _, _, column in pairs):
        raise ExplorerError(f"--columns {text}: expected FIELD=COLUMN, several with commas between.")
    columns = {field.strip(): column.strip() for field, _, column in pairs}
    check_columns(columns)
    return columns


def check_columns(columns: Mapping[str, str]) -> None:
    """Raise ExplorerError for a field that no column can be chosen for."""
    for field in columns:
        if field not in MAPPED:
            raise ExplorerError(f"--columns {field}={columns[field]}: no such field; expected {', '.join(MAPPED)}.")


def heads_of(columns: Iterable[str]) -> set[str]:
    """The columns, in small letters, that chosen ones may lie in: ``data`` of ``data.question``."""
    return {name.strip().lower() for column in columns for name in (column, column.partition(".")[0])}
