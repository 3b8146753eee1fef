"""The whole numbers of ``study.toml``, and what they may be."""

from explorer.limits import ANSWER_TOKENS, MOST_TRAINING_TOKENS

NUMBERS = {"answer_tokens": (1, ANSWER_TOKENS), "max_tokens": (16, MOST_TRAINING_TOKENS)}
"""Name → the smallest and the largest."""
