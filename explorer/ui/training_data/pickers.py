"""Pickers of a method, a built index and a layer, for every page that compares vectors. All of them in the link."""

from collections.abc import Iterable, Mapping
from typing import Any

from explorer.data.study import Study
from explorer.ui import link
from explorer.ui.corpus import checkpoint_labels
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS

METHOD_HELP = "\n\n".join(f"**{m.title}** ({m.name}): {m.about} *{m.paper}*" for m in METHODS.values())
STAGE_HELP = (
    "The model in which the vectors were made: before the training in question a wrong example is still surprising, "
    "so that its loss gradient says what it teaches; after it, states say which topic it belongs to. "
    "*Build other vectors*, at the end of the page *Training data*, makes those of another checkpoint."
)
LAYER_HELP = "The residual stream after this block. Auto: the built layer nearest to 14 fifteenths of the depth."


def pick_method(names: Iterable[str], *, help: str = METHOD_HELP, **settings: Any) -> str:
    """Draw the methods on offer; the first of them is the default."""
    options = {name: METHODS[name].title for name in names}
    return link.select("Method", "method", options, next(iter(options)), help=help, **settings)


def pick_index(study: Study, indexes: Mapping[str, Index], *, help: str = STAGE_HELP, **settings: Any) -> Index | None:
    """Draw the built indexes (``corpus.built_indexes``) by their checkpoints; None where there is none.

    ``settings``: of ``link.select``, such as ``disabled`` or ``then``.
    """
    if not indexes:
        link.fixed("Vectors in", "not built", help=help)
        return None
    labels = checkpoint_labels(study)
    options = {
        name: labels[index.manifest.checkpoint] + name.removeprefix(index.manifest.checkpoint)
        for name, index in indexes.items()
    }
    return indexes[link.select("Vectors in", "stage", options, next(iter(options)), help=help, **settings)]


def pick_layer(
    index: Index | None, names: Mapping[int, str] = {}, *, help: str = LAYER_HELP, **settings: Any
) -> int | None:
    """Draw the layers of an index, by number or by what ``names`` calls them; None for the index's own choice.

    Without an index nothing can be chosen.
    """
    if index is None:
        link.fixed("Layer", "None", help=help)
        return None
    options = {"auto": f"Auto ({index.manifest.default_layer})"}
    options |= {str(layer): names.get(layer, str(layer)) for layer in index.manifest.layers}
    layer = link.select("Layer", "layer", options, "auto", help=help, **settings)
    return None if layer == "auto" else int(layer)
