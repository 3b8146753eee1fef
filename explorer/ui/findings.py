"""What is known of the case on screen at each step: a few words each, computed in the background."""

import numpy as np

from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.figures.labels import visible
from explorer.graph.crossing import strongest_crossing
from explorer.model.load import ModelSpec
from explorer.ranking.null import NO_STRONGER, significance, trained_on
from explorer.ranking.questions import AboutFailure
from explorer.ranking.rank import Choice
from explorer.ranking.table import column
from explorer.repair.of_case import repair_of
from explorer.trace.disagreement import ASKED, disputed_tokens
from explorer.trace.explain import Explanation
from explorer.trace.story import tell
from explorer.trace.words import plain_words
from explorer.ui.caching import cached
from explorer.ui.corpus import built_indexes, corpus_of, ranked
from explorer.ui.explained import edges_of, explained
from explorer.ui.training_data.verdict import ready_null

LOOKED_AT = 20
"""Rows at the head of the ranking."""
LEAST_LIFT = 3
"""How many of them must say the wrong word, and how many times the share of the corpus, to be told."""


def find_all(spec: ModelSpec, study: Study, failure: Failure) -> None:
    """Compute everything that the rail says of a case, so that it lies in the caches."""
    failure = failure.question
    disputed(spec, failure)
    of_trace(spec, failure)
    of_graph(spec, failure)
    of_training_data(spec, study, failure)
    of_repair(study, failure)


@cached("Comparing the rules")
def disputed(spec: ModelSpec, failure: Failure) -> dict[int, str]:
    """Tokens whose sign the rules disagree on (see ``disputed_tokens``); a rule that the model has not is left out."""
    maps: list[Explanation] = []
    for rule in ASKED:
        try:
            maps.append(explained(spec, failure, rule))
        except ExplorerError:
            continue
    return disputed_tokens(maps) if len(maps) > 1 else {}


@cached("Tracing")
def of_trace(spec: ModelSpec, failure: Failure) -> str:
    """The strongest word, or that the prompt does not explain the answer."""
    explanation = explained(spec, failure, "attnlrp")
    story = tell(explanation)
    if explanation.trace.gap <= 0:
        return "the right answer wins here"
    if not story.explained:
        return "not explained by the prompt"
    word = next(text for text, side in story.parts if side == "wrong")
    return f"{word} pushes hardest"


@cached("Computing the edges")
def of_graph(spec: ModelSpec, failure: Failure) -> str:
    """The way that carries most from one token to another; what the Graph page draws first is computed on the way."""
    edges = edges_of(spec, failure, "attnlrp")
    tokens = edges.explanation.tokens
    edges.story()
    crossing = strongest_crossing(edges.graph().pairs, edges.template)
    if crossing is None:
        return "no way between tokens"
    source, target = (visible(tokens[i].text).strip("␣") for i in (crossing.source, crossing.target))
    return f"{source} → {target} by layer {crossing.layer}"


@cached("Ranking the training data")
def of_training_data(spec: ModelSpec, study: Study, failure: Failure) -> str:
    """How many of the first rows of the ranking say the wrong word, where that is more than in the whole corpus."""
    if not trained_on(study, spec):
        return "this model was not trained on it"
    indexes = built_indexes(study)
    if not indexes:
        return "vectors not built"
    ranking = ranked(study, AboutFailure(failure), next(iter(indexes.values())), Choice())
    if significance(study, ranking, ready_null(study, ranking), spec).kind == NO_STRONGER:
        return "no stronger than unrelated prompts"
    word = explained(spec, failure, "attnlrp").sides[0].strip().strip(".,;:!?")
    table = corpus_of(study).table
    answers = zip(column(table, "response"), column(table, "chosen"), strict=True)
    says = np.array([not plain_words(word).isdisjoint(plain_words(" ".join(texts))) for texts in answers])
    top = ranking.top(LOOKED_AT)
    if says[top].mean() < LEAST_LIFT * says.mean() or says[top].sum() < LEAST_LIFT:
        return f"top score {ranking.scores[top[0]]:.2f}"
    run = int(np.append(says[top], False).argmin())
    return f"the top {run} rows say {word}" if run > 2 else f"{says[top].sum()} of the top {len(top)} rows say {word}"


@cached("Reading the repairs")
def of_repair(study: Study, failure: Failure) -> str:
    """What a measured repair did to the behavior that the failure is one of (``repair_of`` says which repair)."""
    if not (told := repair_of(study, failure)):
        return "not tried"
    _, result, top = told
    assert top.change
    effect = f"{100 * top.change.change:+.0f} %".replace("-", "−")
    return f"{result.edit} {top.k}: {effect}"
