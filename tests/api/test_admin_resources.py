"""What an administrator creates and changes: each with its audit entry, each told when it contradicts."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from usage_billing.db.session import read_only

CUSTOMER = {"id": "acme", "name": "Acme Ltd", "email": "billing@acme.example"}
BERLIN = {"line1": "Hauptstr. 1", "city": "Berlin", "country": "DE"}
PLAN = {"id": "business", "name": "Business", "currency": "USD", "interval": "month", "intervalCount": 1}
USAGE_TYPE = {"id": "assessment", "unitName": "assessment", "aggregation": "sum"}
QUOTA = {
    "planId": "business",
    "usageType": "assessment",
    "monthlyLimit": 50,
    "unitPrice": 10.00,
    "unitName": "assessment",
}
SUBSCRIPTION = {"id": "sub-1", "userId": "acme", "planId": "business", "startedAt": "2026-01-01T00:00:00+01:00"}

KEY = {"name": "x", "scopes": ["admin"]}


@pytest.fixture
def catalogue(admin: FlaskClient) -> None:
    """A plan, a usage type and a customer, made over HTTP."""
    for noun, body in (("plans", PLAN), ("usage-types", USAGE_TYPE), ("customers", CUSTOMER)):
        assert admin.post(f"/api/{noun}", json=body).status_code == 201


def actions(engine: Engine) -> list[tuple[str, str]]:
    """The audit log: action and subject."""
    with read_only(engine) as session:
        rows = session.execute(text("SELECT action, subject FROM audit_log ORDER BY id"))
        return [(row[0], row[1]) for row in rows]


@pytest.mark.parametrize(
    ("noun", "body", "change"),
    [
        ("customers", CUSTOMER, {"name": "Acme GmbH", "email": None}),
        ("plans", PLAN, {"name": "Business Plus"}),
        ("usage-types", USAGE_TYPE, {"unitName": "exam"}),
    ],
)
def test_it_is_created_listed_shown_and_changed(
    admin: FlaskClient, engine: Engine, noun: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    made = admin.post(f"/api/{noun}", json=body)
    assert made.status_code == 201
    assert made.json.items() >= body.items()
    assert made.json["createdAt"].endswith("Z")
    assert admin.get(f"/api/{noun}/{body['id']}").json == made.json
    assert admin.get(f"/api/{noun}").json == {"data": [made.json], "nextCursor": None}
    changed = admin.patch(f"/api/{noun}/{body['id']}", json=change)
    assert changed.json == made.json | change
    assert admin.get(f"/api/{noun}/{body['id']}").json == changed.json
    again = admin.post(f"/api/{noun}", json=body)
    assert (again.status_code, again.json["code"]) == (409, "already_exists")
    assert admin.get(f"/api/{noun}/nobody").status_code == 404
    assert admin.patch(f"/api/{noun}/nobody", json=change).status_code == 404
    kind = {"customers": "customer", "plans": "plan", "usage-types": "usage_type"}[noun]
    subject = f"{kind.replace('_', '-')}:{body['id']}"
    assert actions(engine) == [(f"{kind}.created", subject), (f"{kind}.changed", subject)]


@pytest.mark.parametrize("noun", ["customers", "plans", "usage-types", "subscriptions", "api-keys"])
def test_a_change_of_nothing_is_refused_and_not_audited(
    catalogue: None, admin: FlaskClient, engine: Engine, noun: str
) -> None:
    if noun == "api-keys":
        made = admin.post("/api/api-keys", json={"name": "a key", "scopes": ["usage:write"]}).json["id"]
    else:
        made = {"customers": CUSTOMER, "plans": PLAN, "usage-types": USAGE_TYPE, "subscriptions": SUBSCRIPTION}[noun][
            "id"
        ]
    before = actions(engine)
    refused = admin.patch(f"/api/{noun}/{made}", json={})
    assert (refused.status_code, [error["code"] for error in refused.json["errors"]]) == (422, ["required"])
    assert actions(engine) == before


def test_lists_go_on_by_cursor(admin: FlaskClient) -> None:
    for index in range(5):
        admin.post("/api/customers", json={"id": f"c-{index}", "name": "A customer"})
    seen, cursor = [], ""
    while cursor is not None:
        page = admin.get(f"/api/customers?limit=2{'&cursor=' + cursor if cursor else ''}").json
        seen.append([row["id"] for row in page["data"]])
        cursor = page["nextCursor"]
    assert seen == [["c-0", "c-1"], ["c-2", "c-3"], ["c-4"]]


def test_the_founding_documents_quota_is_taken(catalogue: None, admin: FlaskClient, engine: Engine) -> None:
    made = admin.post("/api/quotas", json=QUOTA)
    assert made.status_code == 201
    assert (
        made.json.items()
        >= {
            "planId": "business",
            "usageType": "assessment",
            "version": 1,
            "monthlyLimit": "50",
            "unitPrice": "10",
            "price": {"model": "per_unit", "unitPrice": "10"},
            "unitName": "assessment",
            "effectiveUntil": None,
        }.items()
    )
    assert admin.get(f"/api/quotas/{made.json['id']}").json == made.json
    later = admin.post("/api/quotas", json=QUOTA | {"monthlyLimit": None, "unitPrice": "0.000000000001"}).json
    assert (later["version"], later["monthlyLimit"], later["unitPrice"]) == (2, None, "0.000000000001")
    listed = admin.get("/api/quotas?planId=business").json["data"]
    assert [quota["version"] for quota in listed] == [1, 2]
    assert listed[0]["effectiveUntil"] == later["effectiveFrom"] == "2026-12-01T00:00:00Z"
    assert admin.get("/api/quotas?planId=other").json["data"] == []
    assert actions(engine)[-1][0] == "quota.defined"


def test_a_quota_takes_any_price(catalogue: None, admin: FlaskClient) -> None:
    price = {"model": "graduated", "tiers": [{"upTo": 10, "unitPrice": 0.5}, {"upTo": None, "unitPrice": "0.25"}]}
    body = {name: value for name, value in QUOTA.items() if name != "unitPrice"} | {"price": price}
    made = admin.post("/api/quotas", json=body)
    assert made.status_code == 201, made.json
    assert made.json["unitPrice"] is None
    assert [tier["unitPrice"] for tier in made.json["price"]["tiers"]] == ["0.5", "0.25"]


def test_a_subscription_is_made_and_ended(catalogue: None, admin: FlaskClient, engine: Engine) -> None:
    made = admin.post("/api/subscriptions", json=SUBSCRIPTION)
    assert made.status_code == 201
    assert (
        made.json.items()
        >= {
            "userId": "acme",
            "planId": "business",
            "startedAt": "2025-12-31T23:00:00Z",
            "endedAt": None,
            "timezone": "UTC",
            "anchor": "calendar",
        }.items()
    )
    assert admin.get("/api/subscriptions?userId=acme").json["data"] == [made.json]
    assert admin.get("/api/subscriptions?userId=other").json["data"] == []
    ended = admin.patch("/api/subscriptions/sub-1", json={"endedAt": "2026-12-31T00:00:00Z"})
    (term,) = made.json["terms"]
    until = {"endsAt": "2026-12-31T00:00:00Z"}
    shown = admin.get("/api/subscriptions/sub-1").json
    planned = shown.pop("scheduled")
    assert [(one["kind"], one["at"]) for one in planned] == [("end", "2026-12-31T00:00:00Z")]
    assert shown == {name: value for name, value in made.json.items() if name != "scheduled"} | {
        "endedAt": "2026-12-31T00:00:00Z",
        "terms": [term | until],
    }
    assert ended.json.items() >= shown.items()
    again = admin.patch("/api/subscriptions/sub-1", json={"endedAt": "2027-12-31T00:00:00Z"})
    assert (again.status_code, again.json["code"]) == (409, "already_ended")
    assert [action for action, _ in actions(engine)][-2:] == ["subscription.created", "subscription.ended"]


@pytest.mark.parametrize(
    ("noun", "body", "pointer", "code"),
    [
        ("customers", {"id": "a b", "name": "x"}, "/id", "not_an_identifier"),
        ("customers", {"id": "a"}, "/name", "required"),
        ("customers", {"id": "a", "name": ""}, "/name", "out_of_range"),
        ("customers", {"id": "a", "name": "x" * 257}, "/name", "out_of_range"),
        ("customers", {"id": "a", "name": "a\x00b"}, "/name", "bad_text"),
        ("customers", {"id": "a", "name": "a\nb"}, "/name", "bad_text"),
        ("customers", {"id": "a", "name": 5}, "/name", "not_a_text"),
        ("customers", {"id": "a", "name": "x", "email": "nobody"}, "/email", "not_an_email"),
        ("customers", {"id": "a", "name": "x", "legalName": "x" * 501}, "/legalName", "out_of_range"),
        ("customers", {"id": "a", "name": "x", "taxId": ""}, "/taxId", "out_of_range"),
        ("customers", {"id": "a", "name": "x", "language": "english"}, "/language", "not_a_language"),
        ("customers", {"id": "a", "name": "x", "buyerReference": "a\nb"}, "/buyerReference", "bad_text"),
        ("customers", {"id": "a", "name": "x", "address": "Berlin"}, "/address", "not_an_object"),
        ("customers", {"id": "a", "name": "x", "address": BERLIN | {"city": None}}, "/address/city", "not_a_text"),
        (
            "customers",
            {"id": "a", "name": "x", "address": {"city": "x", "country": "DE"}},
            "/address/line1",
            "required",
        ),
        (
            "customers",
            {"id": "a", "name": "x", "address": BERLIN | {"country": "XX"}},
            "/address/country",
            "unknown_country",
        ),
        ("customers", {"id": "a", "name": "x", "address": BERLIN | {"street": "x"}}, "/address/street", "unknown"),
        ("customers", {"id": "a", "name": "x", "createdAt": "2026-01-01T00:00:00Z"}, "/createdAt", "unknown"),
        ("customers", [], "", "not_an_object"),
        ("plans", PLAN | {"currency": "XXX"}, "/currency", "unknown_currency"),
        ("plans", PLAN | {"currency": "usd"}, "/currency", "unknown_currency"),
        ("plans", PLAN | {"interval": "fortnight"}, "/interval", "not_a_choice"),
        ("plans", PLAN | {"intervalCount": 0}, "/intervalCount", "out_of_range"),
        ("plans", PLAN | {"intervalCount": True}, "/intervalCount", "not_a_whole_number"),
        ("plans", PLAN | {"intervalCount": 1.5}, "/intervalCount", "not_a_whole_number"),
        ("plans", PLAN | {"intervalCount": "1"}, "/intervalCount", "not_a_whole_number"),
        ("usage-types", USAGE_TYPE | {"aggregation": "median"}, "/aggregation", "not_supported"),
        ("quotas", QUOTA | {"planId": "nobody"}, "/planId", "unknown_plan"),
        ("quotas", QUOTA | {"usageType": "nothing"}, "/usageType", "unknown_usage_type"),
        ("quotas", QUOTA | {"monthlyLimit": -1}, "/monthlyLimit", "not_a_decimal"),
        ("quotas", QUOTA | {"monthlyLimit": "NaN"}, "/monthlyLimit", "not_a_decimal"),
        ("quotas", QUOTA | {"unitPrice": "0.0000000000001"}, "/unitPrice", "not_a_decimal"),
        ("quotas", QUOTA | {"unitPrice": 10**13}, "/unitPrice", "not_a_decimal"),
        ("quotas", QUOTA | {"price": {"model": "per_unit", "unitPrice": "1"}}, "/price", "contradiction"),
        ("quotas", {k: v for k, v in QUOTA.items() if k != "unitPrice"}, "/unitPrice", "required"),
        ("quotas", {k: v for k, v in QUOTA.items() if k != "monthlyLimit"}, "/monthlyLimit", "required"),
        ("subscriptions", SUBSCRIPTION | {"userId": "nobody"}, "/userId", "unknown_customer"),
        ("subscriptions", SUBSCRIPTION | {"planId": "nobody"}, "/planId", "unknown_plan"),
        ("subscriptions", SUBSCRIPTION | {"timezone": "Mars/Olympus"}, "/timezone", "unknown_zone"),
        ("subscriptions", SUBSCRIPTION | {"timezone": "../../etc/passwd"}, "/timezone", "unknown_zone"),
        ("subscriptions", SUBSCRIPTION | {"startedAt": "2026-01-01T00:00:00"}, "/startedAt", "no_offset"),
        ("subscriptions", SUBSCRIPTION | {"startedAt": "9999-12-31T23:59:59-12:00"}, "/startedAt", "out_of_range"),
        ("api-keys", {"name": "x", "scopes": []}, "/scopes", "invalid"),
        ("api-keys", {"name": "x", "scopes": ["root"]}, "/scopes/0", "not_a_choice"),
        ("api-keys", {"name": "x", "scopes": "admin"}, "/scopes", "invalid"),
        ("api-keys", KEY | {"expiresAt": "2026-01-01T00:00:00Z"}, "/expiresAt", "out_of_range"),
        ("api-keys", KEY | {"rateLimit": 0}, "/rateLimit", "out_of_range"),
    ],
)
def test_a_wrong_field_is_pointed_at(
    catalogue: None, admin: FlaskClient, engine: Engine, noun: str, body: Any, pointer: str, code: str
) -> None:
    before = actions(engine)
    answer = admin.post(f"/api/{noun}", json=body)
    assert answer.status_code == 422, answer.json
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in answer.json["errors"]]
    assert actions(engine) == before
