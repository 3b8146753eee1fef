"""The parts of a report that show what a study's pages show: training data, behaviors, repair, survey."""

from collections.abc import Sequence

from explorer.behaviors.prompts import default_reference, missing_answers
from explorer.errors import ExplorerError, count
from explorer.figures.clusters import cluster_legend
from explorer.ranking.null import Null, no_null, significance
from explorer.ranking.table import Filter, matches
from explorer.ranking.token_scores import token_scores
from explorer.repair.plan import REPAIRS, read_plan
from explorer.repair.results import read_result
from explorer.reports.blocks import Picture, Section
from explorer.reports.of_failure import survey_section
from explorer.reports.of_training import cluster_section, clusters_section, data_section, repair_section, shown_rows
from explorer.ui import link
from explorer.ui.behaviors.bar import count_slider, pickers
from explorer.ui.behaviors.files import matrix_of
from explorer.ui.behaviors.state import clustered_study, study_clusters
from explorer.ui.behaviors.view import on_screen as behaviors_on_screen
from explorer.ui.corpus import built_indexes, corpus, ranked
from explorer.ui.repair.job import NEW_REPAIR, titles
from explorer.ui.session import model_spec
from explorer.ui.study import current_study
from explorer.ui.survey.opened import opened_survey, survey_folder
from explorer.ui.survey.pick import pick_survey
from explorer.ui.survey.view import NEW, bars_by
from explorer.ui.survey.view import on_screen as survey_on_screen
from explorer.ui.training_data.bar import linked_choice
from explorer.ui.training_data.detail import linked_evidence
from explorer.ui.training_data.filters import pick_filter
from explorer.ui.training_data.list import linked_row
from explorer.ui.training_data.verdict import null_of


def data_part(_judge: bool) -> Section:
    """Return what the Training data page shows of the link that is read."""
    data = corpus()
    picked = linked_choice(data, built_indexes(data.study))
    ranking = ranked(data.study, picked.question, picked.index, picked.choice)
    null: Null | None = None if no_null(ranking) else null_of(data.study, ranking)
    wanted = pick_filter(data)
    keep = matches(data.table, ranking.scores, wanted)
    rows = shown_rows(ranking, ranking.order[keep[ranking.order]], linked_row(data))
    evidence = token_scores(data.study, ranking, rows, kind=linked_evidence(ranking)) if picked.index else {}
    verdict = significance(data.study, ranking, null, model_spec() if picked.failure else None)
    return data_section(data.study, ranking, verdict, null, evidence, rows, _filters(wanted, int(keep.sum())))


def _filters(wanted: Filter, listed: int) -> str:
    """Say which rows are listed; empty where all are."""
    parts: Sequence[tuple[str, str]] = (
        ("source", ", ".join(wanted.sources)),
        ("label", ", ".join(wanted.labels)),
        ("with the words", wanted.text.strip()),
        ("score at least", "" if wanted.least is None else f"{wanted.least:g}"),
    )
    told = [f"{name} {text}" for name, text in parts if text]
    return f"{count(listed, 'row')}: {'; '.join(told)}" if told else ""


def behaviors_part(_judge: bool) -> Section:
    """Return what the Behaviors page shows of the link that is read: the open card, else all clusters."""
    data = corpus()
    indexes = built_indexes(data.study)
    if not indexes:
        raise ExplorerError("The vectors of this study are not built yet.")
    choice, _ = pickers(data, indexes)
    before = default_reference(data.study, choice.index.manifest.checkpoint)
    if missing := missing_answers(data.study, choice.prompts, before):
        raise ExplorerError(f"{count(sum(missing.values()), 'answer')} must be generated first, on the page Behaviors.")
    clusters = study_clusters(data.study, **vars(choice))
    number = count_slider(clusters)
    screen = behaviors_on_screen(clustered_study(data.study, clusters, number))
    if screen.opened:
        return cluster_section(data.study, clusters, choice.prompts, number, screen.opened)
    picture = Picture(matrix_of(screen), "Similarity of prompts and training examples")
    legend = cluster_legend(screen.all_cards)
    return clusters_section(data.study, clusters, choice.prompts, number, screen.cards, picture, legend)


def repair_part(_judge: bool) -> Section:
    """Return what the Repair page shows of the link that is read."""
    study = current_study().study
    known = titles(study)
    if not known:
        raise ExplorerError("This study has no repair yet.")
    name = link.choice("repair", {**known, NEW_REPAIR: ""}, next(iter(known)))
    if name == NEW_REPAIR:
        raise ExplorerError("A repair that is being set up shows nothing yet.")
    folder = study.folder / REPAIRS / name
    return repair_section(study, folder, read_plan(folder), read_result(folder))


def survey_part(_judge: bool) -> Section:
    """Return what the Survey page shows of the link that is read."""
    study = current_study().study
    name = pick_survey(study.folder)
    folder = survey_folder(study.folder, name)
    if name == NEW or folder is None:
        raise ExplorerError("A survey that is being set up shows nothing yet.")
    screen = survey_on_screen(opened_survey(folder))
    if not screen.chosen:
        raise ExplorerError("No failure of the survey fits its filters.")
    return survey_section(screen.survey, screen.chosen, screen.profiles, bars_by(screen.survey), study.folder)
