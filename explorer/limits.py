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
"""Tokens of a training example that are read unless ``study.toml`` says otherwise; longer ones are cut, and counted."""
MOST_TRAINING_TOKENS = 131_072
"""Tokens of a training example that ``study.toml`` may ask for."""
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
TRIES = 12
"""Tries of edits that a link carries and a page shows, the latest; each costs a pass and an answer."""
EDITS = 64
"""Tokens that are deleted or replaced at once."""
EDIT_CHARS = 120
"""Characters that stand in the place of one token."""
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
DATA_UNPACKED_BYTES = 20_000_000_000
"""What one packed (.gz, .zst) file of training data unpacks to, read line by line."""
DATA_FILES = 10_000
"""Files of training data in a folder."""
BROKEN_ROWS = 100
"""Rows of training data that were left out and are listed, the first ones; all are counted."""
LOG_BYTES = 200_000
"""The end of a repair's log that a page shows."""
ANSWER_TOKENS = 8_192
"""Tokens of an answer that a study's models generate."""
ALIGNED_WORDS = 400
"""Words of an answer up to which it is aligned with the other one; of longer ones the first difference alone counts."""
PLACES = 40
"""Places where two answers differ that are offered, the first ones."""
STORED_EDGES = 16_384
"""Edges of a graph kept for each pair of neighbouring layers, the strongest: all of them up to about 180 tokens."""
DRAWN_NODES = 600
"""Nodes that stand in the Graph page's drawing at most, without those within residual runs."""
DRAWN_EDGES = 1_500
"""Strokes that the Graph page draws at most: edges, and residual runs."""
TRACED_NODES = 3_000
"""Nodes of any drawing at most, those within residual runs too: all of them can be drawn."""
ABLATIONS = 20
"""Ablations that the Graph page keeps in its table and link."""
BRUSH_POINTS = 48
"""Corners of a brush on the map of the datapoints, which stands in the link."""
UPLOAD_MEGABYTES = 20
"""Megabytes of a log that is dropped on a page, as ``.streamlit/config.toml`` says; larger ones are read by path."""
NOTE_CHARS = 2_000
"""Characters of a note on a failure of a survey."""
WINDOWS = 64
"""Browser windows that a server serves at once."""
LOG_SAMPLE_BYTES = 64_000_000
"""One sample of an evaluation log, a line or a zip's member, unpacked; and any other single value in a log."""
LOG_SAMPLES = 1_000_000
"""Samples of an evaluation log: their ids lie in memory."""
LOG_UNPACKED_BYTES = 20_000_000_000
"""All members of a zipped evaluation log, unpacked one after the other."""
LOG_DIRECTORY_BYTES = 32_000_000
"""The list of members of a zipped evaluation log: about 300,000 of them."""
STUDY_UNPACKED_BYTES = 20_000_000_000
"""All files of a study that is imported from a zip."""
STUDY_FILES = 100_000
"""Files of a study that is imported from a zip."""
STUDY_ZIP_BYTES = 2_000_000_000
"""Files of a study that the app puts into one zip to download: the server holds it in memory."""
UPLOAD_BYTES = 500_000_000
"""Training data, or a study's zip, that a browser sends: the server holds it in memory."""
REPORT_VIEWS = 60
"""Pages of a report that are collected in a study."""
REPORT_COMMENT = 4_000
"""Characters of a comment on one of them."""
REPORT_TITLE = 300
"""Characters of a report's title."""
STUDY_NAME = 100
"""Characters of a study's name."""
