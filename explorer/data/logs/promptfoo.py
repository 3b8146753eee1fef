"""The ``output.json`` of promptfoo, or its ``.jsonl``: one result for each test, prompt and provider."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from explorer.data.logs.json_stream import pieces
from explorer.data.logs.rows import rows_of
from explorer.data.logs.sample import Check, Findings, LoggedSample
from explorer.data.logs.values import (
    asked_of,
    chat_in,
    fields_of,
    items_of,
    name_of,
    number_of,
    text_of,
    texts_of,
    topic_of,
)
from explorer.errors import ExplorerError
from explorer.reading import open_file

HARNESS = "promptfoo"
RESULTS = ("results", "results")
_CHECKS: dict[str, Check] = {
    "equals": "exact",
    "contains": "contains",
    "icontains": "contains",
    "contains-any": "contains",
    "icontains-any": "contains",
    "starts-with": "contains",
    "regex": "regex",
}
"""Assertions that say which answers are accepted."""
_ERROR = 2
"""``failureReason`` of a result whose provider or assertion broke."""
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def recognises(opening: Mapping[str, Any]) -> bool:
    """Whether the first result of a JSON file is one of promptfoo; a log without any has its counts alone."""
    first = fields_of(opening.get("results.results"))
    return {"prompt", "vars"} <= first.keys() or {"results.version", "results.stats"} <= opening.keys()


def recognises_row(row: Mapping[str, Any]) -> bool:
    """Whether the first line of a JSON lines file is a result."""
    return {"prompt", "vars", "testCase"} <= row.keys() and "raw" in fields_of(row["prompt"])


def read(path: Path, findings: Findings) -> Iterator[LoggedSample]:
    """Read the results of an ``output.json``; the version stands behind them."""
    return _samples(_results(path, findings), findings)


def read_lines(path: Path, findings: Findings) -> Iterator[LoggedSample]:
    """Read the results of an ``output.jsonl``, which has nothing else."""
    return _samples(rows_of(path), findings)


def _results(path: Path, findings: Findings) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with open_file(path, "output.json of promptfoo") as file:
        opened = {(), ("results",), RESULTS}
        for keys, place, value in pieces(file, path, opened.__contains__):
            if keys == ("metadata",):
                findings.version = name_of(fields_of(value).get("promptfooVersion"))
            elif keys == ("config",):
                findings.task = name_of(fields_of(value).get("description"))
            elif keys == RESULTS:
                yield place, fields_of(value)


def _samples(results: Iterator[tuple[str, Mapping[str, Any]]], findings: Findings) -> Iterator[LoggedSample]:
    models: dict[str, None] = {}
    prompts: dict[float, None] = {}
    for place, result in results:
        models[_model(result)] = None
        prompts[number_of(result.get("promptIdx")) or 0] = None
        if len(models) + len(prompts) > 1_000:
            raise ExplorerError(f"{place}: more than 1,000 prompts and providers; expected fewer.")
        yield _sample(result, place, findings)
    findings.model, findings.metric = ", ".join(name for name in models if name), "assertions"
    if len(models) > 1:
        findings.note(f"The log has answers of {len(models)} providers, each a sample of its own.")
    if len(prompts) > 1:
        findings.note(f"The log has {len(prompts)} prompts for each test, each a sample of its own.")


def _sample(result: Mapping[str, Any], where: str, findings: Findings) -> LoggedSample:
    prompt, response = fields_of(result.get("prompt")), fields_of(result.get("response"))
    if not isinstance(prompt.get("raw"), str):
        raise ExplorerError(f"{where}: field 'prompt.raw' is missing; expected a result of promptfoo 0.100 or later.")
    test = fields_of(result.get("testCase"))
    asked = asked_of(chat_in(prompt["raw"]), findings)
    broken = result.get("failureReason") == _ERROR or (result.get("error") and response.get("output") is None)
    if broken:
        findings.count("{} ended with an error")
    success = result.get("success")
    check, expected = _accepted(result, test, findings)
    return LoggedSample(
        id=_id(result),
        prompt=asked.prompt,
        system=asked.system,
        said=text_of(response.get("output")),
        expected=expected,
        check=check,
        failed=not success if isinstance(success, bool) and not broken else None,
        score=number_of(result.get("score")),
        category=topic_of(fields_of(test.get("metadata"))),
        where=where,
    )


def _id(result: Mapping[str, Any]) -> str:
    """Test and prompt by their places, which another run of the same file has too; and the provider."""
    test, prompt = (name_of(result.get(name)) for name in ("testIdx", "promptIdx"))
    return f"{test}.{prompt}" if test and prompt else name_of(result.get("id"))


def _model(result: Mapping[str, Any]) -> str:
    provider = fields_of(result.get("provider"))
    return name_of(provider.get("label")) or name_of(provider.get("id")) or name_of(result.get("provider"))


def _accepted(
    result: Mapping[str, Any], test: Mapping[str, Any], findings: Findings
) -> tuple[Check | None, tuple[str, ...]]:
    """The answers that the first assertion of a known type accepts, variables filled in."""
    known = [fields_of(given) for given in items_of(test.get("assert"))]
    known = [given for given in known if _CHECKS.get(name_of(given.get("type"))) and given.get("value") is not None]
    if not known:
        return None, ()
    if len(known) > 1:
        findings.count("{} with several assertions: the first one says what is expected")
    variables = fields_of(result.get("vars"))

    def filled(match: re.Match[str]) -> str:
        value = text_of(variables.get(match[1]))
        return match[0] if value is None else value

    texts = (_VARIABLE.sub(filled, text) for text in texts_of(known[0]["value"]))
    return _CHECKS[name_of(known[0]["type"])], tuple(text for text in texts if text)
