"""Terms that a subscription is made with: quotas of its own from its start, and the day that its periods begin on."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.api.conftest import Bill
from tests.factories import make_recording, record
from tests.money.books import differences
from usage_billing.db.session import read_only, transaction

OWN = {"usageType": "assessment", "monthlyLimit": "1000", "unitPrice": "0.50"}
NEW: dict[str, Any] = {"id": "contract", "userId": "user123", "planId": "business", "startedAt": "2026-11-01T00:00:00Z"}


def count(engine: Engine, table: str) -> int:
    with read_only(engine) as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0


@pytest.mark.parametrize("started", ["2026-11-01T00:00:00Z", "2026-11-10T06:00:00Z", "2026-08-20T00:00:00Z"])
@pytest.mark.parametrize(("used", "charged"), [(900, "0.00"), (1010, "5.00")])
def test_a_contract_holds_from_the_first_period_whatever_the_list_says(
    world: object, admin: FlaskClient, engine: Engine, bill: Bill, now: datetime, started: str, used: int, charged: str
) -> None:
    """50 are free on the list, and 10.00 each beyond."""
    made = admin.post("/api/subscriptions", json=NEW | {"startedAt": started, "quotas": [OWN]})
    assert made.status_code == 201, made.json
    with transaction(engine) as session:
        record(
            session,
            make_recording(now=now, subscription="contract", quantity=used, occurred_at=now - timedelta(days=1)),
        )
    (line,) = [one for one in admin.get("/api/usage/subscription/contract").json["usage"] if one["used"] != "0"]
    assert (line["limit"], line["estimatedCharge"]) == ("1000", charged)
    bill()
    upcoming = admin.get("/api/subscriptions/contract/upcoming-invoice")
    if charged == "0.00":
        assert upcoming.status_code == 404 or upcoming.json["total"] == charged
    else:
        assert upcoming.json["total"] == charged
    assert differences(engine) == []


def test_its_quotas_are_versions_of_its_own(world: object, admin: FlaskClient) -> None:
    tiers = {"model": "package", "packageSize": "10", "packagePrice": "1", "freeUnits": "0"}
    quotas = [OWN, {"usageType": "report", "monthlyLimit": None, "price": tiers, "unitName": "page", "currency": "USD"}]
    assert admin.post("/api/subscriptions", json=NEW | {"quotas": quotas}).status_code == 201
    listed = admin.get("/api/quotas?subscriptionId=contract").json["data"]
    assert [(one["usageType"], one["monthlyLimit"], one["unitName"], one["effectiveFrom"]) for one in listed] == [
        ("assessment", "1000", "assessment", "2026-11-01T00:00:00Z"),
        ("report", None, "page", "2026-11-01T00:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"usageType": "nothing"}, "/quotas/1/usageType", "unknown_usage_type"),
        ({"usageType": "assessment"}, "/quotas/1/usageType", "contradiction"),
        ({"currency": "EUR"}, "/quotas/1/currency", "other_currency"),
        ({"price": {"model": "flat", "amount": "1"}}, "/quotas/1/price", "contradiction"),
        ({"monthlyLimit": "-1"}, "/quotas/1/monthlyLimit", "not_a_decimal"),
        ({"planId": "business"}, "/quotas/1/planId", "unknown"),
    ],
)
def test_a_wrong_quota_is_told_where_it_is_and_nothing_is_made(
    world: object, admin: FlaskClient, engine: Engine, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    before = [count(engine, table) for table in ("subscriptions", "usage_quotas", "audit_log")]
    second = {"usageType": "report", "monthlyLimit": "1", "unitPrice": "1"} | wrong
    answer = admin.post("/api/subscriptions", json=NEW | {"quotas": [OWN, second]})
    errors = [(one["pointer"], one["code"]) for one in answer.json["errors"]]
    assert (answer.status_code, errors) == (422, [(pointer, code)])
    assert [count(engine, table) for table in ("subscriptions", "usage_quotas", "audit_log")] == before


def test_periods_begin_on_the_day_that_is_agreed(
    world: object, admin: FlaskClient, engine: Engine, now: datetime
) -> None:
    since = {"startedAt": "2026-08-20T00:00:00Z"}
    made = admin.post("/api/subscriptions", json=NEW | since | {"anchorDay": 31, "timezone": "Europe/Berlin"})
    assert made.json["anchorDay"] == 31
    with transaction(engine) as session:
        record(session, make_recording(now=now, subscription="contract"))
    (line,) = [one for one in admin.get("/api/usage/subscription/contract").json["usage"] if one["used"] == "1"]
    assert (line["periodStart"], line["periodEnd"]) == ("2026-10-30T23:00:00Z", "2026-11-29T23:00:00Z")
    assert differences(engine) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"anchorDay": 0}, "out_of_range"),
        ({"anchorDay": 32}, "out_of_range"),
        ({"anchorDay": "first"}, "not_a_whole_number"),
        ({"anchorDay": 5, "anchor": "anniversary"}, "contradiction"),
        ({"anchorDay": 5, "planId": "weekly"}, "contradiction"),
    ],
)
def test_a_day_that_cannot_be_is_refused(
    world: object, admin: FlaskClient, engine: Engine, given: dict[str, Any], code: str
) -> None:
    weekly = {"id": "weekly", "name": "Weekly", "currency": "USD", "interval": "week"}
    assert admin.post("/api/plans", json=weekly).status_code == 201
    answer = admin.post("/api/subscriptions", json=NEW | given)
    assert (answer.status_code, [(one["pointer"], one["code"]) for one in answer.json["errors"]]) == (
        422,
        [("/anchorDay", code)],
    )
    assert count(engine, "subscriptions") == 1
