"""The field of the Compare page that chooses models: from a list, or typed."""

from explorer.data.study import Study
from explorer.model.load import ModelSpec
from explorer.ui import link
from explorer.ui.asking import ask
from explorer.ui.compare.state import LINKED, Choices, take_typed, unallowed_places, usual, with_typed
from explorer.ui.text import show_error

_HELP = """The study's model before and after every stage of training, and what repairs retrained on this machine.

Any other model, typed: a hub id (owner/name, or owner/name@revision), a folder, a .gguf file, or one of these with a
PEFT adapter: MODEL+ADAPTER. An adapter's folder alone stands for the model on screen with it."""


def linked_choices(known: Choices, on_screen: ModelSpec) -> Choices:
    """Add the typed models of the link; what nobody here has allowed is asked for first, and the page ends there."""
    if places := unallowed_places(known):
        ask("This link", places, "Leave them out", lambda: link.put({LINKED: None}))
    return with_typed(known, on_screen)


def models_field(study: Study, known: Choices, offered: Choices, on_screen: ModelSpec) -> dict[str, ModelSpec]:
    """Draw the field; return the chosen models, by their labels, without those that can be no model.

    Args:
        known: the models on offer.
        offered: those and the typed ones.
    """
    settings = {"help": _HELP, "placeholder": "Choose two or more, or type a model", "accept_new_options": True}
    typed = lambda: take_typed(known, on_screen)  # noqa: E731
    keys = link.multiselect("Models", LINKED, offered.labels, usual(study, known, on_screen), then=typed, **settings)
    return {offered.labels[key]: offered.specs[key] for key in keys if key in offered.specs}


def show_refused(offered: Choices) -> None:
    """Say why typed names can be no models."""
    for sentence in offered.refused.values():
        show_error(sentence)
