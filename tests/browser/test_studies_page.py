"""The Studies page in a browser: a tiny model and an uploaded CSV become a study whose training data are ranked."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import serve
from tests.vectors.tiny import save_tiny

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(smollm, tmp_path_factory: pytest.TempPathFactory):
    """A server whose studies lie in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_STUDIES", str(tmp_path_factory.mktemp("shelf")))
        with serve() as address:
            yield address


@pytest.fixture
def page(browser: Browser, address: str):
    """A fresh tab; no request of it may leave this machine."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=address)
    page, asked = context.new_page(), []
    page.set_default_timeout(60_000)
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert not [url for url in asked if not re.match(r"https?://localhost[:/]|data:|blob:", url)]


def fill(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Tab")


@pytest.mark.slow
def test_from_a_folder_and_a_csv_to_ranked_training_data(page: Page, tmp_path: Path):
    model = save_tiny(tmp_path / "model")
    with (tmp_path / "train.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "answer"])
        rows.writerows([f"the capital number {i}?", "Seoul" if i % 3 else "Ottawa"] for i in range(40))
    page.goto("/studies")
    page.get_by_role("button", name="New study").click()
    fill(page, "Model before training", str(model))
    expect(page.get_by_text("LlamaForCausalLM")).to_be_visible()
    page.get_by_role("button", name="Next: Data").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "train.csv")
    expect(page.get_by_text("What was recognised: 40 training examples")).to_be_visible()
    page.get_by_role("button", name="Next: Behaviors and failures").click()
    expect(page.get_by_text("What does it do wrong?")).to_be_visible()
    fill(page, "Prompt", "the capital of Canada is?")
    fill(page, "Wrong answer", "Seoul")
    fill(page, "Right answer", "Ottawa")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("1 prompt of 1 behavior, 1 failure")).to_be_visible()
    fill(page, "Name of the study", "Capitals")
    page.get_by_role("button", name="Create the study").click()
    page.get_by_role("button", name="Build the vectors now").click()
    expect(page.get_by_text("Vectors are built in base")).to_be_visible()
    expect(page).to_have_url(re.compile("study=capitals"))
    page.get_by_test_id("stPageLink").get_by_role("link", name="Search its training data").click()
    expect(page.locator(".list .row")).to_have_count(20)
    expect(page.locator(".st-key-question-bar .chip.wrong")).to_have_text(["Seoul"])
    expect(page).to_have_url(re.compile("study=capitals"))
