"""A log of every harness, from nothing to ranked training data."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from explorer.data.logs.recognise import read_log
from explorer.data.study import Study
from explorer.jobs import stop
from explorer.surveys.folder import surveys_of
from tests.data.logs.test_real_logs import HERE, LOGS
from tests.pages.data_study import data_study
from tests.pages.survey.test_flow import write_log

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TABLE = "table.jsonl"
SHOWN = (
    "lm_eval-0.4.13-chat/samples_own_generation",
    "lm_eval-0.4.13-plain/samples_own_choice",
    "inspect-0.3.285/mock-generation.eval",
    "inspect-0.3.285/embedded-choice.eval",
    "inspect-0.3.285/mock-choice.json",
    "promptfoo",
    "openai-evals-3.0.1.post1/match",
    "helm-0.5.16/own_generation",
    "helm-0.5.16/own_choice-multiple_choice_separate",
    TABLE,
)
"""Beginnings of the logs' names: every harness and format, written answers and choices."""


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """A tiny study with vectors, of a model that reads the longest log's prompts; no run outlives the test."""
    made = data_study(tmp_path / "made", max_position_embeddings=512)
    yield made
    for folder in surveys_of(made.folder):
        stop(folder)


def log_of(kind: str, folder: Path) -> Path:
    """The log whose folder and name begin so."""
    if kind == TABLE:
        return write_log(folder / TABLE, (1, 2, 4))
    (path,) = (path for path in LOGS if str(path.relative_to(HERE)).startswith(kind))
    return path


@pytest.mark.parametrize("kind", SHOWN)
def test_from_a_log_to_ranked_training_data(page: Page, study: Study, tmp_path: Path, kind: str):
    given = log_of(kind, tmp_path)
    log = read_log(given)
    page.goto(f"/survey?study={study.folder}&survey=new&judged=0")
    if given.is_dir():
        place = shutil.copytree(given, tmp_path / "helm")
        page.get_by_role("textbox", name="or its path on this machine").fill(str(place))
        page.get_by_role("textbox", name="or its path on this machine").press("Enter")
    else:
        page.locator("input[type=file]").first.set_input_files(str(given))
    expect(page.get_by_text(log.harness).first).to_be_visible()
    found = re.compile(rf"{log.failed or 3} of {log.total} samples failed|prompts? without an answer")
    expect(page.get_by_text(found).first).to_be_visible()
    page.get_by_role("button", name=re.compile("^Start: ")).click()
    rows = page.locator(".cases tr.row")
    expect(page.get_by_role("button", name="Confirm and measure")).to_be_visible(timeout=180_000)
    page.get_by_role("button", name="Confirm and measure").click()
    expect(rows.first).to_be_visible(timeout=180_000)
    expect(rows.filter(has_text="not measured yet")).to_have_count(0, timeout=180_000)
    page.get_by_role("button", name="Make it a behavior").click()
    name = page.get_by_role("textbox", name="Name").input_value()
    page.get_by_role("button", name="Find the training data").click()
    expect(page).to_have_url(re.compile("training_data.*behavior="))
    expect(page.locator(".list .row").first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert study.behavior(name)
