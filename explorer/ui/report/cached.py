"""What the report of a case has computed, from the caches of the pages."""

from collections.abc import Sequence

from explorer.behaviors.clusters import Clusters
from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.faithfulness.graph_verdict import GraphVerdict
from explorer.faithfulness.verdict import MapVerdict
from explorer.graph.build import TracedEdges
from explorer.graph.layout import AttributionGraph
from explorer.model.spec import ModelSpec
from explorer.ranking.null import Null
from explorer.ranking.questions import AboutFailure
from explorer.ranking.rank import Choice, Ranking
from explorer.reports.gather import METHOD, PROMPTS, RULE
from explorer.ui.behaviors.state import study_clusters
from explorer.ui.corpus import built_indexes, ranked
from explorer.ui.explained import edges_of, explained
from explorer.ui.graph.verdict import drawing_of, judged
from explorer.ui.training_data.verdict import null_of
from explorer.ui.verdict import compute_verdicts
from explorer.vectors.index import Index


class Cached:
    """What the report of a case has computed (``reports.gather.Calls``)."""

    def edges(self, spec: ModelSpec, failure: Failure) -> TracedEdges:
        """As the Graph page."""
        return edges_of(spec, failure, RULE)

    def judged_map(self, spec: ModelSpec, failure: Failure) -> Sequence[MapVerdict]:
        """As the Trace page."""
        return compute_verdicts(spec, failure, explained(spec, failure, RULE))

    def judged_graph(self, spec: ModelSpec, failure: Failure, graph: AttributionGraph) -> GraphVerdict:
        """As the Graph page."""
        return judged(*drawing_of(spec, failure, graph))

    def ranked(self, study: Study, failure: Failure) -> Ranking:
        """As the Training data page."""
        return ranked(study, AboutFailure(failure.question), first_index(study), Choice(METHOD))

    def null(self, study: Study, ranking: Ranking) -> Null:
        """As the Training data page."""
        return null_of(study, ranking)

    def clusters(self, study: Study) -> Clusters:
        """As the Behaviors page."""
        return study_clusters(study, first_index(study), PROMPTS, METHOD, None)


def first_index(study: Study) -> Index:
    """Return the vectors that the pages begin with. Raises ExplorerError where there are none."""
    if indexes := built_indexes(study):
        return next(iter(indexes.values()))
    raise ExplorerError("The vectors of this study are not built yet.")
