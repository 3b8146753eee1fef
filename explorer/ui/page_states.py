"""What each page's link may say: the one place that knows how a page spells its keys.

The study, the case, the model and the selected token travel along from page to page (``session.TRAVELS``); they are not
repeated here. Empty text stands for a key's default.
"""

from dataclasses import dataclass

from explorer.ui.link import PageState


@dataclass(frozen=True)
class TraceState(PageState):
    """Rules (keys of ``trace.explain.RULES``) and layers of one or two maps."""

    rule: str = ""
    map_layer: str = ""
    norms: str = ""
    compare: str = ""
    rule_2: str = ""
    map_layer_2: str = ""
    norms_2: str = ""
    whole: str = ""


@dataclass(frozen=True)
class GraphState(PageState):
    """Rule, pruning, and what a person has marked; lists of numbers and nodes have dots between."""

    rule: str = ""
    mass: str = ""
    edges: str = ""
    nodes: str = ""
    least: str = ""
    leastnode: str = ""
    template: str = ""
    layers: str = ""
    pins: str = ""
    groups: str = ""
    hide: str = ""
    open: str = ""
    halves: str = ""
    at: str = ""


@dataclass(frozen=True)
class CompareState(PageState):
    """Names of models with commas between, and how their maps are drawn."""

    models: str = ""
    rule: str = ""
    change: str = ""


@dataclass(frozen=True)
class TrainingDataState(PageState):
    """What is asked (``behavior``, ``node`` as layer:token and ``half``, ``like`` a datapoint), how, and which rows."""

    behavior: str = ""
    node: str = ""
    half: str = ""
    like: str = ""
    method: str = ""
    stage: str = ""
    layer: str = ""
    query: str = ""
    centre: str = ""
    trait: str = ""
    neutral: str = ""
    source: str = ""
    label: str = ""
    find: str = ""
    above: str = ""
    k: str = ""
    p: str = ""
    row: str = ""


@dataclass(frozen=True)
class BehaviorsState(PageState):
    """What is clustered and how, and the cluster, window, prompt or datapoint that is looked at."""

    prompts: str = ""
    method: str = ""
    stage: str = ""
    layer: str = ""
    clusters: str = ""
    cluster: str = ""
    window: str = ""
    prompt: str = ""
    datapoint: str = ""
    view: str = ""
    by: str = ""
    versus: str = ""


@dataclass(frozen=True)
class RepairState(PageState):
    """The repair on screen by its folder's name, or the set-up of a new one."""

    repair: str = ""
    behavior: str = ""
    by: str = ""
    method: str = ""
    stage: str = ""
    layer: str = ""
    query: str = ""
    centre: str = ""
    top: str = ""
    edit: str = ""
    train: str = ""
    size: str = ""
