"""What the residual stream holds at the first position, whatever token stands there.

In most decoder-only models the first token becomes an attention sink within a few blocks (Xiao et al., *Efficient
Streaming Language Models with Attention Sinks*, ICLR 2024): its state grows huge (Sun et al., *Massive Activations in
Large Language Models*, COLM 2024), nearly the same for every token, and later tokens attend to it for want of anything
better. On the embedded model, after block 3, it is eight times as long as others and has a cosine above .99 with the
mean over tokens. The relevance of the part that they share speaks of the model, not of the prompt.
"""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from explorer.model.lrp import view_state
from explorer.model.residual import recorded_residual, wide

TOKENS = 64
"""Of the vocabulary, evenly spaced, that the mean is taken over."""


@torch.no_grad()
def mean_first_states(view: PreTrainedModel) -> Tensor:
    """(L+1, width) mean of the states at the first position, each of ``TOKENS`` tokens read alone, at least float32.

    One pass over as many tokens, kept with the view. The caller holds the view's lock.
    """
    state = view_state(view)
    if state.first_states is None:
        ids = torch.linspace(0, view.config.get_text_config().vocab_size - 1, TOKENS).long().unique().unsqueeze(1)
        with recorded_residual(view) as recording:
            view(input_ids=ids.to(view.device), use_cache=False, logits_to_keep=1)
        state.first_states = torch.stack([wide(states[:, 0].detach()).mean(0) for states in recording.states])
    return state.first_states
