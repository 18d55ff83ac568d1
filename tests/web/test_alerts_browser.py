"""A customer's own alert by clicking in a real Chromium: made, refused, told by a recording, changed, ended."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import Drain
from tests.support.books import rows, scalars
from tests.web.browsing import Browsing, browsing, needs_chromium, overflows, violations
from tests.web.conftest import Books
from tests.web.test_alerts import allowed, api, judge

__all__ = ["allowed", "api"]
pytestmark = [pytest.mark.browser, needs_chromium]

LinkFor = Callable[..., str]


@pytest.fixture
def real(app: Flask) -> Iterator[Browsing]:
    """Chromium on the pages."""
    with browsing(app) as found:
        yield found


class Seen:
    """A page, and everything that was wrong with it wherever it was looked at; axe-core itself is a script."""

    def __init__(self, page: Any, *, script: bool = True) -> None:
        self.page, self.script = page, script
        self.wrong: list[str] = []

    def look(self) -> None:
        if not self.script:
            return
        name = self.page.url
        self.wrong += [f"{name}: {one}" for one in violations(self.page)]
        self.wrong += [f"{name}: scrolls sideways"] if overflows(self.page) else []

    def click(self, role: str, name: str) -> None:
        self.page.get_by_role(role, name=name, exact=True).click()

    def told(self) -> list[list[str]]:
        """Line and value of each firing that the page shows."""
        region = self.page.get_by_role("region", name="Table: What was told")
        return [row.locator("td").all_text_contents()[1:3] for row in region.locator("tbody tr").all()]


def use(api: FlaskClient, drain: Drain, quantity: int) -> None:
    """A recording, accepted and drained as any."""
    body = {"userId": "user123", "subscriptionId": "sub456", "usageType": "assessment", "quantity": quantity}
    assert api.post("/api/usage/record", json=body).status_code == 202
    assert drain() == 1


@pytest.mark.parametrize(
    ("scheme", "script", "width"), [("light", True, 1280), ("dark", True, 320), ("light", False, 1280)]
)
def test_a_customer_makes_an_alert_sees_it_tell_and_ends_it(
    real: Browsing,
    allowed: None,
    api: FlaskClient,
    link_for: LinkFor,
    engine: Engine,
    now: datetime,
    drain: Drain,
    scheme: str,
    script: bool,
    width: int,
) -> None:
    page = real.page(scheme=scheme, script=script, width=width)
    seen = Seen(page, script=script)
    page.goto(link_for())
    page.goto("/portal/alerts")
    page.get_by_text("Nothing is watched").wait_for()
    page.get_by_text("Nothing was told").wait_for()
    seen.look()
    seen.click("link", "New alert")
    seen.look()
    _refused(seen, engine)
    page.get_by_label("Lines", exact=True).fill("60 1000")
    seen.click("button", "Make the alert")
    page.get_by_text("yours", exact=True).wait_for()
    (made,) = rows(engine, "SELECT thresholds, made_by_customer FROM alert_rules")
    assert ([int(one) for one in made.thresholds], made.made_by_customer) == ([60, 1000], True)
    judge(engine, now)
    _told(seen, api, drain)
    _changed_and_ended(seen, api, drain)
    acts = scalars(engine, "SELECT action FROM audit_log WHERE subject LIKE 'alert:%' ORDER BY id")
    assert acts == ["alert.created", "alert.changed", "alert.ended"]
    assert seen.wrong == []
    # The form that was refused is answered with 422, which Chromium itself calls an error.
    assert [one for one in real.said if "422" not in one] == []
    assert real.foreign == []


def _refused(seen: Seen, engine: Engine) -> None:
    """Lines that do not ascend: what was typed stands in the form with what is wrong, and nothing is made."""
    page = seen.page
    page.get_by_label("What is compared", exact=True).select_option("units")
    page.get_by_label("Usage type", exact=True).select_option("assessment")
    page.get_by_label("Lines", exact=True).fill("60 55")
    page.get_by_label("https://1.1.1.1/me").check()
    seen.click("button", "Make the alert")
    page.get_by_text("Numbers above 0 that ascend").wait_for()
    assert page.get_by_label("Lines", exact=True).input_value() == "60 55"
    assert page.get_by_label("https://1.1.1.1/me").is_checked()
    assert rows(engine, "SELECT id FROM alert_rules") == []
    seen.look()


def _told(seen: Seen, api: FlaskClient, drain: Drain) -> None:
    """52 are used. 7 more tell nothing, and 3 more tell the line of 60."""
    use(api, drain, 7)
    seen.page.reload()
    seen.page.get_by_text("Nothing was told").wait_for()
    use(api, drain, 3)
    seen.page.reload()
    assert seen.told() == [["60", "62"]]
    seen.look()


def _changed_and_ended(seen: Seen, api: FlaskClient, drain: Drain) -> None:
    """Another line, and the end: what was told stays to be read, and nothing more is told."""
    seen.click("link", "Change")
    seen.look()
    seen.page.get_by_label("Lines", exact=True).fill("60 2000")
    seen.click("button", "Change it")
    seen.page.get_by_text("60, 2,000").wait_for()
    seen.click("link", "End")
    seen.look()
    seen.click("button", "End it")
    seen.page.get_by_text("Nothing is watched").wait_for()
    use(api, drain, 5000)
    seen.page.reload()
    assert seen.told() == [["60", "62"]]
    seen.look()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_where_the_plan_does_not_let_it_there_is_no_form(
    real: Browsing, used: Books, link_for: LinkFor, scheme: str
) -> None:
    page = real.page(scheme=scheme)
    seen = Seen(page)
    page.goto(link_for())
    page.goto("/portal/alerts")
    page.get_by_text("Nothing is watched").wait_for()
    assert page.get_by_role("link", name="New alert").count() == 0
    seen.look()
    assert page.goto("/portal/alerts/new").status == 403
    assert page.locator("main form").count() == 0
    seen.look()
    assert seen.wrong == []
    assert [one for one in real.said if "403" not in one] == []
