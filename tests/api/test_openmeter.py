"""What OpenMeter's clients read back: each figure is that of our own answer."""

import csv
import io
import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.factories import make_customer, make_recording, make_subscription, make_world, record
from tests.factories.meters import fold, make_meter
from tests.support.kept import kept
from usage_billing.db.session import transaction
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet

V1 = "/openmeter/api/v1"
QUERY = f"{V1}/meters/tokens/query"


@pytest.fixture(autouse=True)
def metered(engine: Engine, now: datetime) -> None:
    """Calls of two customers; those of the first are under two subscriptions, and a part of them is folded."""
    kept(engine, "openmeter", lambda: _make(engine, now))


def _make(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, value="n", dimensions=["model", {"as": "big", "value": "n > 5"}])
        make_customer(session, id="rival")
        make_subscription(session, id="theirs", customer="rival")
        make_subscription(session, id="second")
        values = ["1", "2.5", "0.0000001", "999999999999999.5", "7"]
        for number, (owner, value) in enumerate(
            [(owner, value) for owner in ("sub456", "second", "theirs") for value in values]
        ):
            model = json.dumps(["gpt", "mini", None][number % 3])
            made = make_recording(
                now=now,
                subscription=owner,
                customer="rival" if owner == "theirs" else "user123",
                occurred_at=now - timedelta(days=number),
                metadata=f'{{"n": {value}, "model": {model}}}',
            )
            record(session, made)
        fold(session, at_most=4)


def exact(text: str) -> Any:
    """The answer with its numbers to the last digit."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def rows(reader: FlaskClient, **asked: Any) -> list[dict[str, Any]]:
    answer = reader.get(f"{QUERY}?{urlencode(asked, doseq=True)}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = exact(answer.text)["data"]
    return found


def own(reader: FlaskClient, subscription: str, **asked: Any) -> Any:
    query = urlencode({"usageType": "tokens", "timezone": "UTC"} | asked)
    answer = reader.get(f"/api/usage/subscription/{subscription}/series?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json


def spans(now: datetime) -> dict[str, str]:
    """The whole days of the recordings."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "from": f"{day - timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{day + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
    }


def test_a_total_is_that_of_our_own_answer(reader: FlaskClient, now: datetime) -> None:
    own_totals = {name: Decimal(own(reader, name, by="day", **spans(now))["total"]) for name in ("sub456", "second")}
    [both] = rows(reader, subject="user123", **spans(now))
    assert both["value"] == sum(own_totals.values())
    assert (both["subject"], both["groupBy"]) == (None, {})
    assert both["value"] == 2 * (Decimal("999999999999999.5") + Decimal("10.5000001"))
    [one] = rows(reader, subject="sub456", **spans(now))
    assert one["value"] == own_totals["sub456"]
    [everything] = rows(reader)
    assert everything["value"] == both["value"] / 2 * 3


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("size", ["MINUTE", "HOUR", "DAY", "MONTH"])
def test_windows_are_those_of_our_own_answer(reader: FlaskClient, now: datetime, size: str, zone: str) -> None:
    span = spans(now) | {"from": f"{now - timedelta(days=5):%Y-%m-%dT%H:%M:00Z}"} if size == "MINUTE" else {}
    found = rows(reader, subject="sub456", windowSize=size, windowTimeZone=zone, **span)
    assert found
    start, end = found[0]["windowStart"], found[-1]["windowEnd"]
    theirs = own(reader, "sub456", by=size.lower(), timezone=zone, **{"from": start, "to": end})
    want = {
        window["start"]: Decimal(value)
        for window, value in zip(theirs["windows"], theirs["series"][0]["values"], strict=True)
        if Decimal(value)
    }
    assert {row["windowStart"]: row["value"] for row in found} == want


def test_groups_are_those_of_our_own_answer(reader: FlaskClient, now: datetime) -> None:
    found = rows(reader, subject="sub456", groupBy=["model", "big", "subject"], **spans(now))
    theirs = own(reader, "sub456", by="day", groupBy="model,big", **spans(now))
    flags = {True: "true", False: "false"}
    want = {
        (one["dimensions"]["model"], flags[one["dimensions"]["big"]]): Decimal(one["total"]) for one in theirs["series"]
    }
    assert {(row["groupBy"]["model"], row["groupBy"]["big"]): row["value"] for row in found} == want
    assert {row["subject"] for row in found} == {"sub456"}


def test_subjects_and_customers_have_rows_of_their_own(reader: FlaskClient) -> None:
    found = rows(reader, groupBy=["subject", "customerId"])
    assert [(row["subject"], row["customerId"]) for row in found] == [("rival", "rival"), ("user123", "user123")]
    named = rows(reader, groupBy="subject", subject=["sub456", "second"])
    assert {row["subject"] for row in named} == {"sub456", "second"}
    assert rows(reader, filterCustomerId="rival") == rows(reader, subject="theirs")
    assert rows(reader, subject="nobody") == []
    twice = reader.get(f"{QUERY}?groupBy=subject&subject=sub456&subject=user123")
    assert twice.status_code == 400


PYTHONS = "filterGroupBy=" + quote("{'model': 'gpt'}")


@pytest.mark.parametrize("spelled", ["filterGroupBy[model]=gpt", PYTHONS, "filterGroupBy=" + quote('{"model": "gpt"}')])
def test_a_filter_is_obeyed_in_every_spelling(reader: FlaskClient, spelled: str) -> None:
    answer = reader.get(f"{QUERY}?{spelled}&subject=sub456")
    assert answer.status_code == 200, answer.text
    body = {"filterGroupBy": {"model": ["gpt"]}, "subject": ["sub456"], "from": None}
    posted = reader.post(QUERY, json=body)
    assert posted.status_code == 200, posted.text
    assert exact(posted.text)["data"] == exact(answer.text)["data"]
    groups = rows(reader, subject="sub456", groupBy="model")
    [gpt] = [row["value"] for row in groups if row["groupBy"] == {"model": "gpt"}]
    assert [row["value"] for row in exact(answer.text)["data"]] == [gpt]


@pytest.mark.parametrize(
    "asked",
    [
        "filterGroupBy[colour]=red", "filterGroupBy=model", "filterGroupBy=" + quote("{'model': {'a': 1}}"),
        "filterGroupBy=" + quote("__import__('os')"), "groupBy=colour", "filter=model", "windowSize=SECOND",
        "windowTimeZone=Moon", "from=yesterday", "to=9999-12-31T23:59:59Z", "from=2026-11-01T00:30:00Z&windowSize=HOUR",
        "from=2026-11-01T00:00:01Z", "from=2026-11-01T00:00:00Z&from=2026-11-02T00:00:00Z", "subject=",
        "from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "advancedMeterGroupByFilters[a][$eq]=b",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(reader: FlaskClient, asked: str) -> None:
    answer = reader.get(f"{QUERY}?{asked}")
    if asked == "subject=":
        assert exact(answer.text)["data"] == []
        return
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Retry-After" not in answer.headers
    assert answer.json is not None
    assert answer.json["status"] == 400


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"windowTimeZone": "Moon"}, "windowTimeZone"),
        ({"from": "2026-11-01T00:30:00Z", "windowSize": "HOUR"}, "from"),
        ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "to"),
    ],
)
def test_what_is_wrong_is_called_as_its_clients_call_it(reader: FlaskClient, asked: dict[str, str], field: str) -> None:
    by_address: Any = reader.get(QUERY, query_string=asked).json
    by_body: Any = reader.post(QUERY, json=asked).json
    assert [one["parameter"] for one in by_address["errors"]] == [field]
    assert [one["pointer"] for one in by_body["errors"]] == [f"/{field}"]


@pytest.mark.parametrize(
    "body", [{"advancedMeterGroupByFilters": {}}, [], {"subject": 7}, {"windowSize": 1}, {"filterGroupBy": "model"}]
)
def test_a_body_that_is_not_understood_is_refused(reader: FlaskClient, body: Any) -> None:
    assert reader.post(QUERY, json=body).status_code == 400


def test_a_table_has_the_same_rows(reader: FlaskClient) -> None:
    answer = reader.get(f"{QUERY}?groupBy=model&windowSize=DAY&subject=sub456", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    found = rows(reader, groupBy="model", windowSize="DAY", subject="sub456")
    assert [(Decimal(line["value"]), line["window_start"], line["model"] or None) for line in lines] == [
        (row["value"], row["windowStart"], row["groupBy"]["model"]) for row in found
    ]


def test_meters_are_listed_in_pages_and_shown(reader: FlaskClient) -> None:
    every = reader.get(f"{V1}/meters").json
    assert every is not None
    assert [one["slug"] for one in every] == sorted(one["slug"] for one in every)
    paged = [reader.get(f"{V1}/meters?page={page}&pageSize=1").json for page in range(1, len(every) + 2)]
    assert [one for page in paged for one in page or []] == every
    shown = reader.get(f"{V1}/meters/tokens").json
    assert shown in every
    assert (shown["aggregation"], shown["eventType"], shown["valueProperty"]) == ("SUM", "assessment", "n")
    assert shown["groupBy"] == {"model": "model", "big": "n > 5"}
    missing = reader.get(f"{V1}/meters/nothing")
    assert (missing.status_code, missing.json["code"]) == (404, "not_found")  # type: ignore[index]
    assert reader.get(f"{V1}/meters?page=0").status_code == 400
    assert reader.get(f"{V1}/meters?includeDeleted=true").status_code == 400


def test_customers_and_subjects_are_listed(admin: FlaskClient, reader: FlaskClient) -> None:
    found = admin.get(f"{V1}/customers?page=1&pageSize=1").json
    assert found is not None
    assert (found["page"], found["pageSize"], found["totalCount"]) == (1, 1, 2)
    [rival] = found["items"]
    assert (rival["key"], rival["usageAttribution"]) == ("rival", {"subjectKeys": ["rival", "theirs"]})
    assert admin.get(f"{V1}/customers/rival").json == rival
    assert admin.get(f"{V1}/customers?key=rival").json["items"] == [rival]  # type: ignore[index]
    assert [one["key"] for one in admin.get(f"{V1}/subjects").json or []] == ["rival", "user123"]
    assert admin.get(f"{V1}/customers/nobody").status_code == 404
    assert reader.get(f"{V1}/customers").status_code == 403


def test_a_customer_is_made_once(admin: FlaskClient, writer: FlaskClient) -> None:
    address = {"line1": "Way 1", "city": "Bonn", "country": "DE", "postalCode": "53111"}
    body = {"key": "new", "name": "New", "primaryEmail": "a@example.com", "billingAddress": address, "metadata": None}
    made = admin.post(f"{V1}/customers", json=body | {"usageAttribution": {"subjectKeys": ["new"]}})
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == f"{V1}/customers/new"
    assert made.json == admin.get(f"{V1}/customers/new").json
    assert (made.json["primaryEmail"], made.json["billingAddress"]) == ("a@example.com", address)  # type: ignore[index]
    again = admin.post(f"{V1}/customers", json=body)
    assert (again.status_code, again.json["code"]) == (409, "already_exists")  # type: ignore[index]
    assert again.content_type == "application/problem+json"
    by_subject = admin.post(f"{V1}/customers", json={"name": "S", "usageAttribution": {"subjectKeys": ["other"]}})
    assert by_subject.json["key"] == "other"  # type: ignore[index]
    assert writer.post(f"{V1}/customers", json=body).status_code == 403


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "N"}, "/key"), ({"key": "a b", "name": "N"}, "/key"), ({"key": "k"}, "/name"),
        ({"key": "k", "name": "N", "currency": "USD"}, "/currency"), ([], ""),
        ({"key": "k", "name": "N", "metadata": {"a": "b"}}, "/metadata"),
        ({"key": "k", "name": "N", "primaryEmail": "x"}, "/primaryEmail"),
        ({"key": "k", "name": "N", "usageAttribution": {"subjectKeys": ["k", "l"]}}, "/usageAttribution/subjectKeys"),
        ({"key": "k", "name": "N", "usageAttribution": 7}, "/usageAttribution"),
        ({"key": "k", "name": "N", "billingAddress": {"country": "DE"}}, "/billingAddress/line1"),
    ],
)  # fmt: skip
def test_what_a_customer_has_not_here_is_refused(admin: FlaskClient, body: Any, pointer: str) -> None:
    answer = admin.post(f"{V1}/customers", json=body)
    assert answer.status_code == 400, answer.text
    assert pointer in {one["pointer"] for one in answer.json["errors"]}  # type: ignore[index]
    assert admin.get(f"{V1}/customers/k").status_code == 404


def test_subjects_are_put_all_or_none(admin: FlaskClient) -> None:
    answer = admin.post(f"{V1}/subjects", json=[{"key": "one"}, {"key": "rival", "displayName": "Rival"}])
    assert answer.status_code == 200, answer.text
    assert [(one["key"], one["displayName"]) for one in answer.json or []] == [("one", "one"), ("rival", "Rival")]
    assert admin.post(f"{V1}/subjects", json=[{"key": "rival"}]).json[0]["displayName"] == "Rival"  # type: ignore[index]
    for wrong, pointer in (({"key": "a b"}, "/1/key"), ({"key": "x", "metadata": {"a": 1}}, "/1/metadata"), (7, "/1")):
        refused = admin.post(f"{V1}/subjects", json=[{"key": "two"}, wrong])
        assert refused.status_code == 400
        assert refused.json["errors"][0]["pointer"] == pointer  # type: ignore[index]
    assert admin.post(f"{V1}/subjects", json=[]).status_code == 400
    assert [one["key"] for one in admin.get(f"{V1}/subjects").json or []] == ["one", "rival", "user123"]


def test_an_entitlement_is_what_usage_says(reader: FlaskClient, engine: Engine, now: datetime) -> None:
    path = f"{V1}/customers/user123/entitlements/assessment/value"
    before = exact(reader.get(path).text)
    lines = reader.get("/api/usage/user/user123").json["usage"]  # type: ignore[index]
    mine = [line for line in lines if line["usageType"] == "assessment"]
    assert before == {
        "hasAccess": True,
        "usage": sum(Decimal(line["used"]) for line in mine),
        "balance": sum(Decimal(line["remaining"]) for line in mine),
        "overage": sum(Decimal(line["charged"]) for line in mine),
    }
    with transaction(engine) as session:
        wallet = NewWallet(id="w", customer_id="user123", unit_name="assessment", usage_types=["assessment"])
        create_wallet(session, wallet, actor="test", now=now)
        new = NewGrant(amount=Decimal("5.5"), idempotency_key="k")
        make_grant(session, "w", new, actor="test", now=now, grace=timedelta(hours=1))
    in_hand = Decimal(reader.get("/api/wallets/w").json["available"])  # type: ignore[index]
    after = exact(reader.get(path).text)
    assert after["balance"] == before["balance"] + in_hand
    for other in (
        "/openmeter/api/v2/customers/user123/entitlements/assessment/value",
        f"{V1}/subjects/user123/entitlements/assessment/value",
    ):
        assert exact(reader.get(other).text) == after
    access = exact(reader.get(f"{V1}/customers/user123/access").text)["entitlements"]
    assert access["assessment"] == after


def test_without_a_quota_there_is_no_access(reader: FlaskClient) -> None:
    found = reader.get(f"{V1}/customers/user123/entitlements/tokens/value")
    assert (found.status_code, found.json["hasAccess"]) == (200, False)  # type: ignore[index]
    assert reader.get(f"{V1}/customers/user123/entitlements/nothing/value").status_code == 404
    assert reader.get(f"{V1}/customers/nobody/access").status_code == 404
    assert reader.get(f"{V1}/subjects/nobody/entitlements/tokens/value").status_code == 404
    assert reader.get(f"{V1}/customers/user123/entitlements/tokens/value?time=2026-01-01").status_code == 400
