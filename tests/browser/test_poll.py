"""How a fragment fills itself in: it asks after a while, again where no answer came, and no more once nothing waits."""

from base64 import b64encode
from pathlib import Path

import pytest
from playwright.sync_api import Page

from explorer.ui import components

pytestmark = pytest.mark.browser


def test_a_question_that_is_lost_is_asked_again(page: Page):
    code = (Path(components.__file__).parent / "poll.js").read_bytes()
    page.clock.install()
    page.evaluate(
        """async (code) => {
            const poll = (await import(`data:text/javascript;base64,${code}`)).default;
            const parentElement = {};
            window.asked = 0;
            window.draw = (after) => poll({ data: { after }, parentElement, setTriggerValue: () => window.asked++ });
            window.draw(1500);
        }""",
        b64encode(code).decode(),
    )
    asked = []
    for pause in (1400, 200, 5000, 6000):
        page.clock.run_for(pause)
        asked.append(page.evaluate("window.asked"))
    assert asked == [0, 1, 1, 2]
    page.evaluate("window.draw(null)")  # the answer came: nothing waits any more
    page.clock.run_for(60_000)
    assert page.evaluate("window.asked") == 2
