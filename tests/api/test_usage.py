"""What was used, allowed, left and beyond, and what that would cost."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.factories import (
    make_customer,
    make_plan,
    make_quota,
    make_recording,
    make_subscription,
    make_usage_type,
    make_world,
    record,
)
from usage_billing.catalog.renaming import change_usage_type
from usage_billing.catalog.service import NewQuota, add_quota_version
from usage_billing.db.session import transaction
from usage_billing.flows.administration.change_subscription import cancel
from usage_billing.flows.administration.situation import When

NOVEMBER = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")


def usage(caller: FlaskClient, path: str = "user/user123", query: str = "") -> list[dict[str, Any]]:
    """The lines of an answer."""
    answer = caller.get(f"/api/usage/{path}{query}")
    assert answer.status_code == 200, answer.json
    lines: list[dict[str, Any]] = answer.json["usage"]
    return lines


def test_overage_is_what_lies_beyond_the_limit(engine: Engine, reader: FlaskClient, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        record(session, *[make_recording(now=now) for _ in range(53)])
    assert usage(reader) == [
        {
            "subscriptionId": "sub456",
            "usageType": "assessment",
            "unitName": "assessment",
            "hasQuota": True,
            "used": "53",
            "usedBefore": "0",
            "limit": "50",
            "remaining": "0",
            "overage": "3",
            "covered": "0",
            "owed": "0",
            "charged": "3",
            "estimatedCharge": "30.00",
            "currency": "USD",
            "periodStart": NOVEMBER[0],
            "periodEnd": NOVEMBER[1],
            "cells": None,
        }
    ]
    assert usage(reader, "subscription/sub456") == usage(reader)


def test_every_type_with_a_quota_is_listed_before_it_is_used(
    engine: Engine, reader: FlaskClient, now: datetime
) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_usage_type(session, id="analysis")
        make_quota(session, usage_type="analysis", limit=None)
        record(session, make_recording(now=now, usage_type="report", quantity="2.5"))
    lines = {line["usageType"]: line for line in usage(reader)}
    shown = ("used", "limit", "remaining", "hasQuota")
    assert {name: tuple(line[part] for part in shown) for name, line in lines.items()} == {
        "analysis": ("0", None, None, True),
        "assessment": ("0", "50", "50", True),
        "report": ("2.5", None, None, False),
    }
    assert {line["estimatedCharge"] for line in lines.values()} == {"0.00"}


def test_a_customer_without_subscriptions_used_nothing(engine: Engine, reader: FlaskClient) -> None:
    with transaction(engine) as session:
        make_customer(session, id="fresh")
    assert usage(reader, "user/fresh") == []


def test_who_is_unknown_is_not_found(reader: FlaskClient) -> None:
    for path in ("user/nobody", "subscription/nobody", "subscription/nobody/records"):
        answer = reader.get(f"/api/usage/{path}")
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_a_span_shows_a_row_for_each_period_that_it_overlaps(
    engine: Engine, reader: FlaskClient, now: datetime
) -> None:
    with transaction(engine) as session:
        make_world(session)
        for month, quantity in ((8, 8), (9, 9), (10, 10), (11, 11)):
            when = datetime(2026, month, 10, tzinfo=UTC)
            record(session, make_recording(now=now, quantity=quantity, occurred_at=when))

    def used(query: str) -> list[tuple[str, str]]:
        return [(line["periodStart"][:7], line["used"]) for line in usage(reader, query=query)]

    assert used("?from=2026-09-15T00:00:00Z&to=2026-10-01T00:00:00Z") == [("2026-09", "9")]
    assert used("?from=2026-09-15T00:00:00Z&to=2026-10-01T00:00:01Z") == [("2026-09", "9"), ("2026-10", "10")]
    assert used("?from=2026-10-01T00:00:00Z") == [("2026-10", "10"), ("2026-11", "11")]
    assert used("?to=2026-09-01T00:00:00Z") == [("2026-08", "8")]
    assert used("?from=2027-01-01T00:00:00Z") == []
    assert used("") == [("2026-11", "11")]


def test_periods_follow_the_subscriptions_time_zone(engine: Engine, reader: FlaskClient, now: datetime) -> None:
    with transaction(engine) as session:
        make_customer(session)
        make_plan(session, currency="JPY")
        make_usage_type(session)
        make_quota(session, limit=0, unit_price="1.5")
        make_subscription(session, timezone="Asia/Tokyo")
        # Half past midnight of the first in Tokyo, the evening before in UTC.
        record(session, make_recording(now=now, occurred_at=datetime(2026, 10, 31, 15, 30, tzinfo=UTC)))
    line = usage(reader)[0]
    assert (line["periodStart"], line["periodEnd"]) == ("2026-10-31T15:00:00Z", "2026-11-30T15:00:00Z")
    assert (line["used"], line["currency"], line["estimatedCharge"]) == ("1", "JPY", "2")


def test_the_quota_in_force_when_the_period_began_counts(engine: Engine, reader: FlaskClient, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session, limit=50)
        make_quota(session, limit=5, unit_price="99", now=now)
        record(session, make_recording(now=now, quantity=53))
    assert usage(reader)[0]["estimatedCharge"] == "30.00"


def test_ended_and_future_subscriptions_are_not_of_the_present_period(
    engine: Engine, reader: FlaskClient, now: datetime
) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_subscription(session, id="ended")
        cancel(session, "ended", when=When(moment=datetime(2026, 10, 5, tzinfo=UTC)), actor="test", now=now)
        make_subscription(session, id="to-come", started_at=datetime(2026, 12, 5, tzinfo=UTC))
        make_subscription(session, id="begins-soon", started_at=datetime(2026, 11, 25, tzinfo=UTC))
    assert [line["subscriptionId"] for line in usage(reader)] == ["begins-soon", "sub456"]


def test_a_quota_of_its_own_is_listed_before_it_is_in_force(engine: Engine, reader: FlaskClient, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        change_usage_type(session, "report", unit_name="page")
        own = NewQuota(
            plan_id="business",
            usage_type="report",
            limit=Decimal(5),
            price={"model": "per_unit", "unitPrice": "1"},
            unit_name="sheet",
            subscription_id="sub456",
        )
        add_quota_version(session, own, now=now, holds_from=datetime(2026, 12, 1, tzinfo=UTC))
    line = next(line for line in usage(reader) if line["usageType"] == "report")
    assert (line["unitName"], line["hasQuota"], line["limit"], line["used"]) == ("page", False, None, "0")
