"""Customers and subscriptions at the desk: figures are the API's, changes are shown before they happen, and audited."""

import re
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.conftest import As, Clock
from tests.factories import make_plan, make_quota, make_recording, record
from tests.factories.meters import make_meter
from tests.support.callers import Keys
from tests.web.conftest import ORIGIN, Books, DeskBrowser, token_in
from tests.web.test_admin_today import WRITER, figures
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.folding import drive_reads
from usage_billing.flows.folding.drive_reads import left_to_count


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


@pytest.fixture
def gold(engine: Engine) -> None:
    """A plan to move to."""
    with transaction(engine) as session:
        make_plan(session, id="gold", name="Gold")
        make_quota(session, plan="gold", unit_price="1.00")


def audited(engine: Engine, subject: str) -> list[tuple[str, str]]:
    """Who did what to a thing, in order: ``key`` for any key."""
    with read_only(engine) as session:
        found = session.execute(
            text("SELECT actor, action FROM audit_log WHERE subject = :subject ORDER BY id"), {"subject": subject}
        )
        return [(row.actor.partition(":")[0], row.action) for row in found]


def fields_of(page: str, button: str) -> dict[str, str]:
    """The hidden fields of the last form of a page, and the button that is pressed."""
    form = page.rpartition("<form")[2]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)) | {"step": button}


def test_a_subscription_is_the_apis(desk: DeskBrowser, used: Books, api: FlaskClient) -> None:
    page = desk.see("/admin/subscriptions/sub456")
    lines = {one["usageType"]: one for one in api.get("/api/usage/subscription/sub456").json["usage"]}  # type: ignore[index]
    assert lines
    for name, line in lines.items():
        assert f'data-used="{name}">{WRITER.number(line["used"])}<' in page
        assert figures(page)[f"charge-{name}"] == WRITER.money(line["estimatedCharge"], line["currency"])
    upcoming: Any = api.get("/api/subscriptions/sub456/upcoming-invoice").json
    assert figures(page)["next"] == WRITER.money(upcoming["amountDue"], upcoming["currency"])
    assert f"/admin/invoices/{used.invoice_id}" in page


def test_a_subscription_has_what_its_meters_have_not_counted(
    desk: DeskBrowser, used: Books, engine: Engine, clock: Clock
) -> None:
    """The page counts it before it shows it, as the API's usage does; the next invoice has it too."""
    with transaction(engine) as session:
        make_meter(session, value="tokens")
        make_quota(session, usage_type="tokens", plan="business", limit=0, unit_price="1000")
        drive_reads.look_again(engine)
    before = figures(desk.see("/admin/subscriptions/sub456"))["next"]
    with transaction(engine) as session:
        record(session, make_recording(now=clock(), occurred_at=clock(), metadata='{"tokens": 7}'))
    page = desk.see("/admin/subscriptions/sub456")
    assert 'data-used="tokens">7<' in page
    assert figures(page)["next"] != before
    with read_only(engine) as session:
        assert left_to_count(session, subscription_id="sub456") == {}


def test_a_customer_is_the_apis(desk: DeskBrowser, used: Books, api: FlaskClient) -> None:
    api.post("/api/customers/user123/credits", json={"amount": "12.50", "currency": "USD", "reason": "an hour away"})
    page = desk.see("/admin/customers/user123")
    found = figures(page)
    credit: Any = api.get("/api/customers/user123/credits").json
    assert found["credit-USD"] == WRITER.money(credit["balances"][0]["balance"], "USD") == "$12.50"
    drafts: Any = api.get("/api/invoices?userId=user123&status=draft").json
    assert [one["total"] for one in drafts["data"]] == ["20.00"]
    assert found["drafts-USD"] == "$20.00"
    assert "credit.given" in page


def test_lists_find_what_begins_so(desk: DeskBrowser, world: None) -> None:
    assert "sub456" in desk.see("/admin/subscriptions?find=sub4&customer=user123&plan=business&status=active")
    assert "No subscriptions here" in desk.see("/admin/subscriptions?find=sub5")
    assert "user123" in desk.see("/admin/customers?find=user")
    assert "No customers here" in desk.see("/admin/customers?find=zzz")
    assert desk.client.get("/admin/customers?after=x").status_code == 400
    assert desk.client.get("/admin/customers?find=%00").status_code == 422
    assert desk.client.get("/admin/customers?colour=red").status_code == 422
    assert desk.client.get("/admin/customers/nowhere").status_code == 404
    assert desk.client.get("/admin/subscriptions/nowhere").status_code == 404


_MANY = "INSERT INTO customers (id, name) SELECT 'c' || n, 'n' FROM generate_series(1000, 1204) AS n"


def test_a_long_list_goes_on_where_it_ended(desk: DeskBrowser, engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text(_MANY))
    page, seen = desk.see("/admin/customers"), set()
    for _ in range(3):
        rows = re.findall(r'<th scope="row"><a href="/admin/customers/(c[0-9]+)"', page)
        assert len(rows) <= 100
        seen |= set(rows)
        following = re.findall(r'href="(/admin/customers\?after=[^"]+)"', page)
        page = desk.see(following[0]) if following else ""
    assert len(seen) == 205


def test_a_plan_is_changed_as_it_was_shown(
    desk: DeskBrowser, used: Books, gold: None, engine: Engine, api: FlaskClient
) -> None:
    address = "/admin/subscriptions/sub456/change-plan"
    fields = {"planId": "gold", "ownQuotas": "keep", "ownBaseFee": "end", "at": "period_end", "step": "look"}
    looked = desk.send(address, **fields)
    assert looked.status_code == 200
    assert "What it would do" in looked.text
    assert audited(engine, "subscription:sub456") == []
    said = fields_of(looked.text, "as_shown")
    expected: Any = api.post(
        "/api/subscriptions/sub456/change-plan", json={"planId": "gold", "at": "period_end", "dryRun": True}
    ).json
    assert said["digest"] == expected["foreseen"]["digest"]
    page = desk.change(address, **{name: value for name, value in said.items() if name != "token"})
    assert "to plan gold" in page
    assert audited(engine, "subscription:sub456") == [("key", "subscription.plan_changed")]
    shown: Any = api.get("/api/subscriptions/sub456").json
    (planned,) = shown["scheduled"]
    page = desk.change(f"/admin/subscriptions/sub456/scheduled/{planned['id']}/take-back")
    assert "Nothing is planned" in page
    assert audited(engine, "subscription:sub456")[-1] == ("key", "subscription.taken_back")


def test_what_is_no_longer_as_shown_is_refused(desk: DeskBrowser, used: Books, gold: None, engine: Engine) -> None:
    address = "/admin/subscriptions/sub456/change-plan"
    fields = {"planId": "gold", "ownQuotas": "keep", "ownBaseFee": "end", "at": "period_end", "step": "look"}
    said = fields_of(desk.send(address, **fields).text, "as_shown")
    said = {name: value for name, value in said.items() if name != "token"} | {"digest": "0" * 64}
    answer = desk.send(address, **said)
    assert answer.status_code == 409
    assert "look at it again" in answer.text
    assert audited(engine, "subscription:sub456") == []


def test_it_is_paused_and_resumed_at_once(desk: DeskBrowser, used: Books, engine: Engine, clock: Clock) -> None:
    clock.advance(seconds=1)
    fields = {"at": "now", "laterUsage": "refuse"}
    looked = desk.send("/admin/subscriptions/sub456/pause", **fields, step="look")
    assert "at the moment of this click" in looked.text
    page = desk.change("/admin/subscriptions/sub456/pause", **fields, step="at_once")
    assert ">Resume<" in page
    clock.advance(seconds=1)
    page = desk.change("/admin/subscriptions/sub456/resume", at="now", step="at_once")
    assert ">Pause<" in page
    assert [action for _, action in audited(engine, "subscription:sub456")] == [
        "subscription.paused",
        "subscription.resumed",
    ]


@pytest.mark.parametrize("metered", [False, True])
def test_a_past_pause_says_what_it_takes_back_before_it_does(
    desk: DeskBrowser, used: Books, engine: Engine, api: FlaskClient, *, metered: bool
) -> None:
    if metered:
        with transaction(engine) as session:
            make_meter(session, id="requests", aggregation="count")
            make_quota(session, usage_type="requests", limit=3)
    fields = {"at": "2026-11-10", "laterUsage": "void"}
    looked = desk.send("/admin/subscriptions/sub456/pause", **fields, step="look")
    assert figures(looked.text)["voided"] == "53"
    said = {name: value for name, value in fields_of(looked.text, "as_shown").items() if name != "token"}
    desk.change("/admin/subscriptions/sub456/pause", **said)
    lines: Any = api.get("/api/usage/subscription/sub456").json
    assert {one["used"] for one in lines["usage"]} <= {"0"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"at": "yesterday", "laterUsage": "refuse"}, "It is no time such as"),
        ({"at": "", "laterUsage": "refuse"}, "Fill this in."),
        ({"at": "now", "laterUsage": "maybe"}, "This is none of the choices."),
        ({"at": "2026-11-10", "laterUsage": "refuse"}, "recordings that count occurred after that moment"),
        ({"at": "2020-01-01", "laterUsage": "refuse"}, "has not started by then"),
        ({"at": "now"}, "This is none of the choices.|Fill this in."),
    ],
)
@pytest.mark.parametrize("step", ["look", "at_once"])
def test_what_does_not_fit_is_said_beside_the_form(
    desk: DeskBrowser, used: Books, engine: Engine, fields: dict[str, str], says: str, step: str
) -> None:
    answer = desk.send("/admin/subscriptions/sub456/pause", **fields, step=step)
    assert answer.status_code in {409, 422}
    assert any(one in answer.text for one in says.split("|"))
    assert f'value="{fields["at"]}"' in answer.text
    assert audited(engine, "subscription:sub456") == []


def test_a_form_with_strange_fields_does_nothing(desk: DeskBrowser, used: Books, engine: Engine) -> None:
    for strange in ({"colour": "red"}, {"step": "fly"}):
        answer = desk.send("/admin/subscriptions/sub456/pause", **({"at": "now", "laterUsage": "refuse"} | strange))
        assert answer.status_code == 422
    assert audited(engine, "subscription:sub456") == []


def test_a_customer_is_made_changed_and_given_credit_once(desk: DeskBrowser, engine: Engine, api: FlaskClient) -> None:
    page = desk.change(
        "/admin/customers/new", id="acme", name="Acme", line1="Street 1", city="Berlin", country="DE", taxExempt="no"
    )
    assert "Street 1" in page
    seen = re.findall(r'name="seen" value="([^"]+)"', desk.see("/admin/customers/acme/change"))[0]
    page = desk.change("/admin/customers/acme/change", seen=seen, name="Acme Inc", taxExempt="yes", email="a@acme.com")
    assert "Acme Inc" in page
    shown: Any = api.get("/api/customers/acme").json
    assert (shown["name"], shown["email"], shown["address"], shown["taxExempt"]) == (
        "Acme Inc",
        "a@acme.com",
        None,
        True,
    )
    stale = desk.send("/admin/customers/acme/change", seen=seen, name="Old", taxExempt="no")
    assert stale.status_code == 409
    key = re.findall(r'name="idempotencyKey" value="([^"]+)"', desk.see("/admin/customers/acme/credit"))[0]
    for _ in range(2):
        desk.change(
            "/admin/customers/acme/credit", amount="5.00", currency="USD", reason="goodwill", idempotencyKey=key
        )
    credit: Any = api.get("/api/customers/acme/credits").json
    assert credit["balances"] == [{"currency": "USD", "balance": "5.00"}]
    assert [action for _, action in audited(engine, "customer:acme")] == [
        "customer.created",
        "customer.changed",
        "credit.given",
    ]


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"amount": "x", "currency": "USD"}, 422, "It "),
        ({"amount": "1", "currency": "XXX1"}, 422, "Must be an ISO 4217"),
        ({"amount": "1.234", "currency": "USD"}, 422, "at most 2 decimal places"),
        ({"amount": "0", "currency": "USD"}, 422, "Must be more than 0"),
    ],
)
def test_credit_that_is_none_is_refused_beside_its_field(
    desk: DeskBrowser, world: None, api: FlaskClient, fields: dict[str, str], status: int, says: str
) -> None:
    answer = desk.send("/admin/customers/user123/credit", reason="r", idempotencyKey="k", **fields)
    assert answer.status_code == status
    assert says in answer.text
    assert 'aria-invalid="true"' in answer.text
    credit: Any = api.get("/api/customers/user123/credits").json
    assert credit["entries"]["data"] == []


def test_a_subscription_is_made_and_its_start_moved(desk: DeskBrowser, world: None, api: FlaskClient) -> None:
    fields = {"id": "second", "userId": "user123", "planId": "business", "timezone": "Europe/Berlin"}
    page = desk.change("/admin/subscriptions/new", **fields, anchor="calendar", startedAt="2026-11-01", baseFee="")
    assert "Europe/Berlin" in page
    shown: Any = api.get("/api/subscriptions/second").json
    assert shown["startedAt"] == "2026-10-31T23:00:00Z"
    desk.change("/admin/subscriptions/second/move-start", startedAt="2026-10-01")
    shown = api.get("/api/subscriptions/second").json
    assert shown["startedAt"] == "2026-09-30T22:00:00Z"
    for wrong in ({"userId": "nowhere"}, {"timezone": "Mars/Olympus"}, {"id": "second"}, {"planId": "none"}):
        answer = desk.send(
            "/admin/subscriptions/new", **(fields | {"id": "third"} | wrong), anchor="calendar"
        )  # fmt: skip
        assert answer.status_code in {409, 422}, wrong
    assert api.get("/api/subscriptions/third").status_code == 404


def test_as_the_customer_sees_it(desk: DeskBrowser, used: Books, engine: Engine) -> None:
    answer = desk.send("/admin/customers/user123/portal")
    assert answer.status_code == 303
    assert desk.client.get(answer.headers["Location"]).status_code == 303
    assert "assessment" in desk.client.get("/portal").text
    with read_only(engine) as session:
        found = session.execute(text("SELECT actor FROM audit_log WHERE action = 'portal_session.created'")).one()
    assert found.actor.startswith("key:ub_")


HOSTILE = ["<script>alert(1)</script>\"'&", "\u202e\u05d0\u05d1", "x" * 256, "{{ 7 * 7 }}%(n)s %s"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_texts(desk: DeskBrowser, world: None, name: str, now: datetime) -> None:
    from html import unescape

    if name.isprintable():
        page = desk.change("/admin/customers/new", id="odd", name=name, taxExempt="no")
        for text_of in (page, desk.see("/admin/customers"), desk.see("/admin/audit")):
            assert "<script>alert" not in text_of
            assert "49%" not in text_of
        assert name in unescape(page)
    else:
        assert desk.send("/admin/customers/new", id="odd", name=name, taxExempt="no").status_code == 422


def test_the_audit_is_searched(desk: DeskBrowser, world: None) -> None:
    desk.change("/admin/customers/new", id="acme", name="Acme", taxExempt="no")
    page = desk.see("/admin/audit?subject=customer:acme&action=customer.created")
    assert page.count('<tr><th scope="row">') == 1
    assert 'href="/admin/customers/acme"' in page
    assert "Nothing here" in desk.see("/admin/audit?actor=user:ann")


def test_a_get_changes_nothing(desk: DeskBrowser, used: Books) -> None:
    assert desk.client.get("/admin/customers/user123/portal").status_code in {404, 405}
    assert desk.client.get("/admin/leave").status_code in {404, 405}
    assert token_in(desk.see("/admin"))
    assert ORIGIN
