"""The rates of ``docs/truth.json`` as the tables of ``docs/faithfulness.md``."""

from typing import Any

from explorer.trace.explain import RULES, trace_rule

COLUMNS = {
    "culprit_reddest": "lure reddest",
    "decider_bluest": "decider bluest",
    "both": "both",
    "decider_reddest": "decider reddest",
}


def table(figures: dict[str, Any]) -> str:
    """Return one file's rates: every rule where it is read, AttnLRP at the same layer as in context, and the peers."""
    names = [name for name in COLUMNS if name in figures["rows"][0]]
    heading = ["map", *(COLUMNS[name] for name in names), "ρ, mean", "ρ, deleted"]
    by_chance = [_two(figures["chance"]["both" if name == "both" else "one"]) for name in names]
    lines = [heading, ["---"] * len(heading), ["chance", *by_chance, "0", "0"]]
    for row in figures["rows"]:
        if row["default"] or _is_plain_in_context(row, figures["rows"]):
            agreement = [_bounds(row["leave_one_out"][operator]) for operator in ("mean", "delete")]
            name = RULES[row["rule"]] + (f", layer {row['layer']}" if row["layer"] else "")
            lines.append([name, *(_bounds(row[each]) for each in names), *agreement])
    for row in figures.get("peers", []):
        library, _, method = row["method"].partition(":")
        few = "" if row["cases"] == figures["wrong"] else f" ({row['cases']} items)"
        name = f"{library.capitalize()}: {method.replace('_', ' ')}{few}"
        lines.append([name, *(_bounds(row[each]) for each in names), "", ""])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _is_plain_in_context(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether a row is AttnLRP's at the layer where it is read in context."""
    layer = next(each["layer"] for each in rows if each["rule"] == "attnlrp-context" and each["default"])
    return row["rule"] == trace_rule("attnlrp-context") and row["layer"] == layer


def _bounds(rate: list[float]) -> str:
    value, low, high = (_two(number) for number in rate)
    return f"{value} ({low} to {high})"


def _two(number: float) -> str:
    """A rate or correlation without its leading zero, as tables of the field write it."""
    text = f"{number:.2f}".replace("0.", ".", 1) if abs(number) < 1 else f"{number:.2f}"
    return "−" + text[1:] if text.startswith("-") else text
