"""Rows with edits: corrected answers."""

from explorer.progress import silent
from explorer.repair.setting import corrected_responses, edited_rows, read_setting, whole_sentences
from tests.repair.conftest import plan_of


def test_replace_puts_whole_sentences_of_the_first_model_in(study):
    plan = plan_of(study, "replace", arms=["top"])
    setting = read_setting(study, plan)
    arm = plan.arms[0]
    rows = edited_rows(setting, arm, silent)
    for row, old in zip(rows, setting.rows, strict=True):
        assert (row["response"] != old["response"]) == (row["id"] in arm.ids)
    assert whole_sentences("It is so. It was no") == "It is so." and whole_sentences("none at all") == "none at all"
    given = [dict(old) | {"corrected": "Yes."} for old in setting.rows if old["id"] in arm.ids]
    assert set(corrected_responses(setting, given, setting.folder(arm) / "x.json", silent).values()) == {"Yes."}
