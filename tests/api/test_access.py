"""Every route with every kind of credential: the table is made from the URL map and the rules on the views."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.routing import Rule as Route

from api.auth import Rule, check_every_view_has_a_rule, requires, rule_of
from api.state import state_of
from tests.api.conftest import Billed
from tests.conftest import As, Clock, MakeToken
from tests.support.callers import Keys
from tests.support.events import relayed
from usage_billing.access.principal import ADMIN, SCOPES
from usage_billing.core.clock import utc_now
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.alerting.alert_checks import NewAlert
from usage_billing.flows.alerting.manage_alerts import create_alert
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint, create_endpoint
from usage_billing.outbox.queries import events_where
from usage_billing.outbox.rendering import event_id
from usage_billing.outbox.service import Fact, tell
from usage_billing.webhooks.queries import deliveries_where

# What is written down here on purpose: a route that is missing, or whose rule was changed, fails.
PUBLIC = "public"
RULES = {
    "POST /api/usage/record": "usage:write",
    "POST /api/usage/record/batch": "usage:write",
    "POST /api/ingest/cloudevents": "usage:write",
    "POST /openmeter/api/v1/events": "usage:write",
    "GET /openmeter/api/v1/events": "usage:read",
    "GET /openmeter/api/v1/meters": "usage:read",
    "GET /openmeter/api/v1/meters/<slug>": "usage:read",
    "GET /openmeter/api/v1/meters/<slug>/query": "usage:read",
    "POST /openmeter/api/v1/meters/<slug>/query": "usage:read",
    "GET /openmeter/api/v1/customers": "admin",
    "GET /openmeter/api/v1/customers/<customer_id>": "admin",
    "POST /openmeter/api/v1/customers": "admin",
    "GET /openmeter/api/v1/subjects": "admin",
    "POST /openmeter/api/v1/subjects": "admin",
    "GET /openmeter/api/v1/customers/<customer_id>/access": "usage:read",
    "GET /openmeter/api/v1/customers/<customer_id>/entitlements/<feature>/value": "usage:read",
    "GET /openmeter/api/v2/customers/<customer_id>/entitlements/<feature>/value": "usage:read",
    "GET /openmeter/api/v1/subjects/<subject>/entitlements/<feature>/value": "usage:read",
    "POST /lago/api/v1/events": "usage:write",
    "POST /lago/api/v1/events/batch": "usage:write",
    "GET /lago/api/v1/events/<transaction_id>": "usage:write usage:read",
    "GET /lago/api/v1/customers": "admin",
    "GET /lago/api/v1/customers/<external_id>": "admin",
    "GET /lago/api/v1/customers/<external_id>/current_usage": "usage:read",
    "GET /lago/api/v1/subscriptions": "admin",
    "GET /lago/api/v1/subscriptions/<external_id>": "admin",
    "GET /lago/api/v1/wallets": "usage:read",
    "GET /lago/api/v1/wallets/<lago_id>": "usage:read",
    "GET /lago/api/v1/invoices": "billing:run usage:read",
    "GET /lago/api/v1/invoices/<lago_id>": "billing:run usage:read",
    "POST /lago/api/v1/invoices/<lago_id>/download": "billing:run usage:read",
    "GET /lago/api/v1/billable_metrics": "usage:read",
    "GET /lago/api/v1/billable_metrics/<code>": "usage:read",
    "POST /v1/billing/meter_events": "usage:write",
    "POST /v1/billing/meter_event_adjustments": "usage:write",
    "POST /v2/billing/meter_event_adjustments": "usage:write",
    "POST /stripe/v1/billing/meter_event_adjustments": "usage:write",
    "POST /stripe/v2/billing/meter_event_adjustments": "usage:write",
    "POST /v2/billing/meter_events": "usage:write",
    "POST /v2/billing/meter_event_session": "usage:write",
    "POST /v2/billing/meter_event_stream": "usage:write",
    "POST /stripe/v1/billing/meter_events": "usage:write",
    "POST /stripe/v2/billing/meter_events": "usage:write",
    "POST /stripe/v2/billing/meter_event_session": "usage:write",
    "POST /stripe/v2/billing/meter_event_stream": "usage:write",
    "GET /api/usage/records/<record_id>": "usage:read users",
    "GET /api/usage/user/<customer_id>": "usage:read users",
    "GET /api/usage/subscription/<subscription_id>": "usage:read users",
    "GET /api/usage/subscription/<subscription_id>/records": "usage:read users",
    "GET /api/usage/subscription/<subscription_id>/series": "usage:read users",
    "GET /api/usage/user/<customer_id>/series": "usage:read users",
    "POST /api/usage/records/<record_id>/void": "admin",
    "POST /api/usage/process-billing": "billing:run",
    "GET /api/billing-runs": "billing:run",
    "GET /api/billing-runs/<run_id>": "billing:run",
    "GET /api/invoices": "billing:run usage:read users",
    "GET /api/exports/invoices": "admin",
    "GET /api/exports/items": "admin",
    "GET /api/exports/usage": "admin",
    "GET /api/exports/credits": "admin",
    "GET /api/tax-rates": "admin",
    "POST /api/invoices/<invoice_id>/document": "admin",
    "POST /api/tax-rates": "admin",
    "GET /api/exports/payments": "admin",
    "GET /api/exports/all": "admin",
    "GET /api/seller": "admin",
    "PUT /api/seller": "admin",
    "GET /api/invoices/<invoice_id>": "billing:run usage:read users",
    "GET /api/invoices/<invoice_id>/items": "billing:run usage:read users",
    "GET /api/invoices/<invoice_id>/document": "billing:run usage:read users",
    "GET /api/invoices/<invoice_id>/items/<item_id>/explain": "billing:run usage:read users",
    "POST /api/invoices/<invoice_id>/finalize": "admin",
    "POST /api/invoices/<invoice_id>/pay": "admin",
    "POST /api/invoices/<invoice_id>/void": "admin",
    "POST /api/invoices/<invoice_id>/uncollectible": "admin",
    "GET /api/quarantine": "admin",
    "GET /api/quarantine/<record_id>": "admin",
    "POST /api/quarantine/<record_id>/replay": "admin",
    "POST /api/quarantine/<record_id>/discard": "admin",
    "POST /api/wallets": "wallets:write",
    "GET /api/wallets": "usage:read users",
    "GET /api/wallets/<wallet_id>": "usage:read users",
    "GET /api/wallets/<wallet_id>/entries": "usage:read users",
    "POST /api/wallets/<wallet_id>/grants": "wallets:write",
    "GET /api/wallets/<wallet_id>/grants": "usage:read users",
    "POST /api/wallets/<wallet_id>/reset": "wallets:write",
    "POST /api/wallets/<wallet_id>/close": "wallets:write",
    "POST /api/wallets/<wallet_id>/open": "wallets:write",
    "POST /api/wallets/<wallet_id>/schedules": "wallets:write",
    "GET /api/wallets/<wallet_id>/schedules": "usage:read users",
    "POST /api/schedules/<schedule_id>/end": "wallets:write",
    "GET /api/grants/<grant_id>": "usage:read users",
    "POST /api/wallets/<wallet_id>/top-up-rule": "wallets:write",
    "GET /api/wallets/<wallet_id>/top-up-rule": "usage:read users",
    "DELETE /api/wallets/<wallet_id>/top-up-rule": "wallets:write",
    "GET /api/wallets/<wallet_id>/top-ups": "usage:read users",
    "GET /api/top-ups/<top_up_id>": "usage:read users",
    "POST /api/top-ups/<top_up_id>/paid": "wallets:write",
    "POST /api/top-ups/<top_up_id>/failed": "wallets:write",
    "POST /api/grants/<grant_id>/activate": "wallets:write",
    "POST /api/grants/<grant_id>/void": "wallets:write",
    "POST /api/grants/<grant_id>/refund": "wallets:write",
    "GET /api/reports/prepaid": "admin",
    "GET /api/reports/revenue": "admin",
    "POST /api/packages": "admin",
    "GET /api/packages": "usage:read wallets:write",
    "GET /api/packages/<package_id>": "usage:read wallets:write",
    "POST /api/packages/<package_id>/versions": "admin",
    "GET /api/packages/<package_id>/versions": "usage:read wallets:write",
    "POST /api/packages/<package_id>/purchases": "wallets:write",
    "GET /api/purchases": "usage:read users",
    "GET /api/purchases/<purchase_id>": "usage:read users",
    "POST /api/customers": "admin",
    "GET /api/customers": "admin",
    "GET /api/customers/<customer_id>": "admin users",
    "PATCH /api/customers/<customer_id>": "admin",
    "GET /api/customers/<customer_id>/credits": "billing:run usage:read users",
    "POST /api/customers/<customer_id>/credits": "admin",
    "POST /api/plans": "admin",
    "GET /api/plans": "admin",
    "GET /api/plans/<plan_id>": "admin users",
    "PATCH /api/plans/<plan_id>": "admin",
    "POST /api/usage-types": "admin",
    "GET /api/usage-types": "admin",
    "GET /api/usage-types/<usage_type_id>": "admin",
    "PATCH /api/usage-types/<usage_type_id>": "admin",
    "POST /api/usage-types/evaluate": "admin",
    "POST /api/usage-types/<usage_type_id>/retire": "admin",
    "GET /api/usage-types/<usage_type_id>/definitions": "admin",
    "GET /api/usage-types/<usage_type_id>/folding": "admin",
    "GET /api/usage-types/<usage_type_id>/skipped": "admin",
    "POST /api/plans/<plan_id>/versions": "admin",
    "GET /api/plans/<plan_id>/versions": "admin",
    "POST /api/quotas": "admin",
    "GET /api/quotas": "admin users",
    "GET /api/quotas/<quota_id>": "admin users",
    "DELETE /api/quotas/<quota_id>": "admin",
    "POST /api/prices/preview": "usage:write usage:read billing:run users",
    "POST /api/subscriptions": "admin",
    "GET /api/subscriptions": "admin users",
    "GET /api/subscriptions/<subscription_id>": "admin users",
    "PATCH /api/subscriptions/<subscription_id>": "admin",
    "POST /api/subscriptions/<subscription_id>/change-plan": "admin",
    "POST /api/subscriptions/<subscription_id>/pause": "admin",
    "POST /api/subscriptions/<subscription_id>/resume": "admin",
    "POST /api/subscriptions/<subscription_id>/cancel": "admin",
    "DELETE /api/subscriptions/<subscription_id>/scheduled/<change_id>": "admin",
    "GET /api/subscriptions/<subscription_id>/upcoming-invoice": "billing:run usage:read users",
    "POST /api/webhook-endpoints": "webhooks:manage",
    "GET /api/webhook-endpoints": "webhooks:manage",
    "GET /api/webhook-endpoints/<endpoint_id>": "webhooks:manage",
    "PATCH /api/webhook-endpoints/<endpoint_id>": "webhooks:manage",
    "DELETE /api/webhook-endpoints/<endpoint_id>": "webhooks:manage",
    "POST /api/webhook-endpoints/<endpoint_id>/rotate": "webhooks:manage",
    "POST /api/webhook-endpoints/<endpoint_id>/reveal": "webhooks:manage",
    "POST /api/webhook-endpoints/<endpoint_id>/test": "webhooks:manage",
    "POST /api/webhook-endpoints/<endpoint_id>/disable": "webhooks:manage",
    "POST /api/webhook-endpoints/<endpoint_id>/enable": "webhooks:manage",
    "POST /api/webhook-endpoints/<endpoint_id>/replay": "webhooks:manage",
    "GET /api/webhook-endpoints/<endpoint_id>/deliveries": "webhooks:manage",
    "GET /api/deliveries/<delivery_id>": "webhooks:manage",
    "POST /api/events/<event_id>/resend": "webhooks:manage",
    "POST /api/alerts": "webhooks:manage users",
    "GET /api/alerts": "webhooks:manage users",
    "GET /api/alerts/<alert_id>": "webhooks:manage users",
    "PATCH /api/alerts/<alert_id>": "webhooks:manage users",
    "DELETE /api/alerts/<alert_id>": "webhooks:manage users",
    "GET /api/alerts/<alert_id>/firings": "webhooks:manage users",
    "POST /api/alerts/<alert_id>/test": "webhooks:manage users",
    "GET /api/events": "webhooks:manage",
    "GET /api/events/<event_id>": "webhooks:manage",
    "POST /api/portal-sessions": "portal:open",
    "DELETE /api/portal-sessions/<session_id>": "portal:open",
    "POST /api/api-keys": "admin",
    "GET /api/api-keys": "admin",
    "GET /api/api-keys/<key_id>": "admin",
    "PATCH /api/api-keys/<key_id>": "admin",
    "POST /api/api-keys/<key_id>/rotate": "admin",
    "POST /api/api-keys/<key_id>/revoke": "admin",
    "GET /health/live": PUBLIC,
    "GET /health/ready": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /": PUBLIC,
    "GET /api/openapi.json": PUBLIC,
    "GET /api/docs": PUBLIC,
    "GET /api/docs/problems": PUBLIC,
    "GET /api/docs/events/<name>": PUBLIC,
    "GET /api/docs/assets/<name>": PUBLIC,
}
# A POST without a body: what a caller who is let in meets.
LET_IN = frozenset({200, 201, 202, 400, 404, 409, 415, 422})


@dataclass(frozen=True)
class Probe:
    """One method of one route, with ids of things that there are."""

    method: str
    route: str
    url: str
    rule: Rule


def routes(app: Flask) -> Iterator[tuple[str, str, Route]]:
    """Method, readable address and route of everything served."""
    for route in app.url_map.iter_rules():
        if route.endpoint.endswith(".not_served"):  # says that something is missing, to every caller
            continue
        readable = re.sub(r"<(?:[^<>]*:)?(\w+)>", r"<\1>", route.rule)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, readable, route


def described(rule: Rule) -> str:
    """A rule in words, as in the table."""
    return " ".join([*rule.scopes, *(["users"] if rule.users else [])]) or PUBLIC


def relayed_event(engine: Engine) -> str:
    """The id of an event."""
    relayed(engine)
    with read_only(engine) as session:
        event = session.scalars(events_where().limit(1)).one()
    assert event.public_id is not None
    return event_id(event.public_id)


def delivery_to(endpoint: str, engine: Engine) -> UUID:
    """The id of a delivery to a new endpoint."""
    with transaction(engine) as session:
        new = NewEndpoint(id=endpoint, url="https://example.com", types=["*"])
        create_endpoint(session, new, under="a-secret-for-tests-of-32-characters-or-more", actor="test", now=utc_now())
    with transaction(engine) as session:
        tell(session, [Fact("run.failed", f"to {endpoint}", {})])
    relayed(engine)
    with read_only(engine) as session:
        return session.scalars(deliveries_where(endpoint_id=endpoint)).one().id


def alert_of(subscription: str, engine: Engine) -> str:
    """The id of a new alert."""
    with transaction(engine) as session:
        new = NewAlert(id="a", subscription_id=subscription, watches="units", thresholds=[Decimal(5)])
        return create_alert(session, new, actor="test", now=utc_now()).id


@pytest.fixture
def probes(app: Flask, billed: Billed, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[Probe]:
    """Every route, aimed at user123's things. One address may fail at all of them within a minute."""
    monkeypatch.setattr(state_of(app).rates, "failures_per_minute", 1000)
    ids = {
        "customer_id": "user123",
        "subscription_id": "sub456",
        "plan_id": "business",
        "usage_type_id": "assessment",
        "quota_id": billed.quota_id,
        "change_id": "0",
        "invoice_id": billed.invoice_id,
        "alert_id": alert_of("sub456", engine),
        "wallet_id": "w",
        "grant_id": billed.grant_id,
        "schedule_id": billed.schedule_id,
        "package_id": "pack",
        "purchase_id": billed.purchase_id,
        "top_up_id": billed.top_up_id,
        "item_id": billed.item_id,
        "run_id": billed.run_id,
        "key_id": "00000000-0000-7000-8000-000000000000",
        "session_id": "00000000-0000-7000-8000-000000000000",
        "name": "docs.js",
        "transaction_id": "nothing",
        "slug": "assessment",
        "feature": "assessment",
        "subject": "sub456",
        "external_id": "user123",
        "code": "assessment",
        "event_id": relayed_event(engine),
        "endpoint_id": "e",
        "delivery_id": delivery_to("e", engine),
    }
    found = []
    with app.test_request_context():
        for method, readable, route in routes(app):
            record_id = billed.quarantined_id if "quarantine" in readable else billed.record_id
            lago_id = "w" if "wallets" in readable else billed.invoice_id
            known = (
                ids
                | {"record_id": record_id, "lago_id": lago_id}
                | ({"name": "run.failed"} if "events" in readable else {})
            )
            values = {name: known[name] for name in route.arguments}
            url = app.url_map.bind("localhost").build(route.endpoint, values)
            query = "?usageType=assessment" if readable.endswith("/series") else ""
            found.append(Probe(method, readable, url + query, rule_of(app, route.endpoint)))
    return found


def test_the_table_is_that_of_the_url_map(app: Flask) -> None:
    found = {f"{method} {readable}": described(rule_of(app, route.endpoint)) for method, readable, route in routes(app)}
    assert found == RULES


def test_a_view_without_a_rule_stops_the_start() -> None:
    app = Flask("careless", static_folder=None)
    app.add_url_rule("/secrets", view_func=lambda: "everything")
    with pytest.raises(LookupError, match="neither @requires nor @public"):
        check_every_view_has_a_rule(app)


def test_a_rule_survives_other_decorators() -> None:
    @requires(ADMIN)
    def view() -> None: ...

    @wraps(view)
    def wrapped() -> None: ...

    app = Flask("wrapped", static_folder=None)
    app.add_url_rule("/", "view", wrapped)
    assert rule_of(app, "view") == Rule((ADMIN,))


def expected(rule: Rule, *, scopes: tuple[str, ...] = (), user: str = "") -> frozenset[int]:
    """The answers that a caller with ``scopes``, or the customer ``user``, may get."""
    if rule.public:
        return frozenset({200, 503})
    if user and not rule.users:
        return frozenset({403})
    if user == "stranger":
        return frozenset({404})
    if user or ADMIN in scopes or set(scopes) & set(rule.scopes):
        return LET_IN
    return frozenset({403})


def walk(probes: list[Probe], caller: FlaskClient, want: dict[str, frozenset[int]]) -> None:
    """Ask every route and compare."""
    wrong = []
    for probe in probes:
        status = caller.open(probe.url, method=probe.method).status_code
        if status not in want[f"{probe.method} {probe.route}"]:
            wrong.append((probe.method, probe.route, status))
    assert wrong == []


def wanted(probes: list[Probe], statuses: frozenset[int] | None = None, **caller: object) -> dict[str, frozenset[int]]:
    """What each route should answer: ``statuses`` where a credential is needed, or by the caller's scopes."""
    return {
        f"{probe.method} {probe.route}": statuses
        if statuses and not probe.rule.public
        else expected(probe.rule, **caller)  # type: ignore[arg-type]
        for probe in probes
    }


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_opens_what_its_scope_names(probes: list[Probe], call_as: As, keys: Keys, scope: str) -> None:
    walk(probes, call_as(keys.of(scope)), wanted(probes, scopes=(scope,)))


def test_without_a_credential_only_the_public_is_open(probes: list[Probe], client: FlaskClient) -> None:
    walk(probes, client, wanted(probes, frozenset({401})))


NO_GOOD = ("unknown key", "expired key", "revoked key", "not a key", "alg none", "another algorithm", "another secret",
           "wrong audience", "wrong issuer", "expired token", "no expiry", "no audience", "no issuer", "no subject",
           "a subject that is no id", "not yet valid", "signature cut off", "a public key as secret")  # fmt: skip


@pytest.fixture
def no_good(keys: Keys, make_token: MakeToken, clock: Clock) -> dict[str, str]:
    """Credentials that do not hold, each for its own reason."""
    good = make_token()
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "unknown key": "ub_abcdefgh_" + "A" * 43,
        "expired key": keys.issue(ADMIN, expires_at=clock.now),
        "revoked key": keys.revoked(ADMIN),
        "not a key": "x" * 300,
        "alg none": make_token(role="admin", algorithm="none", secret=None),
        "another algorithm": make_token(role="admin", algorithm="HS512"),
        "another secret": make_token(role="admin", secret="x" * 64),
        "wrong audience": make_token(aud="somebody-else", role="admin"),
        "wrong issuer": make_token(iss="somebody-else", role="admin"),
        "expired token": make_token(exp=int(time.time()) - 60, role="admin"),
        "no expiry": make_token(exp=None, role="admin"),
        "no audience": make_token(aud=None, role="admin"),
        "no issuer": make_token(iss=None, role="admin"),
        "no subject": make_token(sub=None, role="admin"),
        "a subject that is no id": make_token("a b", role="admin"),
        "not yet valid": make_token(nbf=int(time.time()) + 3600, role="admin"),
        "signature cut off": good.rpartition(".")[0] + ".",
        "a public key as secret": jwt.encode({"sub": "user123", "role": "admin"}, private, algorithm="RS256"),
    }


@pytest.mark.parametrize("kind", NO_GOOD)
def test_a_credential_that_does_not_hold_opens_nothing(
    probes: list[Probe], call_as: As, no_good: dict[str, str], kind: str
) -> None:
    assert no_good.keys() == set(NO_GOOD)
    statuses = frozenset({401})
    walk(probes, call_as(no_good[kind]), wanted(probes, statuses))


@pytest.mark.parametrize("user", ["user123", "stranger"])
def test_a_user_sees_its_own_and_no_other(probes: list[Probe], call_as: As, make_token: MakeToken, user: str) -> None:
    caller = call_as(make_token(user))
    want = wanted(probes, user=user)
    # The lists of an unknown customer's things are no secret: they are empty.
    for noun in ("invoices", "subscriptions", "quotas", "wallets", "purchases", "alerts"):
        want[f"GET /api/{noun}"] = frozenset({200})
    # It may set alerts where its plan says so, and the service's are to be read.
    for way in ("POST /api/alerts", "PATCH /api/alerts/<alert_id>"):
        want[way] = LET_IN
    if user == "user123":
        for way in ("DELETE /api/alerts/<alert_id>", "POST /api/alerts/<alert_id>/test"):
            want[way] = frozenset({403})
    # A price that is tried out belongs to no customer.
    want["POST /api/prices/preview"] = LET_IN
    walk(probes, caller, want)
    own = caller.get("/api/invoices").json["data"]
    assert len(own) == (1 if user == "user123" else 0)
    assert caller.get("/api/invoices?userId=user123").json["data"] == own
    assert caller.get("/api/invoices?subscriptionId=sub456").json["data"] == own


def test_a_user_with_the_role_admin_may_what_admins_may(
    probes: list[Probe], call_as: As, make_token: MakeToken
) -> None:
    walk(probes, call_as(make_token(role="admin")), wanted(probes, scopes=(ADMIN,)))


def test_a_user_reads_what_it_agreed_to_and_nothing_of_others(
    billed: Billed, call_as: As, make_token: MakeToken, keys: Keys
) -> None:
    admin, own = call_as(keys.admin), call_as(make_token("user123"))
    assert admin.post("/api/customers", json={"id": "rival", "name": "Rival"}).status_code == 201
    for plan in ("rivals", "unsold"):
        made = {"id": plan, "name": plan, "currency": "USD", "interval": "month"}
        assert admin.post("/api/plans", json=made).status_code == 201
    started = {"userId": "rival", "planId": "rivals", "startedAt": "2026-11-01T00:00:00Z"}
    assert admin.post("/api/subscriptions", json={"id": "theirs"} | started).status_code == 201
    shared = {"id": "shared", "userId": "rival", "planId": "business", "startedAt": "2026-11-01T00:00:00Z"}
    assert admin.post("/api/subscriptions", json=shared).status_code == 201
    quota = {"usageType": "assessment", "monthlyLimit": 5, "unitPrice": "0.01"}
    of_plan = admin.post("/api/quotas", json=quota | {"planId": "rivals"}).json["id"]
    special = admin.post("/api/quotas", json=quota | {"planId": "business", "subscriptionId": "shared"}).json["id"]

    for url in ("/api/customers/user123", "/api/plans/business", "/api/subscriptions/sub456"):
        assert own.get(url).json == admin.get(url).json
    assert own.get(f"/api/quotas/{billed.quota_id}").json == admin.get(f"/api/quotas/{billed.quota_id}").json
    for url in (
        *("/api/customers/rival", "/api/plans/rivals", "/api/plans/unsold", "/api/plans/nothing"),
        *("/api/subscriptions/theirs", "/api/subscriptions/shared", "/api/subscriptions/nothing"),
        *(f"/api/quotas/{of_plan}", f"/api/quotas/{special}", "/api/quotas/999999"),
    ):
        answer = own.get(url)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found"), url
    assert [one["id"] for one in own.get("/api/subscriptions").json["data"]] == ["sub456"]
    assert own.get("/api/subscriptions?userId=rival").json["data"] == []
    seen = [one["id"] for one in own.get("/api/quotas").json["data"]]
    assert billed.quota_id in seen
    assert not {of_plan, special} & set(seen)
    assert own.get("/api/quotas?planId=rivals").json["data"] == []
    assert own.get("/api/quotas?subscriptionId=shared").json["data"] == []
    rival = call_as(make_token("rival"))
    assert special in [one["id"] for one in rival.get("/api/quotas").json["data"]]
    assert call_as(keys.of("usage:read")).get("/api/plans/business").status_code == 403


@pytest.mark.parametrize("role", ["Admin", ["admin"], {"admin": True}, "user admin", True, 1])
def test_another_role_is_no_admin(call_as: As, make_token: MakeToken, role: object) -> None:
    assert call_as(make_token(role=role)).get("/api/customers").status_code == 403
