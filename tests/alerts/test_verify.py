"""``verify`` derives what alerts told anew, and names each kind of spoiling."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.alerts.conftest import Watched
from usage_billing.db.session import read_only
from usage_billing.reports.verify.alerts import alert_differences


@contextmanager
def unguarded(watched: Watched) -> Iterator[list[str]]:
    """Statements are run while triggers look away."""
    with watched.engine.begin() as connection:
        connection.execute(text("ALTER TABLE alert_firings DISABLE TRIGGER USER"))
        wanted: list[str] = []
        yield wanted
        for statement in wanted:
            connection.execute(text(statement))
        connection.execute(text("ALTER TABLE alert_firings ENABLE TRIGGER USER"))


def kinds(watched: Watched) -> set[str]:
    with read_only(watched.engine) as session:
        return {one.kind for one in alert_differences(session, None)}


@pytest.fixture
def books(watched: Watched) -> Watched:
    """Rules of before the period that told lines in it."""
    early = Watched(watched.engine, watched.start - timedelta(days=1))
    early.alert("units", at=[5, 50], watches="units", usage_type="calls")
    early.alert("percent", at=[60], watches="percent", usage_type="calls")
    early.alert("every", every=Decimal(3), watches="units", everything=True)
    early.alert("amount", at=[1], watches="amount")
    watched.use(4)
    watched.use(3)
    watched.use(8, by="t")
    watched.use(5)
    watched.verified()
    return watched


@pytest.mark.parametrize(
    ("spoiling", "found"),
    [
        ("UPDATE alert_firings SET value = value + 1 WHERE rule_id = 'units'", {"alert_value"}),
        ("UPDATE alert_firings SET threshold = 6.9 WHERE rule_id = 'units'", {"alert_untold"}),
        ("UPDATE alert_firings SET threshold = 7.1 WHERE rule_id = 'units'", {"alert_line", "alert_untold"}),
        ("UPDATE alert_firings SET base = 1000 WHERE rule_id = 'percent'", {"alert_line"}),
        ("UPDATE alert_firings SET begins = begins + 3 WHERE rule_id = 'every'", {"alert_gap"}),
        ("UPDATE alert_firings SET value = 0.99 WHERE rule_id = 'amount'", {"alert_line"}),
        ("DELETE FROM alert_firings WHERE rule_id = 'percent'", {"alert_untold"}),
        ("DELETE FROM alert_firings WHERE rule_id = 'every' AND subscription_id = 't'", {"alert_untold"}),
        ("UPDATE alert_rules SET created_at = now() + interval '90 days' WHERE id = 'units'", {"alert_period"}),
        ("UPDATE alert_firings SET fired_at = fired_at - interval '1 day' WHERE rule_id = 'units'", {"alert_value"}),
    ],
)
def test_verify_names_what_is_spoiled(books: Watched, spoiling: str, found: set[str]) -> None:
    with unguarded(books) as wanted:
        wanted.append(spoiling)
    assert kinds(books) == found


def test_what_is_still_to_be_judged_is_not_missed(books: Watched) -> None:
    with unguarded(books) as wanted:
        wanted += ["DELETE FROM alert_firings", "INSERT INTO alert_looks (subscription_id) VALUES ('s'), ('t')"]
    assert kinds(books) == set()
    with unguarded(books) as wanted:
        wanted.append("DELETE FROM alert_looks")
    assert kinds(books) == {"alert_untold"}


def test_voids_and_later_usage_leave_what_was_told_right(books: Watched) -> None:
    (id,) = books.use(40)
    books.void(id)
    books.use(2)
    books.verified()
