"""The Compare page: maps under one scale, their changes, models that can't be read."""

import numpy as np
import pytest

from explorer.data.study import open_study
from explorer.demo.build import default_folder
from explorer.errors import ExplorerError
from explorer.ui import explained
from tests.model.hub import FakeHub
from tests.pages.app import open_app, open_link, shown, texts
from tests.vectors.tiny import save_adapter, save_tiny


@pytest.fixture
def app(smollm):
    """The page on the study's first failure, before and after the stage that taught it."""
    return open_app(case="demo-italy-to-portugal-036", models="base,sft").run().switch_page("../../pages/compare.py")


@pytest.mark.slow
def test_page(app):
    app.run()
    assert not app.exception
    assert not app.error
    rows = {name: low + high for name, low, high, *_ in shown(app, "compare-gaps")["groups"][0]["rows"]}
    assert list(rows) == ["base", "sft"]
    assert rows["base"] < 0 < rows["sft"]
    first, second = shown(app, "compare-map-0"), shown(app, "compare-map-1")
    assert first["scale"] == second["scale"]
    assert "Portugal" in second["hint"]
    before = [value for _, _, value, _ in second["tokens"]]
    app.toggle(key="compare-change").set_value(True).run()
    assert app.query_params["change"] == "1"
    moved = [value for _, _, value, _ in shown(app, "compare-map-1")["tokens"]]
    base = [value for _, _, value, _ in shown(app, "compare-map-0")["tokens"]]
    assert np.allclose(moved, np.subtract(before, base), atol=1e-6)
    assert shown(app, "compare-map-1")["caption"] == "sft − base"


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["cplrp", "CP-LRP"])  # a key, or a label in an old link
def test_the_rule_of_the_link_is_understood(app, rule):
    app.query_params["rule"] = rule
    app.run()
    assert "CP-LRP" in shown(app, "compare-map-0")["caption"]


@pytest.mark.slow
def test_page_asks_for_two_and_says_which_model_can_not_be_read(app, monkeypatch):
    app.run()
    app.multiselect(key="compare-models").set_value(["base"]).run()
    assert "Choose two" in app.info[0].value

    def only_others(spec, *arguments):
        if spec.adapter and spec.adapter.endswith("/dpo"):
            raise ExplorerError(f"{spec.adapter}: *no* adapter.")
        return real(spec, *arguments)

    real = explained.explained
    monkeypatch.setattr(explained, "explained", only_others)
    app.multiselect(key="compare-models").set_value(["base", "dpo"]).run()
    assert "adapter" in app.error[0].value
    assert "\\*no" in app.error[0].value
    assert len(shown(app, "compare-gaps")["groups"][0]["rows"]) == 1
    assert not app.exception


PAGE = "../../pages/compare.py"


def names(app) -> list[str]:
    """The models that the page compares."""
    assert not app.exception
    return [row[0] for row in shown(app, "compare-gaps")["groups"][0]["rows"]]


def type_models(app, *added: str):
    """Type names into the field beside what is chosen."""
    field = app.multiselect(key="compare-models")
    return field.set_value([*field.value, *added]).run()


@pytest.fixture
def here(smollm, monkeypatch):
    """The page in a session that has allowed nothing."""
    monkeypatch.delenv("EXPLORER_ALLOW", raising=False)
    return open_link(case="demo-italy-to-portugal-036", models="base,sft").run().switch_page(PAGE).run()


def test_any_model_is_added_by_typing_and_compared_by_words(here, tmp_path, monkeypatch):
    folder = save_tiny(tmp_path / "tiny")
    FakeHub(tmp_path / "hub", monkeypatch).put("org/typed", folder)
    before = shown(here, "compare-map-0")
    assert not shown(here, "copy-link")["note"]
    app = type_models(here, str(folder), "org/typed@main, org/typed@main+" + str(save_adapter(tmp_path / "tuned")))
    assert not app.code and not app.error  # typed by hand: no question
    assert app.query_params["models"] == f"base,sft,{folder},org/typed@main,org/typed@main+{tmp_path}/tuned"
    assert "a folder of this machine" in shown(app, "copy-link")["note"]
    assert names(app) == ["base", "sft", "tiny", "typed@main", "typed@main + tuned"]
    maps = [shown(app, f"compare-map-{number}") for number in range(5)]
    assert all(one["words"] and "by words" in one["caption"] for one in maps) and not before["words"]
    assert len({tuple(text for text, *_ in one["tokens"]) for one in maps}) == 1
    assert [text.strip() for text, *_ in maps[0]["tokens"]][:3] == ["What", "is", "the"]
    assert any("tokenizers differ" in text.lower() for text in texts(app))
    outside = sum(value for _, segment, value, _ in before["tokens"] if segment != "template")
    assert sum(value for _, _, value, _ in maps[0]["tokens"]) == pytest.approx(outside, abs=1e-5)
    app.toggle(key="compare-change").set_value(True).run()
    assert shown(app, "compare-map-2")["caption"] == "tiny − base · by words"
    moved = [value for _, _, value, _ in shown(app, "compare-map-2")["tokens"]]
    first, third = ([value for _, _, value, _ in maps[number]["tokens"]] for number in (0, 2))
    assert np.allclose(moved, np.subtract(third, first), atol=1e-5)


def test_the_selected_token_is_marked_in_maps_of_words(here, tmp_path):
    tokens = shown(here, "compare-map-0")["tokens"]
    position = next(i for i, (text, *_) in enumerate(tokens) if "Florence" in text)
    here.query_params["token"] = str(position)
    app = type_models(here, str(save_tiny(tmp_path / "tiny")))
    for number in range(3):
        one = shown(app, f"compare-map-{number}")
        assert "Florence" in one["tokens"][one["selected"]][0]


@pytest.mark.slow
def test_a_typed_model_of_the_study_is_the_studys(here):
    adapter = open_study(default_folder()).checkpoints()["dpo"].adapter
    app = type_models(here, f"smollm2+{adapter}", "smollm2")
    assert app.query_params["models"] == "base,sft,dpo"
    assert names(app) == ["base", "sft", "dpo"]
    app = type_models(
        app, str(open_study(default_folder()).checkpoints()["sft-half"].adapter)
    )  # of the model on screen
    assert app.query_params["models"] == "base,sft,dpo,sft-half"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("not a model!", "no such folder"),
        ("/no/such/folder", "no such folder"),
        ("smollm2@v1", "no revision"),
        ("smollm2+/no/adapter", "no such adapter folder"),
        ("+/no/adapter", "expected MODEL+ADAPTER"),
        ("a\tb", "control characters"),
        ("missing.gguf", "no such file"),
    ],
)
def test_what_can_be_no_model_says_so_and_the_others_stand(here, typed, why):
    app = type_models(here, typed)
    assert why in app.error[0].value.replace("\\", "") and not app.code
    assert names(app) == ["base", "sft"]


def test_a_model_that_can_not_be_loaded_leaves_the_others_standing(here, tmp_path, monkeypatch):
    FakeHub(tmp_path / "hub", monkeypatch)
    app = type_models(here, "org/absent", "gone")
    assert app.query_params["models"] == "base,sft,org/absent,gone@main"
    assert names(app) == ["base", "sft"]
    assert len([error for error in app.error if "was not found" in error.value]) == 2


def test_a_link_asks_before_it_opens_a_model(smollm, tmp_path, monkeypatch):
    monkeypatch.delenv("EXPLORER_ALLOW", raising=False)
    folder = str(save_tiny(tmp_path / "tiny"))
    case, models = "demo-italy-to-portugal-036", f"base,{folder},owner/name@v1+owner/adapter,sft-old,/no/\x01"
    located = []
    monkeypatch.setattr("explorer.ui.compare.state._checked", lambda part, _spec: located.append(part))
    app = open_link(case=case, models=models).run().switch_page(PAGE).run()
    assert [code.value for code in app.code] == [folder, "owner/name@v1", "owner/adapter"]
    assert located == []
    monkeypatch.undo()
    app.button(key="ask-back").click().run()
    assert not app.code and "models" not in app.query_params
    app.query_params["models"] = f"base,{folder},sft-old"
    app.run()
    app.button(key="ask-open").click().run()
    assert names(app) == ["base", "tiny"]
    assert "no model of this study" in app.error[0].value
