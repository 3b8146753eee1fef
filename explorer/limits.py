"""Every limit of the program in one place; ``docs/limits.md`` says which error or screen tells each of them.

A limit guards against input that fills the memory, hangs, or draws what nobody can read. Bytes unless said otherwise.
"""

ROW_CHARS = 200_000
"""Characters of one training example: no model here reads a longer one."""
LINE_BYTES = 12 * ROW_CHARS
"""A line of JSON: a character takes at most 12 bytes there, as two ``\\uXXXX``."""
COLUMNS = 500
"""Columns of a file of training data."""
TRAINING_TOKENS = 2048
"""Tokens of a training example that vectors are made of; what is longer is cut, and counted."""
LINK_VALUE = 200_000
"""Characters of one value in a link; a longer one is as if it were not there."""
LINK_PROMPT = 6_000
"""Characters of a prompt of one's own that a link carries; a longer one stays in the session."""
PLACE_CHARS = 4_096
"""Characters of a path or hub id, as on most systems."""
