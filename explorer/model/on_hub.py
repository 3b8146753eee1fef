"""Whether a model on the hub can be fetched, asked in a few seconds; libraries try for most of a minute."""

from explorer.errors import ModelError, first_line
from explorer.model.spec import ADAPTER_CONFIG, split_revision

SECONDS = 5.0
"""That the hub has to answer."""
_ABSENT = {401: "keeps it to itself, or has none of that name", 403: "keeps it to itself", 404: "has none of that name"}


def is_fetched(name: str) -> bool:
    """Whether a model or adapter on the hub (``owner/name``, ``@revision`` too) lies on this machine already."""
    from huggingface_hub import try_to_load_from_cache

    place, revision = split_revision(name)
    files = (try_to_load_from_cache(place, file, revision=revision) for file in ("config.json", ADAPTER_CONFIG))
    return any(isinstance(file, str) for file in files)


def require_on_hub(name: str) -> None:
    """Raise ModelError where a model or adapter is not here, and the hub does not have it or is out of reach.

    Args:
        name: ``owner/name``, ``@revision`` too.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session

    if is_fetched(name):
        return
    here, (place, revision) = f"'{name}' is not on this machine", split_revision(name)
    if constants.HF_HUB_OFFLINE:
        raise ModelError(f"{here}, and nothing is fetched from the hub (offline mode is on).")
    url = f"{constants.ENDPOINT}/api/models/{place}/revision/{revision or 'main'}"
    try:
        status = get_session().get(url, headers=build_hf_headers(), timeout=SECONDS).status_code
    except Exception as error:  # of the HTTP library, and what it is made of
        raise ModelError(f"{here}, and the hub can't be reached ({first_line(error, 80)}).") from error
    if status >= 400:
        raise ModelError(f"{here}, and the hub {_ABSENT.get(status, f'answers with error {status}')}.")
