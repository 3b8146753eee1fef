"""Rich display in a notebook: maps, graphs, verdicts, rankings, clusters and surveys, without network.

Each is a page of its own in a frame, so that neither its styles nor the notebook's reach the other; it runs no script
but its own and asks for nothing outside.
"""

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explorer.behaviors.clusters import Clusters
    from explorer.faithfulness.graph_verdict import GraphVerdict
    from explorer.faithfulness.verdict import MapVerdict
    from explorer.graph.layout import AttributionGraph
    from explorer.ranking.rank import Ranking
    from explorer.surveys.folder import Survey
    from explorer.trace.explain import Explanation

_PLAIN = ":root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;margin:.5rem}pre{white-space:pre-wrap}"


def register(formatter: Any) -> None:
    """Tell IPython's HTML formatter how to show our objects; nothing is imported before one is shown.

    Args:
        formatter: ``get_ipython().display_formatter.formatters["text/html"]``.
    """
    for module, name, show in (
        ("explorer.trace.explain", "Explanation", map_frame),
        ("explorer.graph.layout", "AttributionGraph", graph_frame),
        ("explorer.faithfulness.verdict", "MapVerdict", verdict_frame),
        ("explorer.faithfulness.graph_verdict", "GraphVerdict", verdict_frame),
        ("explorer.surveys.folder", "Survey", survey_frame),
        ("explorer.ranking.rank", "Ranking", ranking_frame),
        ("explorer.behaviors.clusters", "Clusters", clusters_frame),
    ):
        formatter.for_type_by_name(module, name, show)


def map_frame(explanation: "Explanation") -> str:
    """The map, with its caption."""
    from explorer.figures.heatmap import export_heatmap

    return framed(export_heatmap(explanation, "html").decode(), 320)


def graph_frame(graph: "AttributionGraph") -> str:
    """The drawing, to be hovered over, clicked and dragged."""
    from explorer.figures.graph import export_graph

    return framed(export_graph(graph, "html").decode(), 760)


def verdict_frame(verdict: "MapVerdict | GraphVerdict") -> str:
    """The verdict and its figures."""
    from explorer.figures.save import html_page

    return framed(html_page("Verdict", f"<pre>{escape(verdict.table())}</pre>", _PLAIN), 160)


def survey_frame(survey: "Survey") -> str:
    """The survey's report."""
    from explorer.figures.survey_page import survey_html
    from explorer.surveys.profiles import cluster_profiles

    return framed(survey_html(survey, [*survey.cases], cluster_profiles(survey)), 760)


def ranking_frame(ranking: "Ranking") -> str:
    """The best rows, each with its score and texts."""
    from explorer.figures.ranking_page import ranking_html

    return framed(ranking_html(ranking), 420)


def clusters_frame(clusters: "Clusters") -> str:
    """The cards of the clusters; of clusters without a study, what was compared alone."""
    from explorer.behaviors.cards import make_cards
    from explorer.behaviors.report import heading, summary
    from explorer.figures.cards_page import cards_html

    cut, study = clusters.cut(), clusters.study
    cards = make_cards(clusters, cut, study.datapoints()) if study else []
    title = heading(study.name if study else "a study", clusters)
    return framed(cards_html(title, summary(clusters, cut), cards, clusters.matrix.prompts.models), 560)


def framed(page: str, height: int) -> str:
    """A whole page as a frame of ``height`` pixels that has no rights but to run the page's own scripts."""
    frame = f'<iframe sandbox="allow-scripts" style="width:100%;height:{height}px;border:0" srcdoc='
    return f'{frame}"{escape(page, quote=True)}"></iframe>'
