"""Find the built indexes of a study, the one to answer a question with, and the model that it was made in."""

from dataclasses import replace

from explorer.data.study import VECTORS, Study
from explorer.errors import ExplorerError
from explorer.model.load import DTYPES, LoadedModel, ModelSpec, dtype_of
from explorer.vectors.fingerprint import CODE, READ_AS, model_digest, study_cutting, study_digest
from explorer.vectors.index import MANIFEST, Index, Manifest, open_index, read_manifest
from explorer.vectors.methods import DEFAULT_PARTS, METHODS


def study_indexes(study: Study) -> list[Index]:
    """Return the complete indexes of the study's present rows, in training order; others are passed over.

    Raises ExplorerError that names what is broken in a damaged one.
    """
    folder, indexes = study.folder / VECTORS, []
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        if (place / MANIFEST).is_file():
            manifest = read_manifest(place)
            if manifest.complete and not _outdated(study, manifest):
                indexes.append(open_index(place))
    order = {name: i for i, name in enumerate(study.checkpoints())}
    return sorted(indexes, key=lambda index: order.get(index.manifest.checkpoint, len(order)))


def outdated_indexes(study: Study) -> str:
    """Say which complete indexes of the study are passed over, and why; empty where none is."""
    places = sorted((study.folder / VECTORS).glob(f"*/{MANIFEST}"))
    manifests = [(place.parent.name, read_manifest(place.parent)) for place in places]
    reasons = [(name, _outdated(study, manifest)) for name, manifest in manifests if manifest.complete]
    return "; ".join(f"vectors {name} are old: {reason}" for name, reason in reasons if reason)


def _outdated(study: Study, manifest: Manifest) -> str:
    """Why an index is not one of the study as it is now; empty where it is."""
    made_from = manifest.made_from
    if made_from.get("code") != CODE:
        return "an older version of this program made them" if made_from.get("code", 0) < CODE else "a newer one did"
    if made_from.get("rows") != study_digest(study):
        return "the datapoints have changed since"
    if changed := [name for name in READ_AS if made_from.get(name) != getattr(study, name)]:
        return f"the study's setting '{changed[0]}' has changed since"
    if made_from.get("cutting") != study_cutting(study).get("cutting"):
        return "an older version of this program cut long rows in another way"
    if manifest.checkpoint not in study.checkpoints():
        return f"the study has no checkpoint '{manifest.checkpoint}' now"
    return ""


def pick_index(study: Study, method: str, layer: int | None = None, stage: str | None = None) -> Index:
    """Return the first index of a stage (default: the earliest checkpoint) that has the method's parts and the layer.

    Raises ExplorerError that says what to build where there is none.
    """
    parts = METHODS[method].parts if method in METHODS else ()
    checkpoint = study.checkpoint(stage)[0] if stage else None
    indexes = study_indexes(study)
    for index in indexes:
        m = index.manifest
        fits = set(parts) <= set(m.parts) and (layer is None or layer in m.layers)
        if fits and checkpoint in (None, m.checkpoint):
            return index
    built = "; ".join(f"{i.manifest.checkpoint}: layers {', '.join(map(str, i.manifest.layers))}" for i in indexes)
    wanted = f"'{method}'{f' at layer {layer}' if layer else ''}{f' in {checkpoint}' if checkpoint else ''}"
    needed, old = f" --methods {method}" if set(parts) - set(DEFAULT_PARTS) else "", outdated_indexes(study)
    raise ExplorerError(
        f"{study.folder}: no vectors for {wanted}; built are {built or 'none'}{f' ({old})' if old else ''}. "
        f"Run 'explorer build {study.folder.name}{needed}' first."
    )


def index_model(study: Study, index: Index) -> ModelSpec:
    """Return the model that an index was made in, in the same precision, whatever is usual on this machine."""
    spec, dtype = study.checkpoint(index.manifest.checkpoint)[1], index.manifest.made_from.get("dtype")
    return replace(spec, dtype=dtype) if dtype in DTYPES and DTYPES[dtype] != dtype_of(spec) else spec


def check_index(index: Index, model: LoadedModel | ModelSpec) -> None:
    """Raise ExplorerError that says what differs where an index was made in another model than this one."""
    made_from, digest = index.manifest.made_from, model_digest(model)
    differences = [
        f"{name} is {digest[name]}, the vectors are of {made_from.get(name)}"
        for name in digest
        if made_from.get(name) != digest[name]
    ]
    if differences:
        raise ExplorerError(f"{index.folder}: vectors of another model: {'; '.join(differences)}. Build them again.")
