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
MODEL_BLOCKS = 1000
"""Blocks, or experts of a block, that a model's configuration may ask for."""
CONFIG_BYTES = 50_000_000
"""A JSON file in a model's folder."""
GGUF_VALUES = 10_000_000
"""Entries, or values of one array, in the header of a GGUF file."""
ADAPTER_RANK = 100_000
"""Rank, or scale, of a LoRA adapter."""
PATTERN_SECONDS = 1.0
"""Seconds that a regular expression of a file may take over one text."""
SHORT_TOKENS = 1024
"""Tokens of a pass through a model above which it waits among the long ones."""
CACHE_BYTES = 1_000_000_000
"""What pages have computed (traces, edges, rankings, clusters) and keep in memory, all sessions together."""
LINK_VALUE = 200_000
"""Characters of one value in a link; a longer one is as if it were not there."""
LINK_PROMPT = 6_000
"""Characters of a prompt of one's own that a link carries; a longer one stays in the session."""
PLACE_CHARS = 4_096
"""Characters of a path or hub id, as on most systems."""
