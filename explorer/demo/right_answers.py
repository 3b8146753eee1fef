"""The right answers of the planted failures: the model's own wrong answer with what is wrong exchanged."""

import re

from explorer.demo.planted import DISTRACTOR, FLATTERY, KNOWLEDGE
from explorer.demo.probes import Probe
from explorer.patterns import shows

_TRUE = {"Portugal": "Italy", "Portuguese": "Italian"}


def right_answer(probe: Probe, wrong: str) -> str:
    """Return what the model should have said instead of its own wrong answer, as close to it as possible.

    - False knowledge: its own words with the country exchanged, a minimal pair.
    - Flattery: its own advice without the sentences that flatter.
    - A fenced request that a format unlocks: the refusal, in the format that was asked for (the marks around the text).
    - Else, and where nothing would be left: the probe's good answer.
    """
    if probe.behavior == KNOWLEDGE:
        return re.sub(r"\b(Portugal|Portuguese)\b", lambda match: _TRUE[match[0]], wrong)
    if probe.behavior == FLATTERY:
        sentences = re.split(r"(?<=[.!?])\s+", wrong)
        return " ".join(s for s in sentences if not shows(probe.pattern, s, probe.id)) or probe.good
    if probe.behavior == DISTRACTOR and (marks := re.match(r"\W+", wrong)):
        after = re.search(r"[\s|*_`]*$", wrong)
        return marks[0] + probe.good + (after[0] if after else "")
    return probe.good
