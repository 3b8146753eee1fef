"""README and command line stay in step, and what the README shows works."""

import argparse
import ast
import json
import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from explorer.cli.main import main, parser
from explorer.cli.reference import reference
from explorer.data.lists import LISTS
from explorer.data.names import MAPPED
from explorer.faithfulness.operators import OPERATORS
from explorer.repair.plan import EDITS, PRESETS
from explorer.repair.results import percent, pooled, read_result, seed_rates
from explorer.repair.stages import ANSWERS
from explorer.trace.explain import RULES
from explorer.ui.navigation import PAGES
from explorer.vectors.methods import MEASURES, METHODS, QUERIES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> dict[str, argparse.ArgumentParser]:
    actions = parser()._actions
    return next(a.choices for a in actions if isinstance(a, argparse._SubParsersAction))  # pyright: ignore


def test_every_command_is_in_the_readme_and_no_other():
    listed = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    assert listed == set(commands())


DOCS = {path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]}


def test_every_command_option_and_call_is_in_the_reference():
    assert DOCS["reference.md"] == reference(), "run: python -m explorer.cli.reference"
    bare = re.findall(r"^\| (`[^|]*(?:\\\|[^|]*)*`) \|\s*\|$", DOCS["reference.md"], re.MULTILINE)
    assert not bare, f"without a word on what it is: {bare}"


@pytest.mark.parametrize(
    "name", [*METHODS, *MEASURES, *QUERIES, *RULES, *OPERATORS, *EDITS, *PRESETS, *ANSWERS, *LISTS, *MAPPED]
)
def test_every_name_that_one_chooses_is_explained(name):
    """As code or in italics, outside the reference and the limits, which are lists."""
    prose = "\n".join(text for file, text in DOCS.items() if file not in ("reference.md", "limits.md")).replace(
        "**", ""
    )
    spans = re.findall(r"```.*?```|`[^`]+`|\*[^*\n]+\*", prose, re.DOTALL)
    marked = {word for span in spans for word in re.findall(r"[\w-]+", span)}
    assert name in marked, f"{name} stands in no page of docs/"


@pytest.mark.parametrize("title", [title for title, _ in PAGES.values()])
def test_every_page_is_explained(title):
    prose = " ".join(" ".join(text for file, text in DOCS.items() if file != "reference.md").split())
    assert re.search(rf"(the|The) \*?{title}\*? page|[Pp]ages? \[?\*?{title}|# {title}", prose), title


def test_every_page_of_the_docs_is_found():
    linked = {name for text in DOCS.values() for name in re.findall(r"\]\((?:docs/)?([\w-]+\.md)", text)}
    assert {*DOCS} - linked <= {"README.md"}


def test_commands_shown_are_accepted_and_run(smollm, capsys, tmp_path, monkeypatch):
    shown = re.findall(r"^python -m explorer ((?:.*\\\n)*.*)", README, re.MULTILINE)
    assert shown
    monkeypatch.chdir(tmp_path)
    for line in shown:
        assert main(shlex.split(line.replace("\\\n", " "))) == 0


def test_python_shown_runs(smollm, capsys):
    (code,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    assert len(code.strip().splitlines()) == 3
    exec(code, {})
    assert "Istanbul" in capsys.readouterr().out


def test_pictures_and_options_exist():
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
    options = {
        option for command in commands().values() for action in command._actions for option in action.option_strings
    }
    assert set(re.findall(r"`(--[a-z-]+)", README)) <= options


def test_the_figures_on_training_data_are_those_of_the_evaluation():
    rows = json.loads((ROOT / "assets/demo/evaluation.json").read_text())["rows"]
    text = (ROOT / "docs/training-data.md").read_text()
    table = shown_table(text, "(../assets/demo/evaluation.json)")
    assert list(table) == [*METHODS]
    for method in METHODS.values():
        shown = [float(cell.split()[0]) for cell in table[method.name]]
        own = [r for r in rows if r["method"] == method.name]
        if method.parts:
            default = (28, method.centre, method.query, "cosine")
            own = [r for r in own if (r["layer"], r["centre"], r["query"], r["measure"]) == default]
        assert shown == pytest.approx([r["average_precision"] for r in own], abs=0.006)


def test_the_figures_of_every_pairing_are_those_of_the_evaluation():
    rows = json.loads((ROOT / "assets/demo/evaluation-every.json").read_text())["rows"]
    text = (ROOT / "docs/training-data.md").read_text()
    names = list(dict.fromkeys(row["behavior"] for row in rows))
    for method, cells in shown_table(text, "(../assets/demo/evaluation-every.json)").items():
        for name, cell in zip(names, cells, strict=True):
            best = max(r["average_precision"] for r in rows if (r["method"], r["behavior"]) == (method, name))
            assert float(cell.split()[0]) == pytest.approx(best, abs=0.0051), (method, name)
    for pairing, cells in shown_table(text, "nobody's wrong answer (`persona`)").items():
        query, method = pairing.replace("`", "").split(", ")
        for name, cell in zip(names, cells, strict=True):
            setting = (query, method, name, METHODS[method].centre, "cosine")
            fields = ("query", "method", "behavior", "centre", "measure")
            (row,) = [r for r in rows if tuple(r[field] for field in fields) == setting]
            assert float(cell.split()[0]) == pytest.approx(row["average_precision"], abs=0.0051), (pairing, name)


def shown_table(text: str, after: str) -> dict[str, list[str]]:
    """The first table after some words: its cells by the first one of each line."""
    lines = text[text.index(after) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| ---"))
    rows = takewhile(lambda line: line.startswith("|"), lines[start + 1 :])
    return {cells[0]: cells[1:] for cells in ([cell.strip(" `") for cell in row.split("|")[1:-1]] for row in rows)}


@pytest.mark.parametrize("name", ("clusters", "clusters-discovery"))
def test_the_figures_on_behaviors_are_those_of_the_command(name: str):
    text = (ROOT / "docs/behaviors.md").read_text()
    found = json.loads((ROOT / f"assets/demo/{name}.json").read_text())["agreement"]
    after = f"(../assets/demo/{name}.json)"
    (index, flagged) = re.findall(r"adjusted Rand index\s+([\d.]+)\s+over\s+the\s+(\d+)", text[text.index(after) :])[0]
    assert (float(index), int(flagged)) == (pytest.approx(found["adjusted_rand"], abs=0.005), found["flagged"])
    shown = shown_table(text, after)
    assert list(shown) == [row["label"] for row in found["labels"]]
    for row in found["labels"]:
        count, cluster, emergent, *figures = shown[row["label"]]
        assert (int(count), int(cluster), emergent == "yes") == (row["datapoints"], row["cluster"], row["emergent"])
        assert row["own"]
        names = ("null_p", "stability", "recall", "precision", "precision_top_50")
        assert [float(x) for x in figures] == pytest.approx([row[name] for name in names], abs=0.0051)
    if name == "clusters-discovery":
        clean = {row["label"]: 100 * (1 - row["precision"]) for row in found["labels"]}
        said = {label: int(share) for share, label in re.findall(r"(\d+) %\s+\(`([\w-]+)`\)", text)}
        assert len(said) == 3 and said == pytest.approx({label: clean[label] for label in said}, abs=0.51)


def test_the_figures_of_other_methods_are_those_of_the_bench():
    found = json.loads((ROOT / "assets/demo/agreement.json").read_text())
    assert found["prompts"] == "discovery"
    by_method: dict[str, list[str]] = {}
    for row in sorted(found["rows"], key=lambda row: row["layer"]):
        by_method.setdefault(row["method"], []).append(f"{row['adjusted_rand']:.2f} ({row['clusters']})")
    assert shown_table((ROOT / "docs/behaviors.md").read_text(), "(../assets/demo/agreement.json)") == by_method


def test_the_figures_of_peers_are_those_of_the_bench():
    rows = json.loads((ROOT / "docs/peers.json").read_text())["rows"]
    names = {"average_precision": ".2f", "cpu_seconds": ".0f", "datapoints_per_cpu_second": ".1f"}
    found = {row["method"]: [format(row[name], how) for name, how in names.items()] for row in rows}
    assert shown_table((ROOT / "docs/training-data.md").read_text(), "(peers.json)") == found


def test_the_figures_on_repair_are_those_of_the_results():
    text = (ROOT / "docs/repair.md").read_text()
    folders = [path.parent for path in (ROOT / "assets/demo/repairs").glob("*/result.json")]
    assert folders
    for folder in folders:
        found = read_result(folder)
        assert found and len(found.arms) == found.of
        for p in pooled(found.arms):
            assert p.guard is not None
            change = percent(p.change) if p.change else ""
            who = p.arm if p.arm == "none" else f"{p.arm} {p.k}"
            how = f"{found.behavior}, {found.edit}{'' if found.share == 1 else ', small'}"
            low, high = 100 * p.low, 100 * p.high
            shown = f"{100 * p.rate:.0f} % ({low:.0f}–{high:.0f})"
            assert f"| {how} | {who} | {seed_rates(p)} | {shown} | {change} | {100 * p.guard:.0f} % |" in text


def test_the_map_names_what_is_there():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:[\w.]+/)*[\w.]+\.py|(?:\w+/)+)(?:::(\w+))?`", text)
    assert len(named) > 30
    for path, name in named:
        assert (ROOT / path).exists() or (ROOT / "explorer" / path).exists(), path
        if name:
            assert name in definitions(ROOT / path), f"{path} has no {name}"


def test_the_examples_to_copy_are_short():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = [line.split("|")[3] for line in text[text.index("## Where to add") :].splitlines() if line.startswith("| a")]
    assert len(rows) >= 7
    for row in rows:
        (path, name), *_ = re.findall(r"`([\w./]+\.py)(?:::(\w+))?`", row)
        lines = definitions(ROOT / path)[name] if name else len((ROOT / path).read_text(encoding="utf-8").splitlines())
        assert lines < 60, f"{path} {name} has {lines} lines"


def definitions(path: Path) -> dict[str, int]:
    """Lines of every function and class at the top of a file, by name."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    named = [node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in named}


def test_the_soak_in_the_docs_is_the_one_that_ran():
    soak, text = json.loads((ROOT / "docs/soak.json").read_text()), (ROOT / "docs/reliability.md").read_text()
    first, slope = soak["memory_mb"][0][1], f"{soak['slope_mb_per_minute_in_the_second_half']:+.1f}".replace("-", "−")
    assert soak["interactions"] >= 200 and not soak["errors"]
    for figure in (f"{soak['interactions']} interactions", f"{first:,} MB at the start", f"{slope} MB a minute"):
        assert figure in text
    assert f"at most {soak['memory_mb_most']:,} MB" in text
