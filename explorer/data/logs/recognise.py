"""Read an evaluation log of any known harness: which one it is of is told from its content, never from its name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from explorer.data.formats import FORMATS, quoted
from explorer.data.logs import helm, inspect_logs, lm_eval, openai_evals, plain, promptfoo
from explorer.data.logs.archive import Archive
from explorer.data.logs.json_stream import pieces
from explorer.data.logs.rows import rows_of
from explorer.data.logs.sample import Findings, Log, LoggedSample, Reader
from explorer.errors import ExplorerError, count, one_line
from explorer.limits import LOG_SAMPLES
from explorer.reading import open_file

EXPECTED = (
    "expected a log of lm-evaluation-harness (samples_*.jsonl), Inspect, promptfoo, OpenAI evals or HELM, or a table "
    "of prompt + expected (+ said)"
)
WRITTEN = ("samples_*.jsonl", "*.eval", helm.STATE)
"""Names that harnesses give their logs."""
NAME_CHARS = 200
"""Characters of a name of the log that are kept for people."""
_NO_TARGET = "{} without an expected answer"
_NO_ANSWER = "{} without the model's answer"


def read_log(path: Path) -> Log:
    """Recognise a log and read it through once, to count its samples and say what is in it.

    Args:
        path: a file, the folder of a run of HELM, or a folder that a harness wrote one log to.

    Raises:
        ExplorerError: one sentence for a log that is empty, cut off, of no known harness, or above a limit.
    """
    path = _log_in(path) if path.is_dir() and not (path / helm.STATE).is_file() else path
    harness, reader = _reader(path)
    findings = Findings()
    total = failed = undecided = 0
    for sample in _samples(path, reader, findings):
        total, failed, undecided = total + 1, failed + (sample.failed is True), undecided + (sample.failed is None)
        if not sample.expected:
            findings.count(_NO_TARGET)
        if sample.said is None:
            findings.count(_NO_ANSWER)
    if not total:
        reasons = "; ".join(_problems(findings))
        raise ExplorerError(f"{path}: no sample in this log of {harness}{f' ({reasons})' * bool(reasons)}.")
    return Log(
        path=path,
        harness=harness,
        read=lambda: _samples(path, reader, Findings()),
        version=one_line(findings.version, NAME_CHARS),
        task=one_line(findings.task, NAME_CHARS),
        model=one_line(findings.model, NAME_CHARS),
        metric=one_line(findings.metric, NAME_CHARS),
        problems=_problems(findings),
        total=total,
        failed=failed,
        undecided=undecided,
    )


def _problems(findings: Findings) -> tuple[str, ...]:
    counted = (sentence.format(count(number, "sample")) + "." for sentence, number in findings.counts.items())
    return tuple(map(one_line, (*findings.notes, *counted)))


def _samples(path: Path, reader: Reader, findings: Findings) -> Iterator[LoggedSample]:
    """The samples that ask something, under ids of their own: the second of one id becomes ``<id>#2``."""
    times: dict[int, int] = {}  # of hashes: a million ids would fill the memory
    folder = path if path.is_dir() else path.parent
    for number, sample in enumerate(reader(path, findings), 1):
        if number > LOG_SAMPLES:
            raise ExplorerError(f"{path}: more than {LOG_SAMPLES:,} samples; expected at most that many.")
        if not sample.prompt.strip():
            findings.count("{} left out: without a question")
            continue
        given = id = sample.id if sample.id.strip() else f"{number}"
        while hash(id) in times:
            times[hash(given)] += 1
            id = f"{given}#{times[hash(given)]}"
        if id != given:
            findings.count("{} under an id that another one has: a number is added")
        times[hash(id)] = 1
        yield replace(sample, id=id, where=sample.where.removeprefix(f"{folder}/"))


def _reader(path: Path) -> tuple[str, Reader]:
    """The harness of a log, and what reads it."""
    if path.is_dir():
        return helm.HARNESS, helm.read
    with open_file(path, "an evaluation log") as file:
        start = file.read(100_000).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise ExplorerError(f"{path}: the file is empty; {EXPECTED}.")
    if start.startswith(b"PK"):
        return _of_zip(path)
    if not FORMATS.get(path.suffix.lower(), "JSON").startswith("JSON"):
        return plain.HARNESS, plain.read
    if not start.startswith((b"{", b"[")):
        raise ExplorerError(f"{path}: no evaluation log (neither JSON nor a zip); {EXPECTED}.")
    return _of_json(path)


def _log_in(folder: Path) -> Path:
    """The one log in a folder that a harness wrote, or in the folders in it."""
    found = [path for name in WRITTEN for path in sorted([*folder.glob(name), *folder.glob(f"*/{name}")])]
    if len(found) == 1:
        return found[0].parent if found[0].name == helm.STATE else found[0]
    if not found:
        raise ExplorerError(f"{folder}: a folder without a log; {EXPECTED}.")
    names = [f"{path.relative_to(folder)}" for path in found]
    some = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
    raise ExplorerError(f"{folder}: a folder of {len(found):,} logs; name one of them ({some}).")


def _of_json(path: Path) -> tuple[str, Reader]:
    if (whole := _opening(path)) is not None:
        for harness in (inspect_logs, promptfoo, helm):
            if harness.recognises(whole):
                return harness.HARNESS, harness.read
        if "configs" in whole and "results" in whole:
            raise ExplorerError(
                f"{path}: results of lm-evaluation-harness, without samples; expected the samples_*.jsonl beside it, "
                "which it writes with --log_samples."
            )
    _, first = next(rows_of(path), ("", {}))
    if promptfoo.recognises_row(first):
        return promptfoo.HARNESS, promptfoo.read_lines
    for harness in (lm_eval, openai_evals, plain):
        if harness.recognises(first):
            return harness.HARNESS, harness.read
    raise ExplorerError(f"{path}: no known log; found {quoted(first, 8)}; {EXPECTED}.")


def _of_zip(path: Path) -> tuple[str, Reader]:
    with Archive(path) as archive:
        if not inspect_logs.recognises_zip(archive.names):
            no_log = f"a zip that is no log of Inspect (no member {inspect_logs.HEADER})"
            raise ExplorerError(f"{path}: {no_log}; {EXPECTED}.")
    return inspect_logs.HARNESS, inspect_logs.read_zip


def _opening(path: Path) -> dict[str, Any] | None:
    """Key → value of a JSON object up to its first sample; None where the file is none by itself.

    What stands in an object within it is under ``key.key``.
    """
    opened = {(), ("results",), promptfoo.RESULTS, ("samples",), helm.REQUESTS}
    opening: dict[str, Any] = {}
    try:
        with open_file(path, "an evaluation log") as file:
            for keys, _, value in pieces(file, path, opened.__contains__):
                if not keys:
                    return None
                opening[".".join(keys)] = value
                opening.setdefault(keys[0], None)
                if keys in opened:
                    break
    except ExplorerError:
        return opening or None  # JSON lines end here, and a log that is cut off before its first sample
    return opening
