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
ERROR_CHARS = 400
"""Characters of an error's sentence; what it quotes is cut."""
JSON_BYTES = 32_000_000
"""A JSON or JSON lines file of a study: behaviors, failures, plans, results, notes."""
DATA_JSON_BYTES = 256_000_000
"""A file of training data that is one JSON value, and so is read whole."""
TOML_BYTES = 64_000
"""``study.toml``."""
TOML_DOTS = 1_000
"""Dots in a line of ``study.toml``: the reader takes time and memory by the square of a key's parts."""
NESTING = 64
"""Levels of lists and objects inside each other."""
NUMBER_DIGITS = 300
"""Digits of a whole number."""
PATTERN_CHARS = 10_000
"""Characters of a regular expression."""
PATTERN_SECONDS = 1
"""Seconds that a regular expression may take on one answer."""
DATA_ROWS = 10_000_000
"""Rows of training data."""
DATA_BYTES = 2_000_000_000
"""Text of the training data of a study, which lies in memory."""
LOG_BYTES = 200_000
"""The end of a repair's log that a page shows."""
ANSWER_TOKENS = 8_192
"""Tokens of an answer that a study's models generate."""
STORED_EDGES = 16_384
"""Edges of a graph kept for each pair of neighbouring layers, the strongest: all of them up to about 180 tokens."""
DRAWN_NODES = 600
"""Nodes that the Graph page draws at most."""
DRAWN_EDGES = 1_500
"""Edges that the Graph page draws at most."""
WINDOWS = 64
"""Browser windows that a server serves at once."""
