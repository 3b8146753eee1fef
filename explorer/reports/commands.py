"""The commands that make the parts of a report again, spelt so that a shell takes them as they stand.

They are run in the folder that holds the study's folder: nothing in a report tells where that lies on somebody's disk.
"""

import os
import shlex
from dataclasses import replace
from pathlib import Path

from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.faithfulness.verdict import MapVerdict
from explorer.graph.build import parse_layers
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Pruning
from explorer.model import embedded
from explorer.model.spec import ModelSpec
from explorer.ranking.directions import Persona
from explorer.ranking.questions import AboutBehavior, AboutFailure, AboutNode, AboutPersona, LikeDatapoint
from explorer.ranking.rank import Ranking
from explorer.repair.plan import PRESETS, TOP, Plan
from explorer.reports.blocks import Commands
from explorer.trace.explain import Explanation, default_layer

PROGRAM = "failure-explorer"
MARKED = "What is marked in the drawing (pins, groups, hidden tokens, opened halves) is set in the app."
TYPED = "This prompt is no failure of the study: add it to its failures.jsonl under the id 'own' first."


def place(path: str, study: Study) -> str:
    """Spell a path as seen from the folder that holds the study; one that lies elsewhere by its last part alone."""
    if not os.path.isabs(path):
        return path
    inside = os.path.relpath(path, study.folder.parent)
    return f"…/{os.path.basename(path)}" if inside.startswith("..") else inside


def model_arguments(spec: ModelSpec, study: Study) -> list[str]:
    """The arguments that name a model."""
    words = [] if spec.source == embedded.NAME and not spec.revision else ["--model", place(spec.name, study)]
    return words + (["--adapter", place(spec.adapter, study)] if spec.adapter else [])


def case_arguments(failure: Failure, study: Study) -> list[str]:
    """The arguments that name a failure: by its id where it is the study's, else spelt out."""
    raw = ["--raw"] if failure.raw else []
    known = study.failures().get(failure.id)
    if known and replace(known, raw=failure.raw).question == failure.question:
        return ["--failures", study.folder.name, *option("id", failure.id), *raw]
    texts = ("prompt", "system", "evidence", "wrong", "right")
    given = [word for name in texts if (value := getattr(failure, name)) for word in option(name, value)]
    return [*given, *raw, *([] if failure.place is None else ["--place", str(failure.place)])]


def option(name: str, value: str) -> list[str]:
    """An option with its value, as one word where the value looks like an option itself."""
    return [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]


def line(*words: str) -> str:
    """One command."""
    return shlex.join([PROGRAM, *words])


def trace_command(explanation: Explanation, failure: Failure, study: Study) -> str:
    """The command that draws a map and judges it."""
    e = explanation
    usual = default_layer(len(e.trace.relevance) - 1, e.rule)
    words = ["trace", *case_arguments(failure, study), *model_arguments(e.spec, study), "--rule", e.rule]
    words += [] if e.layer == usual else ["--layer", str(e.layer)]
    return line(*words, *(["--whole"] if e.whole else []), "--faithfulness", "--out", "map.svg")


def judged_in(verdict: MapVerdict | None, command: str) -> str:
    """The command without the judging, where the report has no verdict."""
    return command if verdict else command.replace(" --faithfulness", "", 1)


def graph_commands(graph: AttributionGraph, failure: Failure, study: Study) -> Commands:
    """The command that draws a graph and judges it."""
    explanation, pruning, usual = graph.explanation, graph.pruning, Pruning()
    depth = len(explanation.trace.relevance) - 1
    layers = graph.drawing.layers
    named = {parse_layers(name, depth): name for name in ("six", "all")}
    which = named.get(tuple(layers)) or ",".join(map(str, layers))
    words = ["graph", *case_arguments(failure, study), *model_arguments(explanation.spec, study)]
    words += ["--rule", explanation.trace.rule, "--layers", which]
    words += ["--hide-template"] if graph.without else []
    for name in ("mass", "node_threshold", "edge_threshold", "max_nodes", "max_edges"):
        if (value := getattr(pruning, name)) != getattr(usual, name):
            words += [f"--{name.replace('_', '-')}", f"{value:g}"]
    words += ["--faithfulness"] if graph.faithfulness else []
    marked = graph.marks != Marks() or pruning.hidden - graph.without or graph.halves or graph.unfolded or graph.beads
    return Commands((line(*words, "--out", "graph.svg"),), MARKED if marked else "")


def compare_command(specs: list[ModelSpec], rule: str, failure: Failure, study: Study) -> Commands:
    """The command that reads a failure with several models; it takes the failure spelt out."""
    apart = replace(failure, id="")  # no id: the command knows no file of failures
    names = [place(s.name, study) + (f"+{place(s.adapter, study)}" if s.adapter else "") for s in specs]
    words = ["compare", *case_arguments(apart, study), "--models", ",".join(names), "--rule", rule]
    return Commands((line(*words, "--out", "models.svg"),))


def rank_commands(ranking: Ranking, study: Study, top: int) -> Commands:
    """The command that ranks the training data and scores the words of the best rows."""
    choice, note = ranking.choice, ""
    words = ["rank", study.folder.name]
    question = ranking.question
    persona = question.persona if isinstance(question, AboutPersona) else None
    match question.question if isinstance(question, AboutPersona) else question:
        case AboutBehavior(name):
            words += option("behavior", name)
        case LikeDatapoint(name):
            words += option("like", name)
        case AboutFailure(failure) | AboutNode(failure) as asked:
            named = next((f.id for f in study.failures().values() if f.question == failure.question), "")
            words += option("failure", named or "own")
            note = "" if named else TYPED
            if isinstance(asked, AboutNode):
                words += ["--node", f"{asked.layer}:{asked.token}", "--half", asked.part]
    words += ["--method", choice.method]
    if ranking.target is not None:
        words += ["--layer", str(choice.layer), "--stage", ranking.stage]
        words += ["--centre" if choice.centre else "--no-centre"]
        free = not isinstance(question, AboutNode | LikeDatapoint)
        words += ["--query", choice.query or ""] if free else []
        words += ["--measure", choice.measure or "cosine"] if choice.measure != "cosine" else []
    if persona:
        names = ("trait", "neutral") if isinstance(persona, Persona) else ("asks", "forbids")
        words += [word for pair in zip(names, persona.systems, strict=True) for word in option(*pair)]
    return Commands((line(*words, "--top", str(top), "--tokens"),), note)


def cluster_command(study: Study, method: str, layer: int, stage: str, prompts: str, count: int) -> Commands:
    """The command that writes the cards of a cut."""
    words = ["cluster", study.folder.name, "--method", method, "--layer", str(layer), "--stage", stage]
    return Commands((line(*words, "--prompts", prompts, "--clusters", str(count), "--html", "cards.html"),))


def repair_commands(folder: Path, plan: Plan, study: Study) -> Commands:
    """The commands that read a repair's figures, and that make it anew."""
    read = line("repair", study.folder.name, *option("go-on", folder.name), "--out", "repair.svg")
    if plan.by_hand:
        return Commands((read,), "Its datapoints were chosen by hand: they stand in its plan.json.")
    words = ["repair", study.folder.name, *option("behavior", plan.behavior), "--edit", plan.edit]
    words += ["--top", ",".join(map(str, plan.ks)), "--method", str(plan.ranking.get("method", "explorer"))]
    words += ["--layer", str(layer)] if (layer := plan.ranking.get("layer")) else []
    words += option("stage", str(checkpoint)) if (checkpoint := plan.ranking.get("checkpoint")) else []
    small = plan.share == PRESETS["small"].share
    seeds = len({arm.seed for arm in plan.arms if arm.arm == TOP})
    words += [*option("train", plan.stage), *(["--small"] if small else []), "--seeds", str(seeds)]
    arms = list(dict.fromkeys(arm.arm for arm in plan.arms))
    return Commands((read, line(*words, "--arms", ",".join(arms))))
