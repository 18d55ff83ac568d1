"""The commands about money: prices, plan changes, an invoice's life, recordings taken back, what-if."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from tests.factories import make_recording, record
from tests.integration.conftest import Bill, Cli
from tests.support.books import scalars
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction

JUNE = datetime(2026, 6, 15, tzinfo=UTC)
JULY = datetime(2026, 7, 2, tzinfo=UTC)
GRADUATED = '{"model": "graduated", "tiers": [{"upTo": 2, "unitPrice": 0.1}, {"upTo": null, "unitPrice": "0.05"}]}'
PREVIEW = ("prices", "preview", "--quantity", "3", "--currency", "USD")
GOLD = ("plans", "create", "gold", "--name", "Gold", "--currency", "USD")


@pytest.fixture
def final(world: Engine, bill: Bill) -> str:
    """53 assessments in June, billed in July: INV-00000001 over 30.00, final. Returns a recording's id."""
    first = make_recording(now=JUNE, quantity=3)
    with transaction(world) as session:
        record(session, first, make_recording(now=JUNE, quantity=50))
    bill(JULY)
    return str(first.id)


def test_a_price_is_tried_out(cli: Cli) -> None:
    found = cli(*PREVIEW, "--price", GRADUATED, "--json").json
    assert (found["amount"], found["exact"]) == ("0.25", "0.25")
    assert [line["label"] for line in found["breakdown"]] == ["tier 1: 2 x 0.1", "tier 2: 1 x 0.05"]
    said = cli(*PREVIEW, "--price", GRADUATED)
    assert said.code == 0
    assert "tier 2: 1 x 0.05" in said.out
    assert "0.25 USD" in said.out


def test_plans_quotas_and_subscriptions_say_all_that_they_can(cli: Cli, world: Engine) -> None:
    made = cli(
        *(*GOLD, "--interval", "week", "--interval-count", "2", "--base-fee", "9.90", "--base-fee-timing", "advance"),
        *("--proration", "days", "--prorate-start-and-end", "--payment-days", "7", "--json"),
    ).json
    fee = {"baseFee": "9.9", "baseFeeTiming": "advance", "proration": "days", "prorateStartAndEnd": True}
    assert made.items() >= (fee | {"interval": "week", "intervalCount": 2, "paymentDays": 7}).items()
    own = cli(
        *("quotas", "create", "--plan", "business", "--usage-type", "assessment", "--limit", "5"),
        *("--price", GRADUATED, "--currency", "USD", "--subscription", "sub456", "--now", "--json"),
    ).json
    assert (own["subscriptionId"], own["effective"], own["version"]) == ("sub456", "now", 1)
    anchored = ("subscriptions", "create", "s2", "--customer", "user123", "--plan", "gold", "--anchor", "anniversary")
    assert cli(*anchored, "--json").json["anchor"] == "anniversary"


def test_a_subscription_changes_plan_pauses_resumes_and_is_cancelled(cli: Cli, world: Engine) -> None:
    assert cli(*GOLD).code == 0
    moved = cli("subscriptions", "change-plan", "sub456", "--plan", "gold", "--at", "period_end", "--json").json
    assert [term["planId"] for term in moved["terms"]] == ["business", "gold"]
    assert moved["terms"][0]["endsAt"] == moved["terms"][1]["startsAt"]
    paused = cli("subscriptions", "pause", "sub456", "--at", "2040-01-01", "--json").json
    assert paused["terms"][-1] == {
        "planId": "gold",
        "startsAt": "2040-01-01T00:00:00Z",
        "endsAt": None,
        "paused": True,
    }
    resumed = cli("subscriptions", "resume", "sub456", "--at", "2041-01-01", "--json").json
    assert [term["paused"] for term in resumed["terms"]] == [False, False, True, False]
    ended = cli("subscriptions", "cancel", "sub456", "--at", "2042-01-01", "--json").json
    assert ended["endedAt"] == "2042-01-01T00:00:00Z"


def test_an_invoice_is_explained_paid_or_taken_back(cli: Cli, final: str) -> None:
    (found,) = cli("invoices", "explain", "INV-00000001", "--json").json
    assert (found["total"], found["billable"], found["amountDue"]) == ("53", "3", "30.00")
    assert [line["label"] for line in found["breakdown"]] == ["3 x 10"]
    assert {event["id"] for event in found["events"]["data"]} >= {final}
    assert "3 x 10" in cli("invoices", "explain", "INV-00000001").out
    cut = cli("invoices", "explain", "INV-00000001", "--events", "1", "--json").json[0]["events"]["next"]
    assert f"--after {cut} shows them" in cli("invoices", "explain", "INV-00000001", "--events", "1").err
    assert "No more recordings are behind it." in cli("invoices", "explain", "INV-00000001", "--after", "9999").out
    assert cli("invoices", "uncollectible", "INV-00000001", "--json").json["status"] == "uncollectible"
    page = cli("invoices", "document", "INV-00000001").out
    assert page.startswith("<!DOCTYPE html>")
    assert "1 to 30 June 2026" in page
    assert "<script" not in page
    assert cli("invoices", "document", "INV-00000009").code == 3
    void = cli("invoices", "void", "INV-00000001", "--json").json
    assert (void["status"], void["items"][0]["amount"]) == ("void", "30.00")
    assert cli("bill", "--as-of", "2026-07-02").code == 0
    wrong = cli("invoices", "pay", "2", "--amount", "0.01")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "30.00" in wrong.err
    assert cli("invoices", "pay", "2", "--paid-at", "2999-01-01").code == 2
    said = ("--amount", "30", "--paid-at", "2026-07-02T09:00:00Z", "--reference", "E2E-4711", "--method", "cash")
    paid = cli("invoices", "pay", "2", *said, "--json").json
    assert (paid["status"], paid["paidAt"]) == ("paid", "2026-07-02T09:00:00Z")
    assert (paid["paymentReference"], paid["paymentMethod"]) == ("E2E-4711", "cash")


def test_of_many_items_the_first_are_shown_with_the_total_of_all(cli: Cli, world: Engine) -> None:
    for name in ("a", "b", "c"):
        assert cli("usage-types", "create", name, "--unit-name", "unit").code == 0
        price = '{"model": "per_unit", "unitPrice": 1, "minimumAmount": 2}'
        quota = ("quotas", "create", "--plan", "business", "--usage-type", name, "--limit", "0", "--price", price)
        assert cli(*quota, "--currency", "USD").code == 0
    whole = cli("invoices", "upcoming", "sub456", "--json")
    some = cli("invoices", "upcoming", "sub456", "--limit", "2", "--json")
    assert ([item["usageType"] for item in whole.json["items"]], whole.json["total"]) == (["a", "b", "c"], "6.00")
    assert ([item["usageType"] for item in some.json["items"]], some.json["total"]) == (["a", "b"], "6.00")
    assert "first 2 items" in some.err
    assert "first" not in whole.err
    assert cli("bill").code == 0
    (listed,) = cli("invoices", "list", "--json").json
    cut = cli("invoices", "show", listed["id"], "--limit", "2", "--json")
    assert ([item["usageType"] for item in cut.json["items"]], cut.json["total"]) == (["a", "b"], "6.00")
    assert (cut.json["itemsUrl"], listed["itemsUrl"]) == (f"/api/invoices/{listed['id']}/items", None)
    assert "first 2 items" in cut.err
    assert cli("invoices", "show", listed["id"], "--json").json == listed
    assert cli("invoices", "list").out.count("6.00") == 1
    assert cli("invoices", "show", listed["id"], "--limit", "0").code == 2


def test_a_recording_is_taken_back_and_the_next_invoice_gives_it_back(cli: Cli, final: str) -> None:
    taken = cli("usage", "void", final, "--reason", "reported twice", "--json").json
    assert (taken["status"], taken["reason"]) == ("voided", "reported twice")
    assert cli("usage", "show", final, "--json").json == taken
    shown = cli("invoices", "upcoming", "sub456", "--json").json
    assert [(item["kind"], item["amount"]) for item in shown["items"]] == [("adjustment", "-30.00")]
    assert len(cli("invoices", "list", "--json").json) == 1


def test_a_run_is_refused_when_it_would_charge_something_else(cli: Cli, world: Engine) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=JUNE, quantity=60))
    digest = cli("bill", "--dry-run", "--json").json["digest"]
    wrong = cli("bill", "--expect-digest", "0" * 64)
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert scalars(world, "SELECT count(*) FROM billing_runs WHERE NOT dry_run") == [0]
    assert cli("bill", "--expect-digest", digest, "--json").json["digest"] == digest


def test_what_history_would_have_cost(cli: Cli, final: str, world: Engine) -> None:
    assert cli(*GOLD).code == 0
    quota = ("quotas", "create", "--plan", "gold", "--usage-type", "assessment", "--limit", "50", "--unit-price", "12")
    assert cli(*quota).code == 0
    span = ("--from", "2026-06-01", "--to", "2026-07-01")
    assert cli("plans", "create", "euro", "--name", "Euro", "--currency", "EUR").code == 0
    before = scalars(world, "SELECT count(*) FROM audit_log")
    found = cli("what-if", "--plan", "gold", *span, "--json").json
    assert found["customers"] == [
        {"userId": "user123", "currency": "USD", "actual": "30.00", "hypothetical": "36.00", "difference": "6.00"}
        | dict.fromkeys(("actualPrepaid", "hypotheticalPrepaid"), "0.00")
    ]
    (total,) = found["totals"]
    assert (total["winners"], total["losers"], total["difference"]) == (0, 1, "6.00")
    cheaper = json.dumps({"model": "per_unit", "unitPrice": "8"})
    found = cli("what-if", "--price", f"assessment={cheaper}", "--customer", "user123", *span, "--json").json
    assert (found["totals"][0]["winners"], found["totals"][0]["difference"]) == (1, "-6.00")
    assert "user123" in cli("what-if", "--plan", "gold", *span).out
    found = cli("what-if", "--plan", "euro", *span, "--json").json
    assert [(row["currency"], row["difference"]) for row in found["customers"]] == [("USD", "0.00")]
    assert scalars(world, "SELECT count(*) FROM audit_log") == before


def test_what_does_not_fit_is_one_line_and_exits_2_or_3(cli: Cli, final: str, world: Engine) -> None:
    assert cli("plans", "create", "euro", "--name", "Euro", "--currency", "EUR").code == 0
    assert cli("usage", "void", final, "--reason", "once").code == 0
    quota = ("quotas", "create", "--plan", "business", "--usage-type", "assessment", "--limit", "1")
    subscription = ("subscriptions", "create", "s", "--customer", "user123", "--plan", "business")
    audit = scalars(world, "SELECT count(*) FROM audit_log")
    for arguments, said in (
        ((*PREVIEW, "--price", '{"model": "guess"}'), "--price model: must be one of"),
        (("prices", "preview", "--quantity", "1", "--currency", "XXX", "--price", GRADUATED), "currency: must be"),
        ((*PREVIEW, "--price", "[1]"), "must be a JSON object"),
        ((*PREVIEW, "--price", '{"model": "per_unit", "unitPrice": "1", "unitPrice": "2"}'), "'unitPrice' twice"),
        ((*PREVIEW, "--price", GRADUATED, "--quantity", "1", "--recordings", "2"), "recordings: is not for several"),
        ((*quota, "--unit-price", "1", "--currency", "EUR"), "currency: the plan is in USD"),
        (("subscriptions", "change-plan", "sub456", "--plan", "euro"), "--plan: is in EUR"),
        (("subscriptions", "change-plan", "sub456", "--plan", "euro", "--at", "soon"), "is no time"),
        ((*subscription, "--anchor", "32"), "'32' is not one of"),
        ((*subscription, "--timezone", "Mars"), "timezone: must be an IANA time zone"),
        (("subscriptions", "take-back", "sub456", "99"), "has no change 99"),
        (("invoices", "finalize", "1"), "an invoice that is finalized cannot become finalized"),
        (("invoices", "upcoming", "nobody"), "there is no subscription nobody"),
        (("usage", "void", final, "--reason", "twice"), "was taken back already"),
        (("what-if", "--plan", "euro", "--from", "2026-02-01", "--to", "2026-01-01"), "to: must be after from"),
        (("what-if", "--plan", "nothing", "--from", "2026-01-01", "--to", "2026-02-01"), "there is no plan nothing"),
        (("what-if", "--from", "2026-01-01", "--to", "2026-02-01"), "Say what is to be other"),
        (("bill", "--expect-digest", "x"), "is no digest"),
        (("bill", "--dry-run", "--expect-digest", "0" * 64), "for real runs"),
    ):
        answer = cli(*arguments)
        code = ExitCode.NOT_THERE if ("there is no " in said or "has no change" in said) else ExitCode.REFUSED
        assert (answer.code, answer.out, answer.err.count("\n")) == (code, "", 1), arguments
        assert said in answer.err, arguments
    assert scalars(world, "SELECT count(*) FROM audit_log") == audit


def test_a_draft_cannot_be_paid(cli: Cli, world: Engine) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=utc_now(), quantity=60))
    assert cli("bill").code == 0
    draft = cli("invoices", "list", "--json").json[0]["id"]
    for step in ("pay", "void", "uncollectible"):
        answer = cli("invoices", step, draft)
        assert (answer.code, answer.out) == (2, "")
        assert "an invoice that is draft cannot become" in answer.err
    assert "not over yet" in cli("invoices", "finalize", draft).err


def test_a_start_in_the_wrong_century_has_to_be_meant(cli: Cli) -> None:
    cli("plans", "create", "daily", "--name", "Daily", "--currency", "USD", "--interval", "day", "--base-fee", "1")
    cli("customers", "create", "far", "--name", "Far")
    create = ("subscriptions", "create", "far-back", "--customer", "far", "--plan", "daily", "--started", "1970-01-01")
    wrong = cli(*create)
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "invoices" in wrong.err
    assert cli(*create, "--allow-backdating", "--json").json["startedAt"] == "1970-01-01T00:00:00Z"
