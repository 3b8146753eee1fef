"""One reader: nothing else parses what others wrote; its limits, and patterns that may not hang."""

import ast
import json
from pathlib import Path
from time import perf_counter

import pytest

from explorer.errors import ExplorerError
from explorer.limits import ERROR_CHARS, JSON_BYTES, LINE_BYTES, NESTING, PATTERN_SECONDS, TOML_BYTES
from explorer.patterns import require_pattern, shows
from explorer.reading import parse_json, read_bytes, read_json, read_json_lines, read_rows, read_toml

ROOT = Path(__file__).parents[1]
PARSERS = {"json.load", "json.loads", "tomllib.load", "tomllib.loads", "pa.memory_map", "pa.OSFile", "csv.reader"}
PARSERS |= {
    "pq.read_table",
    "pq.ParquetFile",
    "pa.ipc.open_file",
    "pa.ipc.open_stream",
    "zipfile.ZipFile",
    "json.JSONDecoder",
}
PATTERNS = {f"re.{name}" for name in ("compile", "search", "match", "fullmatch", "findall", "finditer", "sub", "split")}
READERS = {
    "explorer/reading.py": PARSERS,
    "explorer/patterns.py": PATTERNS,
    "explorer/data/tables.py": PARSERS,
    "explorer/data/delimited.py": {"csv.reader"},
    "explorer/data/zips.py": {"zipfile.ZipFile"},  # every zip that is read
    "explorer/data/study_zip.py": {"zipfile.ZipFile"},  # written
    "explorer/data/logs/json_stream.py": {"json.JSONDecoder"},  # of files that are not read whole
    "explorer/model/embedded.py": {"zipfile.ZipFile"},  # checked by its SHA-256
    "explorer/trace/alignment.py": {"re.compile"},  # of its own lists
    "explorer/repair/export.py": {"zipfile.ZipFile"},  # written
}


def test_nobody_else_parses_what_others_wrote():
    found = []
    for path in [*ROOT.glob("explorer/**/*.py"), *ROOT.glob("pages/*.py")]:
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            call, own = ast.unparse(node.func), READERS.get(name, set())
            if call in PARSERS - own:
                found.append(f"{name}:{node.lineno} {call}")
            literal = node.args and isinstance(node.args[0], ast.Constant)
            constant = node.args and isinstance(node.args[0], ast.Name) and node.args[0].id.isupper()
            if call in PATTERNS - own and not (literal or constant):
                found.append(f"{name}:{node.lineno} {call}")
    assert not found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * (NESTING + 1) + "]" * (NESTING + 1), f"expected at most {NESTING} levels"),
        ("9" * 5_000, "too many digits"),
        ("NaN", "a number is nan; expected a finite one"),
        ("[1e999]", "a number is inf"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"a": 1', "line 1: not JSON"),
        ("[1,\n2,\n}", "line 3: not JSON"),
        (b"\xff", "not UTF-8 (byte 1)"),
    ],
)
def test_json_that_is_none(text: str | bytes, complaint: str):
    with pytest.raises(ExplorerError) as error:
        parse_json(text, "a.json")
    assert complaint in str(error.value) and str(error.value).startswith("a.json")
    assert parse_json("[" * NESTING + "]" * NESTING, "a.json") and parse_json(b"\xef\xbb\xbf1", "a.json") == 1


def test_files_above_their_limits(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"[" + b" " * JSON_BYTES)
    with pytest.raises(ExplorerError, match=f"more than {JSON_BYTES:,} bytes"):
        read_json(path, "a list")
    path.write_bytes(b"#" * (TOML_BYTES + 1))
    with pytest.raises(ExplorerError, match=f"more than {TOML_BYTES:,} bytes"):
        read_toml(path, "settings")
    path.write_bytes(b".".join([b"a"] * 20_000) + b" = 1")
    with pytest.raises(ExplorerError, match="line 1: more than 1,000 dots"):
        read_toml(path, "settings")
    path.write_bytes(b'{"a": 1}\n{"a": "' + b"x" * LINE_BYTES + b'"}')
    with pytest.raises(ExplorerError, match="line 2: the file is too long"):
        list(read_json_lines(path))
    with path.open("wb") as file:
        file.truncate(10_000_000_000)  # 10 GB that are not there
    with pytest.raises(ExplorerError, match="more than"):
        read_bytes(path, "text")


def test_what_an_error_quotes_is_cut_and_printable(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"id": "\x1b[31m\u202e" + "x" * 250_000}) for _ in range(2)))
    with pytest.raises(ExplorerError) as error:
        list(read_rows(path))
    text = str(error.value)
    assert len(text) <= ERROR_CHARS + 3 and text.isprintable() and text.endswith("stands in the file twice.")
    assert str(ExplorerError("a\nb  c")) == "a b c"


@pytest.mark.parametrize("pattern", ("(a|aa)+$", "(x+x+)+y", "(.*a){20}b", "([a-z]+)*\\d{3}#"))
def test_a_pattern_that_hangs_is_refused(pattern: str):
    text, began = "a" * 3_000 + "!", perf_counter()
    try:
        require_pattern({"exhibits": pattern, "name": "flattery"}, "line 1", "exhibits")
        shows(pattern, text, "line 1")
    except ExplorerError as error:
        assert "takes more than 1 s on one answer" in str(error)
    assert perf_counter() - began < 4 * PATTERN_SECONDS


def test_the_sentence_names_line_field_and_behavior():
    with pytest.raises(ExplorerError, match=r"^line 1: field 'exhibits' of 'flattery' takes more than 1 s on one"):
        require_pattern({"exhibits": "(a|aa)+$", "name": "flattery"}, "line 1", "exhibits")
    with pytest.raises(ExplorerError, match=r"^line 1: field 'exhibits' is not a regular expression \("):
        require_pattern({"exhibits": "("}, "line 1", "exhibits")


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("(?i)b+", "aBc", True),
        ("x{d}", "x", False),  # a fuzzy match for the package regex, letters for re
        ("x{d}", "x{d}", True),
        (r"\{e}", "{e}", True),
        ("[{]e}", "{e}", True),
        ("a{2,}", "aa", True),
        ("a{,2}b", "aab", True),
        (r"\N{DIGIT ONE}", "1", True),
        ("^b$", "a\nb", False),
        (r"\bcafé\b", "le café", True),
    ],
)
def test_patterns_mean_what_they_mean_to_re(pattern: str, text: str, expected: bool):
    import re

    assert shows(pattern, text, "") is expected is bool(re.search(pattern, text))
