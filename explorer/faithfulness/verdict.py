"""The verdict on a map: does replacing tokens in its order move the gap more than random orders do?"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from scipy.stats import false_discovery_control

from explorer.errors import PromptError
from explorer.faithfulness.curves import LEVEL, ORDERS, CurveTest, measure_maps
from explorer.faithfulness.operators import OPERATORS, MaskedPrompt
from explorer.model.load import LoadedModel, ModelSpec
from explorer.model.passes import tell, watched
from explorer.progress import Progress, silent
from explorer.trace.explain import RULES, Explanation, ready_model

Kind = Literal["holds", "disagree", "chance"]
DEFAULT_OPERATORS = ("mean", "delete")


def words(kind: Kind, what: str = "map") -> str:
    """Return a verdict for people; ``what``: the kind of picture."""
    return {
        "holds": "holds",
        "disagree": "the replacements disagree",
        "chance": f"no better than chance: do not trust this {what}",
    }[kind]


def decide(p_values: Sequence[float], level: float = LEVEL) -> Kind:
    """Return the verdict that p-values under several replacements add up to (Benjamini–Hochberg over them).

    All below ``level``: holds; some: the replacements disagree; none: no better than chance. A picture of noise is
    called chance in at least 1 − ``level`` of cases, whatever the number of replacements.
    """
    below = false_discovery_control(list(p_values)) <= level
    return "holds" if below.all() else "disagree" if below.any() else "chance"


@dataclass(frozen=True)
class MapVerdict:
    """What became of a map under intervention.

    Attributes:
        rule, layer, whole: the map's.
        unit: of gaps and spreads.
        players: tokens of the prompt that were replaced; the chat format never is.
        tests: one a replacement.
    """

    rule: str
    layer: int
    whole: bool
    unit: str
    players: int
    tests: tuple[CurveTest, ...]

    @property
    def kind(self) -> Kind:
        """The verdict."""
        return decide([test.p for test in self.tests])

    @property
    def words(self) -> str:
        """The verdict in words."""
        return words(self.kind)

    @property
    def figures(self) -> str:
        """The figures that the verdict rests on, in half a sentence."""
        beaten = []
        for test in self.tests:
            orders = len(test.reference.random)
            number = round(test.beaten * orders)
            share = f"all {orders}" if number == orders else f"{number} of {orders}"
            beaten.append(f"{share} random orders ({OPERATORS[test.reference.operator]})")
        return f"replacing tokens in its order, reddest against bluest first, moves the gap more than {_and(beaten)}"

    @property
    def sentence(self) -> str:
        """The verdict and the figures that it rests on."""
        return f"{self.words[0].upper()}{self.words[1:]}: {self.figures}."

    @property
    def effect(self) -> float:
        """The smallest effect over the replacements, in standard deviations of random orders."""
        return min(test.effect[0] for test in self.tests)

    def to_json(self) -> dict[str, Any]:
        """The object under ``faithfulness`` of ``explorer trace --faithfulness --json -``."""
        heading = {"verdict": self.kind, "sentence": self.sentence, "rule": self.rule, "layer": self.layer}
        return heading | {"unit": self.unit, "tokens": self.players, "tests": [test.to_json() for test in self.tests]}

    def table(self) -> str:
        """The verdict as plain text, a line a replacement."""
        rows = [self.sentence]
        for test in self.tests:
            effect, low, high = test.effect
            mean, _, _ = test.random_fall
            alone = "" if test.leave_one_out is None else f", leave-one-out ρ {test.leave_one_out:+.2f}"
            rows.append(
                f"  {OPERATORS[test.reference.operator]:>14}: effect {effect:.1f} sd [{low:.1f}, {high:.1f}], "
                f"comprehensiveness {test.comprehensiveness:+.2f} and sufficiency {test.sufficiency:+.2f} {self.unit} "
                f"(random {mean:+.2f}){alone} (p = {test.p:.2g})"
            )
        return "\n".join(rows)


def verdicts(
    explanations: Sequence[Explanation],
    model: str | ModelSpec | LoadedModel | None = None,
    *,
    operators: Sequence[str] = DEFAULT_OPERATORS,
    orders: int = ORDERS,
    seed: int = 0,
    progress: Progress = silent,
) -> list[MapVerdict]:
    """Judge maps of one contrast, which share the random orders.

    Args:
        explanations: of one failure, all whole or none; different rules or layers.
        model: the model that they are of; by default it is loaded as they say.
        operators: keys of ``OPERATORS``, at least one.
        orders, seed: of the random orders; the same seed gives the same figures.
        progress: may raise to end the work; by default the thread's own watcher is told.

    Raises:
        PromptError: for an unknown replacement, and for a prompt with too few tokens.
    """
    _check_operators(operators)
    loaded = ready_model(explanations[0].spec if model is None else model)
    prompt = MaskedPrompt(loaded, explanations[0])
    maps = [explanation.relevance[prompt.players] for explanation in explanations]
    passed: list[list[CurveTest]] = []
    total = len(operators) * orders
    with watched(progress) if progress is not silent else nullcontext():
        for number, operator in enumerate(operators):
            prompt.status = f"Replacing tokens ({OPERATORS[operator]})", number * orders, total

            def tell_so_far(tests: list[CurveTest], number: int = number, operator: str = operator) -> None:
                random = tests[0].random_spreads
                share = f"{round(tests[0].beaten * len(random))} of {len(random)} random orders"
                what = f"{RULES[explanations[0].rule]} beats {share} so far ({OPERATORS[operator]})"
                prompt.status = what, number * orders + len(random), total
                tell(*prompt.status)

            passed.append(measure_maps(prompt, maps, operator, orders, seed, tell_so_far))
    by_map = zip(explanations, zip(*passed, strict=True), strict=True)
    return [MapVerdict(e.rule, e.layer, e.whole, e.unit, len(prompt.players), tests) for e, tests in by_map]


def _check_operators(operators: Sequence[str]) -> None:
    if not operators or not set(operators) <= set(OPERATORS):
        raise PromptError(f"The replacements are {list(operators)}; expected some of {', '.join(OPERATORS)}.")


def best(judged: Sequence[MapVerdict]) -> MapVerdict:
    """Return the map that does best on a case: among the best verdicts the one with the largest ``effect``."""
    ranks = {"holds": 2, "disagree": 1, "chance": 0}
    return max(judged, key=lambda verdict: (ranks[verdict.kind], verdict.effect))


def rule_name(verdict: MapVerdict) -> str:
    """Name the map: its rule, and the layer where it is not the embeddings."""
    return RULES[verdict.rule] + (f", layer {verdict.layer}" if verdict.layer else "")


def _and(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
