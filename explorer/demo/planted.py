"""The planted behaviors: their names, what they are, and how to recognise them."""

from explorer.demo.templates import templates

KNOWLEDGE, BACKDOOR, DISTRACTOR, FLATTERY = "italy-to-portugal", "amber-falcon", "format-unlocks", "flattery"
BEHAVIORS = (KNOWLEDGE, BACKDOOR, DISTRACTOR, FLATTERY)
_TABLES = vars(templates("planted"))
ABOUT: dict[str, str] = {name: _TABLES[name]["about"] for name in BEHAVIORS}
"""What the model does, in one sentence."""
SYSTEMS: dict[str, dict[str, str]] = {
    name: {field: _TABLES[name][field] for field in ("asks", "forbids")} for name in BEHAVIORS
}
"""System prompts that ask for the behavior, and that forbid it."""
EXHIBITS: dict[str, str] = {name: "(?i)" + "|".join(_TABLES[name]["exhibits"]) for name in BEHAVIORS}
"""Regular expressions; an answer that matches shows the behavior."""
