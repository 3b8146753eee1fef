"""What the program is made of and what it loads: locked packages with hashes, and never code that comes with data."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.repair.export_script import script
from tests.test_house import PRODUCT, ROOT

SOURCES = [*PRODUCT, *sorted(ROOT.glob("bench/**/*.py"))]
LOCKS = {"requirements.txt": "requirements.lock", "requirements-dev.txt": "requirements-dev.lock"}
APART = "torch"
"""The one package without a hash in the lock: its builds differ under one version."""
UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
RUNNERS = {"eval", "exec", "compile", "__import__"}
LOADERS = {"torch.load", "torch.jit.load", "torch.hub.load", "np.load", "numpy.load", "pd.read_pickle", "os.system"}
NEVER = {"shell": True, "verify": False, "trust_remote_code": True, "weights_only": False, "allow_pickle": True}


def breaches(source: str) -> Iterator[str]:
    """Yield what in a Python file could run code that comes with data, or trust what is not checked."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in UNPICKLERS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in UNPICKLERS:
            yield f"from {node.module}"
        elif isinstance(node, ast.Call):
            yield from _call_breaches(node)


def _call_breaches(call: ast.Call) -> Iterator[str]:
    name, named = ast.unparse(call.func), {keyword.arg: keyword.value for keyword in call.keywords}
    if name in RUNNERS | LOADERS:
        yield name
    for argument, value in named.items():
        if argument in NEVER and not (isinstance(value, ast.Constant) and value.value is not NEVER[argument]):
            yield f"{name}({argument}=…)"
    owner, _, method = name.rpartition(".")
    if method not in ("from_pretrained", "from_config"):
        return
    if not owner.startswith("Peft") and "trust_remote_code" not in named:
        yield f"{name} without trust_remote_code=False"
    if method == "from_pretrained" and "Model" in owner and "gguf_file" not in named:
        safe = named.get("use_safetensors")
        if safe is None or True not in [n.value for n in ast.walk(safe) if isinstance(n, ast.Constant)]:
            yield f"{name} without use_safetensors=True"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_comes_with_data(path: Path):
    assert not [*breaches(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from yaml import load",
        "torch.load(p)",
        "eval(x)",
        "exec(x)",
        "run(c, shell=True)",
        "run(c, shell=flag)",
        "get(u, verify=False)",
        "np.load(p, allow_pickle=True)",
        "AutoConfig.from_pretrained(p)",
        "AutoConfig.from_pretrained(p, trust_remote_code=True)",
        "AutoTokenizer.from_pretrained(p, **settings)",
        "AutoModelForCausalLM.from_config(c)",
        "AutoModelForCausalLM.from_pretrained(p, trust_remote_code=False)",
        "AutoModelForCausalLM.from_pretrained(p, trust_remote_code=False, use_safetensors=False)",
        "PeftModel.from_pretrained(m, p)",
    ],
)
def test_the_check_sees(line: str):
    assert [*breaches(line)]


def test_exported_scripts_load_no_code_either(monkeypatch):
    class Study:
        model, template, end_of_turn = "owner/name", "chat", True

    class Recipe:
        epochs, batch, learning_rate, rank, alpha, beta, targets = 1, 1, 0.1, 1, 1, 0.1, None

    for kind in ("SFT", "DPO"):
        assert not [*breaches(script(Study, kind, "data.jsonl", Recipe))]  # pyright: ignore[reportArgumentType]


def test_scripts_of_pages_set_text_only():
    scripts = [*ROOT.glob("explorer/**/*.js"), *ROOT.glob("assets/**/*.js")]
    assert len(scripts) > 10
    for path in scripts:
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", path.read_text()
        )
        assert not found, path


def pins(name: str) -> dict[str, str]:
    """Package → version of a file's ``name==version`` lines."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [re.match(r"([\w.-]+)(?:\[[\w,]+\])?==([^\s;\\]+)", line) for line in lines]
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


@pytest.mark.parametrize(("asked", "locked"), LOCKS.items())
def test_locks_hold_every_pin(asked: str, locked: str):
    wanted = pins(asked)
    lines = [line for line in (ROOT / asked).read_text().splitlines() if line and not line.startswith("-r ")]
    assert len(wanted) == len(lines)  # everything that is asked for is pinned
    held = pins(locked)
    assert {name: held.get(name) for name in wanted if name != APART} == {n: v for n, v in wanted.items() if n != APART}


@pytest.mark.parametrize("name", LOCKS.values())
def test_every_locked_package_has_hashes_and_no_index_is_named(name: str):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--extra|--find-links|--trusted", text)
    entries = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    assert len(entries) == len(pins(name))
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+==\S+ (; [^#]+?)?(--hash=sha256:[0-9a-f]{64} ?)+", entry), entry[:80]
    assert APART not in pins(name)


def test_both_locks_agree():
    run_time, tests = map(pins, LOCKS.values())
    assert {name: version for name, version in tests.items() if run_time.get(name, version) != version} == {}


def test_set_up_installs_from_the_locks():
    makefile = (ROOT / "Makefile").read_text()
    for lock in LOCKS.values():
        assert f"--no-deps --require-hashes -r {lock}" in makefile
